"""What partners hold of a source's streams: they say it on request, signed; the source holds it against what it has.

While a stream is behind its own past, as after an old backup was put back, nothing of it is sent.
"""

from __future__ import annotations

import hashlib
import secrets
from base64 import b64encode
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
from sqlalchemy import Connection

from keersluis.chain import Kind
from keersluis.context import Context
from keersluis.errors import Forbidden, Incorrect, Untrusted
from keersluis.exchange import _store, _store_epochs, gatekeeper, loose, outbox, questions
from keersluis.exchange.batches import BATCH_BYTES, BATCH_EVENTS, own_word
from keersluis.exchange.epochs import (
    FRESH,
    Asked,
    Behind,
    Returned,
    Stand,
    Stands,
    Wanted,
    judge,
    signed_letter,
    signed_stand,
)
from keersluis.exchange.outbox import EMPTY
from keersluis.exchange.succession import root_here
from keersluis.identity import KeyRing
from keersluis.merkle import Frontier
from keersluis.signing import unverified_text, verify_note
from keersluis.timeline import log
from keersluis.timeline.heads import check_head
from keersluis.timeline.model import owner
from keersluis.times import Instant, format_instant, parse_instant
from keersluis.watermarks import Checkpoint, parse_origin


@dataclass(frozen=True)
class _EverKnown:
    """All keys that an organisation ever had, and our own of now: what was signed long ago still binds us."""

    ring: KeyRing
    me: str
    mine: bytes

    def keys(self, name: str, /) -> tuple[bytes, ...]:
        known = self.ring.keys(name)
        return known if name != self.me or self.mine in known else (*known, self.mine)


def _ever(ctx: Context) -> _EverKnown:
    return _EverKnown(ctx.keyring, ctx.me.oin, ctx.signer.public)


def digest(message: bytes) -> str:
    """By which an answer names the request that it answers."""
    return hashlib.sha256(message).hexdigest()


# -- the partner's side ------------------------------------------------------------------------------------------


def stands(tx: Connection, ctx: Context, message: bytes, now: Instant, by: str | None = None) -> bytes:
    """What we hold of the asker's own streams, signed. Kinds whose gate is closed are named, and nothing is said of
    them (P4). Raises Untrusted, Forbidden `restore.stale` or `restore.not-for-us`."""
    oin, payload = questions.opened(message, "stands-asked", ctx.keyring.at(now))
    own_word(oin, by)
    asked = read(payload, Asked)
    _check_fresh(ctx, asked.to, asked.at, now)
    source = ctx.chain.organisation_by_oin(oin).key
    rows = _store_epochs.in_streams_of(tx, source)
    kinds = [kind.path for kind in ctx.chain.kinds.values() if kind.source == source and ctx.me.key in kind.receivers]
    shut = gatekeeper.closed_kinds(tx, source, "in", kinds, now)
    rows = [row for row in rows if row.kind not in shut]
    told = [_stand(tx, row, asked) for row in rows if row.receipt]
    letters = [kept[-1].note for row in rows if (kept := loose.pending(tx, row.stream)) and kept[-1].size > row.size]
    heads = [head.note for origin, head in log.witnessed(tx).items() if owner(origin) == oin]
    return questions.sign(Stands(digest(message), told, sorted(shut), heads, letters), "stands", ctx.signer)


def _stand(tx: Connection, row: Any, asked: Asked) -> Stand:
    sizes = [size for size in asked.sizes.get(row.origin, ())[:4] if 0 < size <= row.size]
    roots = {str(size): b64encode(root_here(tx, row.stream, size)).decode() for size in sizes}
    return Stand(row.origin, row.size, row.receipt, roots)


