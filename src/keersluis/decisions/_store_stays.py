"""SQL of how long decisions lay on the desk, or waited to be settled: read from their changes, as far as a mark.

The changes are an append-only log. What follows from them is kept with the mark, in one transaction: reading costs what
has changed since, and whoever takes, settles or closes a decision pays nothing for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import BigInteger, Column, Connection, Table, Text

from keersluis.decisions._store import CHUNK, changes, decisions
from keersluis.storage import Migrations, upsert

metadata = sa.MetaData()

open_stays = Table(
    "decision_open_stays",
    metadata,
    Column("desk", Text, primary_key=True),
    Column("decision", Text, primary_key=True),
    Column("policy", Text, nullable=False),
    Column("born", BigInteger, nullable=False),
    Column("since", BigInteger, nullable=False),
)
closed_stays = Table(
    "decision_closed_stays",
    metadata,
    Column("desk", Text, primary_key=True),
    Column("policy", Text, primary_key=True),
    Column("born", BigInteger, primary_key=True),
    Column("since", BigInteger, primary_key=True),
    Column("ended", BigInteger, primary_key=True),
    Column("n", BigInteger, nullable=False),
)
stays_mark = Table(
    "decision_stays_mark",
    metadata,
    Column("one", BigInteger, primary_key=True, autoincrement=False),
    Column("n", BigInteger, nullable=False),
)

MIGRATIONS = Migrations("decisions.stays", [metadata.create_all])


def mark(tx: Connection) -> int:
    """The number of the last change that was counted."""
    return int(tx.execute(sa.select(stays_mark.c.n)).scalar() or 0)


def put_mark(tx: Connection, n: int) -> None:
    upsert(tx, stays_mark, [{"one": 1, "n": n}], key=["one"])


def last(tx: Connection) -> int:
    """The number of the last change that there is."""
    return int(tx.execute(sa.select(sa.func.max(changes.c.n))).scalar() or 0)


def changed(tx: Connection, after: int) -> Sequence[Any]:
    """(n, decision, policy, moment, at, state) of each change after a mark, in order."""
    c, d = changes.c, decisions.c
    join = changes.join(decisions, d.id == c.decision)
    query = sa.select(c.n, c.decision, d.policy, d.moment, c.at, c.state).select_from(join)
    return tx.execute(query.where(c.n > after).order_by(c.n)).all()


def open_of(tx: Connection, ids: Sequence[str]) -> dict[tuple[str, str], tuple[str, int, int]]:
    """(desk, decision) -> (policy, born, since) of these decisions, where they wait."""
    o, found = open_stays.c, dict[tuple[str, str], tuple[str, int, int]]()
    for i in range(0, len(ids), CHUNK):
        rows = tx.execute(sa.select(open_stays).where(o.decision.in_(ids[i : i + CHUNK])))
        found |= {(row.desk, row.decision): (row.policy, row.born, row.since) for row in rows}
    return found


def open_on(tx: Connection, desk: str) -> dict[tuple[str, str], tuple[str, int, int]]:
    """As `open_of`, of all that wait at one desk."""
    rows = tx.execute(sa.select(open_stays).where(open_stays.c.desk == desk))
    return {(row.desk, row.decision): (row.policy, row.born, row.since) for row in rows}


def closed_on(tx: Connection, desk: str) -> Sequence[Any]:
    """(policy, born, since, ended, n) of what waited at one desk, by the hour."""
    c = closed_stays.c
    return tx.execute(sa.select(c.policy, c.born, c.since, c.ended, c.n).where(c.desk == desk)).all()


def put_open(tx: Connection, rows: Mapping[tuple[str, str], tuple[str, int, int]]) -> None:
    values = [
        {"desk": desk, "decision": decision, "policy": policy, "born": born, "since": since}
        for (desk, decision), (policy, born, since) in rows.items()
    ]
    upsert(tx, open_stays, values, key=["desk", "decision"])


def drop_open(tx: Connection, keys: Iterable[tuple[str, str]]) -> None:
    o = open_stays.c
    gone = [{"d": desk, "i": decision} for desk, decision in keys]
    if gone:
        tx.execute(sa.delete(open_stays).where(o.desk == sa.bindparam("d"), o.decision == sa.bindparam("i")), gone)


def add_closed(tx: Connection, numbers: Mapping[tuple[str, str, int, int, int], int]) -> None:
    """So many more of each (desk, policy, born, since, ended)."""
    c = closed_stays.c
    names = ("desk", "policy", "born", "since", "ended")
    rows = [dict(zip(names, key, strict=True)) | {"n": 0} for key in numbers]
    upsert(tx, closed_stays, rows, key=names, update=[])
    where = [c[name] == sa.bindparam(f"{name}_") for name in names]
    more = [
        {f"{name}_": value for name, value in zip(names, key, strict=True)} | {"more": number}
        for key, number in numbers.items()
    ]
    if more:
        tx.execute(sa.update(closed_stays).where(*where).values(n=c.n + sa.bindparam("more")), more)
