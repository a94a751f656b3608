"""What a forecast takes for granted, as sentences, in Dutch and English."""

from __future__ import annotations

from keersluis.recovery.accounts import Account, Fault
from keersluis.words import Translator


def assumed(account: Account, season: int, _: Translator) -> list[str]:
    """The assumptions behind a forecast from this account."""
    told = [
        _("What came and went in the past tells what is to come: a change of which it shows nothing is not foreseen."),
        _("Bounds rest on the errors that the same forecast would have made before, each as known then."),
        _("A season is {number} steps.", number=season),
    ]
    if account.first_last:
        told.append(
            _(
                "A case arrives with its first event and is completed by its last: for the past that is hindsight, "
                "and cases still open at the end of the log count as completed."
            )
        )
    if not account.by_ages:
        told.append(_("What has waited longest leaves first, as the counts do not tell how long items waited."))
    return told


def left_out(faults: tuple[Fault, ...], _: Translator) -> list[str]:
    """What was wrong with the input, a sentence each, with numbers and the first places."""
    sentences = {
        "duplicate": _("{number} duplicated rows left out ({places})."),
        "unreadable": _("{number} rows that cannot be read left out ({places})."),
        "negative-count": _("{number} rows with a negative count left out ({places})."),
        "count-too-large": _("{number} rows with an impossible count left out ({places})."),
        "gap": _("{number} periods are missing ({places})."),
        "before-gap": _("{number} periods left out, as they lie before the last gap ({places})."),
        "stock-differs": _(
            "{number} stated stocks differ from what came less what went ({places}); the last one counts."
        ),
        "completion-before-arrival": _("{number} cases left out that were completed before they arrived ({places})."),
        "completion-without-arrival": _("{number} cases left out that were completed and never arrived ({places})."),
    }
    return [sentences[each.code].format(number=each.number, places="; ".join(each.places)) for each in faults]
