"""Makes bundles of our streams for one peer, and of our receipts for a source (steps 7-9 and 12, carried)."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

import msgspec
from sqlalchemy import Connection

from keersluis.context import Context
from keersluis.errors import Conflict, Incorrect, KeersluisError, Unavailable, Untrusted
from keersluis.exchange import (
    _store,
    _store_backlog,
    _store_bundles,
    _store_letters,
    bundles,
    gatekeeper,
    outbox,
)
from keersluis.exchange.batches import Batch, Receipt, within
from keersluis.exchange.bundles import BYTES_A_BATCH, EVENTS_A_BATCH, Manifest, Range, tree_before
from keersluis.exchange.outbox import EMPTY, Promised
from keersluis.merkle import Frontier
from keersluis.signing import sign_note, unverified_text, verify_note
from keersluis.storage import Store
from keersluis.timeline import log
from keersluis.times import format_instant
from keersluis.watermarks import NOTHING_PROMISED, Checkpoint, parse_origin


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a bundle should hold: of these kinds (none: all that the peer receives), for one kind also from and through
    which number. Without numbers: what the peer has not receipted."""

    peer: str
    kinds: tuple[str, ...] = ()
    first: int | None = None
    through: int | None = None

    @property
    def exact(self) -> bool:
        return self.first is not None and self.through is not None


@dataclass(frozen=True, slots=True)
class Packed:
    """A bundle that is made and durable: `n` is its number here; `refused` the kinds that were left out, and why."""

    n: int
    bundle: str
    peer: str
    holds: str
    events: int
    parts: int
    sealed: bool
    streams: list[dict[str, Any]]
    refused: dict[str, str]


def plan(
    tx: Connection, ctx: Context, wanted: Wanted, promises: Sequence[Promised]
) -> tuple[list[Range], dict[str, str]]:
    """Steps 7 and 8: the range of each stream and the checkpoint over it; the kinds that a gate holds back.

    Raises Incorrect `bundle.kinds` or `bundle.range`, and Unavailable `gate.*` where nothing at all may cross.
    """
    for_peer = [each for each in promises if wanted.peer in each.kind.receivers]
    behind = _behind(tx, ctx, wanted, nothing_else=not for_peer)
    known = dict.fromkeys(each.kind.path for each in for_peer)
    if foreign := [kind for kind in wanted.kinds if kind not in known] or (not for_peer and [wanted.peer]):
        expected = f"kinds of {ctx.me.key} that {wanted.peer} receives ({', '.join(known) or 'there are none'})"
        raise Incorrect("bundle.kinds", expected=expected, got=", ".join(foreign))
    if (wanted.first, wanted.through) != (None, None) and len(wanted.kinds) != 1:
        raise Incorrect("bundle.range", expected="one kind beside numbers", got=f"{len(wanted.kinds)} kinds")
    mine = [each for each in for_peer if not wanted.kinds or each.kind.path in wanted.kinds]
    told = {row.stream: row for row in _store.out_peers_of(tx, wanted.peer)}
    ranges: list[Range] = []
    refused = dict.fromkeys(behind, "restore.behind")
    error: KeersluisError | None = None
    numbered = wanted.first is not None or wanted.through is not None  # numbers speak of the newest epoch
    for promised in mine[-1:] if numbered else mine:
        try:
            ranges.append(_range(tx, ctx, wanted, promised, told.get(promised.stream)))
        except Unavailable as closed:
            refused[promised.kind.path], error = closed.code, closed
    if error and not ranges:
        raise error
    return ranges, refused


def _behind(tx: Connection, ctx: Context, wanted: Wanted, *, nothing_else: bool) -> list[str]:
    """The kinds for this peer of which a partner holds more than we have: a number may have left already.

    Raises Conflict `restore.behind` where one of those is asked for, or there is nothing else.
    """
    kinds = [kind for kind in outbox.behind(tx) if wanted.peer in ctx.chain.kinds[kind].receivers]
    outbox.check_not_behind([kind for kind in kinds if nothing_else or kind in wanted.kinds])
    return kinds


