"""An adaptor's file: TOML that says from where it delivers, for whom, and how a row becomes an event.

A broken file is reported whole, each fault with the line that it is about.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from keersluis.adaptors.mapping import Mapping, read_mapping
from keersluis.chain import Chain, Organisation
from keersluis.errors import Incorrect
from keersluis.sections import Faults, Section, nearest, read_section

FORMATS = ("auto", "csv", "jsonl", "cloudevents")
COMPLETE = ("renamed", "marker")
MODES = ("mark", "cursor")

_SYSTEM = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_HEAD = re.compile(r"\s*\[+\s*([^\]]+?)\s*\]+")
_KEY = re.compile(r"""\s*("[^"]*"|'[^']*'|[A-Za-z0-9_.-]+)\s*=""")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}(\.[A-Za-z_][A-Za-z0-9_]{0,62})?")


@dataclass(frozen=True)
class FolderSource:
    """Files that appear in `path`. With `complete` ``renamed`` every file that fits `pattern` is whole, because its
    writer wrote it under another name; with ``marker`` only one beside which a file `<name>.done` lies. `whole`:
    a file with a faulty row is refused as one."""

    path: Path
    pattern: str
    format: str
    encoding: str
    delimiter: str
    complete: str
    whole: bool


@dataclass(frozen=True)
class OutboxSource:
    """A table in which the source system writes an act in the transaction of the act. `key` is a column of whole
    numbers that rise; with `mode` ``mark`` the rows whose `status` is `waiting` (None: NULL) are taken and get the
    status `taken`, or `refused`; with ``cursor`` nothing is written there, and `state` is the file of the cursor."""

    url: str
    url_env: str
    table: str
    key: str
    mode: str
    status: str
    waiting: str | None
    taken: str
    refused: str
    state: Path


Source: TypeAlias = FolderSource | OutboxSource


@dataclass(frozen=True)
class Adaptor:
    """A whole file. `mapping` is None where the lines are CloudEvents already; `batch` is the most rows that are
    accepted together; `every` how often is looked, in microseconds."""

    name: str
    path: Path
    me: Organisation
    chain: Chain
    source: Source
    mapping: Mapping | None
    batch: int
    every: int


class LinedFaults(Faults):
    """Faults that name the line of the file beside the key."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._lines = dict(_places(text))

    def add(self, file: str, where: str, expected: str, got: str) -> None:
        line, path = self._lines.get(where), where
        while line is None and path:
            path = path.rpartition(".")[0]
            line = self._lines.get(path)
        super().add(f"{file} line {line}" if line else file, where, expected, got)


def _places(text: str) -> Iterator[tuple[str, int]]:
    """(dotted key, line) of each table and key; good for messages, the parser is tomllib's."""
    table = ""
    for number, line in enumerate(text.splitlines(), 1):
        if head := _HEAD.match(line):
            table = head[1].replace('"', "")
            yield table, number
        elif key := _KEY.match(line):
            name = key[1].strip("\"'")
            yield f"{table}.{name}" if table else name, number


def load_adaptor(path: Path, chain: Chain) -> Adaptor:
    """Read an adaptor's file for an organisation of `chain`. Paths in it are seen from its own folder.

    Raises Incorrect `adaptor.broken`; `.faults` names every fault with its line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        text = ""
    faults = LinedFaults(text)
    section = read_section(faults, path, path.name)
    found = _whole(section, path, chain) if not faults.found else None
    faults.stop("adaptor.broken", expected="an adaptor's file without faults", where=str(path))
    if found is None:
        raise Incorrect("adaptor.broken", expected="an adaptor's file without faults", got="nothing", where=str(path))
    return found


def _whole(section: Section, path: Path, chain: Chain) -> Adaptor | None:
    sources = {each.key: each for each in chain.nodes if any(k.source == each.key for k in chain.kinds.values())}
    me = sources.get(key := section.text("organisation"))
    if me is None and key:
        section.fault("organisation", "a source of the chain, " + ", ".join(sources), repr(key) + nearest(key, sources))
    system = section.text("system", path.stem)
    if not _SYSTEM.fullmatch(system):
        section.fault("system", "small letters, digits and hyphens", repr(system))
    zone, batch = _zone(section, chain), section.whole("batch", 1000, least=1)
    every = section.duration("every", "1s", least=1)
    source = _source(section, path)
    ready = isinstance(source, FolderSource) and source.format == "cloudevents"
    mapping = read_mapping(section, chain, me, zone, system) if me and not ready else None
    if me:
        section.done()
    return Adaptor(path.stem, path, me, chain, source, mapping, batch, every) if me and source else None


def _zone(section: Section, chain: Chain) -> ZoneInfo:
    name = section.text("zone", chain.timezone.key)
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        section.fault("zone", "a name of the IANA time zone database such as Europe/Amsterdam", repr(name))
        return chain.timezone


def _source(section: Section, path: Path) -> Source | None:
    folder, outbox = section.has("folder"), section.has("outbox")
    if folder == outbox:
        section.fault("", "either [folder] or [outbox]", "both" if folder else "neither")
        return None
    if folder:
        return _folder(section.section("folder"), path)
    return _outbox(section.section("outbox"), path)


def _folder(table: Section, path: Path) -> FolderSource:
    found = FolderSource(
        path=path.parent / table.text("path"),
        pattern=table.text("pattern", "*"),
        format=table.choice("format", FORMATS, "auto"),
        encoding=table.text("encoding", "utf-8"),
        delimiter=table.text("delimiter", ","),
        complete=table.choice("complete", COMPLETE, "renamed"),
        whole=table.flag("whole", False),
    )
    try:
        "".encode(found.encoding)
    except LookupError:
        table.fault("encoding", "an encoding such as utf-8 or cp1252", repr(found.encoding))
    if len(found.delimiter) != 1:
        table.fault("delimiter", "one character", repr(found.delimiter))
    table.done()
    return found


def _outbox(table: Section, path: Path) -> OutboxSource:
    mode = table.choice("mode", MODES)
    marks = mode == "mark"
    found = OutboxSource(
        url=table.text("url", ""),
        url_env=table.text("url_env", ""),
        table=_name(table, "table"),
        key=_name(table, "key"),
        mode=mode,
        status=_name(table, "status") if marks else "",
        waiting=table.text("waiting") if table.has("waiting") else None,
        taken=table.text("taken") if marks else "",
        refused=table.text("refused") if marks else "",
        state=path.parent / table.text("state", f"{path.stem}.state"),
    )
    if bool(found.url) == bool(found.url_env):
        expected = "the address of the database, or instead of it url_env: the variable that holds it"
        table.fault("url", expected, "both" if found.url else "neither")
    if marks and len({found.waiting, found.taken, found.refused}) < 3:
        table.fault("taken", "different texts for waiting, taken and refused", "the same twice")
    table.done()
    return found


def _name(table: Section, key: str) -> str:
    name = table.text(key)
    if name and not _NAME.fullmatch(name):
        table.fault(key, "a name of letters, digits and underscores, as schema.name or name", repr(name))
    return name
