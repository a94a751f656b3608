"""SQL of the measured entry lag. Other rooms never import this module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import BigInteger, Column, Connection, Integer, Table, Text
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from keersluis.exchange.lags import NOTHING_MEASURED, WINDOW, Measured
from keersluis.storage import Migrations, upsert
from keersluis.times import Instant

metadata = sa.MetaData()

lag_bins = Table(
    "lag_bins",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("week", Integer, primary_key=True),
    Column("bin", Integer, primary_key=True),
    Column("n", BigInteger, nullable=False),
)
lags = Table(
    "lags",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("lag", BigInteger, nullable=False),
    Column("at_least", BigInteger, nullable=False),
    Column("samples", BigInteger, nullable=False),
    Column("binding", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
)

MIGRATIONS = Migrations("exchange.lags", [metadata.create_all])

_LAGS = sa.select(lags)


def _adding(build: Any) -> Any:
    statement = build(lag_bins)
    return statement.on_conflict_do_update(
        index_elements=["kind", "week", "bin"], set_={"n": lag_bins.c.n + statement.excluded.n}
    )


_ADD = {"postgresql": _adding(postgresql_insert), "sqlite": _adding(sqlite_insert)}


def add(tx: Connection, kind: str, week: int, bins: Mapping[int, int]) -> None:
    """Count delays, in the transaction that accepts the events."""
    rows = [{"kind": kind, "week": week, "bin": number, "n": n} for number, n in bins.items()]
    if rows:
        tx.execute(_ADD[tx.dialect.name], rows)


def bins_of(tx: Connection, kinds: list[str], week: int) -> dict[str, dict[int, int]]:
    """Kind -> bin -> how many, over the window that ends with `week`; what is older is forgotten."""
    c = lag_bins.c
    tx.execute(sa.delete(lag_bins).where(c.week <= week - WINDOW))
    found: dict[str, dict[int, int]] = {kind: {} for kind in kinds}
    query = sa.select(c.kind, c.bin, sa.func.sum(c.n).label("n")).where(c.kind.in_(kinds))
    for row in tx.execute(query.group_by(c.kind, c.bin)):
        found[row.kind][row.bin] = int(row.n)
    return found


def put(tx: Connection, kind: str, found: Measured, binding: int, at: Instant) -> None:
    """Keep the outcome of a measurement, and the lag that binds since."""
    row = {"kind": kind, "lag": found.lag, "at_least": found.at_least, "samples": found.samples}
    upsert(tx, lags, [row | {"binding": binding, "at": at}], key=["kind"])


def latest(tx: Connection) -> dict[str, tuple[Measured, int, Instant]]:
    """Kind -> (last measurement, the lag that binds, when it was taken)."""
    rows = tx.execute(_LAGS)
    return {row.kind: (Measured(row.lag, row.at_least, row.samples), row.binding, row.at) for row in rows}


NEVER = (NOTHING_MEASURED, 0, 0)
