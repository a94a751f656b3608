"""A gap that the source finds in what it published is its signed word to every receiver, until it is filled.

The word is a state and not a message: all gaps of the stream that are open. So it may be repeated, overtaken and lost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection

from keersluis.context import Context
from keersluis.errors import Conflict, Incorrect, Untrusted
from keersluis.exchange import _store, intake
from keersluis.exchange import _store_reconciliation as store
from keersluis.exchange.reconciliation import Entry, Gaps, Tally, check_period
from keersluis.exchange.tallying import Kept
from keersluis.signing import sign_note, verify_note
from keersluis.timeline import log
from keersluis.times import Instant, format_instant
from keersluis.watermarks import parse_origin

MOST_OPEN = 200
"""Gaps that one stream can have open at once; whoever finds more declares them as one."""


def declare(
    tx: Connection,
    ctx: Context,
    kind: str,
    since: Instant,
    until: Instant,
    missing: Sequence[Entry],
    why: str,
    now: Instant,
) -> None:
    """Acts of `since` <= t < `until` were never published. Each receiver is told with the next batch or heartbeat;
    until they are entered, no new promise passes them either (P2).

    Raises Incorrect `period.wrong`, `gap.*`, `intake.*`.
    """
    intake.own_kind(ctx, kind)
    check_period(since, until)
    if not why.strip() or not missing or any(not since <= each.occurred < until for each in missing):
        expected = "why, and acts of this period that are missing"
        raise Incorrect("gap.unfounded", expected=expected, got=f"{why!r}, {len(missing)} acts")
    open_now = [row for row in store.own_gaps_of(tx, kind) if row.filled_at is None]
    if len(open_now) >= MOST_OPEN:
        raise Incorrect("gap.too-many", expected=f"at most {MOST_OPEN} open gaps", got="one more")
    row = {"kind": kind, "since": since, "until": until, "missing": len(missing), "declared_at": now, "filled_at": None}
    store.put_own_gap(tx, row)
    waits = [{"kind": kind, "event_id": each.id, "occurred_start": each.occurred, "channel": "system-down", "at": now}
             for each in missing]  # fmt: skip
    _store.add_waiting(tx, waits)
    body = _body(kind, since, until) | {"count": len(missing), "why": why}
    log.append(tx, at=now, room="exchange", kind="gap.stated", body=body)


def fill(tx: Connection, ctx: Context, kind: str, since: Instant, until: Instant, stated: Tally, now: Instant) -> None:
    """What was missing has been published: the system of record counts `stated` in the period, and so do we.

    Raises Conflict `gap.still-differs`, Incorrect `gap.not-open`.
    """
    intake.own_kind(ctx, kind)
    held = Kept(tx, ctx).count_digest(kind, since, until)
    if held != stated:
        expected = f"{stated.count} acts with digest {stated.hex[:16]}… as stated"
        raise Conflict("gap.still-differs", expected=expected, got=f"{held.count} with {held.hex[:16]}… published")
    if not store.fill_own_gap(tx, kind, since, until, now):
        raise Incorrect("gap.not-open", expected=f"an open gap of {kind}", got=str(_body(kind, since, until)))
    body = _body(kind, since, until) | {"count": held.count, "digest": held.hex}
    log.append(tx, at=now, room="exchange", kind="gap.mended", body=body)


def _body(kind: str, since: Instant, until: Instant) -> dict[str, Any]:
    return {"kind": kind, "since": format_instant(since), "until": format_instant(until)}


def notes(tx: Connection, ctx: Context) -> dict[str, Callable[[str, int], str]]:
    """Kind -> what signs the word about its gaps, given the origin and size of its stream; for kinds that ever had
    one."""
    rows: dict[str, list[Any]] = {}
    for row in store.own_gaps_of(tx):
        rows.setdefault(row.kind, []).append(row)
    return {kind: _signing(ctx, found) for kind, found in rows.items()}


def _signing(ctx: Context, rows: Sequence[Any]) -> Callable[[str, int], str]:
    stated = max(max(row.declared_at, row.filled_at or 0) for row in rows)
    periods = tuple((row.since, row.until) for row in rows if row.filled_at is None)

    def sign(origin: str, size: int) -> str:
        return sign_note(Gaps(origin, stated, size, periods).text(), ctx.signer)

    return sign


# -- the receiver's side ---------------------------------------------------------------------------------------


def verified(ctx: Context, note: str | None, origin: str, now: Instant) -> Gaps | None:
    """Step 10 for the word about gaps that came with a batch. Raises Untrusted `gaps.*` where another than the source
    of the stream signed it."""
    if note is None:
        return None
    signed = verify_note(note, ctx.keyring.at(now))
    told = Gaps.parse(signed.text)
    if told.origin != origin or parse_origin(origin).oin not in signed.signers:
        raise Untrusted("gaps.other-stream", expected=origin, got=told.origin)
    return told


def heard(tx: Connection, ctx: Context, told: Gaps | None, kind: str, applied: int, now: Instant) -> None:
    """Step 11 for it. Gaps count at once; that one is filled counts only where all the events that the source speaks
    of are `applied`."""
    if told is None:
        return
    origin = told.origin
    # a later epoch speaks of what an earlier one lacked: it is one stream to whoever counts its acts
    rows = {(row.since, row.until): row for row in store.heard_gaps_of(tx, kind)}
    if rows and told.stated < max(row.stated for row in rows.values()):
        return  # overtaken by a later word, on another way
    source = ctx.chain.kinds[kind].source
    moved: list[dict[str, Any]] = [
        {"origin": origin, "since": a, "until": b, "kind": kind, "source": source, "stated": told.stated,
         "filled": None, "told": 0}
        for a, b in told.open
        if (a, b) not in rows or (rows[a, b].filled is not None and rows[a, b].stated < told.stated)
    ]  # fmt: skip
    if applied >= told.size:
        still = set(told.open)
        moved += [
            dict(row._mapping) | {"filled": now, "told": 0, "stated": told.stated}
            for period, row in rows.items()
            if period not in still and row.filled is None
        ]
    store.put_heard_gaps(tx, moved)
    for each in moved:
        what = "gap.heard" if each["filled"] is None else "gap.heard-filled"
        body = {"origin": each["origin"]} | _body(kind, each["since"], each["until"])
        log.append(tx, at=now, room="exchange", kind=what, body=body)


Act = Callable[[str, Instant, Instant], object]
"""Opens or fills a gap in the register: kind, and the first and the last moment of its period."""


def tell(tx: Connection, reopen: Act, fill_: Act) -> int:
    """Tell the register of gaps that were heard or filled since it was last told. Returns how many."""
    rows = store.untold_gaps(tx)
    for row in rows:
        act = reopen if row.filled is None else fill_
        act(row.kind, row.since, row.until - 1)
    if rows:
        store.gaps_told(tx)
    return len(rows)
