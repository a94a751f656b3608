"""How the exchange of one node stands, as JSON for the page, the API and `keersluis status`."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection

from keersluis.context import Context
from keersluis.exchange import _store, _store_backlog, gatekeeper, intake, lagging, pace
from keersluis.exchange.gates import standing, told
from keersluis.exchange.lags import NOTHING_MEASURED, Measured
from keersluis.times import SECOND, Instant, format_instant
from keersluis.words import translator

SILENT_AFTER = 2
"""Heartbeats without a word after which a stream is said to be silent (P7)."""


def received(tx: Connection, ctx: Context, now: Instant) -> list[dict[str, Any]]:
    """Until when each stream that comes here is complete, and in which state it is."""
    rows = {row.kind: row for row in _store.all_in_streams(tx)}
    expected = [kind for kind in ctx.chain.kinds.values() if ctx.me.key in kind.receivers]
    return [_received(rows.get(kind.path), kind.source, kind.path, now, ctx.chain.heartbeat) for kind in expected]


def _received(row: Any, source: str, kind: str, now: Instant, heartbeat: int) -> dict[str, Any]:
    heard = bool(row and row.heard_at)
    stopped = json.loads(row.stopped) if row and row.stopped else None
    state = "never" if not heard else "silent" if now - row.heard_at > SILENT_AFTER * heartbeat else "flowing"
    return {
        "source": source,
        "kind": kind,
        "complete_through": format_instant(row.watermark if row else 0),
        "entered_through": format_instant(row.entered_through if row else 0),
        "heard_at": format_instant(row.heard_at) if heard else None,
        "size": row.size if row else 0,
        "state": "stopped" if stopped else state,
        "reason": _reason(stopped) if stopped else None,
    }


def _reason(stopped: dict[str, Any]) -> dict[str, Any]:
    return {"code": stopped["code"], "text_nl": _sentence(stopped, "nl"), "text_en": _sentence(stopped, "en")}


def _sentence(stopped: dict[str, Any], language: str) -> str:
    _ = translator(language)
    if stopped["code"] == "counts.differ":
        text = _("The source's own count is {stated}, here are {received}: something is missing on the way.")
        return text.format(stated=stopped["stated"], received=stopped["received"])
    if stopped["code"] == "counts.missing":
        return _("The source's own count did not come, so nothing can be concluded from what did.")
    return _("What came does not match what the source signed ({place}); it was set apart.").format(
        place=stopped["place"]
    )


def own_streams(tx: Connection, ctx: Context) -> list[dict[str, Any]]:
    """Each stream of our own: what it promises, what holds the promise back, how far each receiver is."""
    waiting, measured, now = intake.held_back(tx), lagging.shown(tx), ctx.clock.now()
    orders = gatekeeper.orders_at(tx, now)
    peers = {(row.stream, row.peer): row for row in _store.out_peers_of(tx)}
    streams = []
    for row in _store.all_out_streams(tx):
        held = waiting.get(row.kind)
        streams.append(
            {
                "kind": row.kind,
                "size": row.size,
                "complete_through": format_instant(row.complete_through),
                "entered_through": format_instant(row.source_time),
                "waiting": held[0] if held else 0,
                "oldest_waiting": format_instant(held[1]) if held else None,
                "lag": _lag(ctx.chain.kinds[row.kind].lag, measured.get(row.kind, NOTHING_MEASURED)),
                "peers": [
                    _towards(
                        tx, row, peers.get((row.stream, peer)), peer, now, standing(orders, peer, "out", row.kind).state
                    )
                    for peer in ctx.chain.kinds[row.kind].receivers
                ],
            }
        )
    return streams


def _lag(declared: int, found: Measured) -> dict[str, Any]:
    """Usual time from act to entry: as declared, and as measured over the last quarter."""
    return {
        "declared_seconds": declared // SECOND,
        "measured_seconds": found.lag // SECOND if found.samples else None,
        "samples": found.samples,
        "exceeded": found.exceeds(declared),
    }


def _towards(tx: Connection, stream: Any, row: Any, peer: str, now: Instant, state: str) -> dict[str, Any]:
    """How far one peer is: what waits for it, how fast it comes in, and when that will all be there."""
    size = row.size if row else 0
    waits = _store_backlog.backlog(tx, stream.stream, size)
    marks = _store_backlog.pace(tx, stream.stream, peer)
    here = pace.Mark(now, size, stream.size)
    measured = pace.rate(marks, here)
    return {
        "peer": peer,
        "receipted": size,
        "backlog": stream.size - size,
        "backlog_bytes": waits.size,
        "oldest": format_instant(waits.occurred) if waits.occurred is not None else None,
        "state": state,
        "rate": None if measured is None else round(measured, 3),
        "catch_up": pace.told(pace.catch_up(marks, here, closed=state == "closed"), now),
    }


def links(tx: Connection, ctx: Context) -> list[dict[str, Any]]:
    """The state of the gates towards each peer, both directions, all kinds together."""
    me, now = ctx.me.key, ctx.clock.now()
    out: dict[str, list[str]] = {}
    into: dict[str, list[str]] = {}
    for kind in ctx.chain.kinds.values():
        if kind.source == me:
            for peer in kind.receivers:
                out.setdefault(peer, []).append(kind.path)
        if me in kind.receivers:
            into.setdefault(kind.source, []).append(kind.path)
    return [
        {
            "peer": peer,
            "out": gatekeeper.state_towards(tx, peer, "out", out.get(peer, ["question"]), now),
            "in": gatekeeper.state_towards(tx, peer, "in", into.get(peer, ["question"]), now),
        }
        for peer in sorted(out.keys() | into.keys())
    ]


def gates(tx: Connection, ctx: Context) -> list[dict[str, Any]]:
    """The orders in force, newest first, each with the state that it gives now."""
    orders = gatekeeper.orders_in_force(tx, ctx.clock.now())
    return [{**told(order), "at": format_instant(order.at), "number": order.number} for order in orders]


def planned(tx: Connection, ctx: Context) -> list[dict[str, Any]]:
    """The orders that are still to take effect, the first one first."""
    return gatekeeper.planned(tx, ctx.clock.now())


def quarantine(tx: Connection) -> list[dict[str, Any]]:
    """Batches that were set apart and are not solved."""
    return [
        {
            "origin": row.origin,
            "at": format_instant(row.at),
            "code": row.code,
            "place": row.place,
            "sentence": row.sentence,
        }
        for row in _store.open_quarantine(tx)
    ]


def breaches(tx: Connection, limit: int = 50) -> list[dict[str, Any]]:
    """The latest broken promises: how long after the act it arrived, and how far before the promise the act lies."""
    return [
        {
            "source": row.source,
            "kind": row.kind,
            "event": row.event_id,
            "occurred": format_instant(row.occurred_end),
            "promised": format_instant(row.watermark),
            "at": format_instant(row.at),
            "delay_seconds": (row.at - row.occurred_end) // SECOND,
            "short_seconds": (row.watermark - row.occurred_end) // SECOND,
        }
        for row in _store.all_breaches(tx, limit)
    ]
