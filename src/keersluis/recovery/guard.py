"""Which gates would stand more open than they may: orders as they were held against orders as they are. Pure.

Gates are single here: one peer, one direction, one leaf of the kinds, one link. What a gate's state will be is known
beforehand, for no gate moves but by orders. So it is enough to look at every moment at which some order takes effect:
if no write makes a gate more open at any of them without a go, none will open by the clock either.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, product
from typing import NamedTuple

from keersluis.exchange.gates import ALL, OPEN, WAYS, GateOrder, Scope, State, in_force, standing
from keersluis.times import Instant

Level = tuple[float, float]
"""How open: events and bytes per second that may pass, infinite where nothing meters them."""

SHUT: Level = (0.0, 0.0)
FREE: Level = (float("inf"), float("inf"))


class Single(NamedTuple):
    """One gate, that an order either covers or not."""

    peer: str
    direction: str
    kind: str
    link: str


@dataclass(frozen=True, slots=True)
class Rise:
    """A gate that the order in effect as of `at` (number 0: as if nothing had ever been ordered) opens."""

    gate: Single
    at: Instant
    order: GateOrder


def level(order: GateOrder, state: State | None = None) -> Level:
    """How open an order keeps a gate; in another `state`, as outside its window."""
    state = order.state if state is None else state
    if state == "metered":
        return (_rate(order.rate), _rate(order.byte_rate))
    return SHUT if state == "closed" else FREE


def _rate(rate: float | None) -> float:
    return float("inf") if rate is None else rate


def levels(order: GateOrder) -> tuple[Level, ...]:
    """The levels between which it goes up and down each day; one, where it has no window."""
    if order.window is None or order.outside is None:
        return (level(order),)
    return (level(order), level(order, order.outside))


def exceeds(one: Level, other: Level) -> bool:
    """Whether `one` lets through what `other` does not."""
    return one[0] > other[0] or one[1] > other[1]


def least(order: GateOrder) -> GateOrder:
    """The same without its window: as it stands when it stands least open (closed, where neither is less)."""
    if order.window is None or order.outside is None:
        return order
    inside, outside = levels(order)
    if not exceeds(inside, outside):
        return replace(order, window=None, outside=None)
    state: State = order.outside if not exceeds(outside, inside) else "closed"
    return replace(order, state=state, rate=None, byte_rate=None, window=None, outside=None)


def singles(scope: Scope, peers: Iterable[str], kinds: Iterable[str]) -> list[Single]:
    """The gates of a scope, in a chain of these peers and leaves of kinds."""
    chosen = [peer for peer in peers if scope.peer in (ALL, peer)]
    leaves = [kind for kind in kinds if scope.kind in (ALL, kind) or kind.startswith(scope.kind + ".")]
    ways = [way for way in WAYS if scope.link in (ALL, way)]
    return [Single(peer, scope.direction, kind, way) for peer, kind, way in product(chosen, leaves, ways)]


def course(orders: Sequence[GateOrder], moments: Sequence[Instant]) -> list[GateOrder]:
    """The order in effect at each moment; `orders` are those that cover the gate, by their turn."""
    return [next((each for each in reversed(orders) if each.stands(at)), OPEN) for at in moments]


def moments(orders: Iterable[GateOrder], now: Instant) -> list[Instant]:
    """Now, and when each order that is to come takes effect."""
    return [now, *sorted({each.effect for each in orders if not each.stands(now)})]


def changed(before: Sequence[GateOrder], after: Sequence[GateOrder]) -> list[GateOrder]:
    """The orders that were given or called off between the two."""
    there, here = {each.number for each in before}, {each.number for each in after}
    return [each for each in (*before, *after) if (each.number in there) != (each.number in here)]


def more_open(
    before: Sequence[GateOrder], after: Sequence[GateOrder], gates: Iterable[Single], now: Instant
) -> list[Rise]:
    """The gates that are or will be more open with the orders `after` than with those `before`, each once."""
    rises = []
    at = moments([*before, *after], now)
    for gate in gates:
        was, is_ = (course(_covering(orders, gate), at) for orders in (before, after))
        for moment, old, new in zip(at, was, is_, strict=True):
            if _opens(old, new):
                rises.append(Rise(gate, moment, new))
                break
    return rises


def _opens(old: GateOrder, new: GateOrder) -> bool:
    if (old.window, old.outside, levels(old)) == (new.window, new.outside, levels(new)):
        return False
    if len(levels(new)) > 1:  # it would open each day
        return True
    return any(exceeds(level(new), each) for each in levels(old))


def ahead(orders: Sequence[GateOrder], gates: Iterable[Single], now: Instant) -> list[Rise]:
    """The gates that the clock will open: by an order to come, or each day by a window. Every such order is named."""
    rises = []
    at = moments(orders, now)
    for gate in gates:
        stands = course(_covering(orders, gate), at)
        if len(levels(stands[0])) > 1:
            rises.append(Rise(gate, now, stands[0]))
        for (_at, old), (moment, new) in pairwise(zip(at, stands, strict=True)):
            if new is not old and _opens(old, new):
                rises.append(Rise(gate, moment, new))
    return rises


def kept_shut(orders: Sequence[GateOrder], scope: Scope, now: Instant, at: Instant) -> list[GateOrder]:
    """The orders, each for a part of `scope`, with which no gate of it opens at `at`, one of `moments`: given in this
    order as of then, each gate stands as just before, or as was ordered where that is less open. Also gates of kinds
    that the chain does not know (yet): those have no `singles`, so it is told by scopes.
    """
    found: list[GateOrder] = []
    parts = _parts(orders, scope, now, at)
    for n, part in enumerate(parts):
        over = any(each.scope.meet(part.scope) for each in found)
        if (part.held or over) and not any(part.scope.within(later.scope) for later in parts[n + 1 :]):
            found.append(_narrowed(part.stands, part.scope))
    return found


def in_vain(orders: Sequence[GateOrder], order: GateOrder, scope: Scope, now: Instant) -> bool:
    """Whether nothing is left of an order to come where nothing of `scope` opens: it can be called off whole."""
    own = [each for each in _parts(orders, scope, now, order.effect) if each.new is order]
    return order.scope.within(scope) and all(each.held and each.stands is each.old for each in own)


class _Part(NamedTuple):
    """Gates on which `old` stood just before and `new` would stand: `stands` does, being held against `new` or not."""

    scope: Scope
    old: GateOrder
    new: GateOrder
    stands: GateOrder
    held: bool


def _parts(orders: Sequence[GateOrder], scope: Scope, now: Instant, at: Instant) -> list[_Part]:
    """Of gates that several parts speak of, the last says how it is."""
    last = max((each for each in moments(orders, now) if each < at), default=at)
    there = sorted((each for each in orders if each.stands(last)), key=lambda each: each.turn)
    coming = sorted((each for each in orders if each.stands(at) and not each.stands(last)), key=lambda each: each.turn)
    everything = replace(OPEN, direction=scope.direction)
    narrowed = [_narrowed(each, met) for each in (everything, *there) if (met := scope.meet(each.scope))]
    parts = (
        _part(old.scope.meet(new.scope), old, new)
        for old in reversed(in_force(narrowed))
        for new in (old, *(each for each in coming if each.turn > old.turn))
    )
    return [each for each in parts if each is not None]


def _part(scope: Scope | None, old: GateOrder, new: GateOrder) -> _Part | None:
    if scope is None:
        return None
    low = least(old)
    if new is old:
        return _Part(scope, low, new, low, held=old.window is not None)
    if not _opens(low, new):
        return _Part(scope, low, new, new, held=False)
    lower = least(new)
    return _Part(scope, low, new, low if exceeds(level(lower), level(low)) else lower, held=True)


def _narrowed(order: GateOrder, scope: Scope) -> GateOrder:
    return replace(order, peer=scope.peer, direction=scope.direction, kind=scope.kind, link=scope.link)


def _covering(orders: Sequence[GateOrder], gate: Single) -> list[GateOrder]:
    found = [each for each in orders if each.covers(gate.peer, gate.direction, gate.kind, gate.link)]  # type: ignore[arg-type]
    return sorted(found, key=lambda each: each.turn)


def state_of(orders: Sequence[GateOrder], gates: Collection[Single]) -> str:
    """closed, metered or open; ``mixed`` where the gates differ. `orders` as `gates.at_moment` gives them."""
    found = {standing(orders, *gate).state for gate in gates}  # type: ignore[arg-type]
    return found.pop() if len(found) == 1 else ("mixed" if found else "open")


def last_moved(orders: Sequence[GateOrder], gates: Collection[Single]) -> Instant | None:
    """When the last of the orders that stand for these gates took effect; None where nobody ordered anything."""
    found = [standing(orders, *gate).effect for gate in gates]  # type: ignore[arg-type]
    return max(found, default=0) or None
