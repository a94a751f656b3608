"""SQL of the decision records. Other rooms never import this module. Rows are added, never changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import BigInteger, Column, Connection, LargeBinary, Table, Text

from keersluis.storage import Migrations

metadata = sa.MetaData()

_WRITTEN = (
    ("recorded", BigInteger),
    ("entry", BigInteger),
    ("who", Text),
    ("why", Text),
    ("salt", LargeBinary),
    ("body", LargeBinary),
)


def _written() -> list[Column[Any]]:
    return [Column(name, kind, nullable=False) for name, kind in _WRITTEN]


decision_records = Table("decision_records", metadata, Column("name", Text, primary_key=True), *_written())
decision_items = Table(
    "decision_items",
    metadata,
    Column("record", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    *_written(),
)

MIGRATIONS = Migrations("recovery.records", [metadata.create_all])


def add_record(tx: Connection, row: dict[str, Any]) -> None:
    """`name`, and what was written: recorded, entry, who, why, salt, body."""
    tx.execute(sa.insert(decision_records), [row])


def add_item(tx: Connection, row: dict[str, Any]) -> None:
    """`record`, `key`, and what was written."""
    tx.execute(sa.insert(decision_items), [row])


def records(tx: Connection, name: str | None = None) -> Sequence[Any]:
    """All records, or the one of that name, in the order in which they were opened."""
    query = sa.select(decision_records).order_by(decision_records.c.entry)
    return tx.execute(query if name is None else query.where(decision_records.c.name == name)).all()


def items(tx: Connection, record: str | None = None) -> Sequence[Any]:
    """The items of a record, or all, in the order in which they were written down."""
    query = sa.select(decision_items).order_by(decision_items.c.entry)
    return tx.execute(query if record is None else query.where(decision_items.c.record == record)).all()
