"""All SQL of the exchange. Other rooms never import this module."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy import BigInteger, Column, Connection, Integer, Table, Text

from keersluis.exchange import _store_backlog, _store_gates, _store_isolated, _store_stays
from keersluis.storage import Bytes, Migrations, insert_rows, rows_in, upsert
from keersluis.times import Instant

CHUNK = 500  # values in one IN list; SQLite allows more, plans stay cached

AnyRow: TypeAlias = Any
"""A row; its columns are those that the query names."""

metadata = sa.MetaData()

out_streams = Table(
    "out_streams",
    metadata,
    Column("stream", Integer, primary_key=True),
    Column("kind", Text, nullable=False, unique=True),
    Column("origin", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("frontier", Bytes, nullable=False),
    Column("source_time", BigInteger, nullable=False),
    Column("complete_through", BigInteger, nullable=False),
)
out_events = Table(
    "out_events",
    metadata,
    Column("stream", Integer, primary_key=True),
    Column("position", BigInteger, primary_key=True),
    Column("occurred_start", BigInteger, nullable=False),
    Column("source_time", BigInteger, nullable=False),
    Column("leaf", Bytes, nullable=False),
    Column("bytes", Bytes, nullable=False),
)
out_keys = Table(
    "out_keys",
    metadata,
    Column("key", Bytes, primary_key=True),
    Column("digest", Bytes, nullable=False),
    Column("stream", Integer, nullable=False),
    Column("position", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
out_peers = Table(
    "out_peers",
    metadata,
    Column("stream", Integer, primary_key=True),
    Column("peer", Text, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("frontier", Bytes, nullable=False),
    Column("promised", BigInteger, nullable=False),
    Column("receipt", Text),
    Column("refusal", Text),
    Column("at", BigInteger, nullable=False),
)
waiting = Table(
    "waiting",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("event_id", Text, primary_key=True),
    Column("occurred_start", BigInteger, nullable=False),
    Column("channel", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
)
counts = Table(
    "counts",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("through", BigInteger, nullable=False),
    Column("stated", BigInteger, nullable=False),
)
in_streams = Table(
    "in_streams",
    metadata,
    Column("stream", Integer, primary_key=True),
    Column("origin", Text, nullable=False, unique=True),
    Column("source", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("frontier", Bytes, nullable=False),
    Column("watermark", BigInteger, nullable=False),
    Column("promised", BigInteger, nullable=False),
    Column("entered_through", BigInteger, nullable=False),
    Column("heard_at", BigInteger, nullable=False),
    Column("stopped", Text),
    Column("receipt", Text),
)
in_events = Table(
    "in_events",
    metadata,
    Column("stream", Integer, primary_key=True),
    Column("position", BigInteger, primary_key=True),
    Column("source_time", BigInteger, nullable=False),
    Column("bytes", Bytes, nullable=False),
)
in_checkpoints = Table(
    "in_checkpoints",
    metadata,
    Column("stream", Integer, primary_key=True),
    Column("size", BigInteger, primary_key=True),
    Column("note", Text, nullable=False),
)
quarantine = Table(
    "quarantine",
    metadata,
    Column("stream", Integer, primary_key=True),
    Column("at", BigInteger, primary_key=True),
    Column("code", Text, nullable=False),
    Column("place", Text, nullable=False),
    Column("sentence", Text, nullable=False),
    Column("body", Bytes, nullable=False),
    Column("solved_at", BigInteger),
)
breaches = Table(
    "breaches",
    metadata,
    Column("stream", Integer, primary_key=True),
    Column("position", BigInteger, primary_key=True),
    Column("event_id", Text, nullable=False),
    Column("occurred_end", BigInteger, nullable=False),
    Column("watermark", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
)


def _create(tx: Connection) -> None:
    for tables in (metadata, _store_gates.metadata, _store_backlog.metadata, _store_isolated.metadata):
        tables.create_all(tx)


_LATER = (*_store_gates.STEPS, *_store_backlog.STEPS, *_store_isolated.STEPS, *_store_stays.STEPS)
MIGRATIONS = Migrations("exchange", [_create, *_LATER])

_TAIL = (
    sa.select(out_events.c.position, out_events.c.leaf, out_events.c.bytes, out_events.c.source_time)
    .where(
        out_events.c.stream == sa.bindparam("s"),
        out_events.c.position > sa.bindparam("after"),
        out_events.c.position <= sa.bindparam("upto"),
    )
    .order_by(out_events.c.position)
    .limit(sa.bindparam("most"))
)


_OUT_STREAM = sa.select(out_streams).where(out_streams.c.kind == sa.bindparam("k"))
_CURRENT = sa.select(out_streams).where(out_streams.c.kind.not_like("%/%")).order_by(out_streams.c.stream)
_HEARD = sa.select(sa.func.coalesce(sa.func.max(out_peers.c.promised), 0)).where(
    out_peers.c.stream == sa.bindparam("s")
)
_OUT_PEERS = sa.select(out_peers)
_OUT_PEERS_OF = _OUT_PEERS.where(out_peers.c.peer == sa.bindparam("p"))
_COUNTS = sa.select(counts)
_IN_STREAM = sa.select(in_streams).where(in_streams.c.origin == sa.bindparam("o"))
_UPDATE_IN_STREAM = sa.update(in_streams).where(in_streams.c.stream == sa.bindparam("s"))
_UPDATE_OUT_STREAM = sa.update(out_streams).where(out_streams.c.stream == sa.bindparam("s"))


_ENTERED_BY = (
    sa.select(in_events.c.position)
    .where(in_events.c.stream == sa.bindparam("s"), in_events.c.source_time <= sa.bindparam("through"))
    .order_by(in_events.c.position.desc())
    .limit(1)
)


def out_stream(tx: Connection, kind: str) -> AnyRow | None:
    """The row of one of our own streams."""
    return tx.execute(_OUT_STREAM, {"k": kind}).first()


def all_out_streams(tx: Connection) -> Sequence[AnyRow]:
    """Every stream of our own, in its current epoch: an earlier one goes by its origin, not by its kind."""
    return tx.execute(_CURRENT).all()


def add_out_stream(tx: Connection, row: dict[str, Any]) -> None:
    """Begin a stream."""
    tx.execute(sa.insert(out_streams), row)


def update_out_stream(tx: Connection, stream: int, **values: Any) -> None:
    """Set columns of one of our own streams."""
    tx.execute(_UPDATE_OUT_STREAM, {"s": stream, **values})


def promise_out_streams(tx: Connection, rows: list[dict[str, Any]]) -> None:
    """Set `complete_through` and `source_time` of several streams (`s`)."""
    if rows:
        tx.execute(_UPDATE_OUT_STREAM, rows)


def known_keys(tx: Connection, keys: Sequence[bytes]) -> dict[bytes, AnyRow]:
    """Which idempotency keys were accepted before."""
    found = rows_in(tx, "SELECT key, digest, stream, position FROM out_keys WHERE key IN", keys)
    return {bytes(row.key): row for row in found}


OUT_EVENT = ("stream", "position", "occurred_start", "source_time", "leaf", "bytes")
OUT_KEY = ("key", "digest", "stream", "position")
IN_EVENT = ("stream", "position", "source_time", "bytes")


def add_out_events(tx: Connection, events: Sequence[tuple[Any, ...]], keys: Sequence[tuple[Any, ...]]) -> None:
    """Step 5's rows: events (columns OUT_EVENT) and their idempotency keys (OUT_KEY)."""
    insert_rows(tx, out_events, OUT_EVENT, events)
    _store_backlog.add(tx, events)
    insert_rows(tx, out_keys, OUT_KEY, keys)