def give_back(tx: Connection, ctx: Context, message: bytes, now: Instant, by: str | None = None) -> bytes:
    """Events of a stream to its own source, and to nobody else. The gate counts: nothing crosses a closed one (P4).

    Raises Untrusted, Forbidden `restore.not-yours`, `restore.stale` or `restore.not-for-us`, Unavailable `gate.*`.
    """
    oin, payload = questions.opened(message, "events-wanted", ctx.keyring.at(now))
    own_word(oin, by)
    wanted = read(payload, Wanted)
    _check_fresh(ctx, wanted.to, wanted.at, now)
    row = _store.in_stream(tx, wanted.origin)
    if row is None or parse_origin(row.origin).oin != oin:
        raise Forbidden("restore.not-yours", expected=f"a stream of {oin} that is held here", got=repr(wanted.origin))
    gatekeeper.allowance(tx, row.source, "in", row.kind, now)
    room = gatekeeper.allowance(tx, row.source, "out", row.kind, now).events
    most = max(1, min(wanted.most, BATCH_EVENTS, room))
    events = _fitting(_store_epochs.in_range(tx, row.stream, max(0, wanted.after), most))
    gatekeeper.admit(tx, row.source, "out", row.kind, len(events), now)
    if events:
        place = {"from": wanted.after + 1, "through": wanted.after + len(events)}
        body = {"origin": row.origin, "to": row.source} | place
        log.append(tx, at=now, room="exchange", kind="events.given-back", body=body)
    answer = Returned(digest(message), row.origin, wanted.after + 1, [msgspec.Raw(each) for each in events])
    return questions.sign(answer, "events", ctx.signer)


def _fitting(events: Sequence[bytes]) -> Sequence[bytes]:
    total = 0
    for number, event in enumerate(events):
        total += len(event)
        if number and total > BATCH_BYTES:
            return events[:number]
    return events


def read(payload: bytes, what: Any) -> Any:
    try:
        return msgspec.json.decode(payload, type=what)
    except msgspec.MsgspecError as error:
        expected = f"{what.__name__.lower()} as docs/formats.md says"
        raise Incorrect("restore.unreadable", expected=expected, got=str(error)) from None


def _check_fresh(ctx: Context, to: str, at: str, now: Instant) -> None:
    if to != ctx.me.oin:
        raise Forbidden("restore.not-for-us", expected=f"a request to {ctx.me.oin}", got=repr(to[:40]))
    if abs(now - parse_instant(at)) > FRESH + ctx.chain.skew:
        expected = f"a request of about {format_instant(now)}"
        raise Forbidden("restore.stale", expected=expected, got=at, mend="set the clocks; ask again")


# -- the source's side: what do partners hold? -------------------------------------------------------------------


def ask(tx: Connection, ctx: Context, peer: str, now: Instant, kinds: Collection[str]) -> bytes:
    """The signed question to `peer` about our streams of these kinds, which may cross the gate to it."""
    sizes = {}
    for row in _store.all_out_streams(tx):
        if row.kind in kinds:
            confirmed = {each.size for each in _store_epochs.peers_of(tx, row.stream)}
            sizes[row.origin] = sorted({row.size, max(confirmed, default=0)} - {0})
    asked = Asked(ctx.chain.organisations[peer].oin, format_instant(now), secrets.token_hex(16), sizes)
    return questions.sign(asked, "stands-asked", ctx.signer)


@dataclass(frozen=True, slots=True)
class Heard:
    """A partner's verified word: the kinds that it spoke of, and the heads of our own log that it kept (notes)."""

    kinds: frozenset[str]
    heads: tuple[str, ...]


def hear(tx: Connection, ctx: Context, peer: str, question: bytes, answer: bytes, now: Instant) -> Heard:
    """Hold a partner's stands against our streams; where it holds more than we have, the stream is behind from this
    commit on. Raises Untrusted `restore.*`: then nothing is believed, and nothing confirmed.
    """
    oin = ctx.chain.organisations[peer].oin
    said: Stands = read(opened(ctx, peer, "stands", question, answer, now), Stands)
    checkpoints = [signed_stand(each, ctx.me.oin, oin, _ever(ctx)) for each in said.stands]
    checkpoints += [signed_letter(note, ctx.me.oin, _ever(ctx)) for note in said.letters]
    roots = {each.origin: each.roots for each in said.stands}
    kinds = [k for k in ctx.chain.kinds.values() if k.source == ctx.me.key and peer in k.receivers]
    spoken = [kind for kind in kinds if kind.path not in said.closed]
    for kind in spoken:
        _hold_against(tx, ctx, peer, kind, checkpoints, roots, now)
    return Heard(frozenset(kind.path for kind in spoken), tuple(said.timelines))


def opened(ctx: Context, peer: str, context: str, question: bytes, answer: bytes, now: Instant) -> bytes:
    oin = ctx.chain.organisations[peer].oin
    signer, payload = questions.opened(answer, context, ctx.keyring.at(now))
    about = read(payload, _About).about
    if signer != oin or about != digest(question):
        raise Untrusted("restore.other-answer", expected=f"an answer of {oin} to this request", got=f"one of {signer}")
    return payload


