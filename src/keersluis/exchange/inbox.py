"""Inbox: verifies a batch, applies it once, moves the watermark, co-signs: steps 10, 11 and 12."""

from __future__ import annotations

import json
import logging
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from keersluis.chain import Kind
from keersluis.context import Context
from keersluis.errors import Fault, Forbidden, Incorrect, KeersluisError, Unavailable, Untrusted
from keersluis.exchange import _store, _store_epochs, gaps, gatekeeper, isolation, loose, succession
from keersluis.exchange.batches import (
    Batch,
    Counts,
    Extension,
    Moves,
    Receipt,
    Stops,
    extend,
    watermark_after,
)
from keersluis.exchange.envelope import Received, received
from keersluis.exchange.gates import Way
from keersluis.merkle import Frontier
from keersluis.signing import add_signature, verify_note
from keersluis.storage import CANNOT_GO_ON
from keersluis.timeline import log
from keersluis.times import Instant, format_instant
from keersluis.watermarks import NOTHING_PROMISED, Checkpoint, parse_origin, stream_origin

MOST_KEPT = 1 << 20
"""The most bytes of events that are kept of one batch that was set apart."""

MOST_OF_A_SOURCE = 64 << 20
"""The most bytes that are kept of all streams of one source while they are not mended."""

MOST_SET_APART = 20
"""The most batches of one stream that are kept while it is not mended: somebody who sends nonsense fills no disk."""

_log = logging.getLogger(__name__)

Handler = Callable[[Connection, Sequence[Received], Instant], None]
"""Applies received events to a room, in the inbox's transaction."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The batch was set apart; this was committed, so it is a result and not an exception."""

    error: KeersluisError


@dataclass(frozen=True, slots=True)
class Arrival:
    """A batch whose signature, source and kind are in order."""

    kind: Kind
    source: str
    checkpoint: Checkpoint
    batch: Batch
    stream: Any
    now: Instant


def receive(
    tx: Connection, ctx: Context, batch: Batch, handler: Handler, now: Instant, link: Way = "wire"
) -> Receipt | Refused:
    """Steps 10-12, in one writing transaction, for what came by `link`.

    Raises Unavailable `gate.closed` / `gate.metered`, Forbidden `exchange.not-for-us`, Conflict `exchange.gap`.
    Returns Refused, with the batch in quarantine, when what is signed does not match what came.
    """
    arrival = arrive(tx, ctx, batch, now)
    size = sum(map(len, map(bytes, batch.events)))
    gatekeeper.admit(tx, arrival.source, "in", arrival.kind.path, len(batch.events), now, link, size)
    witness(tx, ctx, batch.timeline, now)
    result = _entered(tx, ctx, arrival, handler)
    if isinstance(result, Receipt):
        follow(tx, ctx, arrival.stream, handler, now)
    return result


def _entered(tx: Connection, ctx: Context, arrival: Arrival, handler: Handler) -> Receipt | Refused:
    """The rest of step 10, steps 11 and 12. What came by letter before is recognised, and handed over once."""
    stream = arrival.stream.stream
    letters = loose.pending(tx, stream)
    known: frozenset[int] = frozenset()
    try:
        isolation.verify(tx, ctx, arrival.stream, arrival.batch.isolated, arrival.now)
        if arrival.checkpoint.size < arrival.stream.size:
            return _seen_before(tx, ctx, arrival)
        have = Frontier.from_bytes(arrival.stream.frontier)
        extension = extend(have, arrival.batch, arrival.checkpoint)
        isolation.held_to(tx, arrival.stream, extension, arrival.checkpoint.size)
        ctx.step(10)
        events = opened(ctx, arrival, extension)
        if letters:
            known = loose.recognised(tx, arrival.stream, have, extension, letters)
        counts = _counts(ctx, arrival)
        missing = gaps.verified(ctx, arrival.batch.gaps, arrival.checkpoint.origin, arrival.now)
        if fresh := [event for event in events if event.position not in known]:
            hand_over(tx, handler, fresh, arrival.now)
    except (Incorrect, Untrusted, Fault) as error:
        return set_apart(tx, arrival, error, arrival.now)
    receipt = _applied(tx, ctx, arrival, extension, events, counts, known)
    gaps.heard(tx, ctx, missing, arrival.kind.path, arrival.checkpoint.size, arrival.now)
    if letters:
        loose.placed(tx, stream, arrival.checkpoint.size)
    return receipt