def tail(tx: Connection, stream: int, after: int, upto: int, most: int) -> Sequence[AnyRow]:
    """Events `after` < position <= `upto`, at most `most`."""
    return tx.execute(_TAIL, {"s": stream, "after": after, "upto": upto, "most": most}).all()


def leaves(tx: Connection, stream: int, after: int, upto: int) -> Iterator[bytes]:
    """The leaf hashes of events `after` < position <= `upto`, in order."""
    c = out_events.c
    query = sa.select(c.leaf).where(c.stream == stream, c.position > after, c.position <= upto).order_by(c.position)
    return (bytes(leaf) for leaf in tx.execute(query).scalars())


def heard(tx: Connection, stream: int) -> Instant:
    """The greatest promise about a stream of ours that any receiver has receipted."""
    return int(tx.execute(_HEARD, {"s": stream}).scalar_one())


def out_peers_of(tx: Connection, peer: str | None = None) -> Sequence[AnyRow]:
    """How far each stream is receipted, by one peer or by all."""
    rows = tx.execute(_OUT_PEERS) if peer is None else tx.execute(_OUT_PEERS_OF, {"p": peer})
    return rows.all()


def put_out_peers(tx: Connection, rows: list[dict[str, Any]]) -> None:
    """Step 13's rows."""
    _store_stays.receipted(tx, rows)
    upsert(tx, out_peers, rows, key=["stream", "peer"])


