"""The outside comparison: what a publisher was told, against two databases, read with SQL of this file alone.

No product code reads here, so that a fault in it cannot hide itself. Read-only, also while the nodes run.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import sqlalchemy as sa

Told: TypeAlias = Mapping[str, tuple[str, int]]
"""What the publisher was told of each of its events: id -> (kind, number in its stream)."""

Rows: TypeAlias = list[tuple[str, int, bytes]]
"""(kind, position, bytes) as stored, in the order of storing."""

SENT = """SELECT s.kind, e.position, e.bytes FROM out_events e JOIN out_streams s ON s.stream = e.stream
          ORDER BY s.kind, e.position"""
RECEIVED = """SELECT s.kind, e.position, e.bytes FROM in_events e JOIN in_streams s ON s.stream = e.stream
              ORDER BY s.kind, e.position"""
FACTS = "SELECT id, kind, position FROM facts"
COUNTED = "SELECT n FROM register_totals WHERE name = 'facts'"
RECEIPTED = """SELECT s.kind, p.size FROM out_peers p JOIN out_streams s ON s.stream = p.stream
               WHERE p.peer = :peer"""
POSITIONS = "SELECT kind, size FROM in_streams"


@dataclass
class Compared:
    """Lists of ids, or of places; all empty when nothing went wrong."""

    lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    disordered: list[str] = field(default_factory=list)
    other: list[str] = field(default_factory=list)

    def numbers(self) -> dict[str, int]:
        """How many of each."""
        return {name: len(value) for name, value in vars(self).items()}


NOTHING_WRONG = {"lost": 0, "duplicated": 0, "disordered": 0, "other": 0}


def read_only(database: Path | str) -> sa.Engine:
    """A database of a node: an SQLite file, or the URL of a server."""
    if isinstance(database, Path):
        return sa.create_engine(f"sqlite:///file:{database}?mode=ro&uri=true")
    return sa.create_engine(database, isolation_level="AUTOCOMMIT")


def rows(database: Path | str, query: str, **values: Any) -> list[Any]:
    """The rows of one query on a connection of its own."""
    engine = read_only(database)
    try:
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(query), values)]
    finally:
        engine.dispose()


def receipted(source: Path | str, receiver: Path | str, peer: str) -> bool:
    """Whether the receiver stands where the source does in every stream, and the source has its receipt."""
    sizes = Counter(kind for kind, _, _ in rows(source, SENT))
    told = dict(rows(source, RECEIPTED, peer=peer))
    stands = dict(rows(receiver, POSITIONS))
    return all(told.get(kind) == stands.get(kind) == size for kind, size in sizes.items())


def compare(told: Told, source: Path | str, receiver: Path | str) -> Compared:
    """Every event of which the publisher was told, once and at its number in both, and once in the register."""
    compared = Compared()
    sent, came = _read(source, SENT), _read(receiver, RECEIVED)
    for where, stored in (("source", sent), ("receiver", came)):
        _hold_against(told, where, stored, compared)
    compared.other += [f"bytes differ at {a[:2]}" for a, b in zip(sent, came, strict=False) if a != b]
    facts = rows(receiver, FACTS)
    _in_the_register(told, facts, compared)
    counted = rows(receiver, COUNTED)
    if facts and counted != [(len(facts),)]:
        compared.other.append(f"the register counts {counted} facts and has {len(facts)}")
    return compared


def _read(database: Path | str, query: str) -> Rows:
    return [(kind, position, bytes(stored)) for kind, position, stored in rows(database, query)]


def _hold_against(told: Told, where: str, stored: Rows, compared: Compared) -> None:
    times: Counter[str] = Counter()
    before: dict[str, int] = {}
    for kind, position, event in stored:
        name = json.loads(event)["id"]
        times[name] += 1
        if position != before.get(kind, 0) + 1 or told.get(name, (kind, position)) != (kind, position):
            compared.disordered.append(f"{where}: {name} at {kind} {position}, told {told.get(name)}")
        before[kind] = position
    compared.lost += [f"{where}: {name}" for name in told if name not in times]
    compared.duplicated += [f"{where}: {name}" for name, number in times.items() if number > 1]
    compared.other += [f"{where}: nobody was told of {name}" for name in times if name not in told]


def _in_the_register(told: Told, facts: list[Any], compared: Compared) -> None:
    times = Counter(name for name, _, _ in facts)
    compared.lost += [f"register: {name}" for name in told if name not in times]
    compared.duplicated += [f"register: {name}" for name, number in times.items() if number > 1]
    compared.disordered += [f"register: {name}" for name, kind, at in facts if told.get(name) != (kind, at)]
