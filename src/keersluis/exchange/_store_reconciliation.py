"""SQL of counts, digests and gaps. Other rooms never import this module.

`tallies` is worked out from the stored events, as far as `tallied` says; it can be thrown away and made again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

import sqlalchemy as sa
from sqlalchemy import BigInteger, Column, Connection, Integer, Table, Text

from keersluis.exchange._store import AnyRow, in_events, in_streams, out_events, out_streams
from keersluis.exchange._store_epochs import out_epochs
from keersluis.exchange.reconciliation import Tally
from keersluis.storage import Bytes, Migrations, upsert
from keersluis.times import Instant

Side: TypeAlias = Literal["out", "in"]
"""Whose events: those that we publish, or those that we received."""

metadata = sa.MetaData()

tallied = Table(
    "tallied",
    metadata,
    Column("side", Text, primary_key=True),
    Column("stream", Integer, primary_key=True),
    Column("through", BigInteger, nullable=False),
)
tallies = Table(
    "tallies",
    metadata,
    Column("side", Text, primary_key=True),
    Column("stream", Integer, primary_key=True),
    Column("hour", BigInteger, primary_key=True),
    Column("n", BigInteger, nullable=False),
    Column("digest", Bytes, nullable=False),
    Column("first", BigInteger, nullable=False),
    Column("last", BigInteger, nullable=False),
)
statements = Table(
    "ledger_statements",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("since", BigInteger, primary_key=True),
    Column("until", BigInteger, primary_key=True),
    Column("n", BigInteger, nullable=False),
    Column("digest", Bytes, nullable=False),
    Column("stated", BigInteger, nullable=False),
)
own_gaps = Table(
    "own_gaps",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("since", BigInteger, primary_key=True),
    Column("until", BigInteger, primary_key=True),
    Column("missing", BigInteger, nullable=False),
    Column("declared_at", BigInteger, nullable=False),
    Column("filled_at", BigInteger),
)
heard_gaps = Table(
    "heard_gaps",
    metadata,
    Column("origin", Text, primary_key=True),
    Column("since", BigInteger, primary_key=True),
    Column("until", BigInteger, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("stated", BigInteger, nullable=False),
    Column("filled", BigInteger),
    Column("told", Integer, nullable=False),
)

MIGRATIONS = Migrations("exchange.reconciliation", [metadata.create_all])

_OWN_GAPS = sa.select(own_gaps).order_by(own_gaps.c.kind, own_gaps.c.since, own_gaps.c.until)
_UNTOLD = sa.select(heard_gaps).where(heard_gaps.c.told == 0).order_by(heard_gaps.c.since)

_EVENTS = {"out": out_events, "in": in_events}
_STREAMS = {"out": out_streams, "in": in_streams}


def streams(tx: Connection, side: Side, kind: str) -> list[tuple[int, int]]:
    """(stream, size) of each epoch of the stream of a kind."""
    table = _STREAMS[side]
    ours = table.c.kind == kind
    if side == "out":  # earlier epochs go by their origin there
        ours |= table.c.stream.in_(sa.select(out_epochs.c.stream).where(out_epochs.c.kind == kind))
    query = sa.select(table.c.stream, table.c.size).where(ours).order_by(table.c.stream)
    return [(row.stream, row.size) for row in tx.execute(query)]


def through(tx: Connection, side: Side, stream: int) -> int:
    """Up to which event the tallies go."""
    c = tallied.c
    found: int | None = tx.execute(sa.select(c.through).where(c.side == side, c.stream == stream)).scalar()
    return found or 0


def events(tx: Connection, side: Side, stream: int, first: int, last: int, most: int) -> Sequence[AnyRow]:
    """Columns `position` and `bytes` of events `first` … `last`, at most `most`."""
    c = _EVENTS[side].c
    query = sa.select(c.position, c.bytes).where(c.stream == stream, c.position >= first, c.position <= last)
    return tx.execute(query.order_by(c.position).limit(most)).all()


def add(tx: Connection, side: Side, stream: int, found: Mapping[int, tuple[Tally, int, int]], last: int) -> None:
    """Add hour -> (tally, first position, last position) to what is there, which then goes up to `last`."""
    c = tallies.c
    hours = list(found)
    have: dict[int, AnyRow] = {}
    for i in range(0, len(hours), 500):
        query = sa.select(tallies).where(c.side == side, c.stream == stream, c.hour.in_(hours[i : i + 500]))
        have |= {row.hour: row for row in tx.execute(query)}
    rows = []
    for hour, (more, first, end) in found.items():
        old = have.get(hour)
        total = more + Tally(old.n, int.from_bytes(old.digest, "big")) if old else more
        rows.append(
            {
                "side": side,
                "stream": stream,
                "hour": hour,
                "n": total.count,
                "digest": total.digest.to_bytes(32, "big"),
                "first": old.first if old else first,
                "last": end,
            }
        )
    upsert(tx, tallies, rows, key=["side", "stream", "hour"])
    upsert(tx, tallied, [{"side": side, "stream": stream, "through": last}], key=["side", "stream"])


def forget(tx: Connection, side: Side, stream: int) -> None:
    """The events of a stream are others than they were: they are to be tallied anew."""
    for table in (tallies, tallied):
        tx.execute(sa.delete(table).where(table.c.side == side, table.c.stream == stream))


def tally(tx: Connection, side: Side, stream: int, first_hour: int, end_hour: int) -> Tally:
    """The sum over hours `first_hour` <= h < `end_hour`."""
    c = tallies.c
    query = sa.select(c.n, c.digest).where(c.side == side, c.stream == stream, c.hour >= first_hour, c.hour < end_hour)
    rows = tx.execute(query).all()
    return Tally(sum(row.n for row in rows), sum(int.from_bytes(row.digest, "big") for row in rows) % (1 << 256))


def reach(tx: Connection, side: Side, stream: int, first_hour: int, end_hour: int) -> tuple[int, int]:
    """The first and the last position of events of these hours; (1, 0) where there are none."""
    c = tallies.c
    query = sa.select(sa.func.min(c.first).label("first"), sa.func.max(c.last).label("last"))
    row = tx.execute(query.where(c.side == side, c.stream == stream, c.hour >= first_hour, c.hour < end_hour)).one()
    return (row.first, row.last) if row.first is not None else (1, 0)


def put_statements(tx: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Keep the newest statement of each period."""
    upsert(tx, statements, rows, key=["kind", "since", "until"])


