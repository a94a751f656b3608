"""All SQL of the decisions. Other rooms never import this module.

A decision that waits is in a group: those of one policy version, at one level, that wait for the same kinds. The index
on (group, moment) makes settling one update for each group, whatever the number of decisions (P6).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import BigInteger, Boolean, Column, Connection, Index, Integer, Table, Text

from keersluis.decisions.evidence import Heard
from keersluis.decisions.model import Basis, Change, EarlyRow, Group, GroupKey, Kept, RevisitRow
from keersluis.storage import Bytes, Migrations, upsert
from keersluis.times import Instant

CHUNK = 500  # values in one IN list; SQLite allows more, plans stay cached

metadata = sa.MetaData()
_Serial = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows by itself for INTEGER only

decisions = Table(
    "decisions", metadata,
    Column("id", Text, primary_key=True),
    Column("answer", Text, nullable=False),
    Column("policy", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("subject", Text, nullable=False),
    Column("moment", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("issued", Integer),
    Column("acting", Integer, nullable=False),
    Column("level", Integer, nullable=False),
    Column("open_group", Integer),
    Column("settlement", BigInteger),
    Column("answered_at", BigInteger, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("basis", Integer, nullable=False),
    Column("issued_basis", Integer),
    Column("issued_at", BigInteger),
    Column("taken_at", BigInteger, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
)  # fmt: skip
_OPEN = decisions.c.open_group.is_not(None)
Index("decisions_open", decisions.c.open_group, decisions.c.moment, sqlite_where=_OPEN, postgresql_where=_OPEN)
# A literal, not a parameter: only so can SQLite tell that a query asks for no more than the index holds.
_UNSETTLED = decisions.c.state != sa.literal_column("'settled'")
Index("decisions_unsettled", decisions.c.state, sqlite_where=_UNSETTLED, postgresql_where=_UNSETTLED)
groups = Table(
    "decision_groups", metadata,
    Column("n", Integer, primary_key=True, autoincrement=False),
    Column("policy", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("level", Integer, nullable=False),
    Column("held", Boolean, nullable=False),
    Column("missing", Text, nullable=False),  # kind paths in the policy's order, a space between
    sa.UniqueConstraint("policy", "version", "level", "held", "missing"),
)  # fmt: skip
bases = Table(
    "decision_bases", metadata,
    Column("decision", Text, primary_key=True),
    Column("n", Integer, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("inputs", Bytes, nullable=False),
    Column("outcome", Bytes, nullable=False),
)  # fmt: skip
changes = Table(
    "decision_changes", metadata,
    Column("n", _Serial, primary_key=True),
    Column("decision", Text, nullable=False, index=True),
    Column("at", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("level", Integer, nullable=False),
    Column("final", Boolean, nullable=False),
    Column("reason", Text, nullable=False),
)  # fmt: skip
marks = Table(
    "decision_marks", metadata,
    Column("kind", Text, primary_key=True),
    Column("complete_through", BigInteger, nullable=False),
    Column("lowered_at", BigInteger, nullable=False),
)  # fmt: skip
settlements = Table(
    "decision_settlements", metadata,
    Column("n", BigInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("watermarks", Bytes, nullable=False),
)  # fmt: skip
revisits = Table(
    "decision_revisits", metadata,
    Column("decision", Text, primary_key=True),
    Column("policy", Text, nullable=False),
    Column("moment", BigInteger, nullable=False),
    Column("was", Integer, nullable=False),
    Column("now", Integer, nullable=False),
    Column("gravity", Integer, nullable=False),
    Column("harmful", Boolean, nullable=False),
    Column("final", Boolean, nullable=False),
    Column("reason", Bytes, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("closed_at", BigInteger),
    Column("closed_by", Text),
    Column("closed_why", Text),
)  # fmt: skip
_WORST = (revisits.c.harmful.desc(), revisits.c.gravity.desc(), revisits.c.at, revisits.c.decision)
_ON_DESK = revisits.c.closed_at.is_(None)
Index("decision_revisits_worst", *_WORST, sqlite_where=_ON_DESK, postgresql_where=_ON_DESK)
early = Table(
    "early_supplements", metadata,
    Column("answer", Text, primary_key=True),
    Column("position", BigInteger, primary_key=True),
    Column("told_at", BigInteger, nullable=False),
    Column("leaf", Bytes, nullable=False),
    Column("data", Bytes, nullable=False),
)  # fmt: skip
totals = Table(
    "decision_totals", metadata,
    Column("name", Text, primary_key=True),
    Column("n", BigInteger, nullable=False),
)  # fmt: skip

MIGRATIONS = Migrations("decisions", [metadata.create_all])


_KEPT = [decisions.c[name] for name in Kept._fields]
_LOAD = sa.select(*_KEPT).where(decisions.c.id.in_(sa.bindparam("ids", expanding=True)))
_CHANGING = [name for name in Kept._fields if name not in ("id", "answer", "policy", "subject", "moment", "taken_at")]
_PUT = sa.update(decisions).where(decisions.c.id == sa.bindparam("id_"))
_EARLIEST = sa.select(sa.func.min(decisions.c.moment)).where(decisions.c.open_group == groups.c.n).scalar_subquery()
_GROUPS = sa.select(groups, _EARLIEST.label("earliest")).order_by(groups.c.n)
_OF_GROUP = (decisions.c.open_group == sa.bindparam("group_"), decisions.c.moment <= sa.bindparam("upto"))
_REVISITED = sa.and_(decisions.c.issued.is_not(None), decisions.c.issued != decisions.c.level)
_OUTCOME = sa.case((_REVISITED, "revisit"), else_="settled")
_SETTLE_CHANGES = sa.insert(changes).from_select(
    ["decision", "at", "state", "level", "final", "reason"],
    sa.select(
        decisions.c.id, sa.bindparam("at", type_=BigInteger), _OUTCOME, decisions.c.level, sa.true(),
        sa.literal("complete"),
    ).where(*_OF_GROUP),
)  # fmt: skip
_SETTLE = (
    sa.update(decisions)
    .where(*_OF_GROUP)
    .values(
        state=_OUTCOME,
        issued=sa.func.coalesce(decisions.c.issued, decisions.c.level),
        issued_at=sa.func.coalesce(decisions.c.issued_at, sa.bindparam("at")),
        issued_basis=sa.func.coalesce(decisions.c.issued_basis, decisions.c.basis),
        acting=decisions.c.level,
        open_group=None,
        settlement=sa.bindparam("settlement_"),
        changed_at=sa.bindparam("at"),
    )
    .returning(decisions.c.id, decisions.c.state)
)
_RELEASE = (
    sa.update(decisions)
    .where(*_OF_GROUP)
    .values(
        state="provisional",
        issued=decisions.c.acting,
        issued_at=sa.bindparam("at"),
        issued_basis=decisions.c.basis,
        open_group=sa.bindparam("to_group"),
        changed_at=sa.bindparam("at"),
    )
    .returning(decisions.c.id, decisions.c.issued)
)

_COUNTS = sa.select(decisions.c.state, sa.func.count()).where(_UNSETTLED).group_by(decisions.c.state)
_DESK = (
    sa.select(*(revisits.c[name] for name in RevisitRow._fields))
    .where(_ON_DESK)
    .order_by(*_WORST)
    .limit(sa.bindparam("most"))
)


def load(tx: Connection, ids: Iterable[str]) -> dict[str, Kept]:
    """The decisions of these ids that are here."""
    return {row[0]: Kept(*row) for chunk in _chunks(ids) for row in tx.execute(_LOAD, {"ids": chunk})}


def add(tx: Connection, new: Sequence[Kept]) -> None:
    """Store new decisions."""
    if new:
        tx.execute(sa.insert(decisions), [each._asdict() for each in new])
        count = {"name": "decisions", "n": 0}
        upsert(tx, totals, [count], key=["name"], update=[])
        tx.execute(sa.update(totals).where(totals.c.name == "decisions").values(n=totals.c.n + len(new)))


def put(tx: Connection, changed: Sequence[Kept]) -> None:
    """Store decisions that were derived again, issued or reviewed."""
    if changed:
        tx.execute(_PUT, [{"id_": each.id} | {name: getattr(each, name) for name in _CHANGING} for each in changed])


def add_bases(tx: Connection, new: Sequence[Basis]) -> None:
    if new:
        tx.execute(sa.insert(bases), [each._asdict() for each in new])


def bases_of(tx: Connection, decision: str) -> list[Basis]:
    """Every basis of one decision, in order."""
    columns = [bases.c[name] for name in Basis._fields]
    rows = tx.execute(sa.select(*columns).where(bases.c.decision == decision).order_by(bases.c.n))
    return [Basis(row[0], row[1], row[2], bytes(row[3]), bytes(row[4])) for row in rows]


def basis(tx: Connection, decision: str, n: int) -> Basis:
    columns = [bases.c[name] for name in Basis._fields]
    row = tx.execute(sa.select(*columns).where(bases.c.decision == decision, bases.c.n == n)).one()
    return Basis(row[0], row[1], row[2], bytes(row[3]), bytes(row[4]))


def add_changes(tx: Connection, new: Sequence[Change]) -> None:
    if new:
        tx.execute(sa.insert(changes), [each._asdict() for each in new])


def changes_of(tx: Connection, decision: str) -> list[Change]:
    """The history of one decision, oldest first."""
    columns = [changes.c[name] for name in Change._fields]
    rows = tx.execute(sa.select(*columns).where(changes.c.decision == decision).order_by(changes.c.n))
    return [Change(*row) for row in rows]


def final_changes(tx: Connection) -> Iterator[Change]:
    """Every time that a level was called final, oldest first."""
    columns = [changes.c[name] for name in Change._fields]
    statement = sa.select(*columns).where(changes.c.final.is_(True)).order_by(changes.c.n)
    for row in tx.execute(statement, execution_options={"yield_per": 5000}):
        yield Change(*row)


def outcomes(tx: Connection) -> Iterator[tuple[str, str, int, int | None, bool]]:
    """(id, state, level, issued, final) of every decision, ordered by id."""
    c = decisions.c
    statement = sa.select(c.id, c.state, c.level, c.issued, c.open_group.is_(None)).order_by(c.id)
    for row in tx.execute(statement, execution_options={"yield_per": 5000}):
        yield row[0], row[1], row[2], row[3], bool(row[4])


def group_numbers(tx: Connection, keys: Iterable[GroupKey]) -> dict[GroupKey, int]:
    """The number of each group, given out where it is new. There are as many as policies and cuts make them differ."""
    known = {key: n for n, key in _known_groups(tx)}
    new = [key for key in dict.fromkeys(keys) if key not in known]
    known |= {key: n for n, key in enumerate(new, max(known.values(), default=0) + 1)}
    if new:
        rows = [key._asdict() | {"n": known[key], "missing": " ".join(key.missing)} for key in new]
        tx.execute(sa.insert(groups), rows)
    return known


def group_key(tx: Connection, n: int) -> GroupKey:
    return dict(_known_groups(tx))[n]


def waiting_groups(tx: Connection) -> list[Group]:
    """The groups that have decisions: one query, which reads one entry of an index for each group."""
    return [Group(row[0], _group_key(row), row.earliest) for row in tx.execute(_GROUPS) if row.earliest is not None]


def settle(tx: Connection, group: int, upto: Instant, settlement: int, at: Instant) -> list[tuple[str, str]]:
    """Settle a group's decisions for moments up to `upto`: one update. Returns (id, state)."""
    tx.execute(_SETTLE_CHANGES, {"group_": group, "upto": upto, "at": at})
    values = {"group_": group, "upto": upto, "at": at, "settlement_": settlement}
    return [(row[0], row[1]) for row in tx.execute(_SETTLE, values)]