def _range(tx: Connection, ctx: Context, wanted: Wanted, promised: Promised, row: Any) -> Range:
    allowed = gatekeeper.allowance(tx, wanted.peer, "out", promised.kind.path, ctx.clock.now(), "bundle")
    receipted = min(row.size, promised.size) if row else 0
    first = receipted + 1 if wanted.first is None else wanted.first
    last = promised.size if wanted.through is None else wanted.through
    if not 1 <= first <= last + 1 <= promised.size + 1:
        expected = f"numbers within 1 and {promised.size} of {promised.origin}"
        raise Incorrect("bundle.range", expected=expected, got=f"{first} to {last}")
    last = min(last, first - 1 + (allowed.events if allowed.size else 0))
    if last < first <= promised.size:
        raise Unavailable(
            "gate.metered", expected="room for one event", got="none now", retry_after=allowed.retry_after
        )
    before, tree = (outbox.frontier_at(tx, promised, size) for size in (first - 1, last))
    heard = row.promised if row and last >= row.size else NOTHING_PROMISED  # was heard of more events than these
    promise = outbox.checkpoint(tx, promised, tree, (), heard)
    note = sign_note(promise.text(), ctx.signer)
    more = last < promised.size
    hashes = [b64encode(each).decode() for each in before.hashes]
    counts = None if more else promised.counts
    declared = promised.declared if first == 1 else None
    return Range(promised.origin, first, last, hashes, note, counts, more, declared, promised.gaps)


def manifest_for(tx: Connection, ctx: Context, peer: str, streams: Sequence[Range]) -> tuple[Manifest, bytes]:
    """The manifest of these ranges and its signed record; an earlier one that says the same is taken again, so that
    the same gives the same bytes."""
    for row in _store_bundles.made_before(tx, peer, ranges_name(streams)):
        earlier = _still_ours(ctx, bytes(row.manifest))
        if earlier and [each.checkpoint for each in earlier.streams] == [each.checkpoint for each in streams]:
            return earlier, bytes(row.manifest)
    head = log.head(tx)
    receiver = ctx.chain.organisations[peer].oin
    made = format_instant(ctx.clock.now())
    said = Manifest(1, ctx.me.oin, receiver, made, "events", list(streams), [], head.note if head else None)
    return said, bundles.manifest_record(said, ctx.signer)


def made_again(tx: Connection, ctx: Context, wanted: Wanted) -> tuple[Manifest, bytes] | None:
    """The manifest of an earlier bundle over exactly the wanted numbers, where one was made under our present key."""
    row = _store.out_stream(tx, wanted.kinds[0]) if wanted.exact and len(wanted.kinds) == 1 else None
    if row is None:
        return None
    for earlier in _store_bundles.made_before(tx, wanted.peer, f"{row.origin}:{wanted.first}-{wanted.through}"):
        if manifest := _still_ours(ctx, bytes(earlier.manifest)):
            return manifest, bytes(earlier.manifest)
    return None


def _still_ours(ctx: Context, record: bytes) -> Manifest | None:
    """What an earlier record says, if the key that signed it is the one of now."""
    manifest = _manifest(record)
    return manifest if bundles.manifest_record(manifest, ctx.signer) == record else None


def _manifest(record: bytes) -> Manifest:
    payload = msgspec.json.decode(record, type=dict[str, msgspec.Raw])["payload"]
    return msgspec.json.decode(payload, type=Manifest)


def ranges_name(streams: Sequence[Range]) -> str:
    """Which events of which streams, in one line."""
    return " ".join(f"{each.origin}:{each.first}-{each.size}" for each in streams)


def batch_records(store: Store, ctx: Context, streams: Sequence[Range]) -> Iterator[bytes]:
    """The batches of a manifest's ranges, in order: always the same bytes for the same manifest."""
    for each in streams:
        with store.read() as tx:
            row = _row(tx, each.origin)
        tree = tree_before(each)
        while True:
            with store.read() as tx:
                rows = _store.tail(tx, row.stream, tree.size, each.size, EVENTS_A_BATCH)
                events = within(rows, BYTES_A_BATCH)
                first, tree = tree.size + 1, tree.extend(bytes(event.leaf) for event in events)
                last = tree.size == each.size
                note = each.checkpoint if last else _passing(tx, ctx, row, tree)
            raws = [msgspec.Raw(bytes(event.bytes)) for event in events]
            more = each.more or not last
            counts = each.counts if last else None
            yield msgspec.json.encode(Batch(note, first, raws, counts, None, more, each.epoch, gaps=each.gaps))
            if last:
                break


