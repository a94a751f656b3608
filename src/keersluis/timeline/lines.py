"""The exported log: one JSON object a line. Pure: bytes in, rows out.

The first line tells how many lines of each kind follow; then every entry as its exact bytes with its leaf hash, each
head after the last entry that it covers, and last the newest heads that were witnessed of others::

    {"format":"keersluis-timeline/1","entries":9,"heads":2,"witnessed":1}
    {"n":1,"leaf":"<hex>","entry":{"n":1,"at":"…","room":"…","kind":"…","head":0,"body":{…}}}
    {"head":4,"note":"<signed note>","frontier":"<hex>"}
    {"witnessed":"<signed note>"}

Every line has one spelling only: read and written again it must give the same bytes.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import msgspec

from keersluis.timeline.model import What
from keersluis.times import Instant

FORMAT = "keersluis-timeline/1"


class Opening(NamedTuple):
    """How many rows of each kind the file says it has."""

    entries: int
    heads: int
    witnessed: int


class EntryRow(NamedTuple):
    """An entry as it was found: the number beside it, its bytes, the leaf hash beside them, and the columns."""

    n: int
    data: bytes
    leaf: bytes
    columns: tuple[Instant, str, str] | None = None


class HeadRow(NamedTuple):
    """A head as it was found."""

    n: int
    note: str
    frontier: bytes


class WitnessedRow(NamedTuple):
    """The newest head seen of another organisation, as it was found."""

    note: str
    origin: str | None = None


class Unreadable(NamedTuple):
    """A line or row that is none of these, or not spelt as we spell it."""

    number: int
    what: What = "line"


Row: TypeAlias = Opening | EntryRow | HeadRow | WitnessedRow | Unreadable


class _OpeningLine(msgspec.Struct, forbid_unknown_fields=True):
    format: str
    entries: int
    heads: int
    witnessed: int


class _EntryLine(msgspec.Struct, forbid_unknown_fields=True):
    n: int
    leaf: str
    entry: msgspec.Raw


class _HeadLine(msgspec.Struct, forbid_unknown_fields=True):
    head: int
    note: str
    frontier: str


class _WitnessedLine(msgspec.Struct, forbid_unknown_fields=True):
    witnessed: str


_encode = msgspec.json.Encoder().encode
_opening = msgspec.json.Decoder(_OpeningLine).decode
_entry = msgspec.json.Decoder(_EntryLine).decode
_head = msgspec.json.Decoder(_HeadLine).decode
_witnessed = msgspec.json.Decoder(_WitnessedLine).decode


def opening_line(entries: int, heads: int, witnessed: int) -> bytes:
    return _encode(_OpeningLine(FORMAT, entries, heads, witnessed)) + b"\n"


def entry_line(n: int, leaf: bytes, data: bytes) -> bytes:
    return b'{"n":%d,"leaf":"%s","entry":%s}\n' % (n, leaf.hex().encode(), data)


def head_line(n: int, note: str, frontier: bytes) -> bytes:
    return _encode(_HeadLine(n, note, frontier.hex())) + b"\n"


def witnessed_line(note: str) -> bytes:
    return _encode(_WitnessedLine(note)) + b"\n"


def read_line(line: bytes, number: int) -> Row:
    """The row of line `number` (from 1), newline included; `Unreadable` for anything that nobody wrote this way."""
    try:
        row, again = _read(line)
    except (msgspec.MsgspecError, ValueError):
        return Unreadable(number)
    return row if again == line else Unreadable(number)


def _read(line: bytes) -> tuple[Row, bytes]:
    if line.startswith(b'{"n":'):
        entry = _entry(line)
        leaf, data = bytes.fromhex(entry.leaf), bytes(entry.entry)
        return EntryRow(entry.n, data, leaf), entry_line(entry.n, leaf, data)
    if line.startswith(b'{"head":'):
        head = _head(line)
        frontier = bytes.fromhex(head.frontier)
        return HeadRow(head.head, head.note, frontier), head_line(head.head, head.note, frontier)
    if line.startswith(b'{"witnessed":'):
        witnessed = _witnessed(line)
        return WitnessedRow(witnessed.witnessed), witnessed_line(witnessed.witnessed)
    opening = _opening(line)
    if opening.format != FORMAT:
        raise ValueError(f"format {opening.format!r}")
    return Opening(opening.entries, opening.heads, opening.witnessed), opening_line(*_sizes(opening))


def _sizes(opening: _OpeningLine) -> tuple[int, int, int]:
    return opening.entries, opening.heads, opening.witnessed
