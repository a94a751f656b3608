"""SQL of the statements about keys: which there are, and which peer has taken them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy import BigInteger, Column, Connection, Table, Text

from keersluis.storage import Migrations, upsert
from keersluis.times import Instant

AnyRow: TypeAlias = Any

metadata = sa.MetaData()

statements = Table(
    "key_statements",
    metadata,
    Column("statement", Text, primary_key=True),
    Column("oin", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
)
told = Table(
    "key_statements_told",
    metadata,
    Column("statement", Text, primary_key=True),
    Column("peer", Text, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("code", Text),
)

MIGRATIONS = Migrations("exchange.keys", [metadata.create_all])


def known(tx: Connection, statement: str) -> bool:
    """Whether the statement is kept already."""
    return tx.execute(sa.select(statements.c.at).where(statements.c.statement == statement)).first() is not None


def keep(tx: Connection, statement: str, oin: str, at: Instant) -> None:
    """Keep a statement; once."""
    upsert(tx, statements, [{"statement": statement, "oin": oin, "at": at}], key=["statement"])


def of(tx: Connection, oin: str) -> Sequence[str]:
    """The statements of an organisation, oldest first."""
    c = statements.c
    return tx.execute(sa.select(c.statement).where(c.oin == oin).order_by(c.at)).scalars().all()


def told_to(tx: Connection, peer: str) -> set[str]:
    """The statements that a peer has answered."""
    return set(tx.execute(sa.select(told.c.statement).where(told.c.peer == peer)).scalars())


def answered(tx: Connection, statement: str, peer: str, at: Instant, code: str | None) -> None:
    """The peer took the statement, or refused it for good with `code`."""
    row = {"statement": statement, "peer": peer, "at": at, "code": code}
    upsert(tx, told, [row], key=["statement", "peer"])
