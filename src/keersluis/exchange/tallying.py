"""Counts and digests of what this node published and received, kept up with when they are asked for.

Nothing is added on the way of an event: the tallies follow the stored events, a stretch at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from keersluis.context import Context
from keersluis.errors import Incorrect
from keersluis.exchange import _store_reconciliation as store
from keersluis.exchange._store_reconciliation import MIGRATIONS as MIGRATIONS
from keersluis.exchange._store_reconciliation import Side
from keersluis.exchange.envelope import decode
from keersluis.exchange.reconciliation import (
    MODULUS,
    NOTHING,
    STEP,
    Entry,
    Statement,
    Tally,
    check_period,
    check_statement,
    event_digest,
)
from keersluis.timeline import log
from keersluis.times import Instant, format_instant, parse_when

AT_ONCE = 20_000
"""Events of one stretch: a writing transaction that holds up nobody for long."""


def side_of(ctx: Context, kind: str) -> Side:
    """Whether this node publishes a kind or receives it. Raises Incorrect `reconcile.kind`."""
    leaf = ctx.chain.kinds.get(kind)
    if leaf is not None and leaf.source == ctx.me.key:
        return "out"
    if leaf is not None and ctx.me.key in leaf.receivers:
        return "in"
    expected = f"a kind that {ctx.me.key} publishes or receives"
    raise Incorrect("reconcile.kind", expected=expected, got=repr(kind[:140]), where="kind")


def catch_up(tx: Connection, ctx: Context, kind: str) -> int:
    """Tally the next stretch of events that are stored and not tallied yet. Returns how many; 0: all are."""
    side = side_of(ctx, kind)
    for stream, size in store.streams(tx, side, kind):
        done = store.through(tx, side, stream)
        rows = store.events(tx, side, stream, done + 1, size, AT_ONCE) if done < size else ()
        if rows:
            store.add(tx, side, stream, _by_hour(ctx, [(row.position, bytes(row.bytes)) for row in rows]), rows[-1][0])
            return len(rows)
    return 0


def _by_hour(ctx: Context, events: Sequence[tuple[int, bytes]]) -> dict[int, tuple[Tally, int, int]]:
    """Hour -> (tally, first position, last position)."""
    found: dict[int, list[int]] = {}
    for position, event in events:
        envelope = decode(event)
        occurred = parse_when(envelope.occurred, ctx.chain.timezone).start
        row = found.setdefault(occurred // STEP, [0, 0, position, position])
        row[0] += 1
        row[1] += event_digest(envelope.id, occurred)
        row[3] = position
    return {hour: (Tally(n, total % MODULUS), first, last) for hour, (n, total, first, last) in found.items()}


@dataclass(frozen=True, slots=True)
class Kept:
    """What a node holds of a kind as a `reconciliation.Ledger`, within one transaction; `catch_up` first."""

    tx: Connection
    ctx: Context

    def count_digest(self, kind: str, since: Instant, until: Instant) -> Tally:
        check_period(since, until)
        side, hours, total = side_of(self.ctx, kind), (since // STEP, until // STEP), NOTHING
        for stream, _size in store.streams(self.tx, side, kind):
            total += store.tally(self.tx, side, stream, *hours)
        return total

    def entries(self, kind: str, since: Instant, until: Instant) -> list[Entry]:
        check_period(since, until)
        side, hours = side_of(self.ctx, kind), (since // STEP, until // STEP)
        found: list[Entry] = []
        for stream, size in store.streams(self.tx, side, kind):
            first, last = store.reach(self.tx, side, stream, *hours)
            for row in store.events(self.tx, side, stream, first, last, size):
                envelope = decode(bytes(row.bytes))
                occurred = parse_when(envelope.occurred, self.ctx.chain.timezone).start
                if since <= occurred < until:
                    found.append(Entry(envelope.id, occurred))
        return found


# -- what the source's own system of record states -------------------------------------------------------------


def state(tx: Connection, ctx: Context, stated: Sequence[Statement], now: Instant) -> int:
    """The source's own system of record counted a kind in some periods. `catch_up` first. Returns how many differ from
    what was published.

    Raises Incorrect `ledger.refused` naming every fault; then nothing is kept.
    """
    faults = []
    for number, each in enumerate(stated, 1):
        try:
            if side_of(ctx, each.kind) != "out":
                expected = f"a kind of which {ctx.me.key} is the source"
                raise Incorrect("reconcile.kind", expected=expected, got=repr(each.kind))
            check_statement(each, ctx.chain.skew)
        except Incorrect as error:
            faults.append(f"statement {number}: {error}")
    if faults:
        expected = "statements that can all be kept"
        raise Incorrect("ledger.refused", expected=expected, got=faults[0], faults=faults[:1000])
    store.put_statements(tx, [_row(each) for each in stated])
    kept = Kept(tx, ctx)
    differ = [each for each in stated if kept.count_digest(each.kind, each.since, each.until) != each.tally]
    for kind in sorted({each.kind for each in stated}):
        _note(tx, kind, [s for s in stated if s.kind == kind], [s for s in differ if s.kind == kind], now)
    return len(differ)


def _row(it: Statement) -> dict[str, object]:
    digest = it.tally.digest.to_bytes(32, "big")
    return {"kind": it.kind, "since": it.since, "until": it.until, "n": it.tally.count, "digest": digest,
            "stated": it.stated}  # fmt: skip


def _note(tx: Connection, kind: str, stated: Sequence[Statement], differ: Sequence[Statement], now: Instant) -> None:
    body: dict[str, object] = {
        "kind": kind,
        "periods": len(stated),
        "count": sum(each.tally.count for each in stated),
        "differ": len(differ),
    }
    if differ:
        first = min(differ, key=lambda each: each.since)
        body |= {"since": format_instant(first.since), "until": format_instant(first.until)}
    log.append(tx, at=now, room="exchange", kind="ledger.stated", body=body)
