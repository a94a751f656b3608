"""What waits in the outbox, without reading all of it: a row for each block of a stream, and the pace of each peer."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import BigInteger, Column, Connection, Integer, Table, Text

from keersluis.exchange.pace import Mark, marked
from keersluis.storage import Hook, upsert
from keersluis.times import Instant

BLOCK = 1024
"""Positions in one block: block b holds those from b * BLOCK + 1 on."""

metadata = sa.MetaData()

out_blocks = Table(
    "out_blocks",
    metadata,
    Column("stream", Integer, primary_key=True),
    Column("block", BigInteger, primary_key=True),
    Column("oldest", BigInteger, nullable=False),
    Column("size", BigInteger, nullable=False),
)
out_paces = Table(
    "out_paces",
    metadata,
    Column("stream", Integer, primary_key=True),
    Column("peer", Text, primary_key=True),
    Column("marks", Text, nullable=False),
)
_events = sa.table(
    "out_events",
    *(sa.column(name) for name in ("stream", "position", "occurred_start", "source_time", "bytes")),
)
_FILL = (
    "INSERT INTO out_blocks (stream, block, oldest, size) SELECT stream, (position - 1) / 1024, MIN(occurred_start), "
    "SUM(LENGTH(bytes)) FROM out_events GROUP BY stream, (position - 1) / 1024"
)


def _complete(tx: Connection) -> None:
    """The blocks of what an older version accepted."""
    metadata.create_all(tx)
    tx.execute(sa.delete(out_blocks))
    tx.execute(sa.text(_FILL))


STEPS: Sequence[Hook] = (_complete,)

_e, _b = _events.c, out_blocks.c
_REST = sa.select(sa.func.min(_e.occurred_start), sa.func.sum(sa.func.length(_e.bytes))).where(
    _e.stream == sa.bindparam("s"), _e.position > sa.bindparam("after"), _e.position <= sa.bindparam("upto")
)
_FIRST = sa.select(_e.source_time).where(_e.stream == sa.bindparam("s"), _e.position == sa.bindparam("first"))
_BLOCKS = sa.select(sa.func.min(_b.oldest), sa.func.sum(_b.size)).where(
    _b.stream == sa.bindparam("s"), _b.block > sa.bindparam("block")
)


class Backlog(NamedTuple):
    """Of the events of a stream after a position: the oldest act, the first entry, the bytes; None: there are none."""

    occurred: Instant | None
    source_time: Instant | None
    size: int


def add(tx: Connection, events: Iterable[tuple[Any, ...]]) -> None:
    """Step 5's rows (columns OUT_EVENT) go into their blocks."""
    found: dict[tuple[int, int], tuple[Instant, int]] = {}
    for stream, position, occurred, _source_time, _leaf, data in events:
        place = (stream, (position - 1) // BLOCK)
        oldest, size = found.get(place, (occurred, 0))
        found[place] = (min(oldest, occurred), size + len(data))
    for (stream, block), (oldest, size) in found.items():
        _grow(tx, {"stream": stream, "block": block, "oldest": oldest, "size": size})


def _grow(tx: Connection, row: dict[str, int]) -> None:
    here = (_b.stream == row["stream"], _b.block == row["block"])
    older = sa.case((_b.oldest < row["oldest"], _b.oldest), else_=row["oldest"])
    grown = tx.execute(sa.update(out_blocks).where(*here).values(oldest=older, size=_b.size + row["size"]))
    if not grown.rowcount:
        tx.execute(sa.insert(out_blocks), row)


def cut(tx: Connection, stream: int, after: int) -> None:
    """The events after a position were taken out of the stream: its last block is what is left of it."""
    block = after // BLOCK
    tx.execute(sa.delete(out_blocks).where(_b.stream == stream, _b.block >= block))
    oldest, size = tx.execute(_REST, {"s": stream, "after": block * BLOCK, "upto": after}).one()
    if oldest is not None:
        tx.execute(sa.insert(out_blocks), {"stream": stream, "block": block, "oldest": oldest, "size": size})


def backlog(tx: Connection, stream: int, position: int) -> Backlog:
    """What waits after `position`: reads one block of events and a row for each block after it (P6)."""
    block = position // BLOCK
    first = tx.execute(_FIRST, {"s": stream, "first": position + 1}).scalar()
    if first is None:
        return Backlog(None, None, 0)
    oldest, size = tx.execute(_REST, {"s": stream, "after": position, "upto": (block + 1) * BLOCK}).one()
    later, more = tx.execute(_BLOCKS, {"s": stream, "block": block}).one()
    # source time never runs backwards within a stream: the first event after it was entered first
    return Backlog(min(oldest, later) if later is not None else oldest, first, int(size) + int(more or 0))


_PACE = sa.select(out_paces.c.marks).where(
    out_paces.c.stream == sa.bindparam("s"), out_paces.c.peer == sa.bindparam("p")
)


def pace(tx: Connection, stream: int, peer: str) -> list[Mark]:
    """The marks of a stream towards a peer, the oldest first."""
    marks = tx.execute(_PACE, {"s": stream, "p": peer}).scalar()
    return [Mark(*mark) for mark in json.loads(marks)] if marks else []


def keep_paces(tx: Connection, peer: str, new: Mapping[int, Mark]) -> None:
    """Step 13: how far the peer was at this moment, of each stream that it got something of."""
    rows = [
        {"stream": stream, "peer": peer, "marks": json.dumps(marked(pace(tx, stream, peer), mark))}
        for stream, mark in new.items()
    ]
    upsert(tx, out_paces, rows, key=["stream", "peer"])