def follow(tx: Connection, ctx: Context, stream: Any, handler: Handler, now: Instant) -> Receipt | None:
    """Loose events that have their turn now go the way of every batch. They passed a gate when they came."""
    receipt = None
    while loose.pending(tx, stream.stream):
        batch = loose.following(tx, _store.in_stream(tx, stream.origin))
        if batch is None:
            break
        try:
            result = _entered(tx, ctx, arrive(tx, ctx, batch, now), handler)
        except KeersluisError:
            break  # its key is no longer valid: the source will say it again, by whichever way
        if isinstance(result, Refused):
            break
        receipt = result
    return receipt


def hand_over(tx: Connection, handler: Handler, events: Sequence[Received], now: Instant) -> None:
    """Step 11 for the rooms. What nobody foresaw sets this batch apart, and holds up no other stream."""
    try:
        with tx.begin_nested():
            handler(tx, events, now)
    except (KeersluisError, CANNOT_GO_ON):
        raise
    except Exception as error:
        _log.exception("events %s-%s of %s", events[0].position, events[-1].position, events[0].origin)
        raise Fault("exchange.not-applied", expected="events that can be applied", got=type(error).__name__) from error


def witness(tx: Connection, ctx: Context, head: str | None, now: Instant) -> None:
    """Remember the head of a peer's log. One that nobody signed proves nothing, and holds nothing up."""
    if head:
        with suppress(Untrusted):
            log.witness(tx, head, ctx.keyring, now)


def arrive(tx: Connection, ctx: Context, batch: Batch, now: Instant) -> Arrival:
    """Step 10: who signed, may they, and for whom."""
    kind, checkpoint = entitled(ctx, batch.checkpoint, now)
    start = succession.admit(tx, ctx, checkpoint, batch.epoch, kind, now)
    stream = _stream(tx, checkpoint.origin, kind.source, kind.path, start)
    return Arrival(kind, kind.source, checkpoint, batch, stream, now)


def entitled(ctx: Context, signed: str, now: Instant) -> tuple[Kind, Checkpoint]:
    """Step 10: a checkpoint by a source of the chain, of a stream that is for us, by a key that counts now.

    Raises Untrusted `note.*` or `exchange.not-signed-by-source`, Forbidden `exchange.epoch` or `exchange.not-for-us`.
    """
    note = verify_note(signed, ctx.keyring.at(now))
    checkpoint = Checkpoint.parse(note.text)
    name = parse_origin(checkpoint.origin)
    kind = ctx.chain.kinds.get(name.kind)
    if checkpoint.origin != stream_origin(*name) or name.epoch < 1:
        raise Forbidden("exchange.epoch", expected=stream_origin(name.oin, name.kind), got=checkpoint.origin)
    if name.oin not in note.signers:
        raise Untrusted(
            "exchange.not-signed-by-source",
            expected=f"a signature of {name.oin}",
            got=", ".join(note.signers),
        )
    source = ctx.chain.organisation_by_oin(name.oin)
    if kind is None or kind.source != source.key or ctx.me.key not in kind.receivers:
        raise Forbidden(
            "exchange.not-for-us", expected=f"a stream of the chain for {ctx.me.key}", got=checkpoint.origin
        )
    return kind, checkpoint


def _stream(tx: Connection, origin: str, source: str, kind: str, start: Instant) -> Any:
    row = _store.in_stream(tx, origin)
    if row is None:
        _store.put_in_stream(
            tx,
            {
                "origin": origin,
                "source": source,
                "kind": kind,
                "size": 0,
                "frontier": Frontier().to_bytes(),
                "watermark": start,
                "promised": NOTHING_PROMISED,
                "entered_through": 0,
                "heard_at": 0,
                "stopped": None,
                "receipt": None,
            },
        )
        row = _store.in_stream(tx, origin)
    return row


def opened(ctx: Context, arrival: Arrival, extension: Extension) -> list[Received]:
    """The new events, each numbered as the tree says and entered in order of source time."""
    events = []
    promised = previous = arrival.stream.entered_through
    for position, event in enumerate(extension.events, extension.first):
        each = received(event, arrival.checkpoint.origin, arrival.kind, position, ctx.chain.timezone)
        source_time = each.source_time
        if each.envelope.sequence != f"{position:020d}" or source_time < previous or source_time == promised:
            raise Untrusted(
                "exchange.numbering",
                expected=f"sequence {position} at or after {format_instant(previous)}",
                got=f"{each.envelope.sequence} at {each.envelope.time}",
                where=f"{arrival.checkpoint.origin} event {position}",
            )
        previous = source_time
        events.append(each)
    return events


