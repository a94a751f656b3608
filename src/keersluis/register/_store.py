"""All SQL of the register. Other rooms never import this module."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection, Dialect, Table
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from keersluis.register._schema import (
    answers,
    asker_needs,
    askers,
    facts,
    gaps,
    heard,
    heard_before,
    lookups,
    need_sets,
    subjects,
    told,
    totals,
)
from keersluis.register.answers import Owed
from keersluis.register.facts import Fact, by_subject
from keersluis.register.lookups import Lookup
from keersluis.storage import upsert
from keersluis.times import MINUTE, Instant, When

CHUNK = 500  # values in one IN list; SQLite allows more, plans stay cached
ALWAYS = 2**62  # `reach` of a standing answer: no fact comes too late for it

_FACT = [
    facts.c[name]
    for name in (
        "id",
        "subject",
        "origin",
        "position",
        "kind",
        "action",
        "when_start",
        "when_end",
        "source_time",
        "system_time",
        "valid_from",
        "valid_to",
        "refers_to",
        "content",
    )
]
_OWED = [answers.c[name] for name in Owed._fields]
_FACTS_OF = sa.select(*_FACT).where(facts.c.subject.in_(sa.bindparam("subjects", expanding=True)))
_TOUCHED = sa.select(*_OWED).where(
    answers.c.subject.in_(sa.bindparam("subjects", expanding=True)), answers.c.reach >= sa.bindparam("since")
)
_KNOWN = sa.select(*_OWED).where(
    answers.c.asker == sa.bindparam("asker"), answers.c.id.in_(sa.bindparam("ids", expanding=True))
)
_OPEN = (answers.c.asker == sa.bindparam("asker_"), answers.c.needs == sa.bindparam("needs_"), answers.c.open.is_(True))
_DUE = (
    sa.select(answers.c.id, answers.c.anchor)
    .where(*_OPEN, answers.c.moment <= sa.bindparam("upto"))
    .order_by(answers.c.moment, answers.c.id, answers.c.anchor)
)
_SETTLE = sa.update(answers).where(*_OPEN, answers.c.moment <= sa.bindparam("upto")).values(open=False)
_EARLIEST = (
    sa.select(answers.c.moment)
    .where(answers.c.asker == asker_needs.c.asker, answers.c.needs == asker_needs.c.needs, answers.c.open.is_(True))
    .order_by(answers.c.moment)
    .limit(1)
    .scalar_subquery()
)
_GROUPS = sa.select(asker_needs.c.asker, asker_needs.c.needs, _EARLIEST.label("earliest")).order_by(
    asker_needs.c.asker, asker_needs.c.needs
)
_THEN = (
    sa.select(heard_before.c.complete_through)
    .where(
        heard_before.c.kind == heard.c.kind,
        heard_before.c.minute <= sa.bindparam("minute_"),
        heard_before.c.at <= sa.bindparam("known_at"),
    )
    .order_by(heard_before.c.minute.desc())
    .limit(1)
    .scalar_subquery()
)
_HEARD_BEFORE = sa.select(heard.c.kind, _THEN.label("complete_through"))


class AskerState(NamedTuple):
    """`sent` counts the events put in the asker's stream; `owed`: something was answered or reopened since the last
    completeness event."""

    sent: int
    owed: bool


def add_facts(tx: Connection, new: Sequence[Fact], now: Instant) -> int:
    """Store facts; one that is here already stays as it is. Returns how many are new."""
    rows = [
        {
            "subject": f.subject,
            "id": f.id,
            "source": f.source,
            "origin": f.origin,
            "position": f.position,
            "kind": f.kind,
            "action": f.action,
            "when_start": f.when.start,
            "when_end": f.when.end,
            "source_time": f.source_time,
            "system_time": f.system_time,
            "valid_from": f.valid_from,
            "valid_to": f.valid_to,
            "refers_to": f.refers_to,
            "content": f.content,
        }
        for f in new
    ]
    added = _insert_new(tx, facts, rows)
    whom = [{"subject": subject, "since": now} for subject in dict.fromkeys(f.subject for f in new)]
    _add(tx, {"facts": added, "subjects": _insert_new(tx, subjects, whom)})
    return added


def facts_of(tx: Connection, whom: Iterable[str]) -> Mapping[str, list[Fact]]:
    """All facts of each of these subjects."""
    return by_subject(_fact(row) for chunk in _chunks(whom) for row in tx.execute(_FACTS_OF, {"subjects": chunk}))


def contents(tx: Connection) -> Iterator[tuple[str, str, str, When, Instant | None, Instant | None, str | None, bytes]]:
    """Every fact, ordered by subject, id and source, without what is this register's own (its system time)."""
    columns = ("id", "kind", "subject", "when_start", "when_end", "valid_from", "valid_to", "refers_to", "content")
    statement = sa.select(*(facts.c[name] for name in columns)).order_by(facts.c.subject, facts.c.id, facts.c.source)
    for row in tx.execute(statement, execution_options={"yield_per": 5000}):
        yield row[0], row[1], row[2], When(row[3], row[4]), row[5], row[6], row[7], bytes(row[8])


