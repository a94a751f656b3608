"""Write a log to a file, to be verified elsewhere: whole, or not at all."""

from __future__ import annotations

from pathlib import Path

from keersluis.errors import Conflict, Incorrect
from keersluis.timeline import _store_outside, log


def export_log(where: str | Path, target: Path) -> int:
    """Export the log of a node's database (path or URL) to `target`; returns the number of entries.

    Raises Conflict `timeline.file-exists`, Incorrect `timeline.not-a-log`, `timeline.unreadable-source`, OSError.
    """
    if target.exists():
        raise Conflict("timeline.file-exists", expected="a file that is not there yet", where=str(target))
    if not _store_outside.is_database(where):
        raise Incorrect("timeline.not-a-log", expected="a node's database", got="another file", where=str(where))
    part = target.with_name(target.name + ".part")
    try:
        with _store_outside.reading(where) as tx, part.open("wb") as file:
            count = log.export(tx, file)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return count
