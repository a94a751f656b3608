"""SQL of backlogs that are counted by import. Other rooms never import this module."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import BigInteger, Column, Connection, Table, Text

from keersluis.recovery.accounts import Period
from keersluis.stays import Stay
from keersluis.storage import Migrations
from keersluis.times import Instant

metadata = sa.MetaData()

imports = Table(
    "backlog_imports",
    metadata,
    Column("backlog", Text, primary_key=True),
    Column("n", BigInteger, primary_key=True, autoincrement=False),
    Column("digest", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("who", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("step", BigInteger, nullable=False),
    Column("until", BigInteger, nullable=False),
    Column("came", BigInteger, nullable=False),
    Column("left", BigInteger, nullable=False),
    Column("left_out", Text, nullable=False),
    Column("undone_at", BigInteger),
)
periods = Table(
    "backlog_periods",
    metadata,
    Column("backlog", Text, primary_key=True),
    Column("start", BigInteger, primary_key=True),
    Column("n", BigInteger, nullable=False),
    Column("came", BigInteger, nullable=False),
    Column("went", BigInteger, nullable=False),
    Column("stock", BigInteger),
)
stays = Table(
    "backlog_stays",
    metadata,
    Column("backlog", Text, primary_key=True),
    Column("n", BigInteger, primary_key=True),
    Column("since", BigInteger, primary_key=True),
    Column("ended", BigInteger, primary_key=True),
    Column("items", BigInteger, nullable=False),
)

MIGRATIONS = Migrations("recovery.backlogs", [metadata.create_all])

_STAYS = -1
"""In place of an end: it is still there."""


def imports_of(tx: Connection, backlog: str) -> Sequence[Any]:
    """Every import of a backlog, the first one first, also those that were undone."""
    i = imports.c
    return tx.execute(sa.select(imports).where(i.backlog == backlog).order_by(i.n)).all()


def add_import(tx: Connection, row: dict[str, Any]) -> None:
    tx.execute(sa.insert(imports), row)


def add_periods(tx: Connection, backlog: str, n: int, rows: Iterable[tuple[Instant, Period]]) -> None:
    values = [
        {"backlog": backlog, "start": at, "n": n, "came": row.arrivals, "went": row.completions, "stock": row.stock}
        for at, row in rows
    ]
    if values:
        tx.execute(sa.insert(periods), values)


def add_stays(tx: Connection, backlog: str, n: int, rows: Iterable[Stay]) -> None:
    values = [
        {"backlog": backlog, "n": n, "since": s.since, "ended": _STAYS if s.ended is None else s.ended, "items": s.n}
        for s in rows
    ]
    if values:
        tx.execute(sa.insert(stays), values)


def periods_of(tx: Connection, backlog: str) -> dict[Instant, Period]:
    p = periods.c
    rows = tx.execute(sa.select(periods).where(p.backlog == backlog).order_by(p.start))
    return {row.start: Period(row.came, row.went, row.stock, 0) for row in rows}


def stays_of(tx: Connection, backlog: str, n: int) -> list[Stay]:
    """The stays of one import."""
    s = stays.c
    rows = tx.execute(sa.select(stays).where(s.backlog == backlog, s.n == n))
    return [Stay(row.items, row.since, row.since, None if row.ended == _STAYS else row.ended) for row in rows]


def undo(tx: Connection, backlog: str, n: int, at: Instant) -> None:
    """What an import brought is gone; that it was there stays known."""
    for table in (periods, stays):
        tx.execute(sa.delete(table).where(table.c.backlog == backlog, table.c.n == n))
    tx.execute(sa.update(imports).where(imports.c.backlog == backlog, imports.c.n == n).values(undone_at=at))
