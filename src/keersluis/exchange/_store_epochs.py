"""All SQL of restored backups and of epochs: what partners hold beyond us, what they gave back, who continues whom."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import BigInteger, Column, Connection, Integer, Table, Text

from keersluis.exchange import _store_backlog, _store_isolated
from keersluis.exchange._store import (
    AnyRow,
    add_out_events,
    in_events,
    in_streams,
    out_events,
    out_keys,
    out_peers,
    out_streams,
    waiting,
)
from keersluis.storage import Bytes, Migrations, upsert
from keersluis.times import Instant

metadata = sa.MetaData()

out_behind = Table(
    "out_behind",
    metadata,
    Column("stream", Integer, primary_key=True, autoincrement=False),
    Column("peer", Text, primary_key=True),
    Column("origin", Text, nullable=False),  # of what the peer holds: a later epoch, where we lost that too
    Column("size", BigInteger, nullable=False),
    Column("note", Text, nullable=False),
    Column("common", BigInteger, nullable=False),
    Column("code", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
)
out_taken = Table(
    "out_taken",
    metadata,
    Column("stream", Integer, primary_key=True, autoincrement=False),
    Column("position", BigInteger, primary_key=True),
    Column("bytes", Bytes, nullable=False),
)
out_conflicts = Table(
    "out_conflicts",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("event_id", Text, primary_key=True),
    Column("bytes", Bytes, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("solved_at", BigInteger),
)
out_epochs = Table(
    "out_epochs",
    metadata,
    Column("origin", Text, primary_key=True),
    Column("stream", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("next", Text, nullable=False, unique=True),
    Column("note", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
)
in_epochs = Table(
    "in_epochs",
    metadata,
    Column("origin", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("continues", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("carried", BigInteger, nullable=False),
    Column("beyond", BigInteger, nullable=False),
    Column("note", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
)

MIGRATIONS = Migrations("exchange.epochs", [metadata.create_all])

_BEHIND = sa.select(out_behind.c.stream)
_ARCHIVE = (
    sa.select(out_streams, out_epochs.c.kind.label("leaf"))
    .join(out_epochs, out_epochs.c.stream == out_streams.c.stream)
    .order_by(out_streams.c.stream)
)
_CLOSES = sa.select(in_epochs).where(in_epochs.c.continues == sa.bindparam("o"))
_NEWEST = (
    sa.select(in_streams)
    .where(in_streams.c.source == sa.bindparam("s"), in_streams.c.kind == sa.bindparam("k"))
    .order_by(in_streams.c.stream.desc())
    .limit(1)
)


# -- what partners hold beyond us --------------------------------------------------------------------------------


def all_behind(tx: Connection) -> Sequence[AnyRow]:
    """Streams of ours of which a partner holds more, or something else, than we do."""
    return tx.execute(sa.select(out_behind).order_by(out_behind.c.stream, out_behind.c.peer)).all()


def behind_streams(tx: Connection) -> frozenset[int]:
    """The numbers of those streams: nothing of them may be sent."""
    return frozenset(tx.execute(_BEHIND).scalars())


def put_behind(tx: Connection, row: dict[str, Any]) -> None:
    upsert(tx, out_behind, [row], key=["stream", "peer"])


def drop_behind(tx: Connection, stream: int, peer: str | None = None) -> bool:
    """A stream is not behind any more; returns whether it was."""
    c = out_behind.c
    query = sa.delete(out_behind).where(c.stream == stream)
    return bool(tx.execute(query if peer is None else query.where(c.peer == peer)).rowcount)


# -- what they gave back -----------------------------------------------------------------------------------------


def put_taken(tx: Connection, stream: int, first: int, events: Sequence[bytes]) -> None:
    """Keep events that came back, until the whole range is here and verified."""
    rows = [{"stream": stream, "position": n, "bytes": event} for n, event in enumerate(events, first)]
    upsert(tx, out_taken, rows, key=["stream", "position"])


def taken(tx: Connection, stream: int) -> Iterator[tuple[int, bytes]]:
    """(position, bytes) of what came back, in order."""
    c = out_taken.c
    rows = tx.execute(sa.select(c.position, c.bytes).where(c.stream == stream).order_by(c.position))
    return ((row.position, bytes(row.bytes)) for row in rows)


def last_taken(tx: Connection, stream: int) -> int:
    c = out_taken.c
    return int(
        tx.execute(sa.select(sa.func.coalesce(sa.func.max(c.position), 0)).where(c.stream == stream)).scalar_one()
    )


def drop_taken(tx: Connection, stream: int) -> None:
    tx.execute(sa.delete(out_taken).where(out_taken.c.stream == stream))


def cut_tail(tx: Connection, stream: int, after: int) -> list[bytes]:
    """Take our events after a position out of the stream, keys and all; returns their bytes, in order."""
    c, k = out_events.c, out_keys.c
    where = (c.stream == stream, c.position > after)
    tail = [bytes(each) for each in tx.execute(sa.select(c.bytes).where(*where).order_by(c.position)).scalars()]
    tx.execute(sa.delete(out_events).where(*where))
    tx.execute(sa.delete(out_keys).where(k.stream == stream, k.position > after))
    _store_backlog.cut(tx, stream, after)
    _store_isolated.cut(tx, stream, after)
    return tail


def put_events(tx: Connection, events: Sequence[tuple[Any, ...]], keys: Sequence[tuple[Any, ...]]) -> None:
    """Events (columns OUT_EVENT) and their keys (OUT_KEY)."""
    add_out_events(tx, events, keys)


def add_conflict(tx: Connection, row: dict[str, Any]) -> None:
    upsert(tx, out_conflicts, [row], key=["kind", "event_id"])


def conflicts(tx: Connection) -> Sequence[AnyRow]:
    """Events that were accepted after the restore under a key that had been used before, for another content."""
    c = out_conflicts.c
    return tx.execute(sa.select(out_conflicts).where(c.solved_at.is_(None)).order_by(c.at, c.kind, c.event_id)).all()


def solve_conflict(tx: Connection, kind: str, event_id: str, at: Instant) -> bool:
    c = out_conflicts.c
    where = (c.kind == kind, c.event_id == event_id, c.solved_at.is_(None))
    return bool(tx.execute(sa.update(out_conflicts).where(*where).values(solved_at=at)).rowcount)


# -- epochs of our own -------------------------------------------------------------------------------------------


def out_archive(tx: Connection) -> Sequence[AnyRow]:
    """The rows of our earlier epochs, oldest first, with their `leaf` kind: in `out_streams` they go by their origin,
    so that each kind has one current row."""
    return tx.execute(_ARCHIVE).all()


def declaration_of(tx: Connection, origin: str) -> str | None:
    """The signed note by which this epoch of ours continues an earlier one; None for a first epoch."""
    note: str | None = tx.execute(sa.select(out_epochs.c.note).where(out_epochs.c.next == origin)).scalar()
    return note


def next_epoch(tx: Connection, old: AnyRow, row: dict[str, Any], declared: dict[str, Any]) -> None:
    """Put a stream of ours aside, and begin its next epoch."""
    upsert(tx, out_epochs, [declared], key=["origin"])
    tx.execute(sa.update(out_streams).where(out_streams.c.stream == old.stream).values(kind=old.origin))
    tx.execute(sa.insert(out_streams), row)


def peers_of(tx: Connection, stream: int) -> Sequence[AnyRow]:
    return tx.execute(sa.select(out_peers).where(out_peers.c.stream == stream)).all()


# -- epochs of others --------------------------------------------------------------------------------------------


def in_epoch(tx: Connection, origin: str) -> AnyRow | None:
    return tx.execute(sa.select(in_epochs).where(in_epochs.c.origin == origin)).first()


def all_in_epochs(tx: Connection) -> Sequence[AnyRow]:
    return tx.execute(sa.select(in_epochs).order_by(in_epochs.c.origin)).all()


def closes(tx: Connection, origin: str) -> AnyRow | None:
    """The epoch that continues this one here, if any."""
    return tx.execute(_CLOSES, {"o": origin}).first()


def put_in_epoch(tx: Connection, row: dict[str, Any]) -> None:
    upsert(tx, in_epochs, [row], key=["origin"])


def newest_in_stream(tx: Connection, source: str, kind: str) -> AnyRow | None:
    """The newest epoch that is received of a source's kind."""
    return tx.execute(_NEWEST, {"s": source, "k": kind}).first()


def in_streams_of(tx: Connection, source: str) -> Sequence[AnyRow]:
    """All that is received of one source."""
    return tx.execute(sa.select(in_streams).where(in_streams.c.source == source).order_by(in_streams.c.stream)).all()


def in_range(tx: Connection, stream: int, after: int, most: int) -> list[bytes]:
    """Received events after a position, at most `most`, in order."""
    c = in_events.c
    query = sa.select(c.bytes).where(c.stream == stream, c.position > after).order_by(c.position).limit(most)
    return [bytes(each) for each in tx.execute(query).scalars()]


def source_time_at(tx: Connection, stream: int, position: int) -> Instant:
    """When the event of that number was entered; 0 for none."""
    c = out_events.c
    found = tx.execute(sa.select(c.source_time).where(c.stream == stream, c.position == position)).scalar()
    return int(found or 0)


def held_back(tx: Connection, channel: str) -> list[tuple[str, str]]:
    """(kind, id) of what waits on this channel."""
    c = waiting.c
    rows = tx.execute(sa.select(c.kind, c.event_id).where(c.channel == channel).order_by(c.kind, c.event_id))
    return [(row.kind, row.event_id) for row in rows]
