"""SQL of forecasts that were kept, and of what came. Other rooms never import this module."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import BigInteger, Column, Connection, Integer, LargeBinary, Table, Text, UniqueConstraint

from keersluis.storage import Migrations
from keersluis.times import Instant

metadata = sa.MetaData()

forecasts = Table(
    "forecasts",
    metadata,
    Column("n", Integer, primary_key=True),
    Column("backlog", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("as_of", BigInteger, nullable=False),
    Column("claim", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("statement", LargeBinary, nullable=False),
    Column("entry", BigInteger, nullable=False),
    UniqueConstraint("backlog", "claim"),
)
actuals = Table(
    "forecast_actuals",
    metadata,
    Column("n", Integer, primary_key=True),
    Column("h", Integer, primary_key=True),
    Column("actual", BigInteger, nullable=False),
    Column("corrected", BigInteger),
    Column("entry", BigInteger, nullable=False),
)

MIGRATIONS = Migrations("recovery.forecasts", [metadata.create_all])


def number(tx: Connection) -> tuple[int, int]:
    """(how many there are, the number of the last)."""
    query = sa.select(sa.func.count(), sa.func.coalesce(sa.func.max(forecasts.c.n), 0))
    count, last = tx.execute(query).one()
    return int(count), int(last)


def claimed(tx: Connection, backlog: str, claim: str) -> int | None:
    """The number under which the same was said of this backlog before."""
    query = sa.select(forecasts.c.n).where(forecasts.c.backlog == backlog, forecasts.c.claim == claim)
    return tx.execute(query).scalar_one_or_none()


def put(tx: Connection, row: dict[str, Any]) -> None:
    """Keep a forecast."""
    tx.execute(sa.insert(forecasts), row)


def kept(tx: Connection, backlog: str | None) -> Sequence[Any]:
    """Forecasts of one backlog (None: of all), in the order in which they were made."""
    query = sa.select(forecasts).order_by(forecasts.c.n)
    return tx.execute(query if backlog is None else query.where(forecasts.c.backlog == backlog)).all()


def latest(tx: Connection) -> dict[str, Instant]:
    """Backlog -> the latest moment as of which it was forecast."""
    query = sa.select(forecasts.c.backlog, sa.func.max(forecasts.c.as_of).label("at")).group_by(forecasts.c.backlog)
    return {row.backlog: int(row.at) for row in tx.execute(query)}


def actuals_of(tx: Connection, backlog: str | None) -> Sequence[Any]:
    """What came, of each forecast of a backlog (None: of all)."""
    query = sa.select(actuals)
    if backlog is not None:
        query = query.where(actuals.c.n.in_(sa.select(forecasts.c.n).where(forecasts.c.backlog == backlog)))
    return tx.execute(query.order_by(actuals.c.n, actuals.c.h)).all()


def add_actuals(tx: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """What came, as known first."""
    tx.execute(sa.insert(actuals), rows)


def correct(tx: Connection, n: int, h: int, size: int) -> None:
    """What is said of it later; what was known first stays."""
    tx.execute(sa.update(actuals).where(actuals.c.n == n, actuals.c.h == h).values(corrected=size))