def add_waiting(tx: Connection, rows: list[dict[str, Any]]) -> None:
    """Register acts that are known to wait for entry."""
    upsert(tx, waiting, rows, key=["kind", "event_id"], update=[])


def end_waiting(tx: Connection, kind: str, ids: Sequence[str], at: Instant) -> None:
    """What was entered waits no longer."""
    for i in range(0, len(ids), CHUNK):
        _store_stays.ends(tx, kind, ids[i : i + CHUNK], at)
        tx.execute(sa.delete(waiting).where(waiting.c.kind == kind, waiting.c.event_id.in_(ids[i : i + CHUNK])))


def put_counts(tx: Connection, kind: str, through: Instant, count: int) -> None:
    """The latest statement of the source's own system of record."""
    upsert(tx, counts, [{"kind": kind, "through": through, "stated": count}], key=["kind"])


def stated_counts(tx: Connection) -> dict[str, AnyRow]:
    """The latest statement for each kind."""
    return {row.kind: row for row in tx.execute(_COUNTS)}


def in_stream(tx: Connection, origin: str) -> AnyRow | None:
    """The row of a stream that we receive."""
    return tx.execute(_IN_STREAM, {"o": origin}).first()


def all_in_streams(tx: Connection) -> Sequence[AnyRow]:
    """Every stream that we receive; of one kind the newest epoch comes last."""
    return tx.execute(sa.select(in_streams).order_by(in_streams.c.kind, in_streams.c.stream)).all()


def put_in_stream(tx: Connection, row: dict[str, Any]) -> None:
    """Begin a received stream."""
    tx.execute(sa.insert(in_streams), row)


def update_in_stream(tx: Connection, stream: int, **values: Any) -> None:
    """Move the position of a received stream: the same transaction as all its consequences (step 11)."""
    tx.execute(_UPDATE_IN_STREAM, {"s": stream, **values})


