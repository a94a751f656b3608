"""Decision records of a chain folder, read without a node."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from keersluis.chain import load_chain
from keersluis.recovery.recordfiles import RecordFile, load_record, load_records
from keersluis.recovery.records import Recorded
from keersluis.recovery.recordviews import Looking, exists, overview, render
from keersluis.times import SystemClock, parse_when


def overviews(directory: Path, known_on: str | None, outside: bool) -> dict[str, Any]:
    """As `dossiers.listed`: {"records", "left_out"}."""
    chain = load_chain(str(directory))
    look = _looking(known_on, outside, chain.timezone)
    there = [file for file in load_records(chain).values() if file.dossier.opened.start <= look.known_on]
    shown = [file for file in there if exists(file.dossier, None, look)]
    told = [overview(file.dossier, _rows(file), look, chain.timezone) for file in shown]
    told.sort(key=lambda each: each["opened"], reverse=True)
    return {"records": told, "left_out": len(there) - len(shown)}


def rendered(directory: Path, name: str, known_on: str | None, outside: bool) -> dict[str, Any]:
    """As `dossiers.shown`."""
    from keersluis.errors import Incorrect

    chain = load_chain(str(directory))
    file, look = load_record(name, chain), _looking(known_on, outside, chain.timezone)
    if not exists(file.dossier, None, look):
        raise Incorrect("record.unknown", expected="a decision record that was there by then", got=repr(name))
    return render(file.dossier, _rows(file), look, chain.timezone)


def counted(directory: Path, name: str | None) -> dict[str, int]:
    """{"records", "items"} of files without faults. Raises Incorrect with all faults."""
    chain = load_chain(str(directory))
    files = [load_record(name, chain)] if name else list(load_records(chain).values())
    return {"records": len(files), "items": sum(len(file.items) for file in files)}


def _rows(file: RecordFile) -> list[Recorded]:
    return [Recorded(item) for item in file.items]


def _looking(known_on: str | None, outside: bool, tz: Any) -> Looking:
    now = SystemClock().now()
    return Looking(parse_when(known_on, tz).end if known_on else now, None, outside)
