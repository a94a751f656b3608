"""Outbox: accepts the organisation's own events, numbers them, promises completeness, remembers what is receipted."""

from __future__ import annotations

import secrets
from base64 import b64encode
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection

from keersluis.chain import Kind
from keersluis.context import Context
from keersluis.errors import Conflict, Fault, Incorrect, KeersluisError, Untrusted
from keersluis.exchange import _store, _store_backlog, _store_epochs, gaps, gatekeeper, intake, lagging
from keersluis.exchange.batches import Counts, Receipt
from keersluis.exchange.envelope import Submitted, stamp, submitted
from keersluis.exchange.gates import standing
from keersluis.exchange.intake import register_waiting as register_waiting
from keersluis.merkle import Frontier, leaf_hash
from keersluis.signing import sign_note, verify_note
from keersluis.timeline import log
from keersluis.times import Instant, format_instant
from keersluis.watermarks import NOTHING_PROMISED, Checkpoint, partial_promise, promise, stream_origin

MIGRATIONS = _store.MIGRATIONS
"""The exchange's tables, for `storage.open_store`."""

EMPTY = Frontier()


class Accepted(msgspec.Struct, frozen=True, gc=False):
    """Step 6: the event is durable under this number. `duplicate`: it was accepted before, nothing changed."""

    id: str
    kind: str
    position: int
    duplicate: bool


@dataclass(frozen=True, slots=True)
class Promised:
    """What one of our streams holds and promises, at one moment of the writer: step 8's material."""

    stream: int
    kind: Kind
    origin: str
    size: int
    frontier: Frontier
    entered_through: Instant
    complete_through: Instant
    counts: str | None
    declared: str | None = None
    gaps: str | None = None


Check = Callable[[msgspec.Raw, Kind], None]
"""Looks at a payload, which the exchange does not know. Raises Incorrect."""


def accept(
    tx: Connection, ctx: Context, raws: Sequence[bytes], now: Instant, check: Check = lambda _data, _kind: None
) -> list[Accepted]:
    """Steps 1-4 for the publisher's events, in the caller's transaction; the commit is step 5.

    All or nothing. Raises Incorrect `event.refused` naming every faulty event, Conflict `exchange.key-reused`.
    """
    ctx.step(1)
    events = _validated(ctx, raws, now, check)
    ctx.step(2)
    known = _store.known_keys(tx, [event.key for event in events])
    accepted: list[Accepted] = []
    fresh: dict[str, list[Submitted]] = {}
    seen: dict[bytes, tuple[bytes, Accepted]] = {}
    for event in events:
        if event.key in known or event.key in seen:
            accepted.append(_again(event, known, seen))
            continue
        queue = fresh.setdefault(event.kind.path, [])
        queue.append(event)
        taken = Accepted(event.id, event.kind.path, len(queue), False)
        seen[event.key] = (event.digest, taken)
        accepted.append(taken)
    first = {kind: append(tx, ctx, queue[0].kind, queue, now) for kind, queue in fresh.items()}
    ctx.step(4)
    return [a if a.duplicate else Accepted(a.id, a.kind, first[a.kind] + a.position - 1, False) for a in accepted]


def _validated(ctx: Context, raws: Sequence[bytes], now: Instant, check: Check) -> list[Submitted]:
    events: list[Submitted] = []
    faults: list[str] = []
    for number, raw in enumerate(raws, 1):
        try:
            event = submitted(raw, ctx.chain, ctx.me, now)
            check(event.attributes["data"], event.kind)
            events.append(event)
        except KeersluisError as error:
            faults.append(f"event {number}: {error}")
    if faults:
        shown = "; ".join(faults[:3]) + (f"; and {len(faults) - 3} more" if len(faults) > 3 else "")
        raise Incorrect("event.refused", expected="events that can all be accepted", got=shown, faults=faults[:100])
    return events


def _again(event: Submitted, known: dict[bytes, Any], seen: dict[bytes, tuple[bytes, Accepted]]) -> Accepted:
    """Step 1: the same key again is the same event, or a conflict."""
    digest = bytes(known[event.key].digest) if event.key in known else seen[event.key][0]
    if digest != event.digest:
        raise Conflict(
            "exchange.key-reused",
            expected="the same content under the same source and id",
            got="other content",
            where=event.id,
        )
    position = known[event.key].position if event.key in known else seen[event.key][1].position
    return Accepted(event.id, event.kind.path, position, event.key in known)


