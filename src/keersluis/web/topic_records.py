"""Decision records: opened, added to, decided, reviewed, imported from the chain folder; as forms. Pure."""

from __future__ import annotations

from typing import Any

from keersluis.times import local, parse_instant
from keersluis.web.actions import Action, Field, Values, moment
from keersluis.web.scene import Scene
from keersluis.web.topics import as_json
from keersluis.web.view_records import API, PATH


def actions(scene: Scene, organisation: str) -> list[Action]:
    """What can be done at one organisation."""
    return [_open(scene, organisation), _import(scene), _note(scene), _decide(scene), _review(scene)]


def _who(scene: Scene) -> Field:
    _ = scene._
    return Field("who", _("Who writes it down?"), hint=_("A function, for example crisis manager. It is kept."))


def _common(scene: Scene) -> list[Field]:
    """The fields of every addition."""
    _ = scene._
    later = _("Left open: now. What became known earlier is shown from then on, and that it was written down later.")
    return [
        Field("since", _("Known since"), "moment", later, required=False),
        Field("source", _("Source"), hint=_("A letter, a memo, a report."), required=False),
        Field("evidence", _("Evidence"), "number", _("The number of an entry of the timeline."), required=False),
        Field("replaces", _("Corrects"), hint=_("The key of what it replaces; both are kept."), required=False),
        Field("why", _("Why?"), "area", _("A correction needs a reason."), required=False),
        Field("hidden", _("It may not be made public"), "check", required=False),
        _who(scene),
    ]


def _record(scene: Scene) -> Field:
    _ = scene._
    return Field("record", _("Decision record"), hint=_("Its name, as in its address."))


def _known(scene: Scene, values: Values) -> dict[str, Any]:
    """What the fields of every addition say, as the API has it."""
    body: dict[str, Any] = {
        "tekst": values["text"],
        "wie": values["who"],
        "waarom": values["why"],
        "bron": values["source"],
        "sinds": moment(scene, values, "since"),
        "bewijs": int(values["evidence"]) if values["evidence"] else None,
        "vervangt": [values["replaces"]] if values["replaces"] else [],
    }
    return body | ({"openbaar": False} if values["hidden"] else {})


def _told(scene: Scene, answer: Any) -> list[str]:
    _ = scene._
    return [_("Written down as {key}, entry {number} of the timeline.", key=answer["key"], number=answer["entry"])]


def _address(what: str) -> Any:
    return lambda values: f"{API}/{_slug(values['record'])}/{what}"


def _slug(text: str) -> str:
    """What was filled in, fit for an address: whatever no name has becomes a hyphen."""
    return "".join(each if each.isascii() and (each.isalnum() or each == "-") else "-" for each in text)[:64] or "-"


def _open(scene: Scene, organisation: str) -> Action:
    _ = scene._
    whose = [(each.key, scene.short(each.key)) for each in scene.chain.organisations.values()]

    def body(values: Values) -> bytes:
        lines = [line.strip() for line in values["options"].split("\n") if line.strip()]
        return as_json(
            {
                "naam": values["record"],
                "titel": values["title"],
                "vraag": values["question"],
                "organisatie": values["organisation"] or organisation,
                "opties": {f"option-{n}": line for n, line in enumerate(lines, 1)},
                "wie": values["who"],
            }
            | ({"openbaar": False} if values["hidden"] else {})
        )

    return Action(
        key="dossier-openen",
        title=_("Open a decision record"),
        lede=_("A question that has to be decided, with the options there are."),
        button=_("Open it"),
        fields=[
            Field("record", _("Name"), hint=_("Small letters, digits and hyphens; it stands in the address.")),
            Field("title", _("Title")),
            Field("question", _("What has to be decided?"), "area"),
            Field("organisation", _("Whose decision is it?"), "choice", options=whose, required=False),
            Field("options", _("Options, one on each line"), "area", required=False),
            Field("hidden", _("It may not be made public"), "check", required=False),
            _who(scene),
        ],
        path=lambda _values: API,
        body=body,
        told=lambda answer: [_("The record is open, entry {number} of the timeline.", number=answer["entry"])],
        page=PATH,
    )