def need_set(tx: Connection, kinds: Sequence[str]) -> int:
    """The number of a set of needed kinds, given out where it is new."""
    text = " ".join(kinds)
    known = tx.execute(sa.select(need_sets.c.n).where(need_sets.c.kinds == text)).scalar()
    if known is not None:
        return int(known)
    n = int(tx.execute(sa.select(sa.func.coalesce(sa.func.max(need_sets.c.n), 0))).scalar_one()) + 1
    tx.execute(sa.insert(need_sets), {"n": n, "kinds": text})
    return n


def all_need_sets(tx: Connection) -> dict[int, tuple[str, ...]]:
    """Number -> needed kinds. There are as many as policies differ in what they need."""
    return {row.n: tuple(row.kinds.split(" ")) for row in tx.execute(sa.select(need_sets))}


def any_answers(tx: Connection) -> bool:
    """Somebody was ever answered."""
    return tx.execute(sa.select(askers.c.asker).limit(1)).first() is not None


def touched(tx: Connection, whom: Iterable[str], since: Instant) -> list[Owed]:
    """Answers about these subjects for moments from `since` on, and their standing answers; open and settled ones."""
    return [Owed(*row) for chunk in _chunks(whom) for row in tx.execute(_TOUCHED, {"subjects": chunk, "since": since})]


def known_answers(tx: Connection, asker: str, ids: Iterable[str]) -> list[Owed]:
    """What was answered under these ids before, with what followed from standing ones."""
    return [Owed(*row) for chunk in _chunks(ids) for row in tx.execute(_KNOWN, {"asker": asker, "ids": chunk})]


def put_answers(tx: Connection, owed: Sequence[Owed]) -> None:
    """Store answers, new or given again; their askers are owed a completeness event."""
    rows = [o._asdict() | {"reach": ALWAYS if o.standing and not o.anchor else o.moment} for o in owed]
    upsert(tx, answers, rows, key=["asker", "id", "anchor"], update=["open", "answered_at"])
    needs = [{"asker": asker, "needs": n} for asker, n in dict.fromkeys((o.asker, o.needs) for o in owed)]
    upsert(tx, asker_needs, needs, key=["asker", "needs"], update=[])
    state = [{"asker": asker, "sent": 0, "owed": True} for asker in dict.fromkeys(o.asker for o in owed)]
    upsert(tx, askers, state, key=["asker"], update=["owed"])


def settle(tx: Connection, asker: str, needs: int, upto: Instant) -> list[tuple[str, str]]:
    """Settle the open answers of one group for moments up to `upto`; returns (id, anchor), oldest moment first."""
    group = {"asker_": asker, "needs_": needs, "upto": upto}
    due = [(row.id, row.anchor) for row in tx.execute(_DUE, group)]
    tx.execute(_SETTLE, group)
    return due