def append(tx: Connection, ctx: Context, kind: Kind, events: list[Submitted], now: Instant) -> int:
    """Steps 3 and 4 for the fresh events of one kind; returns the first number given."""
    row = stream_row(tx, ctx, kind)
    source_time = max(now, row.source_time)  # source time never runs backwards within a stream
    salts = secrets.token_bytes(16 * len(events))
    rows, keys, leaves = [], [], []
    for offset, event in enumerate(events):
        position = row.size + offset + 1
        stored = stamp(event, position=position, source_time=source_time, salt=salts[16 * offset : 16 * offset + 16])
        leaf = leaf_hash(stored)
        leaves.append(leaf)
        rows.append((row.stream, position, event.when.start, source_time, leaf, stored))
        keys.append((event.key, event.digest, row.stream, position))
    ctx.step(3)
    _store.add_out_events(tx, rows, keys)
    waited = intake.end_waiting(tx, kind.path, [event.id for event in events], now)
    lagging.note(tx, kind, events, source_time, waited=waited, promised=row.complete_through)
    frontier = Frontier.from_bytes(row.frontier).extend(leaves)
    _store.update_out_stream(
        tx, row.stream, size=row.size + len(events), frontier=frontier.to_bytes(), source_time=source_time
    )
    _note_own_breaches(tx, kind, events, intake.promised(tx, row), now)
    return int(row.size) + 1


def _note_own_breaches(tx: Connection, kind: Kind, events: list[Submitted], promised: Instant, now: Instant) -> None:
    broken = [event.id for event in events if event.when.end <= promised]
    if broken:
        body = {
            "kind": kind.path,
            "events": broken[:500],
            "count": len(broken),
            "promised": format_instant(promised),
        }
        log.append(tx, at=now, room="exchange", kind="promise.broken", body=body)


def stream_row(tx: Connection, ctx: Context, kind: Kind) -> Any:
    """The row of one of our own streams, begun where it is new."""
    row = _store.out_stream(tx, kind.path)
    if row is None:
        _store.add_out_stream(
            tx,
            {
                "kind": kind.path,
                "origin": stream_origin(ctx.me.oin, kind.path),
                "size": 0,
                "frontier": EMPTY.to_bytes(),
                "source_time": 0,
                "complete_through": NOTHING_PROMISED,
            },
        )
        row = _store.out_stream(tx, kind.path)
    return row


def state_counts(tx: Connection, ctx: Context, stated: Iterable[tuple[str, Instant, int]]) -> None:
    """The source's own system of record says how many acts of a kind it holds entered through a source time.

    Raises Incorrect `counts.refused`.
    """
    told = []
    for kind, through, count in stated:
        leaf = ctx.chain.kinds.get(kind)
        if leaf is None or leaf.source != ctx.me.key or count < 0:
            expected = f"a kind of {ctx.me.key} and a count of 0 or more"
            raise Incorrect("counts.refused", expected=expected, got=f"{kind!r}, {count}")
        _store.put_counts(tx, kind, through, count)
        told.append({"kind": kind, "through": format_instant(through), "count": count})
    if told:
        log.append(tx, at=ctx.clock.now(), room="exchange", kind="counts.stated", body={"counts": told})


