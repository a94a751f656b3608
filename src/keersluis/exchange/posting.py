"""Posting: events of ours go out as letters, past the gate for paper (steps 7 and 8). Their words and their print are
made elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from keersluis.chain import Kind
from keersluis.context import Context
from keersluis.errors import Incorrect
from keersluis.exchange import _store, _store_letters, gatekeeper, outbox
from keersluis.exchange.envelope import decode
from keersluis.exchange.growth import Tree
from keersluis.exchange.letters import MOST_PACKED, Letter, letter_id, pack
from keersluis.exchange.outbox import EMPTY, Promised
from keersluis.signing import sign_note
from keersluis.timeline import log
from keersluis.times import Instant
from keersluis.watermarks import NOTHING_PROMISED, Checkpoint

MOST = 5_000
"""Letters in one go. Whoever has more to bring takes a bundle."""


@dataclass(frozen=True, slots=True)
class Posted:
    """A letter ready for print, and the stream and the receiver (its key) that it is for."""

    id: str
    kind: Kind
    to: str
    letter: Letter
    packed: bytes
    checkpoint: Checkpoint


@dataclass(frozen=True, slots=True)
class TooLarge:
    """An event that no letter holds: `packed` bytes where `MOST_PACKED` is the most."""

    kind: str
    position: int
    packed: int


def receiver(kind: Kind, to: str | None) -> str:
    """To whom a letter of this kind goes. Raises Incorrect `letter.receiver`."""
    if to is None and len(kind.receivers) == 1:
        return kind.receivers[0]
    if to not in kind.receivers:
        expected = f"one of {', '.join(kind.receivers)}, who receive {kind.path}"
        raise Incorrect("letter.receiver", expected=expected, got=repr(to) if to else "nobody named")
    return to


def waiting(tx: Connection, promises: Sequence[Promised], peer: str) -> Iterator[tuple[Promised, int, int]]:
    """(stream, first, last) of what `peer` has not receipted."""
    sizes = {row.stream: row.size for row in _store.out_peers_of(tx, peer)}
    for promised in promises:
        have = sizes.get(promised.stream, 0)
        if peer in promised.kind.receivers and have < promised.size:
            yield promised, have + 1, promised.size


def find(tx: Connection, promises: Sequence[Promised], event_id: str) -> tuple[Promised, int]:
    """The newest event of ours with this id. Raises Incorrect `letter.unknown-event`."""
    quoted = event_id.encode()
    for promised in promises:
        for position, event in _store_letters.out_events_back(tx, promised.stream, promised.size):
            if quoted in event and decode(event).id == event_id:
                return promised, position
    raise Incorrect("letter.unknown-event", expected="the id of an event of our own", got=repr(event_id))


def prepare(
    tx: Connection, ctx: Context, promised: Promised, first: int, last: int, to: str
) -> tuple[list[Posted], list[TooLarge]]:
    """Step 8 for events `first` … `last` of a stream of ours: one checkpoint, over the events up to `last`.

    Changes nothing. Raises Incorrect `letter.range`, Unavailable `gate.closed`.
    """
    if not 1 <= first <= last <= promised.size:
        expected = f"a range within 1 … {promised.size} of {promised.kind.path}"
        raise Incorrect("letter.range", expected=expected, got=f"{first} … {last}")
    if last - first >= MOST:
        expected, mend = f"at most {MOST:,} letters at once", "take a bundle, or a smaller range"
        raise Incorrect("letter.too-many", expected=expected, got=f"{last - first + 1:,}", mend=mend)
    gatekeeper.allowance(tx, to, "out", promised.kind.path, ctx.clock.now(), "paper")
    leaves = list(_store.leaves(tx, promised.stream, 0, last))
    row = next((row for row in _store.out_peers_of(tx, to) if row.stream == promised.stream), None)
    told = row.promised if row and last >= row.size else NOTHING_PROMISED  # was told so of more events than these
    checkpoint = outbox.checkpoint(tx, promised, EMPTY, leaves, told)
    counts = (promised.counts or "") if last == promised.size else ""
    note, tree = sign_note(checkpoint.text(), ctx.signer), Tree(leaves)
    posted, refused = [], []
    for row in _store.tail(tx, promised.stream, first - 1, last, last - first + 1):
        letter = Letter(note, row.position, tree.inclusion(row.position - 1), bytes(row.bytes), counts)
        packed = pack(letter)
        if len(packed) > MOST_PACKED:
            refused.append(TooLarge(promised.kind.path, row.position, len(packed)))
        else:
            posted.append(Posted(letter_id(packed).hex(), promised.kind, to, letter, packed, checkpoint))
    return posted, refused


def post(tx: Connection, ctx: Context, promised: Promised, posted: Sequence[Posted], now: Instant) -> None:
    """The letters go out: step 7, in the transaction that says so. Raises Unavailable `gate.closed`, `gate.metered`."""
    to, kind = posted[0].to, promised.kind.path
    size = sum(len(each.letter.event) for each in posted)
    gatekeeper.admit(tx, to, "out", kind, len(posted), now, "paper", size)
    rows: list[dict[str, Any]] = [
        {
            "letter": each.id,
            "stream": promised.stream,
            "kind": kind,
            "position": each.letter.position,
            "peer": to,
            "complete_through": each.checkpoint.complete_through,
            "at": now,
        }
        for each in posted
    ]
    _store_letters.put_letters_out(tx, rows)
    _store_letters.put_carried(tx, kind, posted[0].checkpoint.complete_through)
    body = {"origin": promised.origin, "to": to, "count": len(posted)}
    body |= {"from": posted[0].letter.position, "through": posted[-1].letter.position}
    log.append(tx, at=now, room="exchange", kind="letter.printed", body=body)