def reopen(tx: Connection, kind: str, since: Instant) -> dict[str, list[tuple[str, str]]]:
    """Open the settled answers that need `kind`, for moments from `since` on. Asker -> (id, anchor)s."""
    numbers = [n for n, kinds in all_need_sets(tx).items() if kind in kinds]
    where = (answers.c.needs.in_(numbers), answers.c.moment >= since, answers.c.open.is_(False))
    found: dict[str, list[tuple[str, str]]] = {}
    columns = (answers.c.asker, answers.c.id, answers.c.anchor)
    for row in tx.execute(sa.select(*columns).where(*where).order_by(*columns)):
        found.setdefault(row.asker, []).append((row.id, row.anchor))
    tx.execute(sa.update(answers).where(*where).values(open=True))
    if found:
        tx.execute(sa.update(askers).where(askers.c.asker.in_(list(found))).values(owed=True))
    return found


def groups(tx: Connection) -> dict[str, dict[int, Instant | None]]:
    """Asker -> set of needs -> the earliest moment of an open answer on it (None: none is open)."""
    found: dict[str, dict[int, Instant | None]] = {}
    for row in tx.execute(_GROUPS):
        found.setdefault(row.asker, {})[row.needs] = row.earliest
    return found


def asker_states(tx: Connection) -> dict[str, AskerState]:
    """Asker -> how far its stream is."""
    return {row.asker: AskerState(row.sent, row.owed) for row in tx.execute(sa.select(askers))}


def number_sent(tx: Connection, asker: str, more: int) -> int:
    """Numbers for `more` events of the asker's stream; returns the first."""
    row = tx.execute(sa.select(askers.c.sent).where(askers.c.asker == asker)).first()
    sent = 0 if row is None else int(row.sent)
    upsert(tx, askers, [{"asker": asker, "sent": sent + more, "owed": True}], key=["asker"], update=["sent"])
    return sent + 1


def resume_sent(tx: Connection, asker: str, sent: int) -> None:
    """The asker's stream holds so many events; it is owed a completeness event."""
    upsert(tx, askers, [{"asker": asker, "sent": sent, "owed": True}], key=["asker"])


def owe_nothing(tx: Connection, asker: str) -> None:
    """The asker was told."""
    tx.execute(sa.update(askers).where(askers.c.asker == asker).values(owed=False))


def all_told(tx: Connection) -> dict[str, dict[str, Instant]]:
    """Asker -> the watermarks in the last completeness event to it."""
    found: dict[str, dict[str, Instant]] = {}
    for row in tx.execute(sa.select(told)):
        found.setdefault(row.asker, {})[row.kind] = row.complete_through
    return found


def put_told(tx: Connection, asker: str, watermarks: Mapping[str, Instant]) -> None:
    rows = [{"asker": asker, "kind": kind, "complete_through": at} for kind, at in watermarks.items()]
    upsert(tx, told, rows, key=["asker", "kind"])


