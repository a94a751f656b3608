"""Gates in detail: orders for a moment to come, for part of the day, by bytes, for one link; and back again. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keersluis.web import canals, orders
from keersluis.web.actions import Action, Field, Values, moment, who_and_why
from keersluis.web.scene import ALL, Scene
from keersluis.web.topics import Table, Topic, as_json, at

SHOWN = 15
"""So many of the latest orders; the timeline has them all."""


def topic(scene: Scene, organisation: str) -> Topic:
    """The topic of every organisation."""
    return Topic(
        key="poorten",
        title=scene._("Orders to the gates"),
        actions=[_order(scene, organisation), _undo(scene, organisation), _call_off(scene)],
        reads="/poorten?aantal=1000",
        tables=lambda answer: _tables(scene, answer["orders"]),
        none=scene._("No order was ever given: every gate stands open."),
    )


def links(scene: Scene) -> list[tuple[str, str]]:
    """By what an event may cross."""
    _ = scene._
    return [
        (ALL, _("everything: network, bundles and letters")),
        ("wire", _("the network alone")),
        ("bundle", _("carried bundles alone")),
        ("paper", _("letters alone")),
    ]


def _tables(scene: Scene, given: Sequence[Any]) -> list[Table]:
    _ = scene._
    heads = (_("Nr."), _("Order"), _("What"), _("By"), _("Why"), _("Given"), _("From"), _("Now"))
    rows = [_row(scene, each) for each in reversed(given[-SHOWN:])]
    return [Table(_("The latest orders"), heads, rows)] if rows else []


def _row(scene: Scene, each: Any) -> tuple[Any, ...]:
    what = (scene.kind(each["kind"]), scene.short(each["peer"]), canals.direction_words(scene, each["direction"]))
    _ = scene._
    became = {
        "scheduled": _("to come"),
        "called-off": _("called off"),
        "in-force": _("in force"),
        "past": _("followed by another"),
    }
    given, starts = scene.short_moment(each["at"]), scene.short_moment(each.get("starts")) or "–"
    ordered = (each["number"], canals.state_words(scene, each["state"]), ", ".join(what), each["who"], each["why"])
    return *ordered, given, starts, became[each["became"]]


def _scope(scene: Scene, organisation: str) -> list[Field]:
    """Which gates an order speaks of."""
    _ = scene._
    peers = [(key, scene.name(key)) for key in orders.peers(scene, organisation)]
    ways = [(ALL, _("Both directions")), ("uit", _("What goes out")), ("in", _("What comes in"))]
    kinds = [(path, scene.kind(path)) for path in orders.kinds(scene, organisation)]
    return [
        Field("peer", _("Partner"), "choice", options=peers, value=ALL),
        Field("direction", _("In which direction?"), "choice", options=ways, value=ALL),
        Field("kind", _("Which messages?"), "choice", options=kinds, value=ALL),
        Field("link", _("By which link?"), "choice", options=links(scene), value=ALL),
    ]


def _asked(values: Values) -> dict[str, Any]:
    who = {"wie": values["who"], "waarom": values["why"], "bewijs": values.get("evidence")}
    scope = {"peer": values["peer"], "richting": values["direction"], "soort": values["kind"]}
    return scope | {"verbinding": values["link"]} | who


def _order(scene: Scene, organisation: str) -> Action:
    _ = scene._
    states = [("closed", _("Close")), ("metered", _("Meter")), ("open", _("Open"))]
    outside = [("closed", _("closed")), ("open", _("open"))]

    def body(values: Values) -> bytes:
        rates = {
            name: float(values[field]) for name, field in (("tempo", "rate"), ("bytetempo", "bytes")) if values[field]
        }
        when = {"vanaf": moment(scene, values, "starts"), "tot": moment(scene, values, "until")}
        part = {"venster": values["window"], "buiten": values["outside"] if values["window"] else None}
        return as_json(_asked(values) | {"stand": values["state"]} | rates | when | part)

    return Action(
        key="poort-in-detail",
        title=_("Order a gate in detail"),
        lede=_("For a moment to come, for part of the day, by events or bytes a second, for one link."),
        button=_("Give the order"),
        fields=[
            Field("state", _("What must the gate do?"), "choice", options=states),
            *_scope(scene, organisation),
            Field("starts", _("From"), "moment", _("Left open: from now on."), required=False),
            Field("rate", _("Events a second"), "number", _("Only to meter."), required=False),
            Field("bytes", _("Bytes a second"), "number", _("Only to meter."), required=False),
            Field("window", _("Part of the day"), hint=_("For example 22:00-06:00, local time."), required=False),
            Field("outside", _("Outside that part"), "choice", options=outside, required=False),
            Field("until", _("Look at it again on"), "moment", required=False),
            *who_and_why(scene, evidence=True),
        ],
        path=at("/poorten"),
        body=body,
        consequences=lambda values: [_said(scene, values, states)],
        told=lambda answer: [
            _("The order stands, and is in the timeline.")
            if answer["moved"]
            else _("The same order stood already: nothing has changed.")
        ],
    )


def _said(scene: Scene, values: Values, states: Sequence[tuple[str, str]]) -> str:
    _ = scene._
    what = scene.kind(values["kind"])
    peer, state = scene.name(values["peer"]), dict(states)[values["state"]]
    link = dict(links(scene))[values["link"]]
    return _("{state}: {what}, {peer}, {link}.", state=state, what=what, peer=peer, link=link)


def _undo(scene: Scene, organisation: str) -> Action:
    _ = scene._
    return Action(
        key="poort-terug",
        title=_("Take the last order back"),
        lede=_("What stood before it stands again, as a new order that refers to it."),
        button=_("Take it back"),
        fields=[*_scope(scene, organisation), *who_and_why(scene, evidence=True)],
        path=at("/poorten/_herstel"),
        body=lambda values: as_json(_asked(values)),
        consequences=lambda _values: [_("What the gate did before the last order that covers it, it does again.")],
        told=lambda _answer: [_("What stood before stands again.")],
    )


def _call_off(scene: Scene) -> Action:
    _ = scene._
    return Action(
        key="poort-afgelast",
        title=_("Call off an order that has not taken effect"),
        lede=_("It stands in the list of orders with its number."),
        button=_("Call it off"),
        fields=[Field("number", _("Number of the order"), "number"), *who_and_why(scene)],
        path=at("/poorten/_afgelast"),
        body=lambda v: as_json({"nummer": int(v["number"]), "wie": v["who"], "waarom": v["why"]}),
        told=lambda _answer: [_("The order is called off.")],
    )
