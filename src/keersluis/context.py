"""What a room needs of the node it works in, given to it as data by `service.py`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from sqlalchemy import Connection

from keersluis.chain import Chain, Organisation
from keersluis.identity import KeyRing
from keersluis.signing import Signer
from keersluis.times import Clock, Instant


class Publish(Protocol):
    """Puts one event of the organisation's own into the outbox, in the caller's transaction."""

    def __call__(
        self, tx: Connection, kind: str, event_id: str, occurred: Instant, data: Mapping[str, Any]
    ) -> None: ...


def no_crash(step: int) -> None:
    """The step hook of a node in earnest: nothing happens between the steps of DESIGN.md."""


Guard = Callable[[Connection], Callable[[], None]]
"""Asked in the transaction that moves gates: what it gives is called when the orders stand, and raises where they may
not. So it knows what stood before."""


def no_guard(_tx: Connection) -> Callable[[], None]:
    """Gates of which no plan speaks."""
    return lambda: None


@dataclass
class Context:
    """One organisation's node: its chain, its identity, its clock.

    `secret` keys the HMAC that stands for a person's number in logs; `step` is called at the numbered steps of
    DESIGN.md, so that the simulator can crash a node between any two of them. `guard` watches over moves of gates.
    """

    chain: Chain
    me: Organisation
    signer: Signer
    keyring: KeyRing
    clock: Clock
    publish: Publish
    secret: bytes
    step: Callable[[int], None] = field(default=no_crash)
    guard: Guard = field(default=no_guard)