def _import(scene: Scene) -> Action:
    _ = scene._

    def told(answer: Any) -> list[str]:
        text = _("Added: {added}. Were there already: {there}. Will be known later only: {later}.")
        counts = {name: _.number(answer[name]) for name in ("added", "there", "later")}
        return [text.format(**counts)]

    return Action(
        key="dossier-invoeren",
        title=_("Take a decision record from the chain folder"),
        lede=_("What it tells and is known by now is written down here; done again, what became known since is added."),
        button=_("Write it down"),
        fields=[Field("record", _("Name of the record in the folder")), _who(scene)],
        path=lambda _values: f"{API}/_invoer",
        body=lambda values: as_json({"naam": values["record"], "wie": values["who"]}),
        told=told,
        page=PATH,
    )


def _note(scene: Scene) -> Action:
    _ = scene._
    kinds = [
        ("known", _("What was known")),
        ("unknown", _("What was not known")),
        ("option", _("An option")),
        ("argument", _("An argument for or against an option")),
        ("consequence", _("A consequence for a partner")),
        ("advice", _("An advice")),
    ]
    weighs = [("for", _("For")), ("against", _("Against"))]
    whom = [(each.key, scene.short(each.key)) for each in scene.chain.organisations.values()]

    def body(values: Values) -> bytes:
        more = {"soort": values["kind"], "optie": values["option"], "weegt": values["weighs"], "door": values["by"]}
        more |= {"organisatie": values["organisation"]}
        answers = {"beantwoordt": [values["answers"]]} if values["answers"] else {}
        return as_json(_known(scene, values) | more | answers)

    return Action(
        key="dossier-aantekening",
        title=_("Add to a decision record"),
        lede=_("Nothing is overwritten: a correction stands beside what it corrects."),
        button=_("Write it down"),
        fields=[
            _record(scene),
            Field("kind", _("What is it?"), "choice", options=kinds),
            Field("text", _("In a sentence or more"), "area"),
            Field("option", _("About which option?"), hint=_("The key of the option."), required=False),
            Field("weighs", _("Of an argument: for or against?"), "choice", options=weighs, required=False),
            Field("organisation", _("Of a consequence: for whom?"), "choice", options=whom, required=False),
            Field("by", _("Of an advice: by whom?"), hint=_("A function, no name."), required=False),
            Field("answers", _("Answers the unknown"), hint=_("The key of what was not known."), required=False),
            *_common(scene),
        ],
        path=_address("aantekeningen"),
        body=body,
        told=lambda answer: _told(scene, answer),
        page=PATH,
    )  # fmt: skip


def _day(scene: Scene, values: Values, name: str) -> str | None:
    """A day that was filled in, as 2025-07-23."""
    at = moment(scene, values, name)
    return local(parse_instant(at), scene.chain.timezone).date().isoformat() if at else None


def _decide(scene: Scene) -> Action:
    _ = scene._

    def body(values: Values) -> bytes:
        more = {"optie": values["option"], "door": values["by"], "herzien": _day(scene, values, "review")}
        return as_json(_known(scene, values) | more)

    return Action(
        key="dossier-besluit",
        title=_("Record who decided what"),
        lede=_("It shows from its moment on, and on the day you name it is due to be looked at again."),
        button=_("Record the decision"),
        fields=[
            _record(scene),
            Field("option", _("Which option was chosen?"), hint=_("The key of the option.")),
            Field("by", _("Who decided?"), hint=_("A function, no name.")),
            Field("text", _("What was decided, and why"), "area"),
            Field("review", _("Look again on"), "day", required=False),
            *_common(scene),
        ],
        path=_address("besluiten"),
        body=body,
        told=lambda answer: _told(scene, answer),
        page=PATH,
    )


def _review(scene: Scene) -> Action:
    _ = scene._

    def body(values: Values) -> bytes:
        return as_json(_known(scene, values) | {"door": values["by"], "herzien": _day(scene, values, "review")})

    return Action(
        key="dossier-herziening",
        title=_("Record that a decision was looked at again"),
        lede=_("What the review said, and when to look again; without a day it is not due again."),
        button=_("Record the review"),
        fields=[
            _record(scene),
            Field("by", _("Who looked again?"), hint=_("A function, no name.")),
            Field("text", _("What the review said"), "area"),
            Field("review", _("Look again on"), "day", required=False),
            *_common(scene),
        ],
        path=_address("herzieningen"),
        body=body,
        told=lambda answer: _told(scene, answer),
        page=PATH,
    )
