"""How complete things are and how that is known, as JSON for the page, the API and `keersluis status`."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection

from keersluis.context import Context
from keersluis.exchange import _store
from keersluis.exchange import _store_reconciliation as store
from keersluis.exchange.reconciliation import Tally
from keersluis.exchange.tallying import Kept
from keersluis.times import SECOND, Instant, format_instant


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


def statements(tx: Connection, ctx: Context, kinds: Collection[str] | None = None) -> list[dict[str, Any]]:
    """What the system of record stated per kind and period, beside what was published; as far as that is tallied."""
    kept = Kept(tx, ctx)
    told = []
    for row in store.all_statements(tx):
        if kinds is not None and row.kind not in kinds:
            continue
        held = kept.count_digest(row.kind, row.since, row.until)
        stated = Tally(row.n, int.from_bytes(row.digest, "big"))
        told.append(
            {
                "kind": row.kind,
                "since": format_instant(row.since),
                "until": format_instant(row.until),
                "stated_at": format_instant(row.stated),
                "stated": {"count": stated.count, "digest": stated.hex},
                "held": {"count": held.count, "digest": held.hex},
                "agrees": stated == held,
            }
        )
    return told


def stated_kinds(tx: Connection) -> list[str]:
    """The kinds of which something was stated."""
    return sorted({row.kind for row in store.all_statements(tx)})


def open_gaps(tx: Connection, kind: str) -> list[tuple[Instant, Instant]]:
    """The periods of a kind of ours that are declared as gaps and not filled."""
    return [(row.since, row.until) for row in store.own_gaps_of(tx, kind) if row.filled_at is None]


def reconciliation(tx: Connection, ctx: Context) -> dict[str, Any]:
    """Statements beside what was published, gaps of our own streams, and gaps that sources declared to us."""
    return {"statements": statements(tx, ctx), "gaps": own_gaps(tx), "heard": heard_gaps(tx)}


def own_gaps(tx: Connection) -> list[dict[str, Any]]:
    """Gaps of our own streams, as they were declared to each receiver."""
    return [
        {
            "kind": row.kind,
            "since": format_instant(row.since),
            "until": format_instant(row.until),
            "missing": row.missing,
            "declared_at": format_instant(row.declared_at),
            "filled_at": format_instant(row.filled_at) if row.filled_at is not None else None,
        }
        for row in store.own_gaps_of(tx)
    ]


def heard_gaps(tx: Connection) -> list[dict[str, Any]]:
    """Gaps that sources declared in what they sent here."""
    return [
        {
            "source": row.source,
            "kind": row.kind,
            "since": format_instant(row.since),
            "until": format_instant(row.until),
            "declared_at": format_instant(row.stated),
            "filled_at": format_instant(row.filled) if row.filled is not None else None,
        }
        for row in store.heard_gaps_of(tx)
    ]
