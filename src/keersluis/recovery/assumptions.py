"""What a forecast takes for granted: codes with their numbers, and their sentences in Dutch and English."""

from __future__ import annotations

from collections.abc import Iterable

from keersluis.recovery import assumed_paths
from keersluis.recovery.accounts import Account, Fault
from keersluis.recovery.forecasts import Assumption
from keersluis.words import Translator


def of_record(account: Account, season: int) -> tuple[Assumption, ...]:
    """The assumptions of a forecast by the record of its own errors."""
    told = [Assumption("past-tells", {}), Assumption("own-errors", {}), Assumption("season", {"number": season})]
    return (*told, *of_account(account))


def of_account(account: Account) -> tuple[Assumption, ...]:
    """Those of whatever is made from this account."""
    first_last = [Assumption("first-last", {})] if account.first_last else []
    return (*first_last, *([] if account.by_ages else [Assumption("oldest-first", {})]))


def worded(assumptions: Iterable[Assumption], _: Translator) -> list[str]:
    """A sentence each; a code that nobody words here is told as it is."""
    sentences = _sentences(_) | assumed_paths.sentences(_)
    return [_(sentences.get(each.code, each.code), **each.values) for each in assumptions]


def _sentences(_: Translator) -> dict[str, str]:
    return {
        "past-tells": _(
            "What came and went in the past tells what is to come: a change of which it shows nothing is not foreseen."
        ),
        "own-errors": _("Bounds rest on the errors that the same forecast would have made before, each as known then."),
        "season": _("A season is {number} steps."),
        "first-last": _(
            "A case arrives with its first event and is completed by its last: for the past that is hindsight, "
            "and cases still open at the end of the log count as completed."
        ),
        "oldest-first": _("What has waited longest leaves first, as the counts do not tell how long items waited."),
    }


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
