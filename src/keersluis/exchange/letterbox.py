"""Letterbox: a letter that was read is verified and entered, at step 10 as everything that comes (docs/formats.md)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import msgspec
from sqlalchemy import Connection

from keersluis.context import Context
from keersluis.errors import Fault, Incorrect, Untrusted
from keersluis.exchange import _store, _store_letters, gatekeeper, inbox, loose
from keersluis.exchange.batches import Batch, Extension, Receipt
from keersluis.exchange.envelope import Received
from keersluis.exchange.letters import Letter
from keersluis.merkle import Frontier
from keersluis.timeline import log
from keersluis.times import Instant, format_instant

EMPTY = Frontier()

Outcome: TypeAlias = Literal["applied", "kept", "known"]
"""``applied``: by this letter; ``kept``: until those before it are here; ``known``: it was here already."""


@dataclass(frozen=True, slots=True)
class Entered:
    """What became of one letter. `receipt`: the position of the stream moved to the receipt's checkpoint."""

    letter: str
    origin: str
    kind: str
    position: int
    outcome: Outcome
    receipt: Receipt | None
    watermark: str


def enter(
    tx: Connection, ctx: Context, letter: Letter, letter_id: str, handler: inbox.Handler, now: Instant
) -> Entered | inbox.Refused:
    """Steps 10-12 for one letter, in the caller's transaction.

    Raises Untrusted `merkle.not-included` and whatever a signature, a source or a gate is refused for; these change
    nothing. Returns Refused, with the evidence in quarantine, where the source signed what cannot be true.
    """
    batch = Batch(letter.checkpoint, letter.position, [msgspec.Raw(letter.event)], letter.counts or None)
    arrival = inbox.arrive(tx, ctx, batch, now)
    letter.verify(arrival.checkpoint)
    gatekeeper.admit(tx, arrival.source, "in", arrival.kind.path, 1, now, "paper", len(letter.event))
    try:
        _check_roots(tx, arrival)
        outcome = _one(tx, ctx, arrival, letter, letter_id, handler)
    except (Incorrect, Untrusted, Fault) as error:
        return inbox.set_apart(tx, arrival, error, now)
    _keep_checkpoint(tx, arrival)
    receipt = inbox.follow(tx, ctx, arrival.stream, handler, now)
    stream = _store.in_stream(tx, arrival.checkpoint.origin)
    if stream is None:
        raise Fault("exchange.fault", expected="the stream of a letter", got="none")
    if outcome == "kept" and stream.size >= letter.position:
        outcome = "applied"
    _note(tx, arrival, letter, letter_id, outcome)
    watermark = format_instant(stream.watermark)
    moved = receipt if stream.size > arrival.stream.size or stream.watermark > arrival.stream.watermark else None
    return Entered(letter_id, stream.origin, stream.kind, letter.position, outcome, moved, watermark)


def _check_roots(tx: Connection, arrival: inbox.Arrival) -> None:
    """The letter's checkpoint and all that is here tell one story, as far as can be seen."""
    stream, checkpoint = arrival.stream, arrival.checkpoint
    if checkpoint.size <= stream.size:
        if inbox.root_at(tx, stream, checkpoint.size) != checkpoint.root:
            raise loose.forked(stream.origin, f"events 1-{checkpoint.size}")
        _store.add_in_checkpoint(tx, stream.stream, checkpoint.size, arrival.batch.checkpoint)
        return
    for pledged in loose.pending(tx, stream.stream):
        if pledged.size == checkpoint.size and bytes(pledged.root) != checkpoint.root:
            raise loose.forked(stream.origin, f"events 1-{checkpoint.size}")


def _one(
    tx: Connection, ctx: Context, arrival: inbox.Arrival, letter: Letter, letter_id: str, handler: inbox.Handler
) -> Outcome:
    """The event itself: known, applied now, or kept for its turn."""
    stream, position = arrival.stream, letter.position
    here = _known(tx, stream, position)
    if here is not None:
        if here != letter.event:
            raise loose.forked(stream.origin, f"event {position}")
        return "known"
    events = inbox.opened(ctx, arrival, Extension(position, [letter.event], EMPTY))
    # What ends an answer vouches for all that stands before it in its stream, so it waits for its turn (P2).
    applied = arrival.kind.action != "answer"
    if applied:
        _apply(tx, arrival, events, handler)
    row = {"stream": stream.stream, "position": position, "bytes": letter.event, "applied": int(applied)}
    _store_letters.add_loose(tx, row | {"letter": letter_id, "at": arrival.now})
    return "applied" if applied else "kept"


def _apply(tx: Connection, arrival: inbox.Arrival, events: list[Received], handler: inbox.Handler) -> None:
    inbox.hand_over(tx, handler, events, arrival.now)
    inbox.note_breaches(tx, arrival, events, arrival.now)


def _known(tx: Connection, stream: Any, position: int) -> bytes | None:
    """The bytes of this event as they are here, in their place or loose."""
    if position <= stream.size:
        return _store_letters.in_event(tx, stream.stream, position)
    found = _store_letters.loose(tx, stream.stream, position - 1, position)
    return bytes(found[0].bytes) if found else None


def _keep_checkpoint(tx: Connection, arrival: inbox.Arrival) -> None:
    """For when the stream has come so far; one of just this size is a heartbeat on paper."""
    stream, checkpoint = arrival.stream, arrival.checkpoint
    if checkpoint.size > stream.size or checkpoint.complete_through > stream.promised:
        if checkpoint.size < stream.size:
            return
        row = {"stream": stream.stream, "size": checkpoint.size, "root": checkpoint.root}
        row |= {"complete_through": checkpoint.complete_through, "note": arrival.batch.checkpoint}
        _store_letters.put_pending(tx, row | {"counts": arrival.batch.counts})


def _note(tx: Connection, arrival: inbox.Arrival, letter: Letter, letter_id: str, outcome: Outcome) -> None:
    place = {"origin": arrival.stream.origin, "position": letter.position}
    row = {"letter": letter_id, **place, "outcome": outcome, "at": arrival.now}
    _store_letters.put_letter_in(tx, row)
    body = {**place, "letter": letter_id, "outcome": outcome}
    log.append(tx, at=arrival.now, room="exchange", kind="letter.entered", body=body)


def lists(tx: Connection, most: int) -> dict[str, Any]:
    """Letters `in` and `out`, the latest first, at most so many; how many there are of each, and of loose events."""
    came, went, waiting = _store_letters.totals(tx)
    entered = [_row(row, "letter", "origin", "position", "outcome") for row in _store_letters.latest_in(tx, most)]
    printed = [_row(row, "letter", "kind", "position", "peer") for row in _store_letters.latest_out(tx, most)]
    return {"in": entered, "out": printed, "letters_in": came, "letters_out": went, "loose": waiting}


def _row(row: Any, *names: str) -> dict[str, Any]:
    return {name: getattr(row, name) for name in names} | {"at": format_instant(row.at)}
