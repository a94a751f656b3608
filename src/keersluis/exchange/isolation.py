"""Evidence made while isolated: a source that can send nothing goes on signing what it holds, and proves on its return
that nothing of it was rewritten (P5)."""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from sqlalchemy import Connection

from keersluis.context import Context
from keersluis.errors import KeersluisError, Untrusted
from keersluis.exchange import _store, _store_isolated
from keersluis.exchange.batches import Extension, Isolated
from keersluis.exchange.growth import Tree, first_break
from keersluis.exchange.outbox import Promised
from keersluis.merkle import Frontier, leaf_hash, root
from keersluis.signing import sign_note, verify_note
from keersluis.timeline import log
from keersluis.times import DAY, Instant, format_instant
from keersluis.watermarks import NOTHING_PROMISED, Checkpoint, parse_origin

MOST = 500
"""So many checkpoints are handed over at once; of more, evenly spread ones and the last."""


# -- the source ----------------------------------------------------------------------------------------------------


def keep(tx: Connection, ctx: Context, streams: Iterable[Promised], now: Instant) -> None:
    """At a heartbeat that somebody did not hear: sign what these streams hold. The first of each day stays, and is
    told in the timeline; of the others the newest."""
    day = now // DAY
    had = _store_isolated.days(tx, day)
    rows, told = [], []
    for each in streams:
        checkpoint = _whole(each)
        note = sign_note(checkpoint.text(), ctx.signer)
        row = {"stream": each.stream, "at": now, "size": each.size, "note": note}
        rows.append(row | {"day": _store_isolated.NEWEST})
        if each.stream not in had:
            rows.append(row | {"day": day})
            told.append({"origin": each.origin, "size": each.size, "root": b64encode(checkpoint.root).decode()})
    _store_isolated.keep(tx, rows)
    if told:
        log.append(tx, at=now, room="exchange", kind="promise.kept", body={"count": len(told), "checkpoints": told})


def _whole(stream: Promised) -> Checkpoint:
    """What the stream holds. It promises nothing of event time: nobody hears it, and older paper may still turn up."""
    held = stream.frontier.root()
    return Checkpoint(stream.origin, stream.size, held, stream.entered_through, NOTHING_PROMISED)