def make_promises(tx: Connection, ctx: Context, now: Instant) -> list[Promised]:
    """Step 8's promises for every stream of ours, in a writing transaction.

    Accepting and promising exclude each other here, so "everything entered up to now is among them" is mechanical:
    what is accepted after this gets a later source time. A promise that nobody heard, behind a closed gate, binds
    nobody: where an older act turns out to wait, none is made for it after all (P2). Nor does one move back when entry
    turns out to take longer than was declared: what everybody was told stands.
    """
    waiting = intake.held_back(tx)
    stated = _store.stated_counts(tx)
    told = {(row.stream, row.peer): row.promised for row in _store.out_peers_of(tx)}
    rows = {row.kind: row for row in _store.all_out_streams(tx)}
    behind = _store_epochs.behind_streams(tx)  # a number that left before the restore would be given twice
    promises, moved = _unfinished(tx, ctx), []
    ours = sorted((k for k in ctx.chain.kinds.values() if k.source == ctx.me.key), key=lambda k: (k.drain, k.path))
    lags, words = lagging.binding(tx, ours, now), gaps.notes(tx, ctx)
    for kind in ours:
        row = rows.get(kind.path) or stream_row(tx, ctx, kind)
        if row.stream in behind:
            continue
        oldest = waiting[kind.path][1] if kind.path in waiting else None
        everybody = min((told.get((row.stream, each), NOTHING_PROMISED) for each in kind.receivers), default=0)
        through = promise(now, lags[kind.path], oldest, everybody)
        moved.append({"s": row.stream, "complete_through": through, "source_time": max(row.source_time, now + 1)})
        counts = _counts_note(ctx, kind, row.origin, stated.get(kind.path))
        frontier = Frontier.from_bytes(row.frontier)
        declared = None if row.origin.endswith("/1") else _store_epochs.declaration_of(tx, row.origin)
        word = words[kind.path](row.origin, row.size) if kind.path in words else None
        rest = (counts, declared, word)
        promises.append(Promised(row.stream, kind, row.origin, row.size, frontier, now, through, *rest))
    _store.promise_out_streams(tx, moved)
    return promises


def behind(tx: Connection) -> list[str]:
    """The kinds of which a partner holds more than we have: a number may have left already, so nothing more does."""
    held = _store_epochs.behind_streams(tx)
    return [row.kind for row in _store.all_out_streams(tx) if row.stream in held] if held else []


def check_not_behind(kinds: Collection[str]) -> None:
    """Raises Conflict `restore.behind` that names these kinds, if there are any."""
    if kinds:
        expected, got = "streams that are what partners hold of them", f"{', '.join(kinds)} behind that"
        raise Conflict("restore.behind", expected=expected, got=got, mend="take back what is lost: keersluis recover")


def _unfinished(tx: Connection, ctx: Context) -> list[Promised]:
    """Earlier epochs of which somebody still misses a part: that goes first, and promises nothing new."""
    found = []
    for row in _store_epochs.out_archive(tx):
        kind = ctx.chain.kinds.get(row.leaf)
        sizes = {each.peer: each.size for each in _store_epochs.peers_of(tx, row.stream)}
        if kind is not None and any(sizes.get(peer, 0) < row.size for peer in kind.receivers):
            frontier = Frontier.from_bytes(row.frontier)
            found.append(Promised(row.stream, kind, row.origin, row.size, frontier, row.source_time, 0, None))
    return found


def _counts_note(ctx: Context, kind: Kind, origin: str, stated: Any) -> str | None:
    if not kind.counts or stated is None:
        return None
    return sign_note(Counts(origin, stated.through, stated.stated).text(), ctx.signer)


def checkpoint(
    tx: Connection, promised: Promised, told: Frontier, leaves: Sequence[bytes], before: Instant
) -> Checkpoint:
    """Step 8: over all that was entered, or over the part that goes now: the `leaves` that follow what the peer was
    `told`. What was promised it `before` stands."""
    last = told.size + len(leaves)
    if last == promised.size:
        whole = promised.frontier.root()
        through = max(before, promised.complete_through)
        return Checkpoint(promised.origin, last, whole, promised.entered_through, through)
    rest = _store_backlog.backlog(tx, promised.stream, last)
    if rest.occurred is None or rest.source_time is None:
        expected, got = f"event {last + 1} of {promised.origin}", "none"
        raise Fault("exchange.event-missing", expected=expected, got=got)
    through = partial_promise(promised.complete_through, rest.occurred, before)
    return Checkpoint(promised.origin, last, told.extend(leaves).root(), rest.source_time - 1, through)


