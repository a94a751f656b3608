"""Gates: what may cross, to whom, in which direction, of which kind. Pure.

Orders are only ever added. The last order that covers a (peer, direction, kind) stands, whatever its breadth: a
closing order for all closes all, an opening order for one kind afterwards opens that kind alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from keersluis.errors import Incorrect
from keersluis.times import SECOND, Instant

Direction: TypeAlias = Literal["in", "out"]
State: TypeAlias = Literal["closed", "metered", "open"]
Way: TypeAlias = Literal["wire", "bundle", "paper"]
"""By which link something crosses: over the network, in a carried file, in a printed letter."""

ALL = "*"
WAYS: tuple[Way, ...] = ("wire", "bundle", "paper")
SLOWEST, FASTEST = 0.0001, 1_000_000
"""Events per second between which a gate can be metered."""


@dataclass(frozen=True, slots=True)
class GateOrder:
    """One move of a gate, by a person who says why. `until` is the date to look at it again: no gate moves by itself.

    `rate` in events per second, for ``metered`` alone; `peer`, `kind` and `link` may be ``*``: all. A kind covers its
    subtree. Whoever closes the wire alone still lets letters and bundles through.
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

    def covers(self, peer: str, direction: Direction, kind: str, link: str = "wire") -> bool:
        """Whether this order speaks of that gate."""
        return (
            self.direction == direction
            and self.peer in (ALL, peer)
            and (self.kind in (ALL, kind) or kind.startswith(self.kind + "."))
            and self.link in (ALL, link)
        )


OPEN = GateOrder(0, ALL, "out", ALL, "open", "", "")
"""A gate of which nobody ordered anything stands open."""


def standing(orders: Iterable[GateOrder], peer: str, direction: Direction, kind: str, link: Way = "wire") -> GateOrder:
    """The order in force for one gate; `orders` oldest first."""
    in_force = OPEN
    for order in orders:
        if order.covers(peer, direction, kind, link):
            in_force = order
    return in_force


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
    if (order.state == "metered") != (order.rate is not None and SLOWEST <= order.rate <= FASTEST):
        expected = f"events per second ({SLOWEST} to {FASTEST:,}) for metered alone"
        faults.append(f"rate: expected {expected}, got {order.rate!r}")
    faults += [f"{name}: expected a text, got nothing" for name in ("who", "why") if not getattr(order, name).strip()]
    if faults:
        raise Incorrect("gate.order", expected="an order that can be carried out", got="; ".join(faults), faults=faults)


@dataclass(frozen=True, slots=True)
class Bucket:
    """A token bucket as stored: `tokens` left at instant `at`."""

    tokens: float
    at: Instant


def refill(bucket: Bucket | None, rate: float, now: Instant) -> Bucket:
    """The bucket now: `rate` tokens a second, at most ten seconds' worth (at least one) saved up."""
    ceiling = max(1.0, 10 * rate)
    if bucket is None:
        return Bucket(min(ceiling, max(1.0, rate)), now)
    grown = bucket.tokens + rate * max(0, now - bucket.at) / SECOND
    return Bucket(min(ceiling, grown), max(now, bucket.at))  # a clock put back fills nothing twice
