"""Loose events: what came by letter before its turn in the stream.

Such an event is applied once, when it comes; position and watermark wait until the stream itself has come so far.
This is what the inbox asks: what it knows already of a batch, and what has its turn now.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection

from keersluis.errors import Untrusted
from keersluis.exchange import _store_letters
from keersluis.exchange.batches import Batch, Extension
from keersluis.merkle import Frontier, leaf_hash

MIGRATIONS = _store_letters.MIGRATIONS
"""The tables of letters, for `storage.open_store`."""


def pending(tx: Connection, stream: int) -> Sequence[Any]:
    """The checkpoints of letters that the stream has not reached; empty: nothing of it is loose."""
    return _store_letters.pending(tx, stream)


def recognised(
    tx: Connection, stream: Any, have: Frontier, new: Extension, checkpoints: Sequence[Any]
) -> frozenset[int]:
    """Which events of a verified batch were applied before, by letter.

    Raises Untrusted `exchange.forked` when a letter and the batch, both signed, tell two stories.
    """
    for pledged in checkpoints:
        if have.size < pledged.size <= new.frontier.size:
            leaves = [leaf_hash(event) for event in new.events[: pledged.size - have.size]]
            if have.extend(leaves).root() != bytes(pledged.root):
                raise forked(stream.origin, f"events 1-{pledged.size}")
    applied = set()
    for row in _store_letters.loose(tx, stream.stream, have.size, new.frontier.size):
        if new.events[row.position - new.first] != bytes(row.bytes):
            raise forked(stream.origin, f"event {row.position}")
        if row.applied:
            applied.add(row.position)
    return frozenset(applied)


def noted(tx: Connection, stream: int, positions: frozenset[int]) -> set[int]:
    """Those of these loose events that were noted as breaches when they came."""
    return _store_letters.breached(tx, stream, sorted(positions))


def placed(tx: Connection, stream: int, size: int) -> None:
    """The stream has come to `size` events: those are loose no longer."""
    _store_letters.clear(tx, stream, size)


def following(tx: Connection, stream: Any) -> Batch | None:
    """The loose events that have their turn now, under a checkpoint that covers them and nothing else."""
    for pledged in _store_letters.pending(tx, stream.stream):
        if _store_letters.count_loose(tx, stream.stream, stream.size, pledged.size) < pledged.size - stream.size:
            return None
        rows = _store_letters.loose(tx, stream.stream, stream.size, pledged.size)
        raws = [msgspec.Raw(bytes(row.bytes)) for row in rows]
        # without the source's own count it moves no watermark that waits for one, and stops none either: `more`
        return Batch(pledged.note, stream.size + 1, raws, pledged.counts, None, not pledged.counts)
    return None


def forked(origin: str, what: str) -> Untrusted:
    """The source signed two things that cannot both be true."""
    return Untrusted(
        "exchange.forked",
        expected=f"what {origin} signed before",
        got="something else under its signature",
        mend="the source has told two stories: keep both and ask it to explain",
        where=f"{origin} {what}",
    )