class _About(msgspec.Struct):
    about: str


def _hold_against(
    tx: Connection, ctx: Context, peer: str, kind: Kind, theirs: Sequence[Checkpoint], roots: Any, now: Instant
) -> None:
    row = outbox.stream_row(tx, ctx, kind)
    mine = parse_origin(row.origin).epoch
    held = [each for each in theirs if parse_origin(each.origin).kind == kind.path]
    newest = max(map(_epoch, held), default=0)
    if newest < mine:
        agrees(tx, row, peer, now)
        return
    confirmed = next((each.size for each in _store_epochs.peers_of(tx, row.stream) if each.peer == peer), 0)
    said = roots.get(row.origin, {})
    judged = [
        judge(each, row.origin, row.size, partial(_root_of, tx, row), said, confirmed)
        for each in held
        if _epoch(each) == newest
    ]
    behind = [each for each in judged if isinstance(each, Behind)]
    if not behind:
        agrees(tx, row, peer, now)
    else:  # the furthest: what came there by letter counts as what was applied
        _note_behind(tx, row, peer, max(behind, key=lambda each: each.checkpoint.size), now)


def hear_receipts(tx: Connection, ctx: Context, peer: str, notes: Sequence[str], now: Instant) -> None:
    """Receipts that came by hand and do not fit our streams: where they bear our own signature, and speak of what we do
    not have, we are behind. They may be old, so they say of nothing that it is in order."""
    oin = ctx.chain.organisations[peer].oin
    for note in notes:
        told = Checkpoint.parse(unverified_text(note))
        try:
            theirs = signed_stand(Stand(told.origin, told.size, note), ctx.me.oin, oin, _ever(ctx))
        except Untrusted:
            continue
        kind = ctx.chain.kinds.get(parse_origin(theirs.origin).kind)
        row = outbox.stream_row(tx, ctx, kind) if kind is not None and kind.source == ctx.me.key else None
        if row is None or _epoch(theirs) < parse_origin(row.origin).epoch:
            continue
        confirmed = next((each.size for each in _store_epochs.peers_of(tx, row.stream) if each.peer == peer), 0)
        found = judge(theirs, row.origin, row.size, partial(_root_of, tx, row), {}, confirmed)
        if isinstance(found, Behind):
            _note_behind(tx, row, peer, found, now)


def _root_of(tx: Connection, row: Any, size: int) -> bytes:
    return tree(tx, row, size).root()


def _epoch(checkpoint: Checkpoint) -> int:
    return parse_origin(checkpoint.origin).epoch


def _note_behind(tx: Connection, row: Any, peer: str, found: Behind, now: Instant) -> None:
    theirs = found.checkpoint
    known = {each.peer: each for each in _store_epochs.all_behind(tx) if each.stream == row.stream}.get(peer)
    put = {"stream": row.stream, "peer": peer, "origin": theirs.origin, "size": theirs.size, "note": theirs.text()}
    _store_epochs.put_behind(tx, put | {"common": found.common, "code": found.code, "at": now})
    if known is None or (known.origin, known.size, known.code) != (theirs.origin, theirs.size, found.code):
        body = {"origin": row.origin, "by": peer, "size": theirs.size, "ours": row.size, "code": found.code}
        log.append(tx, at=now, room="exchange", kind="stream.behind", body=body)


def agrees(tx: Connection, row: Any, peer: str, now: Instant) -> None:
    """What `peer` holds of a stream of ours is what we have, or the beginning of it."""
    if _store_epochs.drop_behind(tx, row.stream, peer):
        log.append(tx, at=now, room="exchange", kind="stream.agreed", body={"origin": row.origin, "by": peer})


def tree(tx: Connection, row: Any, size: int) -> Frontier:
    """The tree over the first `size` events of a stream of ours (a row of `out_streams`)."""
    if size == row.size:
        return Frontier.from_bytes(row.frontier)
    near = [Frontier.from_bytes(r.frontier) for r in _store_epochs.peers_of(tx, row.stream) if r.size <= size]
    start = max(near, key=lambda each: each.size, default=EMPTY)
    return start.extend(_store.leaves(tx, row.stream, start.size, size))


def is_own_head(note: str, ctx: Context) -> bool:
    """Whether a head that a partner kept was signed by us: only then did this log ever have it."""
    try:
        check_head(note, ctx.keyring)
        return verify_note(note, _ever(ctx)).signers == (ctx.me.oin,)
    except Untrusted:
        return False