def hand_over(
    tx: Connection, ctx: Context, stream: Promised, told: Frontier, kept: Sequence[Any], since: Instant
) -> Isolated | None:
    """What this stream signed since a receiver last answered, and the proofs from what it was `told`, from each to the
    next, and to what the stream holds now."""
    after = told.size
    kept = [row for row in kept if row.size >= after]  # what a receipt came for by hand needs no proof any more
    rows = [row for row in kept if row.at > since and row.day != _store_isolated.NEWEST]
    rows += [row for row in kept if row.day == _store_isolated.NEWEST and (not rows or row.at > rows[-1].at > since)]
    if not rows:
        return None
    if len(rows) > MOST:
        rows = [rows[i * len(rows) // MOST] for i in range(MOST - 1)] + rows[-1:]
    notes = [row.note for row in rows] + [sign_note(_whole(stream).text(), ctx.signer)]
    sizes = [after, *(row.size for row in rows), stream.size]
    tree = Tree(_store.leaves(tx, stream.stream, after, stream.size), told)
    proofs = [[b64encode(each).decode() for each in tree.proof(old, new)] for old, new in pairwise(sizes)]
    return Isolated(after, notes, proofs)


def handed_over(tx: Connection, streams: Iterable[Promised]) -> None:
    """What every receiver of a stream has answered to is kept no longer."""
    kept = _store_isolated.kept(tx)
    ended = [each for each in streams if each.stream in kept]
    known = {(row.stream, row.peer): row.at for row in _store.out_peers_of(tx) if row.receipt} if ended else {}
    for each in ended:
        heard = min((known.get((each.stream, peer), 0) for peer in each.kind.receivers), default=0)
        _store_isolated.drop(tx, [each.stream], heard)


# -- the receiver --------------------------------------------------------------------------------------------------


def verify(tx: Connection, ctx: Context, stream: Any, isolated: Isolated | None, now: Instant) -> None:
    """Step 10: what the source signed while it was cut off begins with what is applied here, each with the one before.

    From here on the stream is held to the last of it. Raises Untrusted `exchange.rewritten` or
    `exchange.isolated-unreadable`.
    """
    if isolated is None or isolated.after > stream.size:
        return  # events before that are missing here: they are asked for first
    signed = [_signed(ctx, stream.origin, note) for note in isolated.checkpoints]
    if not signed:
        raise Untrusted("exchange.isolated-unreadable", expected="checkpoints", got="none")
    states = [(isolated.after, _root_here(tx, stream, isolated.after)), *((c.size, c.root) for c, _good in signed)]
    try:
        proofs = [[b64decode(each, validate=True) for each in proof] for proof in isolated.proofs]
    except (Base64Error, ValueError) as error:
        raise Untrusted("exchange.isolated-unreadable", expected="proofs in base64", got=str(error)) from None
    if (broken := first_break(states, proofs)) is not None:
        raise _rewritten(stream.origin, states[broken][0], states[broken + 1][0], signed[broken][0].entered_through)
    counted = [c for c, good in signed if good]
    if counted and signed[-1][1] and counted[-1].size > stream.size:
        _store_isolated.pin(tx, stream.stream, counted[-1].size, counted[-1].root, isolated.checkpoints[-1])
    body = {
        "origin": stream.origin,
        "checkpoints": len(counted),
        "from": format_instant(signed[0][0].entered_through),
        "through": format_instant(signed[-1][0].entered_through),
        "size": states[-1][0],
    }
    log.append(tx, at=now, room="exchange", kind="isolation.verified", body=body)


def _signed(ctx: Context, origin: str, note: str) -> tuple[Checkpoint, bool]:
    """A checkpoint, and whether its source's signature counted when it was made; a key may have been revoked since."""
    checkpoint = Checkpoint.parse(note.split("\n\n")[0] + "\n")
    if checkpoint.origin != origin:
        raise Untrusted("exchange.isolated-unreadable", expected=origin, got=checkpoint.origin)
    try:
        good = parse_origin(origin).oin in verify_note(note, ctx.keyring.at(checkpoint.entered_through)).signers
    except KeersluisError:
        good = False
    return checkpoint, good


def _root_here(tx: Connection, stream: Any, size: int) -> bytes:
    if size == stream.size:
        return Frontier.from_bytes(stream.frontier).root()
    return root([leaf_hash(event) for event in _store.in_bytes(tx, stream.stream, size)])


def _rewritten(origin: str, after: int, upto: int, signed: Instant) -> Untrusted:
    """What was entered after `after` events is not what was signed at a size of `upto`."""
    then, place = format_instant(signed), f"events {min(after + 1, max(1, upto))}-{upto}"
    return Untrusted(
        "exchange.rewritten",
        expected=f"{place} as they were signed at {then}",
        got="others, with which the tree of now was made",
        mend="the source has changed its past while it was cut off: keep both and ask it to explain",
        where=f"{origin} {place}, signed at {then}",
    )


def held_to(tx: Connection, stream: Any, extension: Extension, upto: int) -> None:
    """Step 10 for what comes later: at the size to which the source was held, its tree is the one that it signed.

    Raises Untrusted `exchange.rewritten`.
    """
    for row in _store_isolated.pins(tx, stream.stream, upto):
        if row.size > stream.size:
            new = extension.events[: row.size - extension.first + 1]
            here = Frontier.from_bytes(stream.frontier).extend(leaf_hash(event) for event in new).root()
            if here != bytes(row.root):
                signed = Checkpoint.parse(row.note.split("\n\n")[0] + "\n")
                raise _rewritten(stream.origin, stream.size, row.size, signed.entered_through)
    _store_isolated.unpin(tx, stream.stream, upto)
