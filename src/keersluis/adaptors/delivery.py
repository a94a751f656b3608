"""Handing events to the node: over its API, or on its store. What returns is durable there (steps 1 to 6).

The node accepts a batch whole or not at all. Where it refuses one, the batch is halved until the faulty events stand
alone: so one faulty row does not keep the others back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import msgspec

from keersluis.adaptors.mapping import Mapping, Row, RowFaults, to_event
from keersluis.chain import Chain, Organisation
from keersluis.errors import Conflict, Incorrect, KeersluisError
from keersluis.exchange.envelope import submitted
from keersluis.exchange.outbox import Accepted
from keersluis.exchange.wire import Wire
from keersluis.register import intake
from keersluis.service import Node
from keersluis.times import Clock

PATH = "/v0/gebeurtenissen"
MOST_BYTES = 8 * 1024 * 1024
"""The most bytes of events that are handed over at once."""


class Delivery(Protocol):
    """Returns when all `events` are durable at the node; all or nothing. Raises what the node says."""

    def accept(self, events: Sequence[bytes]) -> list[Accepted]: ...


class _Told(msgspec.Struct):
    accepted: list[Accepted]


class OverHttp:
    """To a node that runs."""

    def __init__(self, wire: Wire, organisation: str) -> None:
        self._wire, self._organisation = wire, organisation

    def accept(self, events: Sequence[bytes]) -> list[Accepted]:
        told = self._wire.send(self._organisation, PATH, b"[" + b",".join(events) + b"]")
        return msgspec.json.decode(told, type=_Told).accepted


class OnStore:
    """On the store of a node that does not run."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def accept(self, events: Sequence[bytes]) -> list[Accepted]:
        return self._node.accept(events)


class Ready(NamedTuple):
    """A row and its event."""

    row: Row
    event: bytes


class Refused(NamedTuple):
    """A row that the node does not hold, and why: a sentence for each fault."""

    row: Row
    reasons: tuple[str, ...]


@dataclass
class Delivered:
    """What is durable. `numbers` are kind -> [first, last, how many] of the numbers in the stream; `before` counts
    those that were accepted earlier: in a former delivery, or before an interruption of this one."""

    rows: int = 0
    accepted: int = 0
    before: int = 0
    numbers: dict[str, list[int]] = field(default_factory=dict)
    refused: list[Refused] = field(default_factory=list)

    def take(self, accepted: Iterable[Accepted]) -> None:
        """Count each event once, also where one batch holds it twice."""
        seen: set[tuple[str, int]] = set()
        for each in accepted:
            self.rows += 1
            again = each.duplicate or (each.kind, each.position) in seen
            self.before += again
            self.accepted += not again
            seen.add((each.kind, each.position))
            first, last, number = self.numbers.get(each.kind, [each.position, each.position, 0])
            self.numbers[each.kind] = [min(first, each.position), max(last, each.position), number + 1]


class Checker:
    """Says, before anything is sent, which rows the node would refuse, and all that is wrong with each."""

    def __init__(self, chain: Chain, me: Organisation, mapping: Mapping | None, clock: Clock) -> None:
        self._chain, self._me, self._mapping, self._clock = chain, me, mapping, clock

    def sorted_out(self, rows: Iterable[Row], file: str) -> tuple[list[Ready], list[Refused]]:
        """The rows that give an event, and those that do not."""
        ready: list[Ready] = []
        refused: list[Refused] = []
        for row in rows:
            try:
                ready.append(Ready(row, self.event(row, file)))
            except RowFaults as faults:
                refused.append(Refused(row, tuple(faults.faults)))
        return ready, refused

    def event(self, row: Row, file: str) -> bytes:
        """Raises RowFaults."""
        event = row.text.encode() if self._mapping is None else to_event(self._mapping, row, file)
        try:
            found = submitted(event, self._chain, self._me, self._clock.now())
            intake.check(found.attributes["data"], found.kind, self._chain.timezone)
        except KeersluisError as error:
            raise RowFaults([reason(error)]) from None
        return event


def reason(error: KeersluisError) -> str:
    """Why a row was refused, without what stands in it: that may be about somebody."""
    place = f"{error.where}: " if error.where and error.code != "exchange.key-reused" else ""
    return f"{place}expected {error.expected} [{error.code}]" if error.expected else f"{place}{error.code}"


def deliver(delivery: Delivery, ready: Sequence[Ready], into: Delivered) -> None:
    """Hand over; each row ends in `into` as accepted or as refused. Raises Unavailable and the like: then what was
    counted is durable and the rest was not acknowledged."""
    for batch in _portions(ready):
        _deliver(delivery, batch, into)


def _deliver(delivery: Delivery, batch: Sequence[Ready], into: Delivered) -> None:
    if not batch:
        return
    try:
        into.take(delivery.accept([each.event for each in batch]))
    except (Incorrect, Conflict) as error:
        if len(batch) == 1:
            into.refused.append(Refused(batch[0].row, (reason(error),)))
            return
        middle = len(batch) // 2
        _deliver(delivery, batch[:middle], into)
        _deliver(delivery, batch[middle:], into)


def _portions(ready: Sequence[Ready]) -> Iterator[Sequence[Ready]]:
    start, size = 0, 0
    for n, each in enumerate(ready):
        if size and size + len(each.event) > MOST_BYTES:
            yield ready[start:n]
            start, size = n, 0
        size += len(each.event) + 1
    yield ready[start:]
