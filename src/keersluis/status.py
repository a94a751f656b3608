"""One node's state as JSON: for the page, the API and `keersluis status`."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from keersluis.decisions import desk as decisions
from keersluis.exchange import completeness_view, intake, overview
from keersluis.register import desk as register
from keersluis.service import Node
from keersluis.timeline import Entry, log, texts
from keersluis.times import FileClock, ManualClock, format_instant

NO_DECISIONS = {"total": 0, "provisional": 0, "settled": 0, "revisit": 0, "held": 0}
NO_REGISTER = {"facts": 0, "subjects": 0, "answers_open": 0, "lookups": 0}
SHOWN = 50
TRAFFIC, NOTEWORTHY = 12, 24


def of(node: Node) -> dict[str, Any]:
    """The whole state, of one committed moment of the store."""
    now = node.clock.now()
    with node.store.read() as tx:
        return {
            "organisation": node.me.key,
            "name": dict(node.me.name),
            "roles": list(node.me.roles),
            "now": format_instant(now),
            "virtual": isinstance(node.clock, FileClock | ManualClock),
            "chain": node.chain.name,
            "watermarks": overview.received(tx, node.ctx, now),
            "streams": overview.own_streams(tx, node.ctx),
            "gates": overview.gates(tx, node.ctx),
            "planned": overview.planned(tx, node.ctx),
            "links": overview.links(tx, node.ctx),
            "quarantine": overview.quarantine(tx),
            "breaches": overview.breaches(tx),
            "breach_summary": completeness_view.breach_summary(tx),
            "gaps": {"own": completeness_view.own_gaps(tx), "heard": completeness_view.heard_gaps(tx)},
            "intake": intake.listed(tx, now, most=20),
            "timeline": {"size": log.size(tx), "entries": _latest(node, tx)},
            **_rooms(node, tx),
        }


def _rooms(node: Node, tx: Connection) -> dict[str, Any]:
    decides, keeps = "decider" in node.me.roles, "register" in node.me.roles
    return {
        "decisions": decisions.counts(tx) if decides else NO_DECISIONS,
        "revisits": decisions.revisit_list(tx, node.ctx, SHOWN) if decides else [],
        "register": register.counts(tx) if keeps else NO_REGISTER,
    }


def _latest(node: Node, tx: Connection) -> list[dict[str, Any]]:
    """The last entries, and the last that people want to know of, which traffic would hide."""
    found = {entry.n: entry for entry in log.newest(tx, TRAFFIC) + log.newest(tx, NOTEWORTHY, texts.NOTABLE)}
    return [_entry(node, found[n]) for n in sorted(found)]


def entries(node: Node, since: int, limit: int) -> list[dict[str, Any]]:
    """Timeline entries after number `since`, in words and with their bodies."""
    with node.store.read() as tx:
        return [_entry(node, entry) | {"body": entry.body} for entry in log.entries(tx, since, limit)]


def _entry(node: Node, entry: Entry) -> dict[str, Any]:
    return {
        "n": entry.n,
        "at": format_instant(entry.at),
        "room": entry.room,
        "kind": entry.kind,
        "text_nl": texts.sentence(entry, "nl", node.chain),
        "text_en": texts.sentence(entry, "en", node.chain),
    }
