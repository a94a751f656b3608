"""Gates: what may cross, to whom, in which direction, of which kind, by which link. Pure.

Orders are only ever added. The last order that covers a gate stands, whatever its breadth, in the order of the moments
at which they take effect and then of their numbers: a closing order for all closes all, an opening order for one kind
afterwards opens that kind alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal, TypeAlias
from zoneinfo import ZoneInfo

from keersluis.errors import Incorrect
from keersluis.times import SECOND, Instant, format_instant, local

Direction: TypeAlias = Literal["in", "out"]
State: TypeAlias = Literal["closed", "metered", "open"]
Way: TypeAlias = Literal["wire", "bundle", "paper"]
"""By which link something crosses: over the network, in a carried file, in a printed letter."""

ALL = "*"
WAYS: tuple[Way, ...] = ("wire", "bundle", "paper")
SLOWEST, FASTEST = 0.0001, 1_000_000
"""Events per second between which a gate can be metered."""

FASTEST_BYTES = 10_000_000_000
LARGEST_EVENT = 64 * 1024
"""Bytes; a meter always saves up enough for one event of this size, so that none is kept for ever."""

LONGEST = {"who": 200, "why": 2000, "evidence": 500, "until": 100, "key": 200}
"""The most characters of the texts of an order."""


@dataclass(frozen=True, slots=True)
class GateOrder:
    """One move of a gate, by a person who says why. `until` is the date to look at it again: no gate moves by itself,
    but by an order that says so beforehand.

    `peer`, `kind` and `link` may be ``*``: all. A kind covers its subtree. Whoever closes the wire alone still lets
    letters and bundles through. For ``metered``: `rate` in events and `byte_rate` in bytes per second, one or both; of
    both the tighter counts. `starts`: when it takes effect, if not at once. `window`: in which part of the day, as
    ``22:00-06:00 Europe/Amsterdam``; in the rest of the day the gate is `outside`. `undoes`: the number of the order
    that it takes back. `key`: the same key is the same order. `noted`: when it was seen to take effect; a clock that is
    put back afterwards takes that not back. `number` is given by the database.
    """

    at: Instant
    peer: str
    direction: Direction
    kind: str
    state: State
    who: str
    why: str
    rate: float | None = None
    until: str | None = None
    evidence: str | None = None
    link: str = ALL
    starts: Instant | None = None
    byte_rate: float | None = None
    window: str | None = None
    outside: State | None = None
    undoes: int | None = None
    key: str | None = None
    noted: Instant | None = None
    number: int = 0

    @property
    def effect(self) -> Instant:
        """The moment from which it stands."""
        return self.at if self.starts is None else max(self.at, self.starts)

    def stands(self, now: Instant) -> bool:
        """Whether it has taken effect."""
        return self.starts is None or self.starts <= now or self.noted is not None

    @property
    def turn(self) -> tuple[Instant, int]:
        """Of two orders that cover a gate, the one with the greater turn stands."""
        return self.effect, self.number

    @property
    def cuts(self) -> bool:
        """Whether it closes at once what goes out over the wire: then requests under way are ended (P4)."""
        closes = self.state == "closed" and self.starts is None and self.window is None
        return closes and self.direction == "out" and self.link in (ALL, "wire")

    @property
    def scope(self) -> Scope:
        """Which gates it speaks of."""
        return Scope(self.peer, self.direction, self.kind, self.link)

    def covers(self, peer: str, direction: Direction, kind: str, link: str = "wire") -> bool:
        """Whether this order speaks of that gate."""
        return (
            self.direction == direction
            and self.peer in (ALL, peer)
            and (self.kind in (ALL, kind) or kind.startswith(self.kind + "."))
            and self.link in (ALL, link)
        )


@dataclass(frozen=True, slots=True)
class Scope:
    """A set of gates: those of one direction that these names, each possibly all, have in common."""

    peer: str
    direction: Direction
    kind: str
    link: str

    def within(self, other: Scope) -> bool:
        """Whether `other` speaks of all of these gates."""
        return self.meet(other) == self

    def meet(self, other: Scope) -> Scope | None:
        """The gates of which both speak; None where there are none."""
        if self.direction != other.direction:
            return None
        peer, link = _narrower(self.peer, other.peer), _narrower(self.link, other.link)
        kind = _narrower(self.kind, other.kind)
        if kind is None and self.kind.startswith(other.kind + "."):
            kind = self.kind
        elif kind is None and other.kind.startswith(self.kind + "."):
            kind = other.kind
        return None if peer is None or kind is None or link is None else Scope(peer, self.direction, kind, link)


def _narrower(one: str, other: str) -> str | None:
    if one in (ALL, other):
        return other
    return one if other == ALL else None


OPEN = GateOrder(0, ALL, "out", ALL, "open", "", "")
"""A gate of which nobody ordered anything stands open."""


def standing(orders: Iterable[GateOrder], peer: str, direction: Direction, kind: str, link: Way = "wire") -> GateOrder:
    """The order in force for one gate; `orders` as `at_moment` gives them."""
    in_force = OPEN
    for order in orders:
        if order.covers(peer, direction, kind, link):
            in_force = order
    return in_force


def at_moment(orders: Iterable[GateOrder], now: Instant) -> list[GateOrder]:
    """The orders that have taken effect, the one that stands last; each with the state that it gives now."""
    return [_now(order, now) for order in effective(orders, now)]


def effective(orders: Iterable[GateOrder], now: Instant) -> list[GateOrder]:
    """The orders that have taken effect, as they were given, the one that stands last."""
    return sorted((order for order in orders if order.stands(now)), key=_turn)


def scheduled(orders: Iterable[GateOrder], now: Instant) -> list[GateOrder]:
    """The orders that are to take effect, the first one first."""
    return sorted((order for order in orders if not order.stands(now)), key=_turn)


def _turn(order: GateOrder) -> tuple[Instant, int]:
    return order.turn


def _now(order: GateOrder, now: Instant) -> GateOrder:
    """Outside its window an order gives the state that it says."""
    if order.window is None or order.outside is None or Window.parse(order.window).holds(now):
        return order
    return replace(order, state=order.outside, rate=None, byte_rate=None)


def in_force(orders: Sequence[GateOrder]) -> list[GateOrder]:
    """Those that still decide something, newest first: an order covered whole by a later one is left out. `orders`
    as `at_moment` gives them."""
    kept: list[GateOrder] = []
    for order in reversed(orders):
        if not any(order.scope.within(later.scope) for later in kept):
            kept.append(order)
    return kept


# -- the same order again, and back ---------------------------------------------------------------------------------

_SAID = ("state", "rate", "byte_rate", "window", "outside", "starts", "who", "why", "until", "evidence")


def repeated(orders: Iterable[GateOrder], order: GateOrder) -> GateOrder | None:
    """The order that was given before, if `order` is the same again and would change nothing; else None."""
    before = [each for each in orders if each.effect <= order.effect and each.scope.meet(order.scope)]
    last = max(before, key=_turn, default=None)
    return last if last is not None and same(last, order) else None


def same(one: GateOrder, other: GateOrder) -> bool:
    """Whether both say the same of the same gates; not when, under which number or key."""
    return one.scope == other.scope and all(getattr(one, name) == getattr(other, name) for name in _SAID)


def undoing(orders: Sequence[GateOrder], scope: Scope, order: GateOrder) -> list[GateOrder]:
    """The orders that bring back what would stand if the last order in effect that covers `scope` had never been
    given. Of `order` come who, why, until, evidence and the moment; `orders` as `effective` gives them.

    Raises Incorrect `gate.nothing-to-undo`.
    """
    last = next((each for each in reversed(orders) if scope.within(each.scope)), None)
    if last is None:
        names = f"peer {scope.peer}, direction {scope.direction}, kind {scope.kind}, link {scope.link}"
        raise Incorrect("gate.nothing-to-undo", expected=f"an order that covers {names}", got="none")
    others = [each for each in orders if not _together(each, last)]
    base = replace(OPEN, peer=last.peer, direction=last.direction, kind=last.kind, link=last.link)
    before = [base, *(_narrowed(each, met) for each in others if (met := each.scope.meet(last.scope)))]
    return [_again(each, last, order) for each in reversed(in_force(before))]


def _together(order: GateOrder, last: GateOrder) -> bool:
    """Orders of one undoing are one move."""
    if order.number == last.number:
        return True
    return last.undoes is not None and (order.undoes, order.at) == (last.undoes, last.at)


def _narrowed(order: GateOrder, scope: Scope) -> GateOrder:
    return replace(order, peer=scope.peer, direction=scope.direction, kind=scope.kind, link=scope.link)


def _again(old: GateOrder, undone: GateOrder, order: GateOrder) -> GateOrder:
    return replace(
        old,
        at=order.at,
        who=order.who,
        why=order.why,
        evidence=order.evidence,
        until=order.until or old.until,
        starts=None,
        undoes=undone.number,
        key=order.key,
        noted=None,
        number=0,
    )


# -- what is wrong with an order ------------------------------------------------------------------------------------


def check_order(order: GateOrder, peers: Iterable[str], kinds: Iterable[str]) -> None:
    """Raises Incorrect `gate.order` with all faults at once."""
    faults = []
    known = set(peers) | {ALL}
    if order.peer not in known:
        faults.append(f"peer: expected one of {', '.join(sorted(known))}, got {order.peer!r}")
    if order.kind != ALL and not any(k == order.kind or k.startswith(order.kind + ".") for k in kinds):
        faults.append(f"kind: expected a kind of the chain, got {order.kind!r}")
    if order.direction not in ("in", "out"):
        faults.append(f"direction: expected in or out, got {order.direction!r}")
    if order.state not in ("closed", "metered", "open"):
        faults.append(f"state: expected closed, metered or open, got {order.state!r}")
    if order.link not in (ALL, *WAYS):
        faults.append(f"link: expected one of {', '.join((ALL, *WAYS))}, got {order.link!r}")
    faults += [*_rate_faults(order), *_time_faults(order)]
    faults += [f"{name}: expected a text, got nothing" for name in ("who", "why") if not getattr(order, name).strip()]
    for name, most in LONGEST.items():
        if len(getattr(order, name) or "") > most:
            faults.append(f"{name}: expected at most {most} characters, got {len(getattr(order, name))}")
    if faults:
        raise Incorrect("gate.order", expected="an order that can be carried out", got="; ".join(faults), faults=faults)


def _rate_faults(order: GateOrder) -> list[str]:
    faults = []
    rates = [rate for rate in (order.rate, order.byte_rate) if rate is not None]
    if (order.state == "metered") != bool(rates) or (order.rate is not None and not SLOWEST <= order.rate <= FASTEST):
        expected = f"events per second ({SLOWEST} to {FASTEST:,}) for metered alone"
        faults.append(f"rate: expected {expected}, got {order.rate!r}")
    if order.byte_rate is not None and not 1 <= order.byte_rate <= FASTEST_BYTES:
        expected = f"bytes per second (1 to {FASTEST_BYTES:,}) for metered alone"
        faults.append(f"byte rate: expected {expected}, got {order.byte_rate!r}")
    return faults


def _time_faults(order: GateOrder) -> list[str]:
    faults = []
    if order.starts is not None and order.starts <= order.at:
        got = format_instant(order.starts)
        faults.append(f"from: expected a moment after {format_instant(order.at)}, got {got}")
    if order.window is not None:
        try:
            Window.parse(order.window)
        except Incorrect as error:
            faults.append(f"window: expected {error.expected}, got {error.got}")
    if (order.window is None) != (order.outside is None):
        faults.append("outside: expected closed or open beside a window, and nothing without one")
    elif order.outside is not None and (order.outside not in ("closed", "open") or order.outside == order.state):
        faults.append(f"outside: expected closed or open, another state than inside, got {order.outside!r}")
    return faults


@dataclass(frozen=True, slots=True)
class Window:
    """A part of each day in a time zone: minutes since midnight, the end not included; it may run past midnight."""

    first: int
    end: int
    zone: ZoneInfo

    @staticmethod
    @lru_cache(maxsize=1024)
    def parse(text: str) -> Window:
        """``22:00-06:00 Europe/Amsterdam``. Raises Incorrect `gate.window`."""
        found = re.fullmatch(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d) ([A-Za-z0-9_+/-]{1,40})", text)
        try:
            if found is None or found[1] + found[2] == found[3] + found[4]:
                raise ValueError(text)
            hours = [int(part) for part in found.groups()[:4]]
            return Window(60 * hours[0] + hours[1], 60 * hours[2] + hours[3], ZoneInfo(found[5]))
        except (ValueError, KeyError, OSError):
            expected = "two times of the day and a time zone, as 22:00-06:00 Europe/Amsterdam"
            raise Incorrect("gate.window", expected=expected, got=repr(text)) from None

    def holds(self, now: Instant) -> bool:
        """Whether `now` lies in it."""
        there = local(now, self.zone)
        minute = 60 * there.hour + there.minute
        if self.first < self.end:
            return self.first <= minute < self.end
        return minute >= self.first or minute < self.end


# -- meters ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Bucket:
    """A token bucket as stored: `tokens` for events and `size` for bytes left at instant `at`."""

    tokens: float
    at: Instant
    size: float = 0.0


def refill(bucket: Bucket | None, rate: float | None, now: Instant, byte_rate: float | None = None) -> Bucket:
    """The bucket now: so many tokens a second, at most ten seconds' worth saved up (and at least one event's).

    A side that is not metered holds nothing.
    """
    most, most_bytes = max(1.0, 10 * (rate or 0)), max(float(LARGEST_EVENT), 10 * (byte_rate or 0))
    if bucket is None:
        first = min(most, max(1.0, rate)) if rate else 0.0
        return Bucket(first, now, max(float(LARGEST_EVENT), byte_rate) if byte_rate else 0.0)
    seconds = max(0, now - bucket.at) / SECOND  # a clock put back fills nothing twice
    tokens = min(most, bucket.tokens + rate * seconds) if rate else 0.0
    size = min(most_bytes, bucket.size + byte_rate * seconds) if byte_rate else 0.0
    return Bucket(tokens, max(now, bucket.at), size)


# -- as JSON --------------------------------------------------------------------------------------------------------

_TOLD = ("peer", "direction", "kind", "state", "rate", "who", "why", "until", "evidence", "link")
_TOLD_TOO = ("byte_rate", "window", "outside", "undoes")


def told(order: GateOrder) -> Mapping[str, Any]:
    """An order as JSON for people and programs: the body of its timeline entry, and a row of the overview."""
    body = {name: getattr(order, name) for name in _TOLD}
    body |= {name: getattr(order, name) for name in _TOLD_TOO if getattr(order, name) is not None}
    if order.starts is not None:
        body["starts"] = format_instant(order.starts)
    return body
