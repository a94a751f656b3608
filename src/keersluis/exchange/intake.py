"""What is known to wait for entry: paper, mailboxes, a system that is down. It holds the promise of its kind back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection

from keersluis.chain import Kind
from keersluis.context import Context
from keersluis.errors import Incorrect, KeersluisError
from keersluis.exchange import _store, _store_intake, _store_letters
from keersluis.exchange._store_intake import MIGRATIONS as MIGRATIONS
from keersluis.exchange.channels import CHANNELS
from keersluis.timeline import log
from keersluis.times import Instant, When, format_instant, parse_when

MOST_IDS = 500
"""So many ids stand in one timeline entry; the count is whole."""

_ID = re.compile(r"[!-~]{1,128}")


def register_waiting(tx: Connection, ctx: Context, items: Iterable[tuple[str, str, str, str]], now: Instant) -> int:
    """Acts known to wait for entry: (kind, event id, occurred, channel). They hold back the promise of their kind.

    Returns how many were registered. Raises Incorrect `intake.refused` naming every fault; then none is registered.
    """
    rows: list[dict[str, Any]] = []
    late: list[str] = []
    faults: list[str] = []
    heard: dict[str, Instant] = {}
    for number, (kind, event_id, occurred, channel) in enumerate(items, 1):
        try:
            when = _checked(ctx, kind, event_id, occurred, channel, now)
        except KeersluisError as error:
            faults.append(f"item {number}: {error}")
            continue
        rows.append({"kind": kind, "event_id": event_id, "occurred_start": when.start, "channel": channel, "at": now})
        if when.end <= heard.setdefault(kind, _heard(tx, kind)):
            late.append(event_id)
    _stop(faults)
    if rows:
        _store.add_waiting(tx, rows)
        body = {"count": len(rows), "kinds": sorted({str(r["kind"]) for r in rows})}
        body |= {"late": len(late), "late_events": late[:MOST_IDS]} if late else {}
        log.append(tx, at=now, room="exchange", kind="intake.waiting", body=body)
    return len(rows)


def _heard(tx: Connection, kind: str) -> Instant:
    """What some receiver was promised of a kind of ours: an act of before it breaks the promise, and is said to."""
    row = _store.out_stream(tx, kind)
    return promised(tx, row) if row else 0


def promised(tx: Connection, row: Any) -> Instant:
    """The greatest promise about a stream of ours that was receipted, or that left by hand."""
    return max(_store.heard(tx, row.stream), _store_letters.carried_promise(tx, row.kind))


def _stop(faults: list[str]) -> None:
    if faults:
        shown = "; ".join(faults[:3]) + (f"; and {len(faults) - 3} more" if len(faults) > 3 else "")
        raise Incorrect("intake.refused", expected="items that are all in order", got=shown, faults=faults[:1000])


def own_kind(ctx: Context, kind: str) -> Kind:
    """A kind of which this organisation is the source. Raises Incorrect `intake.foreign-kind`."""
    leaf = ctx.chain.kinds.get(kind)
    if leaf is None or leaf.source != ctx.me.key:
        expected = f"a kind of which {ctx.me.key} is the source"
        raise Incorrect("intake.foreign-kind", expected=expected, got=repr(kind), where="kind")
    return leaf


def _checked(ctx: Context, kind: str, item: str, occurred: str, channel: str, now: Instant) -> When:
    own_kind(ctx, kind)
    if not _ID.fullmatch(item):
        raise Incorrect("intake.id", expected="1 to 128 printable characters", got=repr(item[:140]), where="id")
    if channel not in CHANNELS:
        expected = f"one of {', '.join(CHANNELS)}"
        raise Incorrect("intake.channel", expected=expected, got=repr(channel), where="channel")
    when = parse_when(occurred, ctx.chain.timezone)
    if when.start > now + ctx.chain.skew:
        expected = f"an act of the past (now is {format_instant(now)})"
        raise Incorrect("intake.in-the-future", expected=expected, got=occurred, where="occurred")
    return when


def end_waiting(tx: Connection, kind: str, ids: Sequence[str], now: Instant) -> frozenset[str]:
    """What was entered waits no longer. Returns which of `ids` were waiting."""
    waited = frozenset(_store_intake.waiting_of(tx, kind, ids))
    if waited:
        _store.end_waiting(tx, kind, sorted(waited), now)
    return waited


def withdraw(tx: Connection, ctx: Context, items: Sequence[tuple[str, str]], who: str, why: str, now: Instant) -> int:
    """Acts (kind, id) were registered by mistake. To undo this, register them again.

    Returns how many. Raises Incorrect `intake.refused` naming each item that does not wait, or `intake.reason`.
    """
    _reasoned(who, why)
    known = {}
    for kind in {kind: None for kind, _item in items}:
        own_kind(ctx, kind)
        ids = [item for each, item in items if each == kind and _ID.fullmatch(item)]
        known[kind] = _store_intake.waiting_of(tx, kind, ids)
    _stop(
        [
            f"item {n}: expected an act of {k} that waits, got {i!r}"
            for n, (k, i) in enumerate(items, 1)
            if i not in known[k]
        ]
    )
    for kind, rows in known.items():
        _store.end_waiting(tx, kind, sorted(rows), now)
    if items:
        ids = [item for _kind, item in items]
        body = {"count": len(ids), "kinds": sorted(known), "events": ids[:MOST_IDS], "who": who, "why": why}
        log.append(tx, at=now, room="exchange", kind="intake.withdrawn", body=body)
    return len(items)


def _reasoned(who: str, why: str) -> None:
    if not (who.strip() and why.strip()):
        raise Incorrect("intake.reason", expected="who says so, and why", got=f"{who!r}, {why!r}")


# -- mailbags: acts that are known to be there, and not which they are ------------------------------------------


def register_mailbag(
    tx: Connection, ctx: Context, kind: str, bag: str, items: int, oldest: str, channel: str, now: Instant
) -> None:
    """About `items` acts of which the oldest is possibly of `oldest` wait unopened. They hold the promise back to it
    until the bag is closed, however many were opened. Said again, it replaces what was said.

    Raises Incorrect `intake.*`.
    """
    when = _checked(ctx, kind, bag, oldest, channel, now)
    if items < 1:
        raise Incorrect("intake.count", expected="a number of 1 or more", got=str(items), where="count")
    row = {"kind": kind, "bag": bag, "acts": items, "oldest_start": when.start, "channel": channel, "at": now}
    _store_intake.put_mailbag(tx, row, now)
    body: dict[str, Any] = {"kind": kind, "bag": bag, "count": items, "oldest": format_instant(when.start)}
    body |= {"late": items} if when.end <= _heard(tx, kind) else {}
    log.append(tx, at=now, room="exchange", kind="intake.mailbag", body=body)


def opened(tx: Connection, ctx: Context, kind: str, bag: str, items: int, now: Instant) -> int:
    """So many of a mailbag were opened: what was in them is entered, or registered by its own id. Returns what is
    left. At 0 the bag still holds the promise back until it is closed: the number was a guess.

    Raises Incorrect `intake.unknown`, `intake.count`.
    """
    row = _bag(tx, ctx, kind, bag)
    if not 1 <= items <= row.acts:
        raise Incorrect("intake.count", expected=f"1 to {row.acts} items", got=str(items), where="count")
    left = int(row.acts) - items
    _store_intake.put_mailbag(tx, dict(row._mapping) | {"acts": left}, now)
    body = {"kind": kind, "bag": bag, "count": items, "left": left}
    log.append(tx, at=now, room="exchange", kind="intake.opened", body=body)
    return left


def close_mailbag(tx: Connection, ctx: Context, kind: str, bag: str, who: str, why: str, now: Instant) -> None:
    """Nothing of a mailbag waits any longer. Raises Incorrect `intake.unknown`, `intake.reason`."""
    _reasoned(who, why)
    row = _bag(tx, ctx, kind, bag)
    _store_intake.drop_mailbag(tx, kind, bag, now)
    body = {"kind": kind, "bag": bag, "left": int(row.acts), "who": who, "why": why}
    log.append(tx, at=now, room="exchange", kind="intake.closed", body=body)


def _bag(tx: Connection, ctx: Context, kind: str, bag: str) -> Any:
    own_kind(ctx, kind)
    row = _store_intake.mailbag(tx, kind, bag)
    if row is None:
        raise Incorrect("intake.unknown", expected=f"a mailbag of {kind} that waits", got=repr(bag[:140]))
    return row


# -- what waits ------------------------------------------------------------------------------------------------


def held_back(tx: Connection) -> dict[str, tuple[int, Instant]]:
    """Kind -> (how many acts wait, the oldest of them): what its promise is held back to."""
    return _store_intake.oldest_by_kind(tx)


def listed(tx: Connection, now: Instant, most: int = 1000) -> dict[str, Any]:
    """What waits, as JSON: `groups` per kind and channel, `items` one by one and `mailbags`, oldest first."""
    groups = [
        {"kind": row.kind, "channel": row.channel, "count": row.n, **_age(row.oldest, row.known, now)}
        for row in _store_intake.by_channel(tx)
    ]
    items = [
        {"kind": row.kind, "id": row.event_id, "channel": row.channel, **_age(row.occurred_start, row.at, now)}
        for row in _store_intake.all_waiting(tx, most)
    ]
    bags = [
        {"kind": row.kind, "id": row.bag, "channel": row.channel, "count": row.acts,
         **_age(row.oldest_start, row.at, now)}
        for row in _store_intake.all_mailbags(tx)
    ]  # fmt: skip
    return {"groups": groups, "items": items, "mailbags": bags}


def _age(occurred: Instant, known: Instant, now: Instant) -> dict[str, Any]:
    age = max(0, now - occurred) // 1_000_000
    return {"oldest": format_instant(occurred), "registered": format_instant(known), "age_seconds": age}
