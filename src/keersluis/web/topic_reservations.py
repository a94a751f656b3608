"""Reservations: doubt about what a source recorded, set and lifted with a reason; and the source's own word. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keersluis.web.actions import Action, Field, Values, moment, who_and_why
from keersluis.web.scene import Scene
from keersluis.web.topics import Table, Topic, as_json, at, fact_kinds, own_kinds


def topic(scene: Scene, organisation: str) -> Topic:
    """The topic of a register, and of whoever is a source."""
    _ = scene._
    actions: list[Action] = []
    if "register" in scene.by_key[organisation]["roles"]:
        actions += [_reserve(scene), _lift(scene)]
    if own_kinds(scene, organisation):
        actions.append(_reaffirm(scene, organisation))
    return Topic(
        key="voorbehouden",
        title=_("Reservations"),
        actions=actions,
        reads="/voorbehouden",
        tables=lambda answer: _tables(scene, answer["reservations"]),
        none=_("Nobody doubts what a source recorded."),
    )


def _tables(scene: Scene, found: Sequence[Any]) -> list[Table]:
    _ = scene._
    heads = (_("Nr."), _("Source"), _("From"), _("Through"), _("Facts in doubt"), _("By"), _("Why"), _("Lifted"))
    rows = [
        (
            each["n"],
            scene.short(each["source"]),
            scene.short_moment(each["since"]),
            scene.short_moment(each["until"]),
            _.number(each["facts"]),
            each["who"],
            each["why"],
            scene.short_moment(each["lifted_at"]) or _("not yet"),
        )
        for each in found
    ]
    return [Table(_("Doubt about what a source recorded"), heads, rows)] if rows else []


def _reserve(scene: Scene) -> Action:
    _ = scene._
    sources = list(dict.fromkeys(kind.source for kind in scene.chain.kinds.values() if kind.action != "answer"))

    def body(values: Values) -> bytes:
        period = {"van": moment(scene, values, "since"), "tot": moment(scene, values, "until")}
        kinds = {"soorten": [values["kind"]] if values["kind"] else []}
        return as_json({"bron": values["source"], **period, **kinds, "wie": values["who"], "waarom": values["why"]})

    return Action(
        key="voorbehoud-maken",
        title=_("Make a reservation on what a source recorded"),
        lede=_("For example when it was broken into: it moves no watermark, but what rests on it says so."),
        button=_("Make the reservation"),
        fields=[
            Field("source", _("Source"), "choice", options=[(key, scene.name(key)) for key in sources]),
            Field("kind", _("Kind"), "choice", _("Left open: everything."), options=fact_kinds(scene), required=False),
            Field("since", _("Recorded from"), "moment"),
            Field("until", _("Recorded through"), "moment", _("Left open: until now."), required=False),
            *who_and_why(scene),
        ],
        path=at("/voorbehouden"),
        body=body,
        consequences=lambda _values: [
            _("What was settled on these facts is provisional again, and whoever asked is told."),
            _("It is lifted by an order, or by the source's signed word that it stands by them."),
        ],
        told=lambda answer: [
            _("Facts in doubt: {facts}. Answers that are open again: {answers}.", facts=_.number(answer["facts"]),
              answers=_.number(answer["answers"]))
        ],
    )  # fmt: skip


def _lift(scene: Scene) -> Action:
    _ = scene._
    return Action(
        key="voorbehoud-opheffen",
        title=_("Lift a reservation"),
        lede=_("The doubt is over, by your word."),
        button=_("Lift it"),
        fields=[Field("number", _("Number of the reservation"), "number"), *who_and_why(scene)],
        path=at("/voorbehouden/_opheffen"),
        body=lambda v: as_json({"nummer": int(v["number"]), "wie": v["who"], "waarom": v["why"]}),
        consequences=lambda _values: [_("What rests on these facts settles again as its sources are complete.")],
        told=lambda answer: [_("Answers that rest on no doubt any more: {count}.", count=_.number(answer["answers"]))],
    )


def _reaffirm(scene: Scene, organisation: str) -> Action:
    _ = scene._

    def told(answer: Any) -> list[str]:
        reached = sum(not each.get("code") for each in answer["told"])
        said = [_("Streams that we stand by: {count}.", count=_.number(len(answer["statements"])))]
        return [*said, _("Receivers told: {told} of {all}.", told=reached, all=len(answer["told"]))]

    kinds = own_kinds(scene, organisation)
    return Action(
        key="herbevestigen",
        title=_("Stand by what we recorded, after a check of our own"),
        lede=_("Signed with the present key over everything so far, and told to every receiver."),
        button=_("Stand by it"),
        fields=[
            Field("kind", _("Kind"), "choice", _("Left open: everything."), options=kinds, required=False),
            *who_and_why(scene),
        ],
        path=at("/herbevestigingen"),
        body=lambda v: as_json({"soorten": [v["kind"]] if v["kind"] else [], "wie": v["who"], "waarom": v["why"]}),
        consequences=lambda _values: [_("Reservations on these streams end at every register that takes our word.")],
        told=told,
    )
