"""SQL of the states of services: changes are only ever added. Other rooms never import this module."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import BigInteger, Column, Connection, Integer, Table, Text

from keersluis.storage import Migrations, add_columns

metadata = sa.MetaData()

changes = Table(
    "service_changes",
    metadata,
    Column("n", Integer, primary_key=True, autoincrement=True),
    Column("service", Text, nullable=False, index=True),
    Column("state", Text, nullable=False),
    Column("procedure", Text),
    Column("since", BigInteger, nullable=False),
    Column("expected", Text),
    Column("who", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("evidence", Text),
    Column("public_nl", Text),
    Column("public_en", Text),
    Column("key", Text, unique=True),
    Column("undoes", Integer),
    Column("at", BigInteger, nullable=False),
    Column("entry", BigInteger),
)

MIGRATIONS = Migrations("recovery.services", [metadata.create_all, add_columns(changes, "entry")])

_ALL = sa.select(changes).order_by(changes.c.n)


def add(tx: Connection, row: dict[str, Any]) -> int:
    """Add a change; returns its number."""
    return int(tx.execute(sa.insert(changes).values(row)).inserted_primary_key[0])  # type: ignore[index]


def set_entry(tx: Connection, n: int, entry: int) -> None:
    """The number of the timeline entry that tells of change `n`."""
    tx.execute(sa.update(changes).where(changes.c.n == n).values(entry=entry))


def of_services(tx: Connection, services: Collection[str]) -> Sequence[Any]:
    """The changes of these services, oldest first."""
    return tx.execute(_ALL.where(changes.c.service.in_(sorted(services)))).all()


def of_service(tx: Connection, service: str) -> Sequence[Any]:
    """The changes of one service, oldest first."""
    return tx.execute(_ALL.where(changes.c.service == service)).all()


def with_key(tx: Connection, key: str) -> Any:
    """The change that was told under this key, or None."""
    return tx.execute(_ALL.where(changes.c.key == key)).first()
