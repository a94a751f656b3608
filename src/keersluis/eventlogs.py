"""Event logs of others, read as a stream: XES, CSV (both also gzipped) and Parquet.

Every format gives the same rows; attributes of a trace are called ``case:<key>``, as exports to CSV call them.
What is wrong with single events is collected (`BadRows`), so that one run over the log tells how much is wrong;
what makes the file unreadable stops at once.
"""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeAlias
from xml.parsers import expat
from zoneinfo import ZoneInfo

from keersluis.errors import Incorrect
from keersluis.fields import parse_time
from keersluis.sections import nearest
from keersluis.times import Instant

CHUNK = 1 << 20
"""Bytes of XES that are parsed at a time: what a reader holds in memory, whatever the size of the log."""

SHOWN = 3
"""How many faulty events an error shows."""

_DELIMITERS = (",", ";", "\t")


@dataclass(frozen=True, slots=True)
class Columns:
    """Under which names a log keeps the number of the case, the activity and the time."""

    case: str
    activity: str
    time: str

    def names(self) -> tuple[str, str, str]:
        return (self.case, self.activity, self.time)


class Row(NamedTuple):
    """One event of a log. `line` is where it stands (Parquet: its row); `fields` has all that is filled in."""

    line: int
    case: str
    activity: str
    at: Instant
    fields: Mapping[str, str]


@dataclass
class BadRows:
    """Events that cannot be used: how many, and the first few in words."""

    number: int = 0
    first: list[str] = field(default_factory=list)
    noun: str = "line"

    def add(self, line: int, expected: str, got: str) -> None:
        self.number += 1
        if len(self.first) < SHOWN:
            self.first.append(f"{self.noun} {line}: expected {expected}, got {got}")

    def stop(self, path: Path) -> None:
        """Raises Incorrect `log.bad-events`, if there are any."""
        if not self.number:
            return
        events = "1 faulty event" if self.number == 1 else f"{self.number} faulty events"
        raise Incorrect(
            "log.bad-events",
            expected="a case, an activity, a readable time and fitting values in every event",
            got=f"{events}: " + "; ".join(self.first) + ("; ..." if self.number > SHOWN else ""),
            mend="mend the log, or leave these out with --skip-bad",
            where=str(path),
            faults=list(self.first),
            number=self.number,
        )


Fields: TypeAlias = dict[str, str]
Reader: TypeAlias = Callable[[Path, Columns, BadRows], Iterator[tuple[int, Fields]]]


def read_log(path: Path, columns: Columns, zone: ZoneInfo, bad: BadRows) -> Iterator[Row]:
    """The events of a log in its own order; those without case, activity or readable time go to `bad`.

    Times without an offset are taken to be in `zone`; a date may have slashes for dashes. Raises Incorrect:
    `log.not-found`, `log.unknown-format`, `log.truncated`, `log.not-xes`, `log.not-csv`, `log.not-parquet`,
    `log.missing-columns`.
    """
    reader, bad.noun = _reader(path)
    case, activity, time = columns.names()
    for line, fields in reader(path, columns, bad):
        try:
            yield Row(line, fields[case], fields[activity], parse_time(fields[time].replace("/", "-"), zone), fields)
        except KeyError as missing:
            bad.add(line, f"a value for {missing.args[0]!r}", "nothing")
        except ValueError:
            bad.add(line, "a time as 2011-10-11T13:45:40+02:00", repr(fields[time]))


def _reader(path: Path) -> tuple[Reader, str]:
    if not path.is_file():
        raise Incorrect("log.not-found", expected="the file of an event log", got="no such file", where=str(path))
    name = path.name.lower().removesuffix(".gz")
    if name.endswith(".xes"):
        return _xes, "line"
    if name.endswith(".csv"):
        return _csv, "line"
    if name.endswith(".parquet") and path.suffix != ".gz":
        return _parquet, "row"
    expected = "a name that ends in .xes, .xes.gz, .csv, .csv.gz or .parquet"
    raise Incorrect("log.unknown-format", expected=expected, got=repr(path.name), where=str(path))


@contextmanager
def _opened(path: Path, place: Callable[[], str]) -> Iterator[IO[bytes]]:
    """The bytes of the log, unzipped; a broken archive is told with the place that reading had reached."""
    opener: Callable[[Path], IO[bytes]] = gzip.open if path.suffix == ".gz" else Path.open  # type: ignore[assignment]
    try:
        with opener(path, "rb") as stream:  # type: ignore[call-arg]
            yield stream
    except EOFError:
        mend = "fetch or copy the file again"
        got = f"an archive that breaks off after {place()}"
        raise Incorrect("log.truncated", expected="a whole gzip file", got=got, mend=mend, where=str(path)) from None
    except (gzip.BadGzipFile, zlib.error) as error:
        got = f"{error} after {place()}"
        raise Incorrect("log.truncated", expected="a sound gzip file", got=got, where=str(path)) from None
    except OSError as error:
        raise Incorrect(
            "log.not-found", expected="a file that can be read", got=error.strerror or str(error), where=str(path)
        ) from None


def _missing(path: Path, columns: Columns, header: list[str], where: str) -> Incorrect | None:
    """The error for columns that are not there exactly once."""
    faults = [
        f"{name!r} {'twice' if name in header else 'missing' + nearest(name, header)}"
        for name in columns.names()
        if header.count(name) != 1
    ]
    if not faults:
        return None
    expected = "the columns " + ", ".join(repr(name) for name in columns.names()) + ", each once"
    got = "; ".join(faults) + "; there are " + (", ".join(header[:20]) or "none")
    mend = "say in the map's [log] what they are called"
    return Incorrect(
        "log.missing-columns", expected=expected, got=got, mend=mend, where=f"{path}: {where}", faults=faults
    )


