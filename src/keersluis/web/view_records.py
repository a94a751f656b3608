"""Decision records for readers: what the pages say of them, made of what the nodes answer. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from keersluis.times import local, parse_when
from keersluis.web.scene import Scene

if TYPE_CHECKING:
    from keersluis.web.recovery_topics import Answers

PATH = "/herstel/besluiten"
API = "/v0/besluitdossiers"

Told = Mapping[str, Any]


def says(scene: Scene, answers: Answers) -> Sequence[str]:
    """What the page that leads to the others says of all records."""
    _ = scene._
    found = [each for answer in answers.values() for each in answer.get("records", ())]
    overdue = sum(each["overdue"] for each in found)
    undecided = sum(each["state"] == "open" for each in found)
    said = [_.plural("{count} decision record.", "{count} decision records.", len(found))]
    said += [_.plural("{count} is not decided.", "{count} are not decided.", undecided)] if undecided else []
    if overdue:
        said.append(
            _.plural(
                "{count} should have been looked at again, and was not.",
                "{count} should have been looked at again, and were not.",
                overdue,
            )
        )
    return said if found else [_("No decision record is there.")]


def state(scene: Scene, each: Told) -> tuple[str, str]:
    """How a record stood: the colour of its chip, and the words."""
    _ = scene._
    if each["overdue"]:
        return "grave", _("decided, to be looked at again")
    return {
        "open": ("provisional", _("not decided")),
        "decided": ("settled", _("decided")),
        "withheld": ("plain", _("the decision is not public")),
    }[str(each["state"])]


def rows(scene: Scene, answers: Answers) -> list[dict[str, Any]]:
    """Every record of every node that answers, the newest question first."""
    found = [
        dict(each) | {"at": node, "chip": state(scene, each), "address": f"{PATH}/{node}/{each['name']}"}
        for node, answer in answers.items()
        for each in answer.get("records", ())
    ]
    return sorted(found, key=lambda each: (each["opened"], each["name"]), reverse=True)


def left_out(scene: Scene, count: int) -> str:
    """That something is not public; nothing where all is."""
    if not count:
        return ""
    return scene._.plural(
        "{count} thing is left out, as it is not public.",
        "{count} things are left out, as they are not public.",
        count,
    )


def day(scene: Scene, text: str) -> str:
    """ "17 July 2025" of a day or a time."""
    return scene._.day(parse_when(text, scene.chain.timezone).start, scene.chain.timezone)


def days(scene: Scene, told: Told) -> list[str]:
    """The days on which something became known, as far as `told` goes: ["2025-07-17", …] in order."""
    tz = scene.chain.timezone
    return sorted({local(parse_when(each["since"], tz).start, tz).date().isoformat() for each in items(told)})


def items(told: Told) -> list[Told]:
    """Every item of a record, whichever list it stands in."""
    found = [
        each for name in ("known", "unknown", "answered", "decisions", "corrected", "options") for each in told[name]
    ]
    found += [each for decision in told["decisions"] for each in decision["reviews"]]
    about = ("arguments", "consequences", "advice")
    return [*found, *(each for option in told["options"] for name in about for each in option[name])]


def marks(scene: Scene, each: Told) -> list[str]:
    """What is to be said of an item besides its text."""
    _ = scene._
    said = [_("inferred")] if each["inferred"] else []
    said += [] if each["public"] else [_("not public")]
    if each.get("recorded_later"):
        said.append(_("written down on {day}", day=day(scene, each["recorded"])))
    if each.get("evidence"):
        said.append(_("evidence: entry {number}", number=each["evidence"]))
    return said


def ended(scene: Scene, told: Told, each: Told) -> str:
    """By what an item was answered or replaced, and when."""
    _ = scene._
    by = next(
        (other for other in items(told) if other["key"] == (each.get("answered_by") or each.get("replaced_by"))), None
    )
    if "answered_on" in each:
        when = day(scene, each["answered_on"])
        if by is None:
            return _("Answered on {day}; the answer is not public.", day=when)
        return _("Answered on {day}: {text}", day=when, text=_.pick(by["text"]))
    when = day(scene, each["replaced_on"])
    if by is None:
        return _("Corrected on {day}; by what is not public.", day=when)
    return _("Corrected on {day}: {text}", day=when, text=_.pick(by["text"]))


def address(node: str, name: str, **query: str | None) -> str:
    """The page of one record."""
    asked = urlencode({key: value for key, value in query.items() if value})
    return f"{PATH}/{node}/{name}" + (f"?{asked}" if asked else "")


def headline(scene: Scene, told: Told) -> str:
    """In one sentence how the question stood."""
    _ = scene._
    if told["state"] == "withheld":
        return _("It was decided; what was decided is not public.")
    if told["state"] == "open":
        return _("It was not decided yet.")
    last = told["decisions"][-1]
    chosen = next((_.pick(each["text"]) for each in told["options"] if each["chosen"]), last["option"])
    return _(
        "Decided on {day}: {option}. By: {who}.",
        day=day(scene, last["since"]),
        option=chosen[:1].lower() + chosen[1:],
        who=_.pick(last["by"]),
    )


def again(scene: Scene, decision: Told) -> str:
    """When a decision is to be looked at again."""
    _ = scene._
    if decision["until"]:
        return _("Stood until {day}.", day=day(scene, decision["until"]))
    if not decision["due"]:
        return _("No day on which to look again was recorded.")
    if decision["overdue"]:
        return _("Should have been looked at again on {day}: no review was recorded.", day=day(scene, decision["due"]))
    return _("To be looked at again on {day}.", day=day(scene, decision["due"]))


def doings(scene: Scene) -> list[tuple[str, str]]:
    """(form, its name) of what can be added to a record."""
    _ = scene._
    return [
        ("dossier-aantekening", _("Add what was known, an option, a consequence or an advice")),
        ("dossier-besluit", _("Record who decided what")),
        ("dossier-herziening", _("Record that the decision was looked at again")),
    ]
