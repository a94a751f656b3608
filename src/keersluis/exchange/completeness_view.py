"""How complete things are and how that is known, as JSON for the page, the API and `keersluis status`."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from keersluis.exchange import _store
from keersluis.times import SECOND, format_instant


def breach_summary(tx: Connection) -> list[dict[str, Any]]:
    """Per source and kind: how many promises were broken, by how much at most, and when last."""
    return [
        {
            "source": row.source,
            "kind": row.kind,
            "count": row.n,
            "longest_delay_seconds": row.delay // SECOND,
            "longest_short_seconds": row.short // SECOND,
            "last": format_instant(row.last),
        }
        for row in _store.breaches_by_stream(tx)
    ]
