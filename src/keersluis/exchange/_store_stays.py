"""SQL of what waited, from when to when: acts for entry, mailbags, and events for each receiver's receipt.

What came and went is kept in the transaction in which it does, so that in - out = stock holds after any crash.
Accepting an event costs nothing here: when it came is in the stream itself, and a receipt tells how far a peer is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import BigInteger, Column, Connection, Index, Integer, Table, Text

from keersluis.storage import Hook
from keersluis.times import HOUR, Instant

metadata = sa.MetaData()
_Serial = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows by itself for INTEGER only

waited = Table(
    "waited",
    metadata,
    Column("n", _Serial, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("born", BigInteger, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("ended", BigInteger, nullable=False),
)
Index("waited_kind", waited.c.kind, waited.c.ended)
bag_moves = Table(
    "bag_moves",
    metadata,
    Column("n", _Serial, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("bag", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("born", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("acts", BigInteger, nullable=False),
)
out_receipts = Table(
    "out_receipts",
    metadata,
    Column("stream", Integer, primary_key=True),
    Column("peer", Text, primary_key=True),
    Column("hour", BigInteger, primary_key=True),
    Column("size", BigInteger, nullable=False),
)
_waiting = sa.table("waiting", *(sa.column(name) for name in ("kind", "event_id", "occurred_start", "channel", "at")))
_events = sa.table(
    "out_events",
    *(sa.column(name, BigInteger) for name in ("stream", "position", "occurred_start", "source_time")),
)
_streams = sa.table("out_streams", *(sa.column(name) for name in ("stream", "kind", "size")))
_peers = sa.table("out_peers", *(sa.column(name) for name in ("stream", "peer", "size")))
_quarantine = sa.table("quarantine", *(sa.column(name) for name in ("stream", "at", "solved_at")))
_in = sa.table("in_streams", *(sa.column(name) for name in ("stream", "source")))

_OLD_BAGS = (
    "INSERT INTO bag_moves (kind, bag, channel, born, at, acts) "
    "SELECT kind, bag, channel, oldest_start, at, acts FROM mailbags"
)
_OLD_PEERS = (
    f"INSERT INTO out_receipts (stream, peer, hour, size) SELECT stream, peer, at / {HOUR}, size FROM out_peers "
    "WHERE size > 0"
)


def _begin(tx: Connection) -> None:
    """What an older version knew: what waits now, and how far each peer is."""
    metadata.create_all(tx)
    tables = sa.inspect(tx).get_table_names()
    for needed, statement in (("mailbags", _OLD_BAGS), ("out_peers", _OLD_PEERS)):
        if needed in tables:
            tx.execute(sa.text(statement))


STEPS: Sequence[Hook] = (_begin,)
"""How an older database gets these tables."""

_NOTE_RECEIPT = sa.text(
    "INSERT INTO out_receipts (stream, peer, hour, size) "
    "SELECT CAST(:stream AS INTEGER), CAST(:peer AS TEXT), CAST(:hour AS BIGINT), CAST(:size AS BIGINT) "
    "WHERE NOT EXISTS (SELECT 1 FROM out_peers WHERE stream = :stream AND peer = :peer AND size = :size) "
    "ON CONFLICT (stream, peer, hour) DO UPDATE SET size = excluded.size"
)


def ends(tx: Connection, kind: str, ids: Sequence[str], at: Instant) -> None:
    """Acts that waited are about to be taken off the list: keep when they came and went."""
    w = _waiting.c
    leaving = sa.select(w.kind, w.channel, w.occurred_start, w.at, sa.literal(at, BigInteger)).where(
        w.kind == kind, w.event_id.in_(ids)
    )
    tx.execute(sa.insert(waited).from_select(["kind", "channel", "born", "since", "ended"], leaving))


def move_bag(tx: Connection, bag: Any, at: Instant, acts: int) -> None:
    """So many acts came into a mailbag (or, below zero, left it); `bag` has kind, bag, channel and oldest_start."""
    row = {"kind": bag["kind"], "bag": bag["bag"], "channel": bag["channel"], "born": bag["oldest_start"]}
    tx.execute(sa.insert(bag_moves), row | {"at": at, "acts": acts})


def receipted(tx: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Step 13: how far each peer is at this hour, where that is another size than was known (columns of out_peers)."""
    if rows:
        tx.execute(
            _NOTE_RECEIPT,
            [{"stream": r["stream"], "peer": r["peer"], "hour": r["at"] // HOUR, "size": r["size"]} for r in rows],
        )


# -- what is asked of it ---------------------------------------------------------------------------------------------


def entry_rows(tx: Connection, kinds: Sequence[str]) -> Sequence[Any]:
    """(channel, born, since, ended or None) of each act of these kinds that waits or waited for entry."""
    w, d = _waiting.c, waited.c
    here = sa.select(w.channel, w.occurred_start, w.at, sa.null().label("ended")).where(w.kind.in_(kinds))
    gone = sa.select(d.channel, d.born, d.since, d.ended).where(d.kind.in_(kinds))
    return [*tx.execute(here), *tx.execute(gone)]


def entry_stock(tx: Connection, kinds: Sequence[str]) -> dict[str, int]:
    """Channel -> how many acts wait now, counted by itself: for the check that in - out = stock."""
    w = _waiting.c
    rows = tx.execute(sa.select(w.channel, sa.func.count()).where(w.kind.in_(kinds)).group_by(w.channel))
    return {row[0]: int(row[1]) for row in rows}


def bag_rows(tx: Connection, kinds: Sequence[str]) -> Sequence[Any]:
    """The moves of mailbags of these kinds, in order."""
    return tx.execute(sa.select(bag_moves).where(bag_moves.c.kind.in_(kinds)).order_by(bag_moves.c.n)).all()


def streams_of(tx: Connection, kinds: Sequence[str], archived: Sequence[int]) -> Sequence[Any]:
    """(stream, kind, size) of these kinds as they are, and of the earlier epochs that are named."""
    s = _streams.c
    return tx.execute(sa.select(s.stream, s.kind, s.size).where(s.kind.in_(kinds) | s.stream.in_(archived))).all()


def peers_of(tx: Connection, stream: int) -> dict[str, int]:
    """Peer -> how far it is."""
    p = _peers.c
    return {row[0]: int(row[1]) for row in tx.execute(sa.select(p.peer, p.size).where(p.stream == stream))}


def receipts_of(tx: Connection, stream: int, peer: str) -> list[tuple[Instant, int]]:
    """(the beginning of the hour, how far the peer was at its end), in order."""
    r = out_receipts.c
    rows = tx.execute(sa.select(r.hour, r.size).where(r.stream == stream, r.peer == peer).order_by(r.hour))
    return [(row[0] * HOUR, int(row[1])) for row in rows]


_TIME = sa.select(_events.c.source_time).where(
    _events.c.stream == sa.bindparam("s"), _events.c.position == sa.bindparam("n")
)


def entered_by(tx: Connection, stream: int, size: int, edges: Sequence[Instant]) -> list[int]:
    """How many of the first `size` events had been entered before each of `edges` (ascending): source time never runs
    backwards, so each is found by strides from the one before. Before the first event and after the last: no look."""

    def before(n: int, at: Instant) -> bool:
        time = tx.execute(_TIME, {"s": stream, "n": n}).scalar()
        return time is not None and time < at

    first, last = (tx.execute(_TIME, {"s": stream, "n": n}).scalar() for n in (1, size))
    found, low = [], 0
    for at in edges:
        if first is None or at <= first:
            found.append(0)
            continue
        if last is not None and at > last:
            found.append(size)
            continue
        stride = 1
        while low + stride <= size and before(low + stride, at):
            low, stride = low + stride, 2 * stride
        high = min(size, low + stride - 1)
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if before(middle, at) else (low, middle - 1)
        found.append(low)
    return found


def undelivered(tx: Connection, stream: int, after: int) -> Sequence[Any]:
    """(hour of entry, hour of the act, how many) of the events after a position: reads those that wait (P6)."""
    e = _events.c
    rows = sa.select((e.source_time // HOUR).label("came"), (e.occurred_start // HOUR).label("born"))
    inner = rows.where(e.stream == stream, e.position > after).subquery()
    query = sa.select(inner.c.came, inner.c.born, sa.func.count()).group_by(inner.c.came, inner.c.born)
    return tx.execute(query).all()


def quarantine_rows(tx: Connection, sources: Sequence[str]) -> Sequence[Any]:
    """(at, solved_at) of each batch of these sources that was set apart."""
    q = _quarantine.c
    join = _quarantine.join(_in, _in.c.stream == q.stream)
    return tx.execute(sa.select(q.at, q.solved_at).select_from(join).where(_in.c.source.in_(sources))).all()