def all_statements(tx: Connection, kind: str | None = None) -> Sequence[AnyRow]:
    """What was stated, by kind and period."""
    c = statements.c
    query = sa.select(statements).order_by(c.kind, c.since, c.until)
    return tx.execute(query if kind is None else query.where(c.kind == kind)).all()


def put_own_gap(tx: Connection, row: dict[str, Any]) -> None:
    """Declare a gap, or declare it again."""
    upsert(tx, own_gaps, [row], key=["kind", "since", "until"])


def fill_own_gap(tx: Connection, kind: str, since: Instant, until: Instant, now: Instant) -> bool:
    """False: no such gap was open."""
    c = own_gaps.c
    statement = sa.update(own_gaps).where(c.kind == kind, c.since == since, c.until == until, c.filled_at.is_(None))
    return bool(tx.execute(statement.values(filled_at=now)).rowcount)


def own_gaps_of(tx: Connection, kind: str | None = None) -> Sequence[AnyRow]:
    """The gaps that we declared, filled or not, oldest first."""
    return tx.execute(_OWN_GAPS if kind is None else _OWN_GAPS.where(own_gaps.c.kind == kind)).all()


def heard_gaps_of(tx: Connection, kind: str | None = None) -> Sequence[AnyRow]:
    """The gaps that sources declared to us, filled or not."""
    c = heard_gaps.c
    query = sa.select(heard_gaps).order_by(c.origin, c.since, c.until)
    return tx.execute(query if kind is None else query.where(c.kind == kind)).all()


def put_heard_gaps(tx: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Keep what a source said. `told` is 0 where the register has not been told yet."""
    upsert(tx, heard_gaps, rows, key=["origin", "since", "until"])


def untold_gaps(tx: Connection) -> Sequence[AnyRow]:
    """Gaps of which the register has yet to be told that they are there, or filled."""
    return tx.execute(_UNTOLD).all()


def gaps_told(tx: Connection) -> None:
    """The register was told."""
    tx.execute(sa.update(heard_gaps).where(heard_gaps.c.told == 0).values(told=1))
