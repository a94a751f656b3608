"""What travels between two nodes, and what a receiver may conclude from it. Pure.

Formats: docs/formats.md. Steps: DESIGN.md, "the way of an event".
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from keersluis.errors import Conflict, Forbidden, Incorrect, Untrusted
from keersluis.merkle import Frontier, leaf_hash
from keersluis.times import Instant, format_instant, parse_instant
from keersluis.watermarks import Checkpoint

BATCH_EVENTS = 4000
"""The most events in one batch."""

BATCH_BYTES = 8 * 1024 * 1024
"""The most bytes of events in one batch."""

T = TypeVar("T", "Parcel", "Outcomes")


class Isolated(msgspec.Struct, frozen=True):
    """What a source signed of a stream while it could send nothing: signed notes, the last one of now.

    Each tree begins with the one before, and the first with the `after` events that the receiver has: a consistency
    proof each, of base64 hashes.
    """

    after: int
    checkpoints: list[str]
    proofs: list[list[str]]


class Batch(msgspec.Struct, frozen=True, omit_defaults=True):
    """Events `first` … `first+len(events)-1` of one stream under one signed checkpoint (a signed note).

    No events: a heartbeat, nothing happened. `counts`: signed statement from the source's own system of record.
    `timeline`: signed head of the sender's timeline, for the receiver to witness. `more`: part of a backlog, of which
    the rest follows. `epoch`: the signed declaration by which a later epoch of a stream begins.
    `isolated`: on the first word after a cut, the proof that nothing was rewritten meanwhile.
    `gaps`: the source's signed word about acts of past periods that are missing from the stream.
    """

    checkpoint: str
    first: int
    events: list[msgspec.Raw]
    counts: str | None = None
    timeline: str | None = None
    more: bool = False
    epoch: str | None = None
    isolated: Isolated | None = None
    gaps: str | None = None


class Receipt(msgspec.Struct, frozen=True, omit_defaults=True):
    """Step 12: the receiver's co-signature on the checkpoint up to which it has applied the stream."""

    checkpoint: str
    watermark: str
    timeline: str | None = None


class Outcome(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of one batch: a receipt, or the problem (RFC 9457) for which it was not applied."""

    receipt: Receipt | None = None
    problem: dict[str, Any] | None = None


class Parcel(msgspec.Struct, frozen=True):
    """One request: a batch of each of several streams, each under its own checkpoint."""

    batches: list[Batch]


class Outcomes(msgspec.Struct, frozen=True):
    """The answer to a parcel, one outcome for each of its batches, in order."""

    outcomes: list[Outcome]


_encoder = msgspec.json.Encoder()


def encode(message: Parcel | Outcomes) -> bytes:
    """The message's bytes."""
    return _encoder.encode(message)


def decode(body: bytes, what: type[T]) -> T:
    """Raises Incorrect `exchange.unreadable`."""
    try:
        return msgspec.json.decode(body, type=what)
    except msgspec.MsgspecError as error:
        raise Incorrect(
            "exchange.unreadable", expected=f"a {what.__name__.lower()} (docs/formats.md)", got=str(error)
        ) from None


def owner_of(batch: Batch) -> str:
    """The OIN in whose name a batch speaks, as its first line says; whether it does, its signature shows (step 10)."""
    return batch.checkpoint.partition("/")[0]


def own_word(oin: str, by: str | None) -> None:
    """Over a connection with a certificate an organisation speaks for itself alone: a parcel or question that was
    overheard cannot be shown again by another. Raises Forbidden `link.not-its-own`."""
    if by is not None and oin != by:
        raise Forbidden("link.not-its-own", expected=f"what {by} says itself", got=f"what {oin[:40]} says")


def within(events: Sequence[Any], room: int, *, least: int = 1) -> Sequence[Any]:
    """As many rows of events as fit in `room` bytes, but at least so many."""
    total = 0
    for number, event in enumerate(events):
        total += len(event.bytes)
        if total > room and number >= least:
            return events[:number]
    return events


@dataclass(frozen=True, slots=True)
class Extension:
    """Step 10's result: what is new in a batch, and the tree after it."""

    first: int
    events: Sequence[bytes]
    frontier: Frontier


def extend(have: Frontier, batch: Batch, checkpoint: Checkpoint) -> Extension:
    """Step 10: the batch continues the stream as applied here, and gives the root that the source signed.

    Events that are here already are passed over. Raises Conflict `exchange.gap` when events before the batch are
    missing here, Untrusted `exchange.root-differs` when an event was left out, altered, added or moved.
    """
    if batch.first > have.size + 1:
        raise Conflict(
            "exchange.gap",
            expected=f"event {have.size + 1} first",
            got=f"event {batch.first}",
            next=have.size + 1,
        )
    if batch.first < 1 or batch.first - 1 + len(batch.events) != checkpoint.size:
        raise Untrusted(
            "exchange.size-differs",
            expected=f"events up to {checkpoint.size}, as the checkpoint says",
            got=f"{len(batch.events)} events from {batch.first}",
            where=checkpoint.origin,
        )
    events = [bytes(raw) for raw in batch.events[have.size + 1 - batch.first :]]
    frontier = have.extend([leaf_hash(event) for event in events])
    if frontier.root() != checkpoint.root:
        raise Untrusted(
            "exchange.root-differs",
            expected=f"root {b64encode(checkpoint.root).decode()} over {checkpoint.size} events, as signed",
            got=b64encode(frontier.root()).decode(),
            where=f"{checkpoint.origin} events {have.size + 1}-{checkpoint.size}",
        )
    return Extension(have.size + 1, events, frontier)


@dataclass(frozen=True, slots=True)
class Counts:
    """The source's own system of record holds `count` acts of this stream entered up to source time `through`."""

    origin: str
    through: Instant
    count: int

    def text(self) -> str:
        """The exact text that is signed."""
        return f"{self.origin}/counts\nthrough {format_instant(self.through)}\ncount {self.count}\n"

    @staticmethod
    def parse(text: str) -> Counts:
        """Raises Untrusted `counts.unreadable`."""
        try:
            origin, through, count, _ = text.split("\n")
            if not (origin.endswith("/counts") and through.startswith("through ") and count.startswith("count ")):
                raise ValueError(text)
            return Counts(origin.removesuffix("/counts"), parse_instant(through[8:]), int(count[6:]))
        except (ValueError, Incorrect):
            raise Untrusted(
                "counts.unreadable",
                expected="origin/counts, through, count, a line each",
                got=repr(text[:120]),
            ) from None


@dataclass(frozen=True, slots=True)
class Moves:
    """The watermark may move to this instant."""

    to: Instant


@dataclass(frozen=True, slots=True)
class Stops:
    """The watermark stays where it is: the counts are missing (`stated` None) or differ."""

    stated: int | None
    received: int


def watermark_after(
    previous: Instant,
    checkpoint: Checkpoint,
    *,
    counted: bool,
    counts: Counts | None,
    received: int,
    lag: int,
) -> Moves | Stops:
    """Where the watermark may stand now that all events of `checkpoint` are applied and its root holds.

    For a stream that is `counted`, only as far as the source's independent count agrees with the `received` number of
    events entered up to the count's moment: acts entered after it lie later than its moment less the entry lag.
    """
    if not counted:
        return Moves(max(previous, checkpoint.complete_through))
    if counts is None or counts.count != received:
        return Stops(counts.count if counts else None, received)
    return Moves(max(previous, min(checkpoint.complete_through, counts.through - lag - 1)))