# --- CSV


def _csv(path: Path, columns: Columns, bad: BadRows) -> Iterator[tuple[int, Fields]]:
    line = 0
    with _opened(path, lambda: f"line {line}") as stream:
        delimiter = _delimiter(path, columns)
        rows = csv.reader(TextIOWrapper(stream, encoding="utf-8-sig", newline=""), delimiter=delimiter)
        try:
            header = next(rows, [])
            if error := _missing(path, columns, header, "line 1"):
                raise error
            line = rows.line_num
            for cells in rows:
                here, line = line + 1, rows.line_num
                if len(cells) == len(header):
                    yield here, {name: cell for name, cell in zip(header, cells, strict=True) if cell}
                elif cells:
                    bad.add(here, f"{len(header)} cells", str(len(cells)))
        except UnicodeDecodeError as fault:
            got, where = f"byte {fault.object[fault.start]:#04x}", f"{path}: after line {line}"
            raise Incorrect("log.not-csv", expected="text in UTF-8", got=got, where=where) from None
        except csv.Error as fault:
            raise Incorrect("log.not-csv", expected="CSV", got=str(fault), where=f"{path}: line {line + 1}") from None


def _delimiter(path: Path, columns: Columns) -> str:
    """The one that finds most of the needed columns in the first line."""
    with _opened(path, lambda: "line 0") as stream:
        line = stream.readline(CHUNK).decode("utf-8-sig", errors="replace").strip("\r\n")

    def found(delimiter: str) -> int:
        header = next(csv.reader([line], delimiter=delimiter), [])
        return sum(name in header for name in columns.names())

    return max(_DELIMITERS, key=found)


# --- XES


def _xes(path: Path, columns: Columns, bad: BadRows) -> Iterator[tuple[int, Fields]]:
    """Only attributes directly in an event or trace count; XES has a trace's own attributes before its events."""
    target = _Xes(path)
    with _opened(path, lambda: f"line {target.line}") as stream:
        try:
            while chunk := stream.read(CHUNK):
                target.parser.Parse(chunk, False)
                yield from target.take()
            target.parser.Parse(b"", True)
            yield from target.take()
        except expat.ExpatError as error:
            place = f"{path}: line {error.lineno}, column {error.offset + 1}"
            got = expat.ErrorString(error.code)
            raise Incorrect(
                "log.not-xes", expected="well-formed XML to the end of the file", got=got, where=place
            ) from None


class _Xes:
    """Collects events while expat walks the document; faster than a tree, and it knows every line number."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._depth = 0
        self._event_line = 0
        self._trace: Fields = {}
        self._event: Fields | None = None
        self._ready: list[tuple[int, Fields]] = []
        self.parser = expat.ParserCreate()
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.EntityDeclHandler = self._entity

    @property
    def line(self) -> int:
        return self.parser.CurrentLineNumber

    def take(self) -> list[tuple[int, Fields]]:
        ready, self._ready = self._ready, []
        return ready

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        depth = self._depth = self._depth + 1
        if depth == 4:
            if self._event is not None:
                self._keep(self._event, "", attributes)
        elif depth == 3:
            if name.rpartition(":")[2] == "event":
                self._event, self._event_line = dict(self._trace), self.parser.CurrentLineNumber
            else:
                self._keep(self._trace, "case:", attributes)
        elif depth == 2:
            # An event outside a trace has no case; it is told as such, not passed over.
            self._trace = {}
            if name.rpartition(":")[2] == "event":
                self._ready.append((self.line, {}))
        elif depth == 1 and name.rpartition(":")[2] != "log":
            raise self._not_xes("<log> as the outermost element", f"<{name}>")

    def _end(self, name: str) -> None:
        self._depth -= 1
        if self._event is not None and self._depth == 2:
            self._ready.append((self._event_line, self._event))
            self._event = None

    def _keep(self, fields: Fields, prefix: str, attributes: dict[str, str]) -> None:
        value = attributes.get("value")
        if value:
            try:
                fields[prefix + attributes["key"]] = value
            except KeyError:
                raise self._not_xes("an attribute with a key", "one without") from None

    def _entity(self, name: str, *_: Any) -> None:
        raise self._not_xes("a log that declares no entities", f"&{name};")

    def _not_xes(self, expected: str, got: str) -> Incorrect:
        return Incorrect("log.not-xes", expected=expected, got=got, where=f"{self._path}: line {self.line}")


# --- Parquet


def _parquet(path: Path, columns: Columns, bad: BadRows) -> Iterator[tuple[int, Fields]]:
    import pyarrow  # takes a third of a second; the other formats do without
    from pyarrow import parquet

    row = 0
    try:
        with parquet.ParquetFile(path) as file:
            if error := _missing(path, columns, list(file.schema_arrow.names), "its schema"):
                raise error
            for batch in file.iter_batches(batch_size=4096):
                for values in batch.cast(_microseconds(batch.schema), safe=False).to_pylist():
                    row += 1
                    yield row, {name: _written(value) for name, value in values.items() if value not in (None, "")}
    except (pyarrow.ArrowException, OSError) as fault:
        got = str(fault).splitlines()[0]
        raise Incorrect(
            "log.not-parquet", expected="a sound Parquet file", got=got, where=f"{path}: row {row + 1}"
        ) from None


def _microseconds(schema: Any) -> Any:
    """Python has no nanoseconds; times are cut to what it has."""
    import pyarrow  # takes a third of a second; the other formats do without

    def kind(of: Any) -> Any:
        return pyarrow.timestamp("us", of.tz) if pyarrow.types.is_timestamp(of) else of

    return pyarrow.schema([pyarrow.field(each.name, kind(each.type)) for each in schema])


def _written(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, datetime) else str(value)
