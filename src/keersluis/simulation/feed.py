"""What drives a chain on a virtual clock: acts, paper, counts, questions, gate orders and requests, in order of time.

A feed comes in two variants of the same world: with the cut, and as if it had never been cut. An act has the same
id, event time and data in both; only the moment at which it is entered differs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from keersluis.chain import Chain
from keersluis.times import Instant


@dataclass(frozen=True, slots=True)
class Publish:
    """The organisation enters an act: `event` is its CloudEvent (JSON) without time, sequence and salt."""

    at: Instant
    organisation: str
    event: bytes


@dataclass(frozen=True, slots=True)
class Waiting:
    """An act is registered as not yet entered (paper); this ends when the event of that id is published."""

    at: Instant
    organisation: str
    kind: str
    event_id: str
    occurred: str
    channel: str


@dataclass(frozen=True, slots=True)
class Counts:
    """From the organisation's own system of record: `count` acts of `kind` were entered up to and including
    `through`, from the beginning of the feed on."""

    at: Instant
    organisation: str
    kind: str
    through: Instant
    count: int


@dataclass(frozen=True, slots=True)
class Ask:
    """A decider takes a decision; `request` has id, policy, subject and moment."""

    at: Instant
    organisation: str
    request: dict[str, Any]


@dataclass(frozen=True, slots=True)
class GateOrder:
    """The organisation moves its own gate. Peer, direction and kind may be ``*``; `rate` is in events per second."""

    at: Instant
    organisation: str
    peer: str
    direction: str
    kind: str
    state: str
    rate: float | None
    who: str
    why: str
    until: str | None
    evidence: str


@dataclass(frozen=True, slots=True)
class Request:
    """Any operation of the organisation's own API: POST of `body` (a JSON value, with references as in `requests`) to
    `path`, or GET without. `expect` is 200 for success or the status of the refusal; `name` is what later requests
    call its answer; `place` is the row in the scenario, for reports. With `uncut` it belongs to both variants."""

    at: Instant
    organisation: str
    path: str
    body: Any
    name: str
    expect: int
    uncut: bool
    place: str


@dataclass(frozen=True, slots=True)
class Reconcile:
    """The organisation compares what it published of `kind` with its system of record, which holds the events of
    `record` when the tick of `at` ends, and declares the gap. With `publish` it enters what is missing, which are the
    events of `adds`."""

    at: Instant
    organisation: str
    kind: str
    publish: bool
    record: tuple[bytes, ...]
    adds: tuple[bytes, ...]


Item: TypeAlias = Publish | Waiting | Counts | Ask | GateOrder | Request | Reconcile


class Feed(Protocol):
    """A world to be played. The same feed gives the same items each time."""

    @property
    def chain(self) -> Chain: ...

    @property
    def start(self) -> Instant: ...

    @property
    def end(self) -> Instant: ...

    @property
    def tick(self) -> int:
        """Microseconds of virtual time per step; `end - start` is a whole number of them."""

    @property
    def total_events(self) -> int:
        """How many events are published, with the cut as without; also those that a reconciliation adds."""

    def items(self, cut: bool) -> Iterator[Item]:
        """In order of `at`, from `start` to `end`."""
