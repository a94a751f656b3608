"""SQL of what waits to be entered: acts known one by one (`waiting`), and mailbags. Other rooms never import it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import BigInteger, Column, Connection, Table, Text

from keersluis.exchange import _store_stays
from keersluis.exchange._store import CHUNK, AnyRow, waiting
from keersluis.storage import Migrations, upsert
from keersluis.times import Instant

metadata = sa.MetaData()

mailbags = Table(
    "mailbags",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("bag", Text, primary_key=True),
    Column("acts", BigInteger, nullable=False),
    Column("oldest_start", BigInteger, nullable=False),
    Column("channel", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
)

MIGRATIONS = Migrations("exchange.intake", [metadata.create_all])

_ONE_BY_ONE = sa.select(
    waiting.c.kind, sa.func.count().label("n"), sa.func.min(waiting.c.occurred_start).label("oldest")
).group_by(waiting.c.kind)
_IN_BAGS = sa.select(
    mailbags.c.kind, sa.func.sum(mailbags.c.acts).label("n"), sa.func.min(mailbags.c.oldest_start).label("oldest")
).group_by(mailbags.c.kind)
_OLDEST = sa.union_all(_ONE_BY_ONE, _IN_BAGS)
_ANY_WAITING = sa.select(waiting.c.kind).where(waiting.c.kind == sa.bindparam("k")).limit(1)


def waiting_of(tx: Connection, kind: str, ids: Sequence[str]) -> dict[str, AnyRow]:
    """Which of these acts are registered as waiting. Mostly nothing waits."""
    c = waiting.c
    if tx.execute(_ANY_WAITING, {"k": kind}).first() is None:
        return {}
    found: dict[str, AnyRow] = {}
    for i in range(0, len(ids), CHUNK):
        query = sa.select(waiting).where(c.kind == kind, c.event_id.in_(ids[i : i + CHUNK]))
        found |= {row.event_id: row for row in tx.execute(query)}
    return found


def all_waiting(tx: Connection, most: int) -> Sequence[AnyRow]:
    """The acts that wait, oldest first."""
    return tx.execute(sa.select(waiting).order_by(waiting.c.occurred_start, waiting.c.event_id).limit(most)).all()


def by_channel(tx: Connection) -> Sequence[AnyRow]:
    """Per kind and channel: `n` acts, the `oldest` of them, since when the first is `known`."""
    c = waiting.c
    query = sa.select(
        c.kind,
        c.channel,
        sa.func.count().label("n"),
        sa.func.min(c.occurred_start).label("oldest"),
        sa.func.min(c.at).label("known"),
    )
    return tx.execute(query.group_by(c.kind, c.channel).order_by(c.kind, c.channel)).all()


def put_mailbag(tx: Connection, row: dict[str, Any], at: Instant) -> None:
    """Register a mailbag, or say anew what is in it; what that makes of the number is kept."""
    old = mailbag(tx, row["kind"], row["bag"])
    if old is not None and old.channel != row["channel"]:
        _store_stays.move_bag(tx, old._mapping, at, -int(old.acts))
        old = None
    _store_stays.move_bag(tx, row, at, row["acts"] - (0 if old is None else int(old.acts)))
    upsert(tx, mailbags, [row], key=["kind", "bag"])


def mailbag(tx: Connection, kind: str, bag: str) -> AnyRow | None:
    """One mailbag that is not closed."""
    return tx.execute(sa.select(mailbags).where(mailbags.c.kind == kind, mailbags.c.bag == bag)).first()


def all_mailbags(tx: Connection) -> Sequence[AnyRow]:
    """Every mailbag that is not closed, oldest first."""
    return tx.execute(sa.select(mailbags).order_by(mailbags.c.oldest_start, mailbags.c.bag)).all()


def drop_mailbag(tx: Connection, kind: str, bag: str, at: Instant) -> None:
    """It is closed: nothing of it waits any longer."""
    if (old := mailbag(tx, kind, bag)) is not None:
        _store_stays.move_bag(tx, old._mapping, at, -int(old.acts))
    tx.execute(sa.delete(mailbags).where(mailbags.c.kind == kind, mailbags.c.bag == bag))


def oldest_by_kind(tx: Connection) -> dict[str, tuple[int, Instant]]:
    """Kind -> (how many acts wait, the oldest of them), acts known one by one and mailbags together."""
    found: dict[str, tuple[int, Instant]] = {}
    for row in tx.execute(_OLDEST):
        n, oldest = found.get(row.kind, (0, row.oldest))
        found[row.kind] = (n + int(row.n), min(oldest, row.oldest))
    return found
