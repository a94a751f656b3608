"""Gaps at the register: acts of a past period that turn out to be missing. Pure."""

from __future__ import annotations

from keersluis.web.actions import Action, Field, Values, moment
from keersluis.web.scene import Scene
from keersluis.web.topics import Topic, as_json, at, fact_kinds


def topic(scene: Scene) -> Topic:
    """The topic of a register."""
    return Topic("gaten", scene._("Gaps"), [_declare(scene), _filled(scene)])


def _fields(scene: Scene) -> list[Field]:
    _ = scene._
    return [
        Field("kind", _("Kind"), "choice", options=fact_kinds(scene)),
        Field("since", _("From"), "moment"),
        Field("until", _("Through"), "moment"),
    ]


def _body(scene: Scene, values: Values, *, filled: bool) -> bytes:
    period = {"van": moment(scene, values, "since"), "tot": moment(scene, values, "until")}
    return as_json({"soort": values["kind"], **period, "gevuld": filled})


def _declare(scene: Scene) -> Action:
    _ = scene._
    reopened = _("{count} settled answer is open again."), _("{count} settled answers are open again.")
    return Action(
        key="gat-melden",
        title=_("Declare that acts of a past period are missing"),
        lede=_("What was settled on that period is open again, and its askers are told, until the gap is filled."),
        button=_("Declare the gap"),
        fields=_fields(scene),
        path=at("/gaten"),
        body=lambda values: _body(scene, values, filled=False),
        consequences=lambda _values: [
            _("Decisions that were settled on these acts turn provisional again, wherever they were taken."),
            _("It stands in the timeline, and is ended by declaring that the acts have come."),
        ],
        told=lambda answer: [reopened[answer["result"] != 1].format(count=_.number(answer["result"]))],
    )


def _filled(scene: Scene) -> Action:
    _ = scene._
    return Action(
        key="gat-gevuld",
        title=_("Declare that the missing acts have come"),
        lede=_("The watermark counts again for this period, and what waits for it settles by itself."),
        button=_("Declare it filled"),
        fields=_fields(scene),
        path=at("/gaten"),
        body=lambda values: _body(scene, values, filled=True),
        told=lambda answer: [
            _("The gap is filled.") if answer["result"] else _("No such gap was open: nothing has changed.")
        ],
    )
