"""A log as rows, in order, from where it is read: a node's database or an exported file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Protocol

from sqlalchemy import Connection

from keersluis.errors import Incorrect
from keersluis.timeline import _store, _store_outside
from keersluis.timeline.lines import EntryRow, HeadRow, Row, Unreadable, WitnessedRow, read_line
from keersluis.timeline.model import CONTRADICTED, RESTORED, WITNESSED

LONGEST_LINE = 1 << 26
"""Bytes. No entry is as long; a file without line ends is not read into memory whole."""

_SPEAKING = tuple(f'"kind":"{kind}"'.encode() for kind in (WITNESSED, CONTRADICTED, RESTORED))


class Source(Protocol):
    """One log, opened to be read in one state."""

    exported: ClassVar[bool]

    def rows(self) -> Iterator[Row]:
        """Everything, in order."""
        ...

    def speaking(self) -> Iterator[Row]:
        """The heads, the entries about other logs, the witnessed heads."""
        ...


@contextmanager
def open_source(where: str | Path) -> Iterator[Source]:
    """A database (path or SQLAlchemy URL) or an exported file.

    Raises Incorrect `timeline.unreadable-source`; for a database without a log `timeline.not-a-log`.
    """
    try:
        if _store_outside.is_database(where):
            with _store_outside.reading(where) as tx:
                yield _Stored(tx)
        else:
            yield _Exported(Path(where))
    except OSError as error:
        raise Incorrect(
            "timeline.unreadable-source", expected="a log that can be read", got=str(error.strerror), where=str(where)
        ) from None


class _Stored:
    exported: ClassVar[bool] = False

    def __init__(self, tx: Connection) -> None:
        self._tx = tx

    def rows(self) -> Iterator[Row]:
        heads = map(_head, _store.all_heads(self._tx))
        due = next(heads, None)
        for entry in map(_entry, _store.all_entries(self._tx)):
            while due is not None and _goes_before(due, entry):
                yield due
                due = next(heads, None)
            yield entry
        if due is not None:
            yield due
        yield from heads
        yield from self._witnessed()

    def speaking(self) -> Iterator[Row]:
        yield from map(_head, _store.all_heads(self._tx))
        for kind in (WITNESSED, CONTRADICTED, RESTORED):
            yield from map(_entry, _store.entries_of_kind(self._tx, kind))
        yield from self._witnessed()

    def _witnessed(self) -> Iterator[Row]:
        for number, row in enumerate(_store.all_witnessed(self._tx), start=1):
            sound = isinstance(row.note, str) and isinstance(row.origin, str)
            yield WitnessedRow(row.note, row.origin) if sound else Unreadable(number, "witnessed")


def _goes_before(head: HeadRow | Unreadable, entry: EntryRow | Unreadable) -> bool:
    if isinstance(head, Unreadable):
        return True
    return isinstance(entry, EntryRow) and head.n < entry.n


def _entry(row: Any) -> EntryRow | Unreadable:
    n, data, leaf, *columns = row
    # SQLite keeps whatever type it was given; whoever edits a database may give any.
    if type(n) is int and isinstance(data, bytes) and isinstance(leaf, bytes):
        return EntryRow(n, data, leaf, tuple(columns) or None)
    return Unreadable(n if type(n) is int else 0, "entry")


def _head(row: Any) -> HeadRow | Unreadable:
    n, note, frontier = row
    if type(n) is int and isinstance(note, str) and isinstance(frontier, bytes):
        return HeadRow(n, note, frontier)
    return Unreadable(n if type(n) is int else 0, "head")


class _Exported:
    exported: ClassVar[bool] = True

    def __init__(self, path: Path) -> None:
        self._path = path

    def rows(self) -> Iterator[Row]:
        for number, line in self._lines():
            yield read_line(line, number)

    def speaking(self) -> Iterator[Row]:
        for number, line in self._lines():
            if not line.startswith(b'{"n":') or any(word in line for word in _SPEAKING):
                yield read_line(line, number)

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        with self._path.open("rb") as file:
            number = 0
            while line := file.readline(LONGEST_LINE):
                number += 1
                yield number, line