def _passing(tx: Connection, ctx: Context, row: Any, tree: Frontier) -> str:
    """A checkpoint half-way: it proves the events so far and promises nothing; the last of the range does."""
    following = _store.tail(tx, row.stream, tree.size, tree.size + 1, 1)[0].source_time
    said = Checkpoint(row.origin, tree.size, tree.root(), following - 1, NOTHING_PROMISED)
    return sign_note(said.text(), ctx.signer)


Seal = Callable[[bytes], bytes]


def write_parts(
    store: Store, ctx: Context, peer: str, manifest: Manifest, record: bytes, room: int, seal: Seal | None
) -> tuple[int, list[str]]:
    """Pack a bundle and keep its parts, not to be had before `finish`: its number, and the signed headers."""
    bundle, sealed = bundles.digest_of(record), seal is not None
    row = {
        "direction": "out",
        "peer": peer,
        "holds": manifest.holds,
        "bundle": bundle,
        "content": "",
        "made": manifest.made,
        "at": ctx.clock.now(),
        "parts": 0,
        "sealed": sealed,
        "events": manifest.events,
        "ranges": ranges_name(manifest.streams),
        "state": "making",
        "manifest": record,
        "applied": 0,
        "refusal": None,
    }

    def begin(tx: Connection) -> int:
        _store_bundles.clear(tx, peer, manifest.holds)
        return _store_bundles.add(tx, row)

    n = store.write(begin)
    bodies: list[tuple[int, bytes]] = []
    everything = chain([record], batch_records(store, ctx, manifest.streams))
    for number, body in enumerate(bundles.pack(everything, room, seal), 1):
        bodies.append((len(body), hashlib.sha256(body).digest()))
        store.write(partial(_keep_body, n, number, body))
    return n, [note for _, note in bundles.headers(manifest, bundle, bodies, ctx.signer, sealed=sealed)]


def _keep_body(n: int, number: int, body: bytes, tx: Connection) -> None:
    _store_bundles.put_part(tx, n, number, "", body)


def finish(tx: Connection, ctx: Context, peer: str, n: int, manifest: Manifest, notes: Sequence[str]) -> Packed:
    """Step 9: from this commit on the bundle can be had. A gate that closed meanwhile keeps it here (P4).

    Nothing is noted as receipted: it may never arrive. Raises Unavailable `gate.*`, Conflict `bundle.overtaken`.
    """
    now = ctx.clock.now()
    if _store_bundles.get(tx, n) is None:
        expected, mend = "one export to a peer at a time", "export again"
        raise Conflict("bundle.overtaken", expected=expected, got="another that began later", mend=mend)
    for each in manifest.streams:
        kind = parse_origin(each.origin).kind
        gatekeeper.admit(tx, peer, "out", kind, each.size - each.first + 1, now, "bundle", _bytes(tx, each))
        _store_letters.put_carried(tx, kind, _promised(each.checkpoint))
    for kind in confirmed_kinds(manifest):
        gatekeeper.allowance(tx, peer, "out", kind, now, "bundle")
    header = bundles.Header.parse(unverified_text(notes[0]))
    _store_bundles.sign_parts(tx, n, notes)
    _store_bundles.update(tx, n, state="made", content=header.content, parts=len(notes))
    told = {"to": peer, "bundle": header.bundle, "parts": len(notes), "sealed": header.sealed}
    if manifest.holds == "receipts":
        log.append(tx, at=now, room="exchange", kind="bundle.confirmed", body=told | {"count": len(manifest.receipts)})
    else:
        streams = [{"origin": e.origin, "from": e.first, "through": e.size} for e in manifest.streams]
        log.append(
            tx,
            at=now,
            room="exchange",
            kind="bundle.exported",
            body=told | {"streams": streams, "count": manifest.events},
        )
    return Packed(
        n, header.bundle, peer, manifest.holds, manifest.events, len(notes), header.sealed, told_ranges(manifest), {}
    )


def _bytes(tx: Connection, each: Range) -> int:
    """What the events of a range are together, as meters count them."""
    stream = _row(tx, each.origin).stream
    after, beyond = (_store_backlog.backlog(tx, stream, position).size for position in (each.first - 1, each.size))
    return after - beyond