def watermarks(tx: Connection, known_at: Instant | None = None) -> dict[str, Instant]:
    """Kind -> complete_through as it is now, or as it was at a system time (to the minute, never too late)."""
    if known_at is None:
        return {row.kind: row.complete_through for row in tx.execute(sa.select(heard))}
    rows = tx.execute(_HEARD_BEFORE, {"known_at": known_at, "minute_": known_at // MINUTE})
    return {row.kind: row.complete_through for row in rows if row.complete_through is not None}


def put_watermarks(tx: Connection, moved: Mapping[str, Instant], now: Instant) -> None:
    """Remember watermarks that moved; of the past, the last of each minute is kept."""
    rows = [{"kind": kind, "complete_through": at} for kind, at in moved.items()]
    upsert(tx, heard, rows, key=["kind"])
    past = [row | {"minute": now // MINUTE, "at": now} for row in rows]
    upsert(tx, heard_before, past, key=["kind", "minute"])


def open_gaps(tx: Connection) -> list[tuple[str, Instant]]:
    """(kind, first instant) of each declared gap that is not filled."""
    rows = tx.execute(sa.select(gaps.c.kind, gaps.c.since).where(gaps.c.filled_at.is_(None)))
    return [(row.kind, row.since) for row in rows]


def declare_gap(tx: Connection, kind: str, since: Instant, until: Instant, now: Instant) -> None:
    row = {"kind": kind, "since": since, "until": until, "declared_at": now, "filled_at": None}
    upsert(tx, gaps, [row], key=["kind", "since", "until"])


def owe_all(tx: Connection) -> None:
    """Every asker is owed a completeness event."""
    tx.execute(sa.update(askers).values(owed=True))


def fill_gap(tx: Connection, kind: str, since: Instant, until: Instant, now: Instant) -> bool:
    """False when no such gap was open."""
    statement = sa.update(gaps).where(
        gaps.c.kind == kind, gaps.c.since >= since, gaps.c.until <= until, gaps.c.filled_at.is_(None)
    )
    return bool(tx.execute(statement.values(filled_at=now)).rowcount)


def last_lookup(tx: Connection) -> int:
    """The number of the newest look-up; 0 when nobody looked yet."""
    return int(tx.execute(sa.select(sa.func.coalesce(sa.func.max(lookups.c.n), 0))).scalar_one())


def add_lookups(tx: Connection, records: Sequence[Lookup]) -> None:
    names = [column.name for column in lookups.columns]
    tx.execute(sa.insert(lookups), [{name: getattr(record, name) for name in names} for record in records])


def lookups_of(tx: Connection, data_subject_id: str) -> list[Lookup]:
    """The records of one person, oldest first."""
    statement = sa.select(lookups).where(lookups.c.data_subject_id == data_subject_id).order_by(lookups.c.n)
    return [Lookup(*row) for row in tx.execute(statement)]


def counts(tx: Connection) -> dict[str, int]:
    """facts, subjects, lookups and answers_open; costs no more for a larger register."""
    known = {row.name: int(row.n) for row in tx.execute(sa.select(totals))}
    still_open = sa.select(sa.func.count()).select_from(answers).where(answers.c.open.is_(True))
    return {
        "facts": known.get("facts", 0),
        "subjects": known.get("subjects", 0),
        "answers_open": int(tx.execute(still_open).scalar_one()),
        "lookups": last_lookup(tx),
    }


def _fact(row: Any) -> Fact:
    """A row of `_FACT`."""
    id_, whom, origin, position, kind, action, start, end, *rest = row
    entered, recorded, valid_from, valid_to, refers_to, content = rest
    when = When(start, end)
    return Fact(
        id_,
        whom,
        origin,
        position,
        kind,
        action,
        when,
        entered,
        recorded,
        valid_from,
        valid_to,
        refers_to,
        bytes(content),
    )


def _insert_new(tx: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> int:
    """Insert the rows whose key is new, and return how many. Each row has every column.

    The statement is handed to the driver as text: Core would look at each of the values again, for every event.
    """
    if not rows:
        return 0
    sql, names = _insert_sql(tx.dialect, table)
    values = list(map(itemgetter(*names), rows)) if names else list(rows)
    return int(tx.exec_driver_sql(sql, values).rowcount)


@lru_cache(maxsize=16)
def _insert_sql(dialect: Dialect, table: Table) -> tuple[str, tuple[str, ...]]:
    """The text, and the order of its values for a driver that takes them by position."""
    build: Any = postgresql_insert if dialect.name == "postgresql" else sqlite_insert
    compiled = build(table).on_conflict_do_nothing().compile(dialect=dialect)
    return str(compiled), tuple(compiled.positiontup or ())


def _add(tx: Connection, more: Mapping[str, int]) -> None:
    zero = [{"name": name, "n": 0} for name in more]
    upsert(tx, totals, zero, key=["name"], update=[])
    change = sa.update(totals).where(totals.c.name == sa.bindparam("name_")).values(n=totals.c.n + sa.bindparam("more"))
    tx.execute(change, [{"name_": name, "more": n} for name, n in more.items()])


def _chunks(values: Iterable[str]) -> Iterator[Sequence[str]]:
    unique: Collection[str] = dict.fromkeys(values)
    listed = list(unique)
    return (listed[start : start + CHUNK] for start in range(0, len(listed), CHUNK))
