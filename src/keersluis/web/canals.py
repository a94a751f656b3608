"""The links between organisations, each direction with the gate at either end, and the orders that stand. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from keersluis.web.scene import ALL, Scene

STATES = ("closed", "mixed", "metered", "open")
"""Strictest first; mixed is closed or metered for some kinds only."""


@dataclass(frozen=True)
class Lane:
    """One direction of a link. A gate is None when its organisation's node is not seen from here; a spare lane
    carries emergency routes alone."""

    sender: str
    receiver: str
    sender_gate: str | None
    receiver_gate: str | None
    backlog: int
    oldest: str | None
    silent: bool
    spare: bool = False

    @property
    def shown(self) -> str:
        """The state as people see it: a closed emergency route is not in use, an open lane may still be silent."""
        if self.spare and self.state == "closed":
            return "unused"
        return "silent" if self.silent and self.state == "open" else self.state

    @property
    def state(self) -> str:
        """What gets through: the stricter of the two gates."""
        return min((gate for gate in (self.sender_gate, self.receiver_gate) if gate), key=STATES.index, default="open")

    @property
    def closers(self) -> tuple[str, ...]:
        """The organisations whose gate makes it so, when it is not open."""
        ends = ((self.sender, self.sender_gate), (self.receiver, self.receiver_gate))
        return tuple(end for end, gate in ends if gate == self.state != "open")


@dataclass(frozen=True)
class Canal:
    """A link between two organisations: a lane there and a lane back."""

    one: str
    other: str
    there: Lane
    back: Lane


@dataclass(frozen=True)
class Standing:
    """An order in force at an organisation; `direction` is in, out or * for both."""

    organisation: str
    peer: str
    direction: str
    kind: str
    state: str
    rate: float | None
    who: str
    why: str
    since: str
    until: str | None
    evidence: str | None

    @property
    def scope(self) -> tuple[str, str, str]:
        return (self.peer, self.direction, self.kind)


def canals(scene: Scene) -> list[Canal]:
    """Every link that a node tells of, once."""
    pairs: dict[frozenset[str], tuple[str, str]] = {}
    for status in scene.statuses:
        for link in status["links"]:
            pair = (status["organisation"], link["peer"])
            pairs.setdefault(frozenset(pair), pair)
    return [Canal(one, other, _lane(scene, one, other), _lane(scene, other, one)) for one, other in pairs.values()]


def _lane(scene: Scene, sender: str, receiver: str) -> Lane:
    backlog, oldest = _backlog(scene, sender, receiver)
    marks = scene.by_key.get(receiver, {}).get("watermarks", ())
    streams = [kind.path for kind in scene.chain.kinds.values() if kind.source == sender and receiver in kind.receivers]
    return Lane(
        sender=sender,
        receiver=receiver,
        sender_gate=_gate(scene, sender, receiver, "out"),
        receiver_gate=_gate(scene, receiver, sender, "in"),
        backlog=backlog,
        oldest=oldest,
        silent=any(mark["source"] == sender and mark["state"] in ("silent", "never") for mark in marks),
        spare=bool(streams) and all(scene.spare(path) for path in streams),
    )


def lane_between(links: Iterable[Canal], sender: str, receiver: str) -> Lane:
    """The lane from one to the other; an open one where there is no link."""
    lanes = (lane for link in links for lane in (link.there, link.back))
    found = (lane for lane in lanes if (lane.sender, lane.receiver) == (sender, receiver))
    return next(found, Lane(sender, receiver, None, None, 0, None, False))


def _gate(scene: Scene, owner: str, peer: str, direction: str) -> str | None:
    for link in scene.by_key.get(owner, {}).get("links", ()):
        if link["peer"] == peer:
            return str(link[direction])
    return None


def _backlog(scene: Scene, sender: str, receiver: str) -> tuple[int, str | None]:
    waiting = [
        peer
        for stream in scene.by_key.get(sender, {}).get("streams", ())
        for peer in stream["peers"]
        if peer["peer"] == receiver and peer["backlog"]
    ]
    return sum(peer["backlog"] for peer in waiting), min((p["oldest"] for p in waiting if p["oldest"]), default=None)


def standing(scene: Scene, organisation: str) -> list[Standing]:
    """The orders in force at a node that keep something back, latest first; in and out of one order are one."""
    found: dict[tuple[object, ...], Standing] = {}
    for gate in sorted(scene.by_key[organisation]["gates"], key=lambda gate: str(gate["at"]), reverse=True):
        order = _standing(organisation, gate)
        key = (order.peer, order.kind, order.state, order.rate, order.who, order.why, order.since)
        seen = found.get(key)
        found[key] = order if seen is None else _standing(organisation, {**gate, "direction": ALL})
    return list(found.values())


def _standing(organisation: str, gate: Mapping[str, Any]) -> Standing:
    return Standing(
        organisation=organisation,
        peer=gate["peer"],
        direction=gate["direction"],
        kind=gate["kind"],
        state=gate["state"],
        rate=gate.get("rate"),
        who=gate["who"],
        why=gate["why"],
        since=gate["at"],
        until=gate.get("until"),
        evidence=gate.get("evidence"),
    )


def cut_off(links: Iterable[Canal]) -> list[str]:
    """Organisations that nothing goes to or comes from; where one end of a single link closed it, that end."""
    lanes: dict[str, list[Lane]] = {}
    for link in links:
        for end in (link.one, link.other):
            lanes.setdefault(end, []).extend((link.there, link.back))
    shut = [end for end, of_end in lanes.items() if all(lane.shown == "closed" for lane in of_end)]
    own = [end for end in shut if all(end in lane.closers for lane in lanes[end])]
    return own or shut


def state_words(scene: Scene, state: str) -> str:
    """The word for a gate's state, or for what a lane is shown as."""
    _ = scene._
    return {
        "closed": _("closed"),
        "mixed": _("partly closed"),
        "metered": _("metered"),
        "open": _("open"),
        "silent": _("silent"),
        "unused": _("not in use"),
    }[state]


def direction_words(scene: Scene, direction: str) -> str:
    _ = scene._
    return {"in": _("incoming"), "out": _("outgoing"), ALL: _("both directions")}[direction]
