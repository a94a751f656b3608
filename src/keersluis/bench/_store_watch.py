"""Looks at the databases of running nodes from outside, read-only: what is receipted, what was applied."""

from __future__ import annotations

import sqlite3
from pathlib import Path

_RECEIPTED = (
    "SELECT coalesce(min(p.size), 0) FROM out_peers p JOIN out_streams s ON s.stream = p.stream "
    "WHERE s.kind = ? AND p.receipt IS NOT NULL"
)
_APPLIED = (
    "SELECT count(*), count(DISTINCT e.position) FROM in_events e JOIN in_streams s ON s.stream = e.stream "
    "WHERE s.kind = ?"
)


class Watch:
    """One node's SQLite file, opened read-only."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)

    def receipted(self, kind: str) -> int:
        """How many events of our stream every receiver has receipted: step 13, after its commit."""
        return int(self._connection.execute(_RECEIPTED, (kind,)).fetchone()[0])

    def applied(self, kind: str) -> tuple[int, int]:
        """(rows, different numbers) of a stream as it was applied here: the same when nothing came twice."""
        rows, numbers = self._connection.execute(_APPLIED, (kind,)).fetchone()
        return int(rows), int(numbers)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
