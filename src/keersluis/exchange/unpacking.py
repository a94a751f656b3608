"""Takes bundles in: each part proves itself and is kept; the whole is verified before anything of it is applied.

What is applied goes through `inbox.receive`, batch by batch, as what comes over the wire does (steps 10-12).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection

from keersluis.context import Context
from keersluis.errors import Forbidden, Incorrect, KeersluisError, Unavailable, Untrusted
from keersluis.exchange import _store, _store_bundles, bundles, inbox, succession
from keersluis.exchange.batches import Batch, extend
from keersluis.exchange.bundles import Header, Manifest, Part, Range, Run, tree_before
from keersluis.merkle import Frontier, leaf_hash
from keersluis.signing import unverified_text
from keersluis.storage import Store
from keersluis.timeline import log
from keersluis.times import Instant, parse_instant
from keersluis.watermarks import Checkpoint, parse_origin

MIGRATIONS = _store_bundles.MIGRATIONS
"""The tables of carried bundles, for `storage.open_store`."""

WAITING, WHOLE, APPLIED, REFUSED = "waiting", "whole", "applied", "refused"
"""Some parts are missing, or it was not verified yet; verified; taken in; verified and found wrong."""


class _Numbered(msgspec.Struct, frozen=True):
    """Of an event, what places it in its stream."""

    sequence: str
    time: str


_numbered = msgspec.json.Decoder(_Numbered)


# --- Parts ----------------------------------------------------------------------------------------


def check_part(ctx: Context, part: Part, now: Instant) -> None:
    """A part by an organisation of the chain, under a key that counts now, for us.

    Raises Untrusted `note.*`, Forbidden `bundle.not-for-us`.
    """
    bundles.check_signed(part, ctx.keyring.at(now))
    if part.header.receiver != ctx.me.oin:
        expected, got = f"a bundle for {ctx.me.oin}", f"one for {part.header.receiver}"
        raise Forbidden("bundle.not-for-us", expected=expected, got=got, where=part.header.place)
    try:
        ctx.chain.organisation_by_oin(part.header.source)
    except Incorrect:
        got = part.header.source
        raise Forbidden(
            "bundle.not-for-us", expected="a maker of the chain", got=got, where=part.header.place
        ) from None


def keep(tx: Connection, ctx: Context, part: Part, now: Instant) -> int:
    """Keep a verified part; the number here of the bundle that it belongs to."""
    header = part.header
    row = _store_bundles.by_content(tx, "in", header.content)
    if row is not None and (row.bundle, row.parts) != (header.bundle, header.parts):
        raise Untrusted("bundle.bad-header", expected="what the other parts say", got="another", where=header.place)
    if row is not None and row.state == APPLIED:
        return int(row.n)
    n = int(row.n) if row else _begin(tx, ctx, header, now)
    if row is not None and row.state == REFUSED:
        _store_bundles.update(tx, n, state=WAITING, refusal=None)
    if header.part not in _store_bundles.parts(tx, n):
        _store_bundles.put_part(tx, n, header.part, part.note, part.body)
        peer = ctx.chain.organisation_by_oin(header.source).key
        body = {"from": peer, "bundle": header.bundle, "part": header.part, "of": header.parts}
        log.append(tx, at=now, room="exchange", kind="bundle.kept", body=body)
    return n


def _begin(tx: Connection, ctx: Context, header: Header, now: Instant) -> int:
    row = {
        "direction": "in",
        "peer": ctx.chain.organisation_by_oin(header.source).key,
        "holds": header.holds,
        "bundle": header.bundle,
        "content": header.content,
        "made": header.made,
        "at": now,
        "parts": header.parts,
        "sealed": header.sealed,
        "events": 0,
        "ranges": "",
        "state": WAITING,
        "manifest": None,
        "applied": 0,
        "refusal": None,
    }
    return _store_bundles.add(tx, row)


def missing(tx: Connection, row: Any) -> list[int]:
    """Which parts of a bundle are not here yet."""
    if row.state == APPLIED:
        return []
    have = set(_store_bundles.parts(tx, row.n))
    return [number for number in range(1, row.parts + 1) if number not in have]


def kept_run(store: Store, n: int, unseal: Callable[[bytes, str], bytes]) -> tuple[Header, Run]:
    """The run of a bundle whose parts are all kept here; the header of its first part."""

    def body(number: int) -> bytes:
        with store.read() as tx:
            kept: Any = _store_bundles.part(tx, n, number)
        return unseal(bytes(kept.body), header.place) if header.sealed else bytes(kept.body)

    with store.read() as tx:
        first: Any = _store_bundles.part(tx, n, 1)
    header = Header.parse(unverified_text(first.note))
    return header, Run(header.parts, body)


# --- The whole ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Standing:
    """How far one stream is applied here; `root_at` gives the root that it had at a smaller size."""

    tree: Frontier
    entered_through: Instant
    root_at: Callable[[int], bytes]


NOTHING_YET = Standing(Frontier(), 0, lambda _size: b"")


def standing(store: Store, origin: str) -> Standing:
    """How far a received stream is applied."""
    with store.read() as tx:
        row = _store.in_stream(tx, origin)
    if row is None:
        return NOTHING_YET

    def root_at(size: int) -> bytes:
        with store.read() as tx:
            return succession.root_here(tx, row.stream, size)

    return Standing(Frontier.from_bytes(row.frontier), row.entered_through, root_at)


def verify(
    ctx: Context, manifest: Manifest, following: Iterator[bytes], have: Callable[[str], Standing], now: Instant
) -> None:
    """Steps 10 for a whole bundle: signatures, kinds, roots, numbers, and that it continues what is here.

    Raises Untrusted, Forbidden or Unavailable `bundle.gap`, naming stream and event.
    """
    for each in manifest.streams:
        try:
            _verify_stream(ctx, manifest, each, following, have(each.origin), now)
        except Incorrect as error:
            where = error.where or each.origin
            raise Untrusted(error.code, expected=error.expected, got=error.got, where=where) from None
    if next(following, None) is not None:
        raise Untrusted("bundle.extra", expected="nothing after the last batch", got="a further record")


def _verify_stream(
    ctx: Context, manifest: Manifest, part: Range, following: Iterator[bytes], here: Standing, now: Instant
) -> None:
    promise = _entitled(ctx, manifest, part.checkpoint, part.origin, now)
    _same(part.size, promise.size, part.origin)
    tree = tree_before(part)
    if part.first > here.tree.size + 1:
        raise Unavailable(
            "bundle.gap",
            expected=f"event {here.tree.size + 1} first",
            got=f"event {part.first}",
            mend="import the bundle with the events between first, or let them come over the wire",
            where=part.origin,
            next=here.tree.size + 1,
        )
    _same_story(part, tree, [], here)
    entered = here.entered_through if tree.size == here.tree.size else 0
    while True:
        batch = _next_batch(following, part, tree)
        checkpoint = _entitled(ctx, manifest, batch.checkpoint, part.origin, now)
        entered = _check_numbers(part.origin, tree.size + 1, batch.events, entered)
        extended = extend(tree, batch, checkpoint).frontier
        _same_story(part, tree, batch.events, here)
        tree = extended
        if tree.size == part.size:
            break
    if batch.checkpoint != part.checkpoint:
        raise Untrusted("bundle.bad-manifest", expected="the manifest's checkpoint", got="another", where=part.origin)
    if part.size < here.tree.size and here.root_at(part.size) != promise.root:
        raise _forked(part, part.size)


def _entitled(ctx: Context, manifest: Manifest, note: str, origin: str, now: Instant) -> Checkpoint:
    """The checkpoint, by the maker of the bundle, of a stream that is for us."""
    try:
        _, checkpoint = inbox.entitled(ctx, note, now)
    except KeersluisError as error:
        error.where = error.where or origin
        raise
    if checkpoint.origin != origin or parse_origin(origin).oin != manifest.source:
        expected = f"a checkpoint of {origin} by {manifest.source}"
        raise Untrusted("bundle.foreign-stream", expected=expected, got=checkpoint.origin, where=origin)
    return checkpoint


def _same(told: int, signed: int, origin: str) -> None:
    if told != signed:
        raise Untrusted("bundle.bad-manifest", expected=f"{signed} events, as signed", got=str(told), where=origin)


def _next_batch(following: Iterator[bytes], part: Range, tree: Frontier) -> Batch:
    """The batch that continues the stream. Raises Untrusted `bundle.omission` where it does not."""
    where = f"{part.origin} event {tree.size + 1}"
    record = next(following, None)
    if record is None:
        expected = f"events {tree.size + 1}-{part.size}"
        raise Untrusted("bundle.omission", expected=expected, got="the end of the bundle", where=where)
    try:
        batch = msgspec.json.decode(record, type=Batch)
    except msgspec.MsgspecError as error:
        raise Untrusted("bundle.unreadable", expected="a batch", got=str(error), where=where) from None
    last = batch.first - 1 + len(batch.events)
    if batch.first != tree.size + 1 or last > part.size or (not batch.events and tree.size < part.size):
        expected = f"events from {tree.size + 1}, at most to {part.size}"
        raise Untrusted("bundle.omission", expected=expected, got=f"{batch.first} to {last}", where=where)
    return batch


def _check_numbers(origin: str, first: int, events: Sequence[msgspec.Raw], entered: Instant) -> Instant:
    """Every event has the number of its place and is not entered before the one before it; the last one's time."""
    text = ""
    for position, event in enumerate(events, first):
        try:
            told = _numbered.decode(event)
        except msgspec.MsgspecError as error:
            where = f"{origin} event {position}"
            raise Untrusted("event.unreadable", expected="a CloudEvent", got=str(error), where=where) from None
        if told.sequence != f"{position:020d}":
            where = f"{origin} event {position}"
            raise Untrusted("exchange.numbering", expected=f"event {position}", got=told.sequence[:24], where=where)
        if told.time != text:
            text, time = told.time, parse_instant(told.time)
            if time < entered:
                where = f"{origin} event {position}"
                raise Untrusted("exchange.numbering", expected="a later source time", got=text, where=where)
            entered = time
    return entered


