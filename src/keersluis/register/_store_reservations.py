"""All SQL of reservations: which there are, what the source stands by, which answers rest on one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy import BigInteger, Column, Connection, Integer, Table, Text

from keersluis.register._schema import answers, facts
from keersluis.register.answers import Owed
from keersluis.register.reservations import Reservation
from keersluis.storage import Migrations, upsert
from keersluis.times import Instant

Key: TypeAlias = tuple[str, str, str]
"""Asker, id, anchor of an answer."""

metadata = sa.MetaData()

reservations = Table(
    "reservations",
    metadata,
    Column("n", Integer, primary_key=True, autoincrement=False),
    Column("source", Text, nullable=False),
    Column("kinds", Text, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("until", BigInteger, nullable=False),
    Column("who", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("set_at", BigInteger, nullable=False),
    Column("lifted_at", BigInteger),
    Column("lifted_by", Text),
    Column("lifted_why", Text),
)
reaffirmed = Table(
    "reservations_reaffirmed",
    metadata,
    Column("n", Integer, primary_key=True, autoincrement=False),
    Column("origin", Text, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("note", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
)
reserved_answers = Table(
    "reserved_answers",
    metadata,
    Column("asker", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("anchor", Text, primary_key=True),
)

MIGRATIONS = Migrations("register.reservations", [metadata.create_all])


def add(tx: Connection, row: dict[str, Any]) -> int:
    """Set a reservation; returns its number."""
    n = int(tx.execute(sa.select(sa.func.max(reservations.c.n))).scalar() or 0) + 1
    tx.execute(sa.insert(reservations), row | {"n": n})
    return n


def in_force(tx: Connection) -> list[Reservation]:
    """The reservations that are not lifted, oldest first."""
    c = reservations.c
    rows = tx.execute(sa.select(reservations).where(c.lifted_at.is_(None)).order_by(c.n)).all()
    stood_by = tx.execute(sa.select(reaffirmed)).all() if rows else ()
    return [
        Reservation(
            r.n, r.source, frozenset(r.kinds.split(" ")), r.since, r.until, r.who, r.why, r.set_at,
            tuple((each.origin, each.size) for each in stood_by if each.n == r.n),
        )
        for r in rows
    ]  # fmt: skip


def everything(tx: Connection) -> Sequence[Any]:
    """All reservations there ever were, newest first."""
    return tx.execute(sa.select(reservations).order_by(reservations.c.n.desc())).all()


def lift(tx: Connection, n: int, at: Instant, who: str, why: str) -> None:
    values = {"lifted_at": at, "lifted_by": who, "lifted_why": why}
    tx.execute(sa.update(reservations).where(reservations.c.n == n).values(**values))


def stand_by(tx: Connection, n: int, origin: str, size: int, note: str, at: Instant) -> None:
    """The source stands by the first `size` events of a stream."""
    row = {"n": n, "origin": origin, "size": size, "note": note, "at": at}
    upsert(tx, reaffirmed, [row], key=["n", "origin"])


def _in_doubt(each: Reservation) -> sa.ColumnElement[bool]:
    c = facts.c
    entered, recorded = c.source_time.between(each.since, each.until), c.system_time.between(each.since, each.until)
    stood_by = [sa.and_(c.origin == origin, c.position <= size) for origin, size in each.reaffirmed]
    where = sa.and_(c.source == each.source, c.kind.in_(sorted(each.kinds)), sa.or_(entered, recorded))
    return sa.and_(where, sa.not_(sa.or_(*stood_by))) if stood_by else where


def subjects(tx: Connection, each: Reservation) -> list[str]:
    """Whom the facts in doubt are about. Reads all facts: a reservation is rare, and no index is kept for it."""
    return list(tx.execute(sa.select(facts.c.subject).where(_in_doubt(each)).distinct()).scalars())


def number_in_doubt(tx: Connection, each: Reservation) -> int:
    """How many facts are in doubt."""
    return int(tx.execute(sa.select(sa.func.count()).select_from(facts).where(_in_doubt(each))).scalar_one())


def any_answers(tx: Connection) -> bool:
    """Some answer rests on a fact in doubt."""
    return tx.execute(sa.select(reserved_answers.c.asker).limit(1)).first() is not None


def rest_on_doubt(tx: Connection) -> list[Owed]:
    """The answers that rest on a fact in doubt."""
    columns = [answers.c[name] for name in Owed._fields]
    return [Owed(*row) for row in tx.execute(sa.select(*columns).join(reserved_answers, _same()))]


def put_answers(tx: Connection, held: Iterable[Key], free: Iterable[Key]) -> None:
    """Which answers rest on a fact in doubt. Those wait for no watermark: they are not among the open ones, which
    watermarks settle, until the doubt is over."""
    rows = [dict(zip(("asker", "id", "anchor"), key, strict=True)) for key in held]
    upsert(tx, reserved_answers, rows, key=["asker", "id", "anchor"], update=[])
    c = reserved_answers.c
    for asker, id_, anchor in free:
        tx.execute(sa.delete(reserved_answers).where(c.asker == asker, c.id == id_, c.anchor == anchor))
    shut(tx)


def shut(tx: Connection) -> None:
    """No answer that rests on a fact in doubt is among those that watermarks settle."""
    mine = sa.exists(sa.select(reserved_answers.c.id).where(_same()))
    tx.execute(sa.update(answers).where(answers.c.open.is_(True), mine).values(open=False))


def _same() -> sa.ColumnElement[bool]:
    a, r = answers.c, reserved_answers.c
    return sa.and_(a.asker == r.asker, a.id == r.id, a.anchor == r.anchor)
