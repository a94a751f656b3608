"""All SQL of plans: the versions that were adopted, and everything that was done under them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import BigInteger, Column, Connection, Integer, Table, Text

from keersluis.recovery.standing import Act
from keersluis.storage import Bytes, Migrations, upsert
from keersluis.times import Instant

metadata = sa.MetaData()

adopted_plans = Table(
    "adopted_plans",
    metadata,
    Column("name", Text, primary_key=True),
    Column("digest", Text, nullable=False),
    Column("plan", Bytes, nullable=False),
    Column("first_act", Integer, nullable=False),
    Column("ended", Text),
)
plan_acts = Table(
    "plan_acts",
    metadata,
    Column("n", Integer, primary_key=True, autoincrement=True),
    Column("plan", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("what", Text, nullable=False),
    Column("stage", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("entry", BigInteger, nullable=False),
    Column("key", Text),
    sa.Index("plan_acts_by_plan", "plan", "n"),
    sa.Index("plan_acts_by_key", "key"),
)

MIGRATIONS = Migrations("recovery.plans", [metadata.create_all])

_STANDING = (
    sa.select(adopted_plans.c.name, adopted_plans.c.digest, adopted_plans.c.plan, adopted_plans.c.first_act)
    .where(adopted_plans.c.ended.is_(None))
    .order_by(adopted_plans.c.name)
)
_ANY = sa.select(adopted_plans.c.name).where(adopted_plans.c.ended.is_(None)).limit(1)


def any_standing(tx: Connection) -> bool:
    """Whether some plan stands."""
    return tx.execute(_ANY).first() is not None


def standing(tx: Connection) -> list[Any]:
    """name, digest, plan, first_act of the plans that stand."""
    return list(tx.execute(_STANDING))


def known(tx: Connection, name: str) -> Any:
    """digest, plan, first_act, ended of a plan that was ever adopted; None for none."""
    return tx.execute(sa.select(adopted_plans).where(adopted_plans.c.name == name)).one_or_none()


def names(tx: Connection) -> list[str]:
    """The plans that were ever adopted."""
    return [row.name for row in tx.execute(sa.select(adopted_plans.c.name).order_by(adopted_plans.c.name))]


def put(tx: Connection, row: Mapping[str, Any]) -> None:
    """A plan as it was adopted: name, digest, plan, first_act, ended."""
    upsert(tx, adopted_plans, [dict(row)], key=["name"])


def end(tx: Connection, name: str, how: str) -> None:
    """The plan stands no longer."""
    tx.execute(sa.update(adopted_plans).where(adopted_plans.c.name == name).values(ended=how))


def add(
    tx: Connection, plan: str, at: Instant, what: str, stage: str, body: Mapping[str, Any], entry: int, key: str | None
) -> int:
    """Keep an act; returns its number."""
    row = {"plan": plan, "at": at, "what": what, "stage": stage, "body": json.dumps(body), "entry": entry, "key": key}
    added = tx.execute(sa.insert(plan_acts), row)
    return int((added.inserted_primary_key or (0,))[0])


def acts(tx: Connection, plan: str, first: int) -> list[Act]:
    """The acts of a plan from number `first` on."""
    c = plan_acts.c
    query = sa.select(c.n, c.at, c.what, c.stage, c.body, c.entry).where(c.plan == plan, c.n >= first).order_by(c.n)
    return [Act(row.n, row.at, row.what, row.stage, json.loads(row.body), row.entry) for row in tx.execute(query)]


def with_key(tx: Connection, key: str) -> list[tuple[str, Act]]:
    """The acts that were done under a key, each with its plan."""
    c = plan_acts.c
    query = sa.select(c.plan, c.n, c.at, c.what, c.stage, c.body, c.entry).where(c.key == key).order_by(c.n)
    return [
        (row.plan, Act(row.n, row.at, row.what, row.stage, json.loads(row.body), row.entry))
        for row in tx.execute(query)
    ]
