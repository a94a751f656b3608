"""Reconciliation: what the system of record counts beside what was published and received; gaps that it shows. Pure."""

from __future__ import annotations

from typing import Any

from keersluis.times import parse_instant
from keersluis.web.actions import Action, Field, Values, moment
from keersluis.web.scene import Scene
from keersluis.web.topics import Table, Topic, as_json, at


def topic(scene: Scene, organisation: str) -> Topic:
    """The topic of every organisation that sends or receives facts."""
    _ = scene._
    return Topic(
        key="afstemming",
        title=_("Compared with the system of record"),
        actions=[_state(scene, organisation), *_compare(scene, organisation)],
        reads="/afstemmingen",
        tables=lambda answer: _tables(scene, answer),
        alarm=lambda answer: _alarm(scene, answer),
        none=_("Nothing was stated, and no gap was declared."),
    )


def _alarm(scene: Scene, answer: Any) -> list[str]:
    _ = scene._
    kinds = dict.fromkeys(scene.kind(each["kind"]) for each in answer["statements"] if not each["agrees"])
    return [_("The system of record counts something else: {kinds}.", kinds=_.join(kinds))] if kinds else []


def _tables(scene: Scene, answer: Any) -> list[Table]:
    _, found = scene._, []
    if answer["statements"]:
        heads = (_("Kind"), _("From"), _("Up to"), _("Stated"), _("Published"), _("State"))
        found.append(Table(_("Periods that were counted"), heads, [_row(scene, e) for e in answer["statements"]]))
    gaps = [("", each) for each in answer["gaps"]] + [(each["source"], each) for each in answer["heard"]]
    if gaps:
        heads = (_("Kind"), _("Of"), _("From"), _("Up to"), _("Declared"), _("Filled"))
        found.append(Table(_("Gaps that were declared"), heads, [_gap(scene, *each) for each in gaps]))
    return found


def _row(scene: Scene, each: Any) -> tuple[Any, ...]:
    _ = scene._
    period = (scene.short_moment(each["since"]), scene.short_moment(each["until"]))
    counts = (_.number(each["stated"]["count"]), _.number(each["held"]["count"]))
    return scene.kind(each["kind"]), *period, *counts, _("agrees") if each["agrees"] else _("differs")


def _gap(scene: Scene, source: str, each: Any) -> tuple[Any, ...]:
    _ = scene._
    period = (scene.short_moment(each["since"]), scene.short_moment(each["until"]))
    filled = scene.short_moment(each["filled_at"]) or _("not yet")
    who = scene.short(source) if source else _("this organisation")
    return scene.kind(each["kind"]), who, *period, scene.short_moment(each["declared_at"]), filled


def _period(scene: Scene, values: Values) -> dict[str, Any]:
    return {"van": moment(scene, values, "since"), "tot": moment(scene, values, "until")}


def _fields(scene: Scene, kinds: list[tuple[str, str]]) -> list[Field]:
    _ = scene._
    return [
        Field("kind", _("Kind"), "choice", options=kinds),
        Field("since", _("From"), "moment", _("On the hour, by the date of the act.")),
        Field("until", _("Up to"), "moment", _("On the hour.")),
    ]


def _state(scene: Scene, organisation: str) -> Action:
    _ = scene._
    kinds = [(k.path, scene.kind(k.path)) for k in scene.chain.kinds.values() if k.source == organisation]

    def body(values: Values) -> bytes:
        counted = {"aantal": int(values["count"]), "digest": values["digest"]}
        return as_json([{"soort": values["kind"], **_period(scene, values), **counted}])

    return Action(
        key="telling-opgeven",
        title=_("State what the system of record counts in a period"),
        lede=_("It is compared with what was published. How the digest is made stands in docs/formats.md."),
        button=_("Compare"),
        fields=[
            *_fields(scene, kinds),
            Field("count", _("Number of acts"), "number"),
            Field("digest", _("Digest"), hint=_("64 digits, as the system of record gives it.")),
        ],
        path=at("/afstemmingen"),
        body=body,
        told=lambda answer: [_("They agree.") if not answer["differ"] else _("They differ: see the list.")],
    )


def _compare(scene: Scene, organisation: str) -> list[Action]:
    """A receiver asks the source; offered to those who receive something."""
    _ = scene._
    kinds = [
        (f"{k.source}/{k.path}", f"{scene.kind(k.path)} ({scene.short(k.source)})")
        for k in scene.chain.kinds.values()
        if organisation in k.receivers
    ]
    if not kinds:
        return []

    def body(values: Values) -> bytes:
        peer, _slash, kind = str(values["kind"]).partition("/")
        return as_json({"peer": peer, "soort": kind, **_period(scene, values)})

    def told(answer: Any) -> list[str]:
        if answer["agrees"]:
            return [_("What was applied here is what the source published in that period.")]
        ends = {
            name: _.moment(parse_instant(answer["first"][name]), scene.chain.timezone) for name in ("since", "until")
        }
        return [
            _("The first period that differs is from {since} to {until}.", **ends),
            _("Still under way: {count} events, which may explain it.", count=answer["under_way"]),
        ]

    return [
        Action(
            key="vergelijken",
            title=_("Compare with what a source published"),
            lede=_("The source is asked, and the first period that differs is found by halving."),
            button=_("Compare"),
            fields=_fields(scene, kinds),
            path=at("/afstemmingen/_met"),
            body=body,
            told=told,
        )
    ]
