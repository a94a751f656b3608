"""The gates' SQL: orders, those that were called off, and the tokens of meters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy import BigInteger, Column, Connection, Float, Integer, Table, Text

from keersluis.exchange.gates import Bucket, GateOrder
from keersluis.storage import Hook, add_columns, upsert
from keersluis.times import Instant

AnyRow: TypeAlias = Any

metadata = sa.MetaData()

gate_orders = Table(
    "gate_orders",
    metadata,
    Column("n", Integer, primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False),
    Column("peer", Text, nullable=False),
    Column("direction", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("rate", Float),
    Column("who", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("until", Text),
    Column("evidence", Text),
    Column("link", Text, nullable=False, server_default="*"),
    Column("starts", BigInteger),
    Column("byte_rate", Float),
    Column("window", Text),
    Column("outside", Text),
    Column("undoes", Integer),
    Column("key", Text),
    Column("noted", BigInteger),
    Column("called_off", BigInteger),
)
gate_meters = Table(
    "gate_meters",
    metadata,
    Column("peer", Text, primary_key=True),
    Column("direction", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("link", Text, primary_key=True),
    Column("tokens", Float, nullable=False),
    Column("size", Float, nullable=False),
    Column("at", BigInteger, nullable=False),
)
_LATER = ("starts", "byte_rate", "window", "outside", "undoes", "key", "noted", "called_off")


def _complete(tx: Connection) -> None:
    """What a later version gave to gates: nothing where the tables were made anew."""
    add_columns(gate_orders, *_LATER)(tx)
    metadata.create_all(tx)


STEPS: Sequence[Hook] = (add_columns(gate_orders, "link"), _complete)
"""How the tables of an older version become these."""

_ORDER = [
    gate_orders.c[name]
    for name in (
        *("at", "peer", "direction", "kind", "state", "who", "why", "rate", "until", "evidence", "link"),
        *("starts", "byte_rate", "window", "outside", "undoes", "key", "noted"),
    )
]
_SELECT_ORDERS = sa.select(*_ORDER, gate_orders.c.n).where(gate_orders.c.called_off.is_(None)).order_by(gate_orders.c.n)
_NOT_NOTED = (
    sa.select(*_ORDER, gate_orders.c.n)
    .where(
        gate_orders.c.starts <= sa.bindparam("now"), gate_orders.c.noted.is_(None), gate_orders.c.called_off.is_(None)
    )
    .order_by(gate_orders.c.starts, gate_orders.c.n)
)
_SELECT_MARK = sa.select(
    sa.func.max(gate_orders.c.n), sa.func.count(gate_orders.c.called_off), sa.func.count(gate_orders.c.noted)
)


def orders(tx: Connection) -> list[GateOrder]:
    """All gate orders that were not called off, in the order of their numbers."""
    return [GateOrder(*row) for row in tx.execute(_SELECT_ORDERS)]


def mark(tx: Connection) -> tuple[int | None, ...]:
    """Another value whenever `orders` would give others."""
    return tuple(tx.execute(_SELECT_MARK).one())


def page(tx: Connection, after: int, limit: int) -> list[tuple[GateOrder, Instant | None]]:
    """At most `limit` orders with a number beyond `after`, each with when it was called off."""
    c = gate_orders.c
    query = sa.select(*_ORDER, c.n, c.called_off).where(c.n > after).order_by(c.n).limit(limit)
    return [(GateOrder(*row[:-1]), row[-1]) for row in tx.execute(query)]


def with_key(tx: Connection, key: str) -> list[GateOrder]:
    """The orders that were given under a key."""
    return [GateOrder(*row) for row in tx.execute(sa.select(*_ORDER, gate_orders.c.n).where(gate_orders.c.key == key))]


def add_order(tx: Connection, order: GateOrder) -> int:
    """Append one gate order; returns its number."""
    added = tx.execute(sa.insert(gate_orders), {name.name: getattr(order, name.name) for name in _ORDER})
    return int((added.inserted_primary_key or (0,))[0])


def call_off(tx: Connection, number: int, at: Instant) -> None:
    """An order that has not taken effect never will."""
    tx.execute(sa.update(gate_orders).where(gate_orders.c.n == number).values(called_off=at))


def not_noted(tx: Connection, now: Instant) -> list[GateOrder]:
    """The scheduled orders that took effect, of which that is not noted yet."""
    return [GateOrder(*row) for row in tx.execute(_NOT_NOTED, {"now": now})]


def note(tx: Connection, numbers: Sequence[int], at: Instant) -> None:
    """It is noted that these took effect."""
    tx.execute(sa.update(gate_orders).where(gate_orders.c.n.in_(numbers)).values(noted=at))


def _of(order: GateOrder) -> dict[str, str]:
    return {"peer": order.peer, "direction": order.direction, "kind": order.kind, "link": order.link}


def bucket(tx: Connection, order: GateOrder) -> Bucket | None:
    """The token bucket of a metered gate."""
    c = gate_meters.c
    query = sa.select(c.tokens, c.at, c.size).where(*(c[name] == value for name, value in _of(order).items()))
    row = tx.execute(query).first()
    return Bucket(row.tokens, row.at, row.size) if row else None


def put_bucket(tx: Connection, order: GateOrder, left: Bucket) -> None:
    """Store the token bucket of a metered gate."""
    row = {**_of(order), "tokens": left.tokens, "size": left.size, "at": left.at}
    upsert(tx, gate_meters, [row], key=list(_of(order)))


def drop_bucket(tx: Connection, order: GateOrder) -> None:
    """A new order begins with a new bucket."""
    c = gate_meters.c
    tx.execute(sa.delete(gate_meters).where(*(c[name] == value for name, value in _of(order).items())))
