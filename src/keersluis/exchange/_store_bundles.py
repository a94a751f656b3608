"""All SQL of carried bundles: which were made and which came, and the parts that are kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy import BigInteger, Column, Connection, Integer, Table, Text

from keersluis.storage import Bytes, Migrations, upsert

AnyRow: TypeAlias = Any
"""A row; its columns are those that the query names."""

metadata = sa.MetaData()

bundles = Table(
    "bundles",
    metadata,
    Column("n", Integer, primary_key=True, autoincrement=True),
    Column("direction", Text, nullable=False),
    Column("peer", Text, nullable=False),
    Column("holds", Text, nullable=False),
    Column("bundle", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("made", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("parts", Integer, nullable=False),
    Column("sealed", Integer, nullable=False),
    Column("events", BigInteger, nullable=False),
    Column("ranges", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("manifest", Bytes),
    Column("applied", BigInteger, nullable=False),
    Column("refusal", Text),
    sa.Index("bundles_by_content", "direction", "content"),
    sqlite_autoincrement=True,
)
bundle_parts = Table(
    "bundle_parts",
    metadata,
    Column("n", Integer, primary_key=True),
    Column("part", Integer, primary_key=True),
    Column("note", Text, nullable=False),
    Column("length", BigInteger, nullable=False),
    Column("body", Bytes, nullable=False),
)

MIGRATIONS = Migrations("exchange.bundles", [metadata.create_all])

_TOLD = [column for column in bundles.c if column.name != "manifest"]


def add(tx: Connection, row: dict[str, Any]) -> int:
    """Begin a bundle; its number."""
    result = tx.execute(sa.insert(bundles), row)
    key = result.inserted_primary_key
    return int(key[0]) if key else 0


def update(tx: Connection, n: int, **values: Any) -> None:
    """Set columns of one bundle."""
    tx.execute(sa.update(bundles).where(bundles.c.n == n).values(**values))


def get(tx: Connection, n: int) -> AnyRow | None:
    """One bundle, its manifest included."""
    return tx.execute(sa.select(bundles).where(bundles.c.n == n)).first()


def by_content(tx: Connection, direction: str, content: str) -> AnyRow | None:
    """The bundle of one packing, if it was made or came before."""
    c = bundles.c
    query = sa.select(bundles).where(c.direction == direction, c.content == content)
    return tx.execute(query.order_by(c.n.desc()).limit(1)).first()


def made_before(tx: Connection, peer: str, ranges: str) -> Sequence[AnyRow]:
    """The bundles for a peer over exactly these ranges, newest first."""
    c = bundles.c
    query = sa.select(bundles).where(c.direction == "out", c.peer == peer, c.ranges == ranges, c.state == "made")
    return tx.execute(query.order_by(c.n.desc()).limit(10)).all()


def listed(tx: Connection, direction: str, limit: int) -> Sequence[AnyRow]:
    """The latest bundles, newest first, without their manifests."""
    query = sa.select(*_TOLD).where(bundles.c.direction == direction, bundles.c.state != "making")
    return tx.execute(query.order_by(bundles.c.n.desc()).limit(limit)).all()


def clear(tx: Connection, peer: str, holds: str) -> None:
    """The bodies of what was made for a peer before, and what a crash left half made, need no room any more."""
    c = bundles.c
    earlier = sa.select(c.n).where(c.direction == "out", c.peer == peer, c.holds == holds)
    tx.execute(sa.delete(bundle_parts).where(bundle_parts.c.n.in_(earlier)))
    tx.execute(sa.delete(bundles).where(c.direction == "out", c.peer == peer, c.holds == holds, c.state == "making"))


def put_part(tx: Connection, n: int, part: int, note: str, body: bytes) -> None:
    """Keep one part; the same again changes nothing."""
    row = {"n": n, "part": part, "note": note, "length": len(body), "body": body}
    upsert(tx, bundle_parts, [row], key=["n", "part"], update=[])


def sign_parts(tx: Connection, n: int, notes: Sequence[str]) -> None:
    """The headers of parts whose bodies are kept."""
    c = bundle_parts.c
    statement = sa.update(bundle_parts).where(c.n == n, c.part == sa.bindparam("p")).values(note=sa.bindparam("s"))
    tx.execute(statement, [{"p": part, "s": note} for part, note in enumerate(notes, 1)])


def parts(tx: Connection, n: int) -> list[int]:
    """Which parts are kept, in order."""
    c = bundle_parts.c
    return list(tx.execute(sa.select(c.part).where(c.n == n).order_by(c.part)).scalars())


def part(tx: Connection, n: int, number: int) -> AnyRow | None:
    """One part: `note` and `body`."""
    c = bundle_parts.c
    return tx.execute(sa.select(bundle_parts).where(c.n == n, c.part == number)).first()


def drop_parts(tx: Connection, n: int) -> None:
    """The bodies of one bundle are needed no more."""
    tx.execute(sa.delete(bundle_parts).where(bundle_parts.c.n == n))