def release(tx: Connection, group: int, upto: Instant, to_group: int, at: Instant) -> list[tuple[str, int]]:
    """Issue a held group's decisions for moments up to `upto`, at the level they stand at. Returns (id, issued)."""
    values = {"group_": group, "upto": upto, "to_group": to_group, "at": at}
    return [(row[0], row[1]) for row in tx.execute(_RELEASE, values)]


def final_shapes(tx: Connection, since: Instant) -> list[tuple[str, int, int]]:
    """(policy, version, level) of decisions that wait for nothing, for moments after `since`. Reads them all."""
    c = decisions.c
    statement = sa.select(c.policy, c.version, c.level).distinct()
    rows = tx.execute(statement.where(c.open_group.is_(None), c.moment > since))
    return [(row[0], row[1], row[2]) for row in rows]


def reopen(
    tx: Connection, shape: tuple[str, int, int], since: Instant, group: int, at: Instant, reason: str
) -> list[tuple[str, str]]:
    """Decisions of a shape that waited for nothing wait again, in `group`. Returns (id, state)."""
    c = decisions.c
    state = sa.case((c.state == "settled", "provisional"), else_=c.state)
    statement = (
        sa.update(decisions)
        .where(c.policy == shape[0], c.version == shape[1], c.level == shape[2])
        .where(c.open_group.is_(None), c.moment > since)
        .values(state=state, open_group=group, settlement=None, changed_at=at)
        .returning(c.id, c.state)
    )
    reopened = [(row[0], row[1]) for row in tx.execute(statement)]
    add_changes(tx, [Change(each, at, state_, shape[2], False, reason) for each, state_ in reopened])
    return reopened


