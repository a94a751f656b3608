"""What a source signed while it could send nothing, and what a receiver holds it to. SQL."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy import BigInteger, Column, Connection, Integer, Table, Text

from keersluis.storage import Bytes, Hook, upsert
from keersluis.times import Instant

AnyRow: TypeAlias = Any

NEWEST = 0
"""In place of a day: the newest of all."""

metadata = sa.MetaData()

out_isolated = Table(
    "out_isolated",
    metadata,
    Column("stream", Integer, primary_key=True),
    Column("day", BigInteger, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("note", Text, nullable=False),
)
in_pins = Table(
    "in_pins",
    metadata,
    Column("stream", Integer, primary_key=True),
    Column("size", BigInteger, primary_key=True),
    Column("root", Bytes, nullable=False),
    Column("note", Text, nullable=False),
)
STEPS: Sequence[Hook] = (metadata.create_all,)
"""How an older database gets these tables."""


_KEPT = sa.select(out_isolated).order_by(
    out_isolated.c.stream, out_isolated.c.at, out_isolated.c.size, out_isolated.c.day.desc()
)
_UPTO = (in_pins.c.stream == sa.bindparam("s"), in_pins.c.size <= sa.bindparam("upto"))
_PINS = sa.select(in_pins).where(*_UPTO).order_by(in_pins.c.size)
_UNPIN = sa.delete(in_pins).where(*_UPTO)


def days(tx: Connection, day: int) -> set[int]:
    """The streams of which a checkpoint of that day is kept."""
    return set(tx.execute(sa.select(out_isolated.c.stream).where(out_isolated.c.day == day)).scalars())


def keep(tx: Connection, rows: list[dict[str, Any]]) -> None:
    """Keep checkpoints; the newest takes the place of the newest before."""
    upsert(tx, out_isolated, rows, key=["stream", "day"])


def kept(tx: Connection) -> dict[int, list[AnyRow]]:
    """All that is kept of each stream, in the order in which it was signed."""
    found: dict[int, list[AnyRow]] = defaultdict(list)
    for row in tx.execute(_KEPT):
        found[row.stream].append(row)
    return dict(found)


def drop(tx: Connection, streams: Iterable[int], until: Instant) -> None:
    """What was signed up to then was handed over to every receiver."""
    c = out_isolated.c
    for stream in streams:
        tx.execute(sa.delete(out_isolated).where(c.stream == stream, c.at <= until))


def cut(tx: Connection, stream: int, after: int) -> None:
    """The events after a position were taken out of the stream, so what was signed over them counts no more."""
    c = out_isolated.c
    tx.execute(sa.delete(out_isolated).where(c.stream == stream, c.size > after))


def pin(tx: Connection, stream: int, size: int, root: bytes, note: str) -> None:
    """The stream is held to this root when it comes to this size."""
    upsert(tx, in_pins, [{"stream": stream, "size": size, "root": root, "note": note}], key=["stream", "size"])


def pins(tx: Connection, stream: int, upto: int) -> Sequence[AnyRow]:
    """What a stream is held to up to a size, the smallest first."""
    return tx.execute(_PINS, {"s": stream, "upto": upto}).all()


def unpin(tx: Connection, stream: int, upto: int) -> None:
    """The stream came to this size and was what was signed."""
    tx.execute(_UNPIN, {"s": stream, "upto": upto})