def _row(tx: Connection, origin: str) -> Any:
    """The stream of ours with this origin: an earlier epoch, or the one of now."""
    return _store.out_stream(tx, origin) or _store.out_stream(tx, parse_origin(origin).kind)


def confirmed_kinds(manifest: Manifest) -> set[str]:
    """The kinds of the receipts in a bundle."""
    notes = [unverified_text(each.checkpoint) for each in manifest.receipts]
    return {parse_origin(Checkpoint.parse(note).origin).kind for note in notes}


def kinds_of(row: Any) -> set[str]:
    """The kinds of which a bundle (its row) holds events or receipts."""
    manifest = _manifest(bytes(row.manifest))
    return {parse_origin(each.origin).kind for each in manifest.streams} | confirmed_kinds(manifest)


def told_ranges(manifest: Manifest) -> list[dict[str, Any]]:
    """The streams of a manifest, for people."""
    return [
        {
            "origin": each.origin,
            "kind": parse_origin(each.origin).kind,
            "from": each.first,
            "through": each.size,
            "complete_through": format_instant(_promised(each.checkpoint)),
        }
        for each in manifest.streams
    ]


def _promised(note: str) -> int:
    return Checkpoint.parse(unverified_text(note)).complete_through


# --- Receipts -------------------------------------------------------------------------------------


def receipts_for(tx: Connection, ctx: Context, peer: str) -> Manifest:
    """Step 12, carried: the newest checkpoint of each stream of `peer` that is applied here, with our signature.

    Raises Incorrect `bundle.nothing-to-confirm`, Unavailable `gate.closed`.
    """
    rows = [row for row in _store.all_in_streams(tx) if row.source == peer and row.receipt]
    if not rows:
        raise Incorrect("bundle.nothing-to-confirm", expected=f"a stream of {peer} that is applied here", got="none")
    now, head = ctx.clock.now(), log.head(tx)
    for row in rows:
        gatekeeper.allowance(tx, peer, "out", row.kind, now, "bundle")
    receipts = [Receipt(row.receipt, format_instant(row.watermark)) for row in rows]
    receiver = ctx.chain.organisations[peer].oin
    note = head.note if head else None
    return Manifest(1, ctx.me.oin, receiver, format_instant(now), "receipts", [], receipts, note)


def take_receipts(tx: Connection, ctx: Context, manifest: Manifest, promises: Sequence[Promised]) -> int:
    """Step 13 for the receipts that came back in a bundle; how many there were. Nothing moves back.

    Raises Untrusted `receipt.*` when one does not hold, Unavailable `gate.closed`: then none is taken.
    """
    peer = ctx.chain.organisation_by_oin(manifest.source).key
    ours = {each.origin: each for each in promises}
    now, rows = ctx.clock.now(), []
    oin = ctx.chain.organisations[peer].oin
    for receipt in manifest.receipts:
        text = verify_note(receipt.checkpoint, {oin: ctx.keyring.keys(oin, now)}).text
        promised = ours.get(origin := Checkpoint.parse(text).origin)
        if promised is None or peer not in promised.kind.receivers:
            expected = f"a stream of {ctx.me.key} that {peer} receives"
            raise Untrusted("receipt.other-stream", expected=expected, got=origin, where=origin)
        gatekeeper.allowance(tx, peer, "in", promised.kind.path, now, "bundle")
        row = outbox.receipted(tx, ctx, peer, promised, receipt, now)
        # it was heard then, and not now: what was signed in between is still owed to the peer (P5)
        rows.append(row | {"at": min(now, Checkpoint.parse(text).entered_through)})
        body = {"origin": origin, "by": peer, "size": rows[-1]["size"]}
        log.append(tx, at=now, room="exchange", kind="batch.receipted", body=body)
    outbox.store_receipts(tx, peer, rows)
    return len(rows)


def reached(tx: Connection, peer: str) -> dict[str, int]:
    """How far `peer` has receipted each stream of ours: origin -> number of events."""
    sizes = {row.stream: row.size for row in _store.out_peers_of(tx, peer) if row.receipt}
    return {row.origin: sizes.get(row.stream, EMPTY.size) for row in _store.all_out_streams(tx)}
