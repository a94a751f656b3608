"""Gates as they stand in the database: orders, and the tokens of metered gates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from keersluis.chain import GATE_KINDS
from keersluis.context import Context
from keersluis.errors import Conflict, Incorrect, Unavailable
from keersluis.exchange import _store_gates
from keersluis.exchange.gates import (
    Bucket,
    Direction,
    GateOrder,
    Scope,
    Way,
    at_moment,
    check_order,
    effective,
    in_force,
    refill,
    repeated,
    same,
    scheduled,
    standing,
    told,
    undoing,
)
from keersluis.timeline import log
from keersluis.times import Instant, format_instant

NO_BOUND = 1 << 60


@dataclass(frozen=True, slots=True)
class Allowed:
    """`events` and `size` bytes of them may cross now; `retry_after` seconds until more may (0: no bound).

    `meter` is the order that meters: all kinds and peers that it covers share its tokens.
    """

    events: int
    retry_after: float
    meter: GateOrder | None = None
    size: int = NO_BOUND


# -- orders ---------------------------------------------------------------------------------------------------------


def move(tx: Connection, ctx: Context, order: GateOrder) -> GateOrder | None:
    """Carry out an order: from this commit on it stands (P4), or from the moment that it names.

    Returns it as it was stored; None when the same was ordered before, so that nothing changed. Raises Incorrect
    `gate.order`, Conflict `gate.key-reused`, and what the node's guard raises (`plan.no-go`).
    """
    if order.window and " " not in order.window.strip():
        order = replace(order, window=f"{order.window.strip()} {ctx.chain.timezone.key}")
    if order.key and _known(order, _store_gates.with_key(tx, order.key)):
        return None
    check_order(order, ctx.chain.organisations, [*ctx.chain.kinds, *GATE_KINDS])
    orders = _store_gates.orders(tx)
    order = replace(order, at=_not_before(orders, order.at))
    if order.undoes is None and repeated(orders, order):
        return None
    allowed = ctx.guard(tx)
    given = _give(tx, order)
    allowed()
    return given


def _give(tx: Connection, order: GateOrder) -> GateOrder:
    order = replace(order, number=_store_gates.add_order(tx, order))
    if order.starts is None:
        _store_gates.drop_bucket(tx, order)
    log.append(tx, at=order.at, room="exchange", kind="gate.moved", body={**told(order), "number": order.number})
    return order


def _known(order: GateOrder, given: Sequence[GateOrder]) -> bool:
    """The same key again is the same order, for this direction or the other; anything else is a conflict."""
    if any(same(each, order) for each in given):
        return True
    if not all(same(replace(each, direction=order.direction), order) for each in given):
        expected = f"the order that was given under key {order.key}"
        raise Conflict("gate.key-reused", expected=expected, got="another order under it")
    return False


def _not_before(orders: Iterable[GateOrder], now: Instant) -> Instant:
    """An order that is given later stands before what stood, also where the clock was put back meanwhile."""
    return max([now, *(each.effect for each in effective(orders, now))])


def undo(tx: Connection, ctx: Context, scope: Scope, order: GateOrder) -> list[GateOrder]:
    """Bring back what would stand if the last order that covers `scope` had not been given; returns the new orders.

    Of `order` come who, why, until, evidence, key and the moment. Raises Incorrect `gate.order`,
    `gate.nothing-to-undo`, and what the node's guard raises.
    """
    check_order(order, ctx.chain.organisations, [*ctx.chain.kinds, *GATE_KINDS])
    if order.key and any(each.direction == scope.direction for each in _store_gates.with_key(tx, order.key)):
        return []
    orders = effective(_store_gates.orders(tx), order.at)
    order = replace(order, at=_not_before(orders, order.at))
    allowed = ctx.guard(tx)
    given = [_give(tx, each) for each in undoing(orders, scope, order)]
    allowed()
    return given


def call_off(tx: Connection, ctx: Context, number: int, who: str, why: str, now: Instant) -> GateOrder:
    """A scheduled order never takes effect. Raises Incorrect `gate.not-scheduled`, and what the node's guard raises:
    who calls off a closing lets a gate open."""
    found = next((each for each in scheduled(_store_gates.orders(tx), now) if each.number == number), None)
    faults = [
        f"{name}: expected a text, got nothing" for name, text in (("who", who), ("why", why)) if not text.strip()
    ]
    if found is None or faults:
        expected = "the number of an order that is still to take effect, who and why"
        raise Incorrect("gate.not-scheduled", expected=expected, got="; ".join(faults) or str(number), faults=faults)
    allowed = ctx.guard(tx)
    withhold(tx, found, who, why, now)
    allowed()
    return found


def withhold(tx: Connection, order: GateOrder, who: str, why: str, now: Instant) -> None:
    """For the guard itself: a scheduled order is called off, and nobody is asked."""
    _store_gates.call_off(tx, order.number, now)
    body = {**told(order), "who": who, "why": why, "number": order.number}
    log.append(tx, at=now, room="exchange", kind="gate.called-off", body=body)


def impose(tx: Connection, order: GateOrder) -> GateOrder:
    """For the guard itself: an order that opens nothing, and nobody is asked."""
    return _give(tx, replace(order, at=_not_before(_store_gates.orders(tx), order.at)))


def given(tx: Connection) -> list[GateOrder]:
    """All orders that were not called off, in the order of their numbers."""
    return _store_gates.orders(tx)


def note_effects(tx: Connection, now: Instant) -> list[GateOrder]:
    """Scheduled orders that took effect get an entry that says so, and their meters begin anew. Returns them."""
    due = _store_gates.not_noted(tx, now)
    for order in due:
        _store_gates.drop_bucket(tx, order)
        body = {**told(order), "number": order.number}
        log.append(tx, at=now, room="exchange", kind="gate.took-effect", body=body)
    if due:
        _store_gates.note(tx, [order.number for order in due], now)
    return due


# -- what may cross -------------------------------------------------------------------------------------------------


def orders_at(tx: Connection, now: Instant) -> list[GateOrder]:
    """The orders in effect, for `gates.standing`."""
    return at_moment(_store_gates.orders(tx), now)


def allowance(tx: Connection, peer: str, direction: Direction, kind: str, now: Instant, link: Way = "wire") -> Allowed:
    """How much may cross this gate now. Raises Unavailable `gate.closed`. Takes no tokens."""
    order = standing(orders_at(tx, now), peer, direction, kind, link)
    if order.state == "closed":
        raise closed(order, peer, direction, kind)
    if order.state == "open" or (order.rate is None and order.byte_rate is None):
        return Allowed(NO_BOUND, 0.0)
    left = refill(_store_gates.bucket(tx, order), order.rate, now, order.byte_rate)
    waits = [(1 - left.tokens) / order.rate] if order.rate else []
    waits += [(1 - left.size) / order.byte_rate] if order.byte_rate else []
    events = max(0, int(left.tokens)) if order.rate else NO_BOUND
    size = max(0, int(left.size)) if order.byte_rate else NO_BOUND
    return Allowed(events, max(0.0, *waits), order, size)


def closed_kinds(
    tx: Connection, peer: str, direction: Direction, kinds: Iterable[str], now: Instant, link: Way = "wire"
) -> frozenset[str]:
    """Those of these kinds of which the gate is closed now."""
    orders = orders_at(tx, now)
    return frozenset(kind for kind in kinds if standing(orders, peer, direction, kind, link).state == "closed")


def admit(
    tx: Connection,
    peer: str,
    direction: Direction,
    kind: str,
    events: int,
    now: Instant,
    link: Way = "wire",
    size: int = 0,
) -> None:
    """Let `events` of `size` bytes together pass, taking their tokens, or raise Unavailable `gate.closed` or
    `gate.metered` (with `retry_after` and `allowed`).

    A batch of a carried bundle cannot be signed anew in smaller ones: where one event may pass it passes, and leaves a
    debt, so that the rate holds over time.
    """
    allowed = allowance(tx, peer, direction, kind, now, link)
    on_credit = link == "bundle" and min(allowed.events, allowed.size) > 0
    if not on_credit and (events > allowed.events or (events and size > allowed.size)):
        raise _metered(allowed, events, size)
    if events and (meter := allowed.meter):
        left = refill(_store_gates.bucket(tx, meter), meter.rate, now, meter.byte_rate)
        tokens = left.tokens - events if meter.rate else 0.0
        _store_gates.put_bucket(tx, meter, Bucket(tokens, left.at, left.size - size if meter.byte_rate else 0.0))


def _metered(allowed: Allowed, events: int, size: int) -> Unavailable:
    """`allowed`: as many events as will surely be fewer, and by their mean size fit."""
    fit = min(events * max(0, allowed.size) // size, events - 1) if size > allowed.size else events
    short = (size - allowed.size) / allowed.meter.byte_rate if allowed.meter and allowed.meter.byte_rate else 0.0
    wait = max(1, round(max(allowed.retry_after, min(short, 10.0) if size > allowed.size else 0.0)))
    most = min(allowed.events, fit)
    bytes_too = f" and {allowed.size} bytes" if allowed.size < NO_BOUND else ""
    return Unavailable(
        "gate.metered",
        expected=f"at most {min(allowed.events, events)} events{bytes_too} now",
        got=f"{events} events, {size} bytes",
        mend=f"try again in {wait} s",
        retry_after=wait,
        allowed=most,
    )


def closed(order: GateOrder, peer: str, direction: Direction, kind: str) -> Unavailable:
    """The error of a closed gate, naming who closed it and why."""
    return Unavailable(
        "gate.closed",
        expected=f"an open gate {'to' if direction == 'out' else 'from'} {peer} for {kind}",
        got=f"closed by {order.who}: {order.why}",
        mend="nothing is lost: what waits is sent when the gate opens",
        retry_after=60,
    )


# -- what to show ---------------------------------------------------------------------------------------------------


def orders_in_force(tx: Connection, now: Instant) -> list[GateOrder]:
    """The orders that still decide something now, newest first."""
    return in_force(orders_at(tx, now))


def history(tx: Connection, after: int, limit: int, now: Instant) -> list[dict[str, Any]]:
    """Orders with a number beyond `after` as JSON, in the order in which they were given, each with what became of it:
    ``scheduled``, ``called-off``, ``in-force`` or ``past``."""
    standing_now = {order.number for order in orders_in_force(tx, now)}
    rows = []
    for order, off in _store_gates.page(tx, after, limit):
        became = "in-force" if order.number in standing_now else "past" if order.stands(now) else "scheduled"
        row = {"number": order.number, "at": format_instant(order.at), **told(order)}
        rows.append(row | {"became": "called-off" if off is not None else became})
    return rows


def planned(tx: Connection, now: Instant) -> list[dict[str, Any]]:
    """The orders that are to take effect as JSON, the first one first."""
    orders = scheduled(_store_gates.orders(tx), now)
    return [{"number": each.number, "at": format_instant(each.at), **told(each)} for each in orders]


def state_towards(tx: Connection, peer: str, direction: Direction, kinds: list[str], now: Instant) -> str:
    """closed, metered or open; ``mixed`` where the kinds differ."""
    orders = orders_at(tx, now)
    states = {standing(orders, peer, direction, kind).state for kind in kinds}
    return states.pop() if len(states) == 1 else ("mixed" if states else "open")


@dataclass
class Watch:
    """Tells when gates towards peers close or open, whoever ordered it and in whichever process. Reads the orders only
    when there are others."""

    mark: Any = None
    orders: Sequence[GateOrder] = ()

    def closed_to(self, tx: Connection, streams: Iterable[tuple[str, str]], now: Instant) -> frozenset[tuple[str, str]]:
        """Those of these (peer, kind) of which the gate out is closed now, on the wire."""
        mark = _store_gates.mark(tx)
        if mark != self.mark:
            self.mark, self.orders = mark, _store_gates.orders(tx)
        orders = at_moment(self.orders, now)
        return frozenset(each for each in streams if standing(orders, each[0], "out", each[1]).state == "closed")

    def due(self, now: Instant) -> bool:
        """Whether a scheduled order took effect of which that is not noted yet."""
        return any(each.starts is not None and each.starts <= now and each.noted is None for each in self.orders)