def _same_story(part: Range, tree: Frontier, events: Sequence[msgspec.Raw], here: Standing) -> None:
    """Where the bundle passes over what is applied here, it has the same events up to there."""
    behind = here.tree.size - tree.size
    if 0 <= behind <= len(events) and (events or not behind):
        reached = tree.extend([leaf_hash(bytes(event)) for event in events[:behind]])
        if reached.root() != here.tree.root():
            raise _forked(part, here.tree.size)


def _forked(part: Range, size: int) -> Untrusted:
    return Untrusted(
        "exchange.forked",
        expected=f"the events 1-{size} that are applied here",
        got="others under the same numbers",
        mend="the source has told two stories: keep both and ask it to explain",
        where=f"{part.origin} events {min(part.first, size)}-{size}",
    )


def refuse(tx: Connection, n: int, error: KeersluisError, now: Instant) -> None:
    """A bundle whose parts are what its maker signed, and that is wrong all the same: evidence against the maker."""
    row = _store_bundles.get(tx, n)
    if row is None or row.state == REFUSED:
        return
    refusal = {"code": error.code, "place": error.where, "sentence": str(error)}
    _store_bundles.update(tx, n, state=REFUSED, refusal=msgspec.json.encode(refusal).decode())
    body = {"from": row.peer, "bundle": row.bundle, "code": error.code, "place": error.where}
    log.append(tx, at=now, room="exchange", kind="bundle.refused", body=body)


def progressed(tx: Connection, n: int, applied: int) -> None:
    """So many more events of a bundle went into the register; the rest is still to come."""
    row = _store_bundles.get(tx, n)
    if row is not None:
        _store_bundles.update(tx, n, applied=row.applied + applied)


def imported(tx: Connection, n: int, applied: int, now: Instant) -> None:
    """Everything of a bundle is here: its parts need no room any more."""
    row = _store_bundles.get(tx, n)
    if row is None or row.state == APPLIED:
        return
    _store_bundles.update(tx, n, state=APPLIED, applied=row.applied + applied)
    _store_bundles.drop_parts(tx, n)
    body = {"from": row.peer, "bundle": row.bundle, "holds": row.holds}
    counted = {"count": row.applied + applied, "carried": row.events}
    log.append(tx, at=now, room="exchange", kind="bundle.imported", body=body | counted)
