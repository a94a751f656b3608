"""Gates as they stand in the database: orders, and the tokens of metered gates."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from keersluis.chain import GATE_KINDS
from keersluis.context import Context
from keersluis.errors import Unavailable
from keersluis.exchange import _store
from keersluis.exchange.gates import Bucket, Direction, GateOrder, Way, check_order, refill, standing
from keersluis.timeline import log
from keersluis.times import Instant


@dataclass(frozen=True, slots=True)
class Allowed:
    """`events` may cross now; `retry_after` seconds until more may (0: no bound).

    `meter` is the order that meters: all kinds and peers that it covers share its tokens.
    """

    events: int
    retry_after: float
    meter: GateOrder | None = None


def move(tx: Connection, ctx: Context, order: GateOrder) -> None:
    """Carry out an order: from this commit on it stands (P4). Raises Incorrect `gate.order`."""
    check_order(order, ctx.chain.organisations, [*ctx.chain.kinds, *GATE_KINDS])
    _store.add_order(tx, order)
    _store.drop_bucket(tx, order)
    body: dict[str, Any] = {
        name: getattr(order, name)
        for name in ("peer", "direction", "kind", "state", "rate", "who", "why", "until", "evidence", "link")
    }
    log.append(tx, at=order.at, room="exchange", kind="gate.moved", body=body)


def allowance(tx: Connection, peer: str, direction: Direction, kind: str, now: Instant, link: Way = "wire") -> Allowed:
    """How many events may cross this gate now. Raises Unavailable `gate.closed`. Takes no tokens."""
    order = standing(_store.orders(tx), peer, direction, kind, link)
    if order.state == "closed":
        raise closed(order, peer, direction, kind)
    if order.state == "open" or order.rate is None:
        return Allowed(1 << 60, 0.0)
    tokens = refill(_store.bucket(tx, order), order.rate, now).tokens
    return Allowed(max(0, int(tokens)), max(0.0, (1 - tokens) / order.rate), order)


def closed_kinds(tx: Connection, peer: str, direction: Direction, kinds: Iterable[str]) -> frozenset[str]:
    """Those of these kinds of which the gate is closed now."""
    orders = _store.orders(tx)
    return frozenset(kind for kind in kinds if standing(orders, peer, direction, kind).state == "closed")


def admit(
    tx: Connection, peer: str, direction: Direction, kind: str, events: int, now: Instant, link: Way = "wire"
) -> None:
    """Let `events` pass, taking their tokens, or raise Unavailable `gate.closed` or `gate.metered` (with `retry_after`
    and `allowed`)."""
    allowed = allowance(tx, peer, direction, kind, now, link)
    if events > allowed.events:
        raise Unavailable(
            "gate.metered",
            expected=f"at most {allowed.events} events now",
            got=f"{events}",
            mend=f"try again in {max(1, round(allowed.retry_after))} s",
            retry_after=max(1, round(allowed.retry_after)),
            allowed=allowed.events,
        )
    if events and allowed.meter and allowed.meter.rate is not None:
        left = refill(_store.bucket(tx, allowed.meter), allowed.meter.rate, now)
        _store.put_bucket(tx, allowed.meter, Bucket(left.tokens - events, left.at))


def closed(order: GateOrder, peer: str, direction: Direction, kind: str) -> Unavailable:
    """The error of a closed gate, naming who closed it and why."""
    return Unavailable(
        "gate.closed",
        expected=f"an open gate {'to' if direction == 'out' else 'from'} {peer} for {kind}",
        got=f"closed by {order.who}: {order.why}",
        mend="nothing is lost: what waits is sent when the gate opens",
        retry_after=60,
    )


def orders_in_force(tx: Connection) -> list[GateOrder]:
    """The orders that still decide something, newest first: an order covered whole by a later one is left out."""
    kept: list[GateOrder] = []
    for order in reversed(_store.orders(tx)):
        if not any(later.covers(order.peer, order.direction, order.kind, order.link) for later in kept):
            kept.append(order)
    return kept


def state_towards(tx: Connection, peer: str, direction: Direction, kinds: list[str]) -> str:
    """closed, metered or open; ``mixed`` where the kinds differ."""
    orders = _store.orders(tx)
    states = {standing(orders, peer, direction, kind).state for kind in kinds}
    return states.pop() if len(states) == 1 else ("mixed" if states else "open")