def _applied(
    tx: Connection,
    ctx: Context,
    arrival: Arrival,
    extension: Extension,
    events: list[Received],
    counts: Counts | None,
    known: frozenset[int],
) -> Receipt:
    """Step 11: events, position and watermark together; step 12: our co-signature."""
    stream, checkpoint, now = arrival.stream, arrival.checkpoint, arrival.now
    if events:
        _store.add_in_events(tx, [(stream.stream, e.position, e.source_time, e.bytes) for e in events])
        noted = loose.noted(tx, stream.stream, known) if known else set()
        note_breaches(tx, arrival, [e for e in events if e.position not in noted], now)
        _store.add_in_checkpoint(tx, stream.stream, checkpoint.size, arrival.batch.checkpoint)
    if stream.stopped:
        _store.solve_quarantine(tx, stream.stream, now)
    moved = watermark_after(
        stream.watermark,
        checkpoint,
        counted=arrival.kind.counts,
        counts=counts,
        received=_counted(tx, stream, counts.through) if counts else 0,
        lag=arrival.kind.lag,
    )
    watermark, stopped = _moved(tx, arrival, moved, now)
    co_signed = add_signature(arrival.batch.checkpoint, ctx.signer)
    _store.update_in_stream(
        tx,
        stream.stream,
        size=checkpoint.size,
        frontier=extension.frontier.to_bytes(),
        watermark=watermark,
        promised=max(stream.promised, checkpoint.complete_through),
        heard_at=now,
        stopped=stopped,
        receipt=co_signed,
        entered_through=max(stream.entered_through, checkpoint.entered_through),
    )
    _note_applied(tx, arrival, events, watermark, now)
    ctx.step(11)
    head = log.head(tx) if events and not _store_epochs.behind_streams(tx) else None
    return Receipt(co_signed, format_instant(watermark), head.note if head else None)


def _counted(tx: Connection, stream: Any, through: Instant) -> int:
    """How many acts were entered by then, in this epoch and in those that it continues."""
    return _store.entered_by(tx, stream.stream, through) + succession.carried(tx, stream.origin)


def _counts(ctx: Context, arrival: Arrival) -> Counts | None:
    """The source's own count, where the stream has one."""
    if not (arrival.batch.counts and arrival.kind.counts):
        return None
    note = verify_note(arrival.batch.counts, ctx.keyring.at(arrival.now))
    counts = Counts.parse(note.text)
    if counts.origin != arrival.checkpoint.origin or parse_origin(counts.origin).oin not in note.signers:
        raise Untrusted("counts.other-stream", expected=arrival.checkpoint.origin, got=counts.origin)
    return counts


def _moved(tx: Connection, arrival: Arrival, moved: Moves | Stops, now: Instant) -> tuple[Instant, str | None]:
    """The watermark and, where it stops, why; a change of either goes in the timeline."""
    stream = arrival.stream
    if isinstance(moved, Moves):
        if stream.stopped:
            body = {"origin": stream.origin, "watermark": format_instant(moved.to)}
            log.append(tx, at=now, room="exchange", kind="watermark.moved", body=body)
        return moved.to, None
    if arrival.batch.more:
        return stream.watermark, stream.stopped  # a part of a backlog: the count comes with the last of it
    reason = {
        "code": "counts.missing" if moved.stated is None else "counts.differ",
        "stated": moved.stated,
        "received": moved.received,
    }
    if not stream.stopped:
        body = {"origin": stream.origin, "watermark": format_instant(stream.watermark), **reason}
        log.append(tx, at=now, room="exchange", kind="watermark.stopped", body=body)
    return stream.watermark, json.dumps(reason)


def note_breaches(tx: Connection, arrival: Arrival, events: list[Received], now: Instant) -> None:
    """An act from before a watermark already promised breaks the promise (P2): counted against the source."""
    stream = arrival.stream
    broken = [e for e in events if e.when.end <= stream.watermark]
    if not broken:
        return
    _store.add_breaches(
        tx,
        [
            {
                "stream": stream.stream,
                "position": e.position,
                "event_id": e.envelope.id,
                "occurred_end": e.when.end,
                "watermark": stream.watermark,
                "at": now,
            }
            for e in broken
        ],
    )
    body = {
        "origin": stream.origin,
        "count": len(broken),
        "events": [e.envelope.id for e in broken[:500]],
        "promised": format_instant(stream.watermark),
    }
    log.append(tx, at=now, room="exchange", kind="promise.broken", body=body)


