"""All SQL of the log: its entries, its signed heads, and the newest heads seen of others."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy import BigInteger, Column, Connection, Table, Text

from keersluis.storage import Bytes, Migrations, upsert
from keersluis.times import Instant

_FETCH = 2000  # rows in memory at a time

metadata = sa.MetaData()

entries = Table(
    "timeline_entries",
    metadata,
    Column("n", BigInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("room", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("entry", Bytes, nullable=False),
    Column("leaf", Bytes, nullable=False),
    sa.Index("timeline_entries_by_kind", "kind", "n"),
)
heads = Table(
    "timeline_heads",
    metadata,
    Column("n", BigInteger, primary_key=True, autoincrement=False),
    Column("note", Text, nullable=False),
    Column("frontier", Bytes, nullable=False),
)
witnessed = Table(
    "timeline_witnessed",
    metadata,
    Column("origin", Text, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("note", Text, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    Column("kept_at", BigInteger, nullable=False),
)

MIGRATIONS = Migrations("timeline", [metadata.create_all])

# The greatest keys by subquery: one round trip, and two index look-ups however long the log is.
_ends = sa.select(
    sa.select(sa.func.max(entries.c.n)).scalar_subquery(), sa.select(sa.func.max(heads.c.n)).scalar_subquery()
)
_insert_entry = entries.insert()
_insert_head = heads.insert()
_last_head = sa.select(heads.c.n, heads.c.note, heads.c.frontier).order_by(heads.c.n.desc()).limit(1)
_leaves = sa.select(entries.c.n, entries.c.leaf).where(entries.c.n > sa.bindparam("since")).order_by(entries.c.n)
_time = sa.select(entries.c.at).where(entries.c.n == sa.bindparam("number"))
_page = (
    sa.select(entries.c.n, entries.c.entry)
    .where(entries.c.n > sa.bindparam("since"))
    .order_by(entries.c.n)
    .limit(sa.bindparam("limit"))
)
_fresh = sa.select(entries.c.kind, entries.c.entry).where(entries.c.n > sa.bindparam("since")).order_by(entries.c.n)
_all_entries = sa.select(
    entries.c.n, entries.c.entry, entries.c.leaf, entries.c.at, entries.c.room, entries.c.kind
).order_by(entries.c.n)
_all_heads = sa.select(heads.c.n, heads.c.note, heads.c.frontier).order_by(heads.c.n)
_of_kind = _all_entries.where(entries.c.kind == sa.bindparam("wanted"))
_all_witnessed = sa.select(witnessed.c.origin, witnessed.c.note, witnessed.c.seen_at).order_by(witnessed.c.origin)
_seen = sa.select(witnessed).where(witnessed.c.origin == sa.bindparam("of"))
_sizes = sa.select(
    sa.select(sa.func.count()).select_from(entries).scalar_subquery(),
    sa.select(sa.func.count()).select_from(heads).scalar_subquery(),
    sa.select(sa.func.count()).select_from(witnessed).scalar_subquery(),
)


def ends(tx: Connection) -> tuple[int, int]:
    """The numbers of the last entry and of the last head (by the entries it covers); 0 for none."""
    entry, head = tx.execute(_ends).one()
    return entry or 0, head or 0


def insert_entry(tx: Connection, row: dict[str, Any]) -> None:
    tx.execute(_insert_entry, row)


def insert_head(tx: Connection, n: int, note: str, frontier: bytes) -> None:
    tx.execute(_insert_head, {"n": n, "note": note, "frontier": frontier})


def last_head(tx: Connection) -> tuple[int, str, bytes] | None:
    row = tx.execute(_last_head).one_or_none()
    return None if row is None else (row.n, row.note, row.frontier)


def leaves_after(tx: Connection, since: int) -> list[tuple[int, bytes]]:
    """(n, leaf hash) of the entries after `since`, in order."""
    return [(n, leaf) for n, leaf in tx.execute(_leaves, {"since": since})]


def time_of(tx: Connection, n: int) -> Instant:
    return int(tx.execute(_time, {"number": n}).scalar_one())


def page(tx: Connection, since: int, limit: int) -> list[bytes]:
    """The bytes of at most `limit` entries after `since`, in order."""
    return [row.entry for row in tx.execute(_page, {"since": since, "limit": limit})]


def newest(tx: Connection, limit: int, kinds: Collection[str] | None) -> list[bytes]:
    """The bytes of the last `limit` entries (of these kinds), oldest first."""
    query = sa.select(entries.c.entry).order_by(entries.c.n.desc()).limit(limit)
    rows = tx.execute(query if kinds is None else query.where(entries.c.kind.in_(sorted(kinds)))).all()
    return [row.entry for row in reversed(rows)]


def witnessed_of(tx: Connection, origin: str) -> Any:
    """origin, size, note, seen_at, kept_at of the newest head seen of this log."""
    return tx.execute(_seen, {"of": origin}).one_or_none()


def keep_witnessed(tx: Connection, row: dict[str, Any]) -> None:
    upsert(tx, witnessed, [row], key=["origin"])


def fresh(tx: Connection, since: int) -> list[tuple[str, bytes]]:
    """(kind, bytes) of the entries after number `since`, in order; for the few of one commit."""
    return [(row.kind, row.entry) for row in tx.execute(_fresh, {"since": since})]


def of_kinds(tx: Connection, kinds: Collection[str], since: int) -> list[bytes]:
    """The bytes of the entries of these kinds after number `since`, in order."""
    c = entries.c
    query = sa.select(c.entry).where(c.n > since, c.kind.in_(sorted(kinds))).order_by(c.n)
    return [row.entry for row in tx.execute(query)]


def counts(tx: Connection) -> tuple[int, int, int]:
    """How many entries, heads and witnessed heads there are."""
    row = tx.execute(_sizes).one()
    return row[0], row[1], row[2]


def all_entries(tx: Connection) -> Iterator[Any]:
    """n, entry, leaf, at, room, kind as they are stored, streamed, by n. A stranger may have put anything there."""
    return _stream(tx, _all_entries)


def all_heads(tx: Connection) -> Iterator[Any]:
    """n, note, frontier as they are stored, streamed, by n."""
    return _stream(tx, _all_heads)


def entries_of_kind(tx: Connection, kind: str) -> Iterator[Any]:
    """As `all_entries`, of one kind."""
    return _stream(tx, _of_kind, {"wanted": kind})


def all_witnessed(tx: Connection) -> list[Any]:
    """origin, note, seen_at of the newest head seen of each other log, by origin."""
    return list(tx.execute(_all_witnessed))


def has_log(tx: Connection) -> bool:
    """Whether this database has the tables of a log."""
    names = set(sa.inspect(tx).get_table_names())
    return set(metadata.tables) <= names


def _stream(tx: Connection, statement: sa.Select[Any], values: dict[str, Any] | None = None) -> Iterator[Any]:
    return iter(tx.execute(statement, values or {}, execution_options={"yield_per": _FETCH}))
