"""Emergency routes in use: a route ends, or begins again, by a move of its gate at the register."""

from __future__ import annotations

from sqlalchemy import Connection

from keersluis.context import Context
from keersluis.exchange import gatekeeper
from keersluis.exchange.gates import WAYS
from keersluis.register.answers import emergency
from keersluis.times import Instant


def closed(tx: Connection, ctx: Context, now: Instant) -> frozenset[str]:
    """The kinds of emergency routes that nobody lets in now, by whichever link. Who closed the gate, and why, stands in
    the timeline (`gate.moved`)."""
    by_source: dict[str, list[str]] = {}
    for path in emergency(ctx.chain):
        by_source.setdefault(ctx.chain.kinds[path].source, []).append(path)
    found: frozenset[str] = frozenset()
    for source, paths in by_source.items():
        shut = [gatekeeper.closed_kinds(tx, source, "in", paths, now, way) for way in WAYS]
        found |= frozenset.intersection(*shut)
    return found
