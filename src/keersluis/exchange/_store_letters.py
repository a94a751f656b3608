"""SQL of paper: loose events, the checkpoints that came with them, letters in and letters out; and which promises left
by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import BigInteger, Column, Connection, Integer, Table, Text

from keersluis.exchange._store import AnyRow, breaches, in_events, out_events
from keersluis.storage import Bytes, Migrations, upsert
from keersluis.times import Instant

metadata = sa.MetaData()

loose_events = Table(
    "loose_events",
    metadata,
    Column("stream", Integer, primary_key=True),
    Column("position", BigInteger, primary_key=True),
    Column("bytes", Bytes, nullable=False),
    Column("applied", Integer, nullable=False),
    Column("letter", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
)
loose_checkpoints = Table(
    "loose_checkpoints",
    metadata,
    Column("stream", Integer, primary_key=True),
    Column("size", BigInteger, primary_key=True),
    Column("root", Bytes, nullable=False),
    Column("complete_through", BigInteger, nullable=False),
    Column("note", Text, nullable=False),
    Column("counts", Text),
)
letters_in = Table(
    "letters_in",
    metadata,
    Column("letter", Text, primary_key=True),
    Column("origin", Text, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
)
letters_out = Table(
    "letters_out",
    metadata,
    Column("letter", Text, primary_key=True),
    Column("stream", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("peer", Text, nullable=False),
    Column("complete_through", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
)
out_carried = Table(
    "out_carried",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("complete_through", BigInteger, nullable=False),
)

MIGRATIONS = Migrations("exchange.letters", [metadata.create_all, metadata.create_all])  # made anew where tables joined

_PENDING = (
    sa.select(loose_checkpoints)
    .where(loose_checkpoints.c.stream == sa.bindparam("s"))
    .order_by(loose_checkpoints.c.size)
)
_CARRIED = sa.select(out_carried.c.complete_through).where(out_carried.c.kind == sa.bindparam("k"))


def pending(tx: Connection, stream: int) -> Sequence[AnyRow]:
    """The checkpoints of letters that this stream has not reached, by size. Without any there is no loose event."""
    return tx.execute(_PENDING, {"s": stream}).all()


def put_pending(tx: Connection, row: dict[str, Any]) -> None:
    """Keep the checkpoint of a letter; of one size, that with the furthest promise."""
    c = loose_checkpoints.c
    query = sa.select(c.complete_through).where(c.stream == row["stream"], c.size == row["size"])
    had = tx.execute(query).scalar()
    if had is None or had < row["complete_through"]:
        upsert(tx, loose_checkpoints, [row], key=["stream", "size"])


def loose(tx: Connection, stream: int, after: int, upto: int) -> Sequence[AnyRow]:
    """Loose events `after` < position <= `upto`, in order."""
    c = loose_events.c
    query = sa.select(loose_events).where(c.stream == stream, c.position > after, c.position <= upto)
    return tx.execute(query.order_by(c.position)).all()


def count_loose(tx: Connection, stream: int, after: int, upto: int) -> int:
    """How many of the events `after` < position <= `upto` are here loose."""
    c = loose_events.c
    query = sa.select(sa.func.count()).where(c.stream == stream, c.position > after, c.position <= upto)
    return int(tx.execute(query).scalar_one())


def add_loose(tx: Connection, row: dict[str, Any]) -> None:
    """Keep a loose event."""
    tx.execute(sa.insert(loose_events), row)


def clear(tx: Connection, stream: int, upto: int) -> None:
    """The stream itself has come so far: what was loose is in its place."""
    for table in (loose_events, loose_checkpoints):
        number = table.c.position if table is loose_events else table.c.size
        tx.execute(sa.delete(table).where(table.c.stream == stream, number <= upto))


def breached(tx: Connection, stream: int, positions: Sequence[int]) -> set[int]:
    """Those of these events that were noted as breaches before."""
    c = breaches.c
    if not positions:
        return set()
    query = sa.select(c.position).where(c.stream == stream, c.position.between(positions[0], positions[-1]))
    return set(tx.execute(query).scalars()) & set(positions)


def in_event(tx: Connection, stream: int, position: int) -> bytes | None:
    """The bytes of one received event in its place."""
    c = in_events.c
    found = tx.execute(sa.select(c.bytes).where(c.stream == stream, c.position == position)).scalar()
    return None if found is None else bytes(found)


def put_letter_in(tx: Connection, row: dict[str, Any]) -> None:
    """A letter was entered; scanned again, its first outcome stands."""
    upsert(tx, letters_in, [row], key=["letter"], update=[])


def put_letters_out(tx: Connection, rows: list[dict[str, Any]]) -> None:
    """Letters were printed; the same letter printed again is the same letter."""
    upsert(tx, letters_out, rows, key=["letter"], update=["at"])


def carried_promise(tx: Connection, kind: str) -> Instant:
    """The greatest promise about a kind of ours, in any epoch, that left on paper or in a bundle."""
    return int(tx.execute(_CARRIED, {"k": kind}).scalar() or 0)


def put_carried(tx: Connection, kind: str, complete_through: Instant) -> None:
    """A promise leaves by hand: nobody can tell whether it is heard before a receipt comes back, if ever."""
    if complete_through > carried_promise(tx, kind):
        upsert(tx, out_carried, [{"kind": kind, "complete_through": complete_through}], key=["kind"])


def latest_in(tx: Connection, most: int) -> Sequence[AnyRow]:
    """The letters entered last."""
    return tx.execute(sa.select(letters_in).order_by(letters_in.c.at.desc(), letters_in.c.letter).limit(most)).all()


def latest_out(tx: Connection, most: int) -> Sequence[AnyRow]:
    """The letters printed last."""
    c = letters_out.c
    return tx.execute(sa.select(letters_out).order_by(c.at.desc(), c.kind, c.position).limit(most)).all()


def totals(tx: Connection) -> tuple[int, int, int]:
    """(letters in, letters out, events that are loose)."""
    counted = [tx.execute(sa.select(sa.func.count()).select_from(t)).scalar_one() for t in (letters_in, letters_out)]
    loosely = tx.execute(sa.select(sa.func.count()).select_from(loose_events)).scalar_one()
    return int(counted[0]), int(counted[1]), int(loosely)


def out_events_back(tx: Connection, stream: int, upto: int) -> Iterator[tuple[int, bytes]]:
    """(position, bytes) of our own events up to `upto`, newest first."""
    c = out_events.c
    query = sa.select(c.position, c.bytes).where(c.stream == stream, c.position <= upto).order_by(c.position.desc())
    rows = tx.execution_options(stream_results=True).execute(query)
    return ((row.position, bytes(row.bytes)) for row in rows)