def heard(tx: Connection) -> dict[str, Heard]:
    """Kind -> the register's last word on it, as it came over the stream."""
    columns = (marks.c.kind, marks.c.complete_through, marks.c.lowered_at)
    return {row[0]: Heard(row[1], row[2]) for row in tx.execute(sa.select(*columns))}


def put_heard(tx: Connection, told: Mapping[str, Heard]) -> None:
    rows = [{"kind": kind, "complete_through": h.through, "lowered_at": h.lowered_at} for kind, h in told.items()]
    upsert(tx, marks, rows, key=["kind"])


def add_settlement(tx: Connection, at: Instant, watermarks: bytes) -> int:
    """Remember the watermarks that settled decisions; returns their number."""
    last = tx.execute(sa.select(sa.func.coalesce(sa.func.max(settlements.c.n), 0))).scalar_one()
    tx.execute(sa.insert(settlements), {"n": last + 1, "at": at, "watermarks": watermarks})
    return int(last) + 1


def settlement(tx: Connection, n: int) -> tuple[Instant, bytes]:
    """(at, watermarks)."""
    row = tx.execute(sa.select(settlements.c.at, settlements.c.watermarks).where(settlements.c.n == n)).one()
    return row[0], bytes(row[1])


def add_early(tx: Connection, rows: Sequence[EarlyRow]) -> None:
    upsert(tx, early, [row._asdict() for row in rows], key=["answer", "position"], update=[])