def add_in_events(tx: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    """Store received events verbatim (columns IN_EVENT)."""
    insert_rows(tx, in_events, IN_EVENT, rows)


def add_in_checkpoint(tx: Connection, stream: int, size: int, note: str) -> None:
    """Keep the newest signed checkpoint of each size, as evidence."""
    upsert(tx, in_checkpoints, [{"stream": stream, "size": size, "note": note}], key=["stream", "size"])


def in_checkpoint(tx: Connection, stream: int, size: int) -> str | None:
    """The signed checkpoint of that size, if one was received."""
    c = in_checkpoints.c
    note: str | None = tx.execute(sa.select(c.note).where(c.stream == stream, c.size == size)).scalar()
    return note


def in_bytes(tx: Connection, stream: int, upto: int) -> Iterable[bytes]:
    """The first `upto` events of a received stream, in order."""
    query = sa.select(in_events.c.bytes).where(in_events.c.stream == stream, in_events.c.position <= upto)
    return (bytes(value) for value in tx.execute(query.order_by(in_events.c.position)).scalars())


def all_in_events(tx: Connection) -> Iterator[tuple[str, int, bytes]]:
    """Every received event, stream by stream in order."""
    c = in_events.c
    query = sa.select(in_streams.c.origin, c.position, c.bytes).join(in_streams, in_streams.c.stream == c.stream)
    rows = tx.execution_options(stream_results=True).execute(query.order_by(c.stream, c.position))
    return ((row.origin, row.position, bytes(row.bytes)) for row in rows)


def entered_by(tx: Connection, stream: int, through: Instant) -> int:
    """How many events of a received stream had been entered by source time `through`."""
    return tx.execute(_ENTERED_BY, {"s": stream, "through": through}).scalar() or 0


def add_quarantine(tx: Connection, row: dict[str, Any]) -> None:
    """Set a refused batch apart."""
    upsert(tx, quarantine, [row], key=["stream", "at"])


def in_quarantine(tx: Connection, stream: int, code: str, place: str, events: bytes, most: int) -> bool:
    """Whether the same is set apart already and not solved; or as much of this stream as is kept."""
    c = quarantine.c
    query = sa.select(c.code, c.place, c.body).where(c.stream == stream, c.solved_at.is_(None))
    rows = tx.execute(query).all()
    same = ((row.code, row.place) == (code, place) and bytes(row.body).endswith(events) for row in rows)
    return len(rows) >= most or any(same)


def quarantined_bytes(tx: Connection, source: str) -> int:
    """The bytes of a source that are set apart and not solved."""
    c = quarantine.c
    join = quarantine.join(in_streams, in_streams.c.stream == c.stream)
    query = sa.select(sa.func.sum(sa.func.length(c.body))).select_from(join)
    return int(tx.execute(query.where(in_streams.c.source == source, c.solved_at.is_(None))).scalar() or 0)


def solve_quarantine(tx: Connection, stream: int, at: Instant) -> None:
    """The stream went on after all: what was set apart is solved."""
    c = quarantine.c
    tx.execute(sa.update(quarantine).where(c.stream == stream, c.solved_at.is_(None)).values(solved_at=at))


def open_quarantine(tx: Connection) -> Sequence[AnyRow]:
    """What is set apart and not solved."""
    c = quarantine.c
    query = sa.select(in_streams.c.origin, c.at, c.code, c.place, c.sentence).join(
        in_streams, in_streams.c.stream == c.stream
    )
    return tx.execute(query.where(c.solved_at.is_(None)).order_by(c.at)).all()


def add_breaches(tx: Connection, rows: list[dict[str, Any]]) -> None:
    """Broken promises, counted against their source."""
    tx.execute(sa.insert(breaches), rows)


def all_breaches(tx: Connection, limit: int) -> Sequence[AnyRow]:
    """The latest broken promises."""
    query = sa.select(in_streams.c.source, in_streams.c.kind, breaches).join(
        in_streams, in_streams.c.stream == breaches.c.stream
    )
    return tx.execute(query.order_by(breaches.c.at.desc(), breaches.c.position.desc()).limit(limit)).all()


def breaches_by_stream(tx: Connection) -> Sequence[AnyRow]:
    """Per source and kind: `n` broken promises, the longest `delay` from act to arrival, most `short`, `last`."""
    b = breaches.c
    query = sa.select(
        in_streams.c.source,
        in_streams.c.kind,
        sa.func.count().label("n"),
        sa.func.max(b.at - b.occurred_end).label("delay"),
        sa.func.max(b.watermark - b.occurred_end).label("short"),
        sa.func.max(b.at).label("last"),
    ).join(in_streams, in_streams.c.stream == b.stream)
    return tx.execute(query.group_by(in_streams.c.source, in_streams.c.kind).order_by(in_streams.c.kind)).all()
