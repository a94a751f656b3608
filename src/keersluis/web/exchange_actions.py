"""What can be done about an organisation's exchange: one list, of which the page shows what that organisation can do.

Pure. Each action is an operation of the node's API (see `actions.py`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from keersluis.web.actions import Action, Field, Values, moment
from keersluis.web.scene import Scene

API = "/v0"


def of(scene: Scene, organisation: str) -> list[Action]:
    """The actions of one organisation, by what it is in the chain."""
    found: list[Action] = []
    if own_kinds(scene, organisation):
        found += _intake(scene, organisation)
    if "register" in scene.by_key[organisation]["roles"]:
        found += _gaps(scene)
    return found


def grouped(scene: Scene, organisation: str) -> dict[str, list[Action]]:
    """The same by group, in order."""
    found: dict[str, list[Action]] = {}
    for action in of(scene, organisation):
        found.setdefault(action.group, []).append(action)
    return found


def own_kinds(scene: Scene, organisation: str) -> list[tuple[str, str]]:
    """(path, title) of the kinds of facts of which an organisation is the source; ends of answers go by themselves."""
    kinds = [kind for kind in scene.chain.kinds.values() if kind.source == organisation and kind.action != "answer"]
    return [(kind.path, scene.kind(kind.path)) for kind in kinds]


def as_json(value: dict[str, Any]) -> bytes:
    """The request's body; what was left open is not in it."""
    return json.dumps({name: each for name, each in value.items() if each not in (None, "")}).encode()


def at(path: str) -> Any:
    """An address that does not depend on what was filled in."""
    return lambda _values: API + path


def _intake(scene: Scene, organisation: str) -> Sequence[Action]:
    _ = scene._
    places = [("papier", _("on paper")), ("postvak", _("in a mailbox")), ("systeem", _("in a system that is down"))]

    def body(values: Values) -> bytes:
        when = moment(scene, values, "when")
        item = {"soort": values["kind"], "id": values["id"], "gebeurd": when, "kanaal": values["channel"]}
        return json.dumps([item]).encode()

    return [
        Action(
            key="wacht-op-invoer",
            group=_("What has yet to be entered"),
            title=_("Register an act that waits for entry"),
            lede=_("Until it is entered, nobody is promised that everything up to its date is in."),
            button=_("Register"),
            fields=[
                Field("kind", _("Kind"), "choice", options=own_kinds(scene, organisation)),
                Field("id", _("Reference"), hint=_("The number under which it will be entered.")),
                Field("when", _("Date and time of the act"), "moment"),
                Field("channel", _("Where it lies"), "choice", options=places),
            ],
            path=at("/inname/wachtend"),
            body=body,
            told=lambda _answer: [_("It is registered. The promise for this kind is held back to before its date.")],
        )
    ]


def _gaps(scene: Scene) -> Sequence[Action]:
    _ = scene._
    kinds = [(path, scene.kind(path)) for path, kind in scene.chain.kinds.items() if kind.action != "answer"]
    fields = [
        Field("kind", _("Kind"), "choice", options=kinds),
        Field("since", _("From"), "moment"),
        Field("until", _("Through"), "moment"),
    ]

    def body(values: Values, *, filled: bool) -> bytes:
        period = {"van": moment(scene, values, "since"), "tot": moment(scene, values, "until")}
        return as_json({"soort": values["kind"], **period, "gevuld": filled})

    reopened = _("{count} settled answer is open again."), _("{count} settled answers are open again.")
    return [
        Action(
            key="gat-melden",
            group=_("Gaps"),
            title=_("Declare that acts of a past period are missing"),
            lede=_("What was settled on that period is open again, and its askers are told, until the gap is filled."),
            button=_("Declare the gap"),
            fields=fields,
            path=at("/gaten"),
            body=lambda values: body(values, filled=False),
            consequences=lambda _values: [
                _("Decisions that were settled on these acts turn provisional again, wherever they were taken."),
                _("It stands in the timeline, and is ended by declaring that the acts have come."),
            ],
            told=lambda answer: [reopened[answer["result"] != 1].format(count=_.number(answer["result"]))],
        ),
        Action(
            key="gat-gevuld",
            group=_("Gaps"),
            title=_("Declare that the missing acts have come"),
            lede=_("The watermark counts again for this period, and what waits for it settles by itself."),
            button=_("Declare it filled"),
            fields=fields,
            path=at("/gaten"),
            body=lambda values: body(values, filled=True),
            told=lambda answer: [
                _("The gap is filled.") if answer["result"] else _("No such gap was open: nothing has changed.")
            ],
        ),
    ]