def take_early(tx: Connection, answers: Sequence[str]) -> list[EarlyRow]:
    """The supplements that came before their decisions, in the order of the stream; they are no longer early."""
    columns = [early.c[name] for name in EarlyRow._fields]
    found = []
    for chunk in _chunks(answers):
        mine = early.c.answer.in_(chunk)
        rows = tx.execute(sa.select(*columns).where(mine)).all()
        found += [EarlyRow(row[0], row[1], row[2], bytes(row[3]), bytes(row[4])) for row in rows]
        if rows:
            tx.execute(sa.delete(early).where(mine))
    return sorted(found, key=lambda row: row.position)


def put_revisits(tx: Connection, rows: Sequence[RevisitRow]) -> None:
    upsert(tx, revisits, [row._asdict() for row in rows], key=["decision"])


def load_revisits(tx: Connection, ids: Iterable[str]) -> dict[str, RevisitRow]:
    """Also those that were closed."""
    columns = [revisits.c[name] for name in RevisitRow._fields]
    return {
        row[0]: _revisit(row)
        for chunk in _chunks(ids)
        for row in tx.execute(sa.select(*columns).where(revisits.c.decision.in_(chunk)))
    }


def drop_revisits(tx: Connection, ids: Iterable[str]) -> None:
    """Found again at the level it was issued at: nothing to revisit."""
    for chunk in _chunks(ids):
        tx.execute(sa.delete(revisits).where(revisits.c.decision.in_(chunk), _ON_DESK))


def worst_revisits(tx: Connection, limit: int) -> list[RevisitRow]:
    """On the desk, worst first: issued clear and found grave before the reverse, then by gravity, then the oldest."""
    return [_revisit(row) for row in tx.execute(_DESK, {"most": limit})]


def in_state(tx: Connection, state: str, limit: int) -> list[Kept]:
    """Decisions in one state other than settled, the earliest moment first."""
    statement = sa.select(*_KEPT).where(decisions.c.state == state, _UNSETTLED)
    return [Kept(*row) for row in tx.execute(statement.order_by(decisions.c.moment, decisions.c.id).limit(limit))]


def counts(tx: Connection) -> dict[str, int]:
    """How many there are in all, and in each state but settled; cost follows the unsettled."""
    total = tx.execute(sa.select(totals.c.n).where(totals.c.name == "decisions")).scalar() or 0
    return {"total": int(total)} | {row[0]: int(row[1]) for row in tx.execute(_COUNTS)}


def _revisit(row: Any) -> RevisitRow:
    values = list(row)
    values[6:9] = bool(row[6]), bool(row[7]), bytes(row[8])
    return RevisitRow(*values)


def _known_groups(tx: Connection) -> list[tuple[int, GroupKey]]:
    return [(row[0], _group_key(row)) for row in tx.execute(sa.select(groups))]


def _group_key(row: Any) -> GroupKey:
    return GroupKey(row.policy, row.version, row.level, bool(row.held), tuple(row.missing.split(" ")))


def _chunks(values: Iterable[str]) -> Iterator[list[str]]:
    listed = list(dict.fromkeys(values))
    return (listed[start : start + CHUNK] for start in range(0, len(listed), CHUNK))