def _note_applied(tx: Connection, arrival: Arrival, events: list[Received], watermark: Instant, now: Instant) -> None:
    if events:
        body = {
            "origin": arrival.checkpoint.origin,
            "from": events[0].position,
            "through": events[-1].position,
            "root": b64encode(arrival.checkpoint.root).decode(),
            "watermark": format_instant(watermark),
        }
        log.append(tx, at=now, room="exchange", kind="batch.applied", body=body)


def _seen_before(tx: Connection, ctx: Context, arrival: Arrival) -> Receipt | Refused:
    """A batch that is here already is receipted, if it tells the same story as before; nothing moves. In the
    midst of a backlog the receipt is of all that is here: a source that does not know how far its bundles came goes on
    from there (P6)."""
    stream, checkpoint = arrival.stream, arrival.checkpoint
    if root_at(tx, stream, checkpoint.size) != checkpoint.root:
        error = Untrusted(
            "exchange.forked",
            expected=f"the root that {stream.origin} had at {checkpoint.size} events",
            got="another root",
            mend="the source has told two stories: keep both and ask it to explain",
            where=f"{stream.origin} events 1-{checkpoint.size}",
        )
        return set_apart(tx, arrival, error, arrival.now)
    newest = _store.in_checkpoint(tx, stream.stream, stream.size) if arrival.batch.more else None
    note = newest or arrival.batch.checkpoint
    return Receipt(add_signature(note, ctx.signer), format_instant(stream.watermark), None)


def root_at(tx: Connection, stream: Any, size: int) -> bytes:
    """The root that a stream had, as it is here, at `size` events: at most as many as it has."""
    if size == stream.size:
        return Frontier.from_bytes(stream.frontier).root()
    return succession.root_here(tx, stream.stream, size)


def set_apart(tx: Connection, arrival: Arrival, error: KeersluisError, now: Instant) -> Refused:
    """What does not fit is set apart with the checkpoint that its source signed; the watermark stays, the source is
    asked again at the next offer. The same, offered again and again, is kept once."""
    stream = arrival.stream
    place = error.where or arrival.checkpoint.origin
    events = b"\n".join(bytes(raw) for raw in arrival.batch.events)[:MOST_KEPT]
    if _store.in_quarantine(tx, stream.stream, error.code, place, events, MOST_SET_APART):
        return Refused(error)
    body = arrival.batch.checkpoint.encode() + b"\n" + events
    if (kept := bytes_apart(tx, arrival.source)) + len(body) > MOST_OF_A_SOURCE:
        _stopped(tx, stream, error.code, place)
        return Refused(_too_much(arrival.source, kept, error))
    _store.add_quarantine(
        tx,
        {
            "stream": stream.stream,
            "at": now,
            "code": error.code,
            "place": place,
            "sentence": str(error),
            "body": body,
            "solved_at": None,
        },
    )
    _stopped(tx, stream, error.code, place)
    log.append(
        tx,
        at=now,
        room="exchange",
        kind="batch.quarantined",
        body={"origin": stream.origin, "code": error.code, "place": place},
    )
    return Refused(error)


def _stopped(tx: Connection, stream: Any, code: str, place: str) -> None:
    _store.update_in_stream(tx, stream.stream, stopped=json.dumps({"code": code, "place": place}))


def bytes_apart(tx: Connection, source: str) -> int:
    """How many bytes of a source are set apart and not solved."""
    return _store.quarantined_bytes(tx, source)


def _too_much(source: str, kept: int, error: KeersluisError) -> Unavailable:
    return Unavailable(
        "quota.set-apart",
        expected=f"at most {MOST_OF_A_SOURCE} bytes of {source} set apart",
        got=f"one more batch that does not fit ({error.code})",
        mend="mend the streams that stand still; then what is set apart is solved",
        retry_after=60,
        quota={"set-apart": MOST_OF_A_SOURCE, "used-set-apart": kept},
    )


def watermarks(tx: Connection) -> dict[str, Instant]:
    """Until when each received stream is complete here, by kind path."""
    return {row.kind: row.watermark for row in _store.all_in_streams(tx)}


def stored(tx: Connection) -> Iterator[tuple[str, int, bytes]]:
    """(origin, position, bytes) of every event that was received, stream by stream in order: for comparison."""
    return _store.all_in_events(tx)