def receipted(
    tx: Connection, ctx: Context, peer: str, promised: Promised, receipt: Receipt, now: Instant
) -> dict[str, Any]:
    """Step 13: the row to store of a receiver's co-signed checkpoint; its `size` is how far the peer is.

    Raises Untrusted `receipt.*` when the peer did not sign it, or it is not about our stream as it is.
    """
    oin = ctx.chain.organisations[peer].oin
    note = verify_note(receipt.checkpoint, {oin: ctx.keyring.keys(oin, now)})
    checkpoint = Checkpoint.parse(note.text)
    frontier = frontier_at(tx, promised, checkpoint.size)
    if checkpoint.origin != promised.origin or frontier.root() != checkpoint.root:
        raise Untrusted(
            "receipt.other-stream",
            expected=f"the root of {promised.origin} at {checkpoint.size}",
            got=b64encode(checkpoint.root).decode(),
        )
    ctx.step(13)
    return _towards(promised, peer, frontier, now, promised=checkpoint.complete_through, receipt=receipt.checkpoint)


def _towards(stream: Promised, peer: str, frontier: Frontier, now: Instant, **values: Any) -> dict[str, Any]:
    row = {"stream": stream.stream, "peer": peer, "size": frontier.size, "frontier": frontier.to_bytes(), "at": now}
    return row | {"promised": NOTHING_PROMISED, "receipt": None, "refusal": None} | values


def store_receipts(tx: Connection, peer: str, rows: list[dict[str, Any]]) -> None:
    """Step 13: how far a peer is, with its co-signature as the proof. One that was overtaken moves nothing back."""
    had = {row.stream: (row.size, row.promised) for row in _store.out_peers_of(tx, peer)}
    newer = [row for row in rows if (row["size"], row["promised"]) >= had.get(row["stream"], (0, 0))]
    _store.put_out_peers(tx, newer)


def frontier_at(tx: Connection, promised: Promised, size: int) -> Frontier:
    """Our stream's tree after its first `size` events; there may be more than when it was promised.

    Raises Untrusted `receipt.ahead` beyond what we have.
    """
    if size == promised.size:
        return promised.frontier
    rows = _store.out_peers_of(tx)
    near = [Frontier.from_bytes(r.frontier) for r in rows if r.stream == promised.stream and r.size <= size]
    start = max(near, key=lambda f: f.size, default=EMPTY)
    found = start.extend(_store.leaves(tx, promised.stream, start.size, size))
    if found.size != size:
        expected = f"at most {found.size} events of {promised.origin}"
        raise Untrusted("receipt.ahead", expected=expected, got=str(size))
    return found


def rewind(tx: Connection, promised: Promised, peer: str, size: int, now: Instant) -> None:
    """The peer asks for older events again: go on from there. Nothing is taken back."""
    _store.put_out_peers(tx, [_towards(promised, peer, frontier_at(tx, promised, size), now, refusal="asked again")])
    body = {"origin": promised.origin, "by": peer, "from": size + 1}
    log.append(tx, at=now, room="exchange", kind="batch.asked-again", body=body)


def waits(tx: Connection, ctx: Context, peer: str, besides: Collection[str] = ()) -> bool:
    """Whether events wait for `peer` behind a gate that is not closed, of other kinds than `besides`."""
    orders = gatekeeper.orders_at(tx, ctx.clock.now())
    receipted_sizes = {row.stream: row.size for row in _store.out_peers_of(tx, peer)}
    return any(
        row.size > receipted_sizes.get(row.stream, 0)
        for row in _store.all_out_streams(tx)
        if row.kind not in besides
        and peer in ctx.chain.kinds[row.kind].receivers
        and standing(orders, peer, "out", row.kind).state != "closed"
    )


def own_event(ctx: Context, kind: str, event_id: str, occurred: Instant, data: Mapping[str, Any]) -> bytes:
    """An event that the node itself publishes: such as the end of an answer."""
    return msgspec.json.encode(
        {
            "specversion": "1.0",
            "id": event_id,
            "source": f"urn:nld:oin:{ctx.me.oin}:systeem:keersluis",
            "type": ctx.chain.ce_type(ctx.chain.kinds[kind]),
            "occurred": format_instant(occurred),
            "datacontenttype": "application/json",
            "data": data,
        }
    )


def accepted(tx: Connection) -> int:
    """How many events of the organisation's own are stored: for comparison."""
    return sum(row.size for row in (*_store.all_out_streams(tx), *_store_epochs.out_archive(tx)))
