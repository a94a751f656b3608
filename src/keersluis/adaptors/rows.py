"""The rows of a delivered file: CSV, JSON lines, or lines that are CloudEvents already."""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from keersluis.adaptors.config import FolderSource
from keersluis.adaptors.delivery import Refused
from keersluis.adaptors.mapping import Row
from keersluis.errors import Incorrect
from keersluis.sections import nearest

CHUNK = 1 << 20
_BOM = {"utf-8": "utf-8-sig"}


class Seal(NamedTuple):
    """What a file is, beside its name. `wrong` is the first byte that does not fit the encoding."""

    sha256: str
    bytes: int
    wrong: int | None


def seal(path: Path, encoding: str) -> Seal:
    """Read the file once, to its end."""
    digest, size, decoder = hashlib.sha256(), 0, codecs.getincrementaldecoder(encoding)()
    wrong: int | None = None
    with path.open("rb") as file:
        while True:
            chunk = file.read(CHUNK)
            digest.update(chunk)
            if wrong is None:
                wrong = _wrong_byte(decoder, chunk, size)
            size += len(chunk)
            if not chunk:
                return Seal(digest.hexdigest(), size, wrong)


def _wrong_byte(decoder: codecs.IncrementalDecoder, chunk: bytes, before: int) -> int | None:
    held = len(decoder.getstate()[0])
    try:
        decoder.decode(chunk, final=not chunk)
    except UnicodeError as error:
        return before - held + (error.start if isinstance(error, UnicodeDecodeError) else 0)
    return None


def check_encoding(sealed: Seal, path: Path, encoding: str) -> None:
    """Raises Incorrect `adaptor.encoding`."""
    if sealed.wrong is not None:
        raise Incorrect(
            "adaptor.encoding",
            expected=f"text in {encoding}",
            got="other bytes",
            mend="name its encoding in [folder]",
            where=f"{path.name} byte {sealed.wrong}",
        )


def read_rows(path: Path, source: FolderSource, columns: Sequence[str]) -> Iterator[Row | Refused]:
    """Rows, and in their place those that cannot be read. `columns` are those that a table must have.

    Raises Incorrect `adaptor.columns` when one is missing.
    """
    with path.open(encoding=_BOM.get(source.encoding.lower(), source.encoding), newline="") as file:
        if source.format == "csv" or (source.format == "auto" and path.suffix.lower() == ".csv"):
            yield from _csv(file, path, source.delimiter, columns)
        elif source.format == "cloudevents":
            yield from (Row(number, line.strip(), {}) for number, line in _lines(file))
        else:
            yield from (_json(number, line) for number, line in _lines(file))


def _lines(file: io.TextIOWrapper) -> Iterator[tuple[int, str]]:
    return ((number, line) for number, line in enumerate(file, 1) if line.strip())


def _csv(file: io.TextIOWrapper, path: Path, delimiter: str, columns: Sequence[str]) -> Iterator[Row | Refused]:
    rows = csv.reader(file, delimiter=delimiter, strict=True)
    line = 0
    try:
        header = next(rows, [])
        _check_header(header, path, columns)
        line = rows.line_num
        for cells in rows:
            here, line = line + 1, rows.line_num
            text = _written(cells, delimiter)
            if len(cells) == len(header):
                yield Row(here, text, {name: cell for name, cell in zip(header, cells, strict=True) if cell})
            elif cells:
                yield Refused(Row(here, text, {}), (f"expected {len(header)} cells, got {len(cells)}",))
    except csv.Error as error:
        yield Refused(Row(line + 1, "", {}), (f"expected CSV, from here to the end it is not: {error}",))


def _check_header(header: list[str], path: Path, columns: Sequence[str]) -> None:
    faults = [
        f"{name!r} {'twice' if name in header else 'missing' + nearest(name, header)}"
        for name in columns
        if header.count(name) != 1
    ]
    if faults:
        expected = "the columns " + ", ".join(repr(name) for name in columns) + ", each once"
        where = f"{path.name} line 1"
        raise Incorrect("adaptor.columns", expected=expected, got="; ".join(faults), where=where, faults=faults)


def _written(cells: Sequence[str], delimiter: str) -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="").writerow(cells)
    return text.getvalue()


def header_of(path: Path, source: FolderSource) -> str:
    """The first line of a table, to stand above rows that are handed back; empty for lines of JSON."""
    if source.format not in ("auto", "csv") or (source.format == "auto" and path.suffix.lower() != ".csv"):
        return ""
    with path.open(encoding=_BOM.get(source.encoding.lower(), source.encoding), newline="") as file:
        return _written(next(csv.reader(file, delimiter=source.delimiter), []), source.delimiter)


def _json(number: int, line: str) -> Row | Refused:
    try:
        values = msgspec.json.decode(line, type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError):
        return Refused(Row(number, line.strip(), {}), ("expected a JSON object on one line",))
    return Row(number, line.strip(), texts_of(values))


def texts_of(values: Mapping[str, Any], above: str = "") -> dict[str, str]:
    """JSON values as text, those of inner objects also by dotted name; null is left out."""
    found: dict[str, str] = {}
    for name, value in values.items():
        path = f"{above}.{name}" if above else str(name)
        if isinstance(value, dict):
            found |= texts_of(value, path)
        if value is not None:
            found[path] = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return found
