"""Taking back what an old backup lost: from partners that hold it, verified by our own signatures, all at once.

What was accepted since and never left is numbered again behind it, so that each key ends in its stream once (P1).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection

from keersluis.chain import Kind
from keersluis.context import Context
from keersluis.errors import Conflict, Untrusted
from keersluis.exchange import _store, _store_epochs, _store_reconciliation, outbox, questions
from keersluis.exchange.batches import BATCH_EVENTS
from keersluis.exchange.envelope import Submitted, accepted_before, decode
from keersluis.exchange.epochs import (
    Returned,
    Wanted,
    merge,
)
from keersluis.exchange.stands import agrees, opened, read, tree
from keersluis.merkle import Frontier, leaf_hash
from keersluis.timeline import log
from keersluis.times import Instant, format_instant, parse_instant
from keersluis.watermarks import Checkpoint, parse_origin

OFFERS_LOOKED_AT = 100_000
"""So many of the latest offers are looked through for numbers that may have left after the restore."""


# -- the source's side: taking back ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Lost:
    """A stream of ours that is behind what `peer` holds of it: events `after` … `size` may come back from there."""

    stream: int
    kind: str
    origin: str
    peer: str
    after: int
    size: int
    code: str


def lost(tx: Connection) -> list[Lost]:
    """What is behind, the furthest partner of each stream first."""
    rows = {row.stream: row for row in _store.all_out_streams(tx)}
    found = [
        Lost(each.stream, rows[each.stream].kind, each.origin, each.peer, each.common, each.size, each.code)
        for each in _store_epochs.all_behind(tx)
    ]
    return sorted(found, key=lambda each: (each.kind, -parse_origin(each.origin).epoch, -each.size, each.peer))


def want(tx: Connection, ctx: Context, gone: Lost, now: Instant) -> tuple[bytes, int]:
    """The signed request for the next part that is lost, and after which number; goes on where an earlier one ended."""
    after = max(gone.after, _store_epochs.last_taken(tx, gone.stream))
    to, nonce = ctx.chain.organisations[gone.peer].oin, secrets.token_hex(16)
    wanted = Wanted(to, format_instant(now), nonce, gone.origin, after, BATCH_EVENTS)
    return questions.sign(wanted, "events-wanted", ctx.signer), after


def keep_returned(
    tx: Connection, ctx: Context, gone: Lost, question: bytes, answer: bytes, after: int, now: Instant
) -> int:
    """Put a part that came back aside; nothing of it counts yet. Returns up to which number it is here."""
    said: Returned = read(opened(ctx, gone.peer, "events", question, answer, now), Returned)
    events = [bytes(raw) for raw in said.events][: gone.size - after]
    if said.origin != gone.origin or said.first != after + 1 or not events:
        expected = f"events of {gone.origin} from {after + 1}"
        raise Untrusted("restore.withheld", expected=expected, got=f"{len(events)} of {said.origin}")
    _store_epochs.put_taken(tx, gone.stream, after + 1, events)
    return after + len(events)


def forget_returned(tx: Connection, gone: Lost) -> None:
    """What was put aside is of no use: begin again."""
    _store_epochs.drop_taken(tx, gone.stream)


@dataclass(frozen=True, slots=True)
class TakenBack:
    """What came of it: events `first` … `through` are ours again; of the events accepted meanwhile so many were
    numbered again, were here already, or lie in conflict; `still` partners hold something else."""

    kind: str
    origin: str
    peer: str
    first: int
    through: int
    again: int
    duplicates: int
    conflicts: int
    still: int


Resume = Callable[[Connection, str, int], None]
"""Tells a room that publishes by itself how many events of a kind there are now."""


def take_back(tx: Connection, ctx: Context, gone: Lost, who: str, why: str, now: Instant, resume: Resume) -> TakenBack:
    """Verify what came back against the root that we signed ourselves, and put it where it belongs, all at once.

    What was accepted since the restore and never left is numbered again behind it; its keys hold (P1). Raises Untrusted
    `restore.altered` when it is not what we signed, Conflict `restore.given-twice` when numbers left already.
    """
    row = _current(tx, gone)
    theirs = _theirs(tx, gone)
    back = list(_store_epochs.taken(tx, gone.stream))
    whole = tree(tx, row, gone.after).extend(leaf_hash(event) for _n, event in back)
    if (whole.size, whole.root()) != (theirs.size, theirs.root) or (back and back[0][0] != gone.after + 1):
        raise Untrusted("restore.altered", expected=f"the {theirs.size} events that we signed", got="others")
    keep = _same_until(tx, row, back, gone.after)
    _check_not_given_twice(tx, row, keep)
    tail = cut(tx, ctx, row, keep, theirs.size)
    known = _put(tx, ctx, row, [each for each in back if each[0] > keep], now)
    times = (row.source_time, theirs.entered_through + 1, known.newest)
    values = {"size": whole.size, "frontier": whole.to_bytes(), "source_time": max(times)}
    _store.update_out_stream(tx, row.stream, **values)
    kind = ctx.chain.kinds[row.kind]
    still = _agreed(tx, row, gone.peer, whole, now)  # first: what follows may break a promise that they heard (P2)
    merged = merge(known.digests, tail)
    if merged.again:
        outbox.append(tx, ctx, kind, list(merged.again), now)
    _put_conflicts(tx, kind, merged.conflicts, now)
    _store_epochs.drop_taken(tx, row.stream)
    if kind.action == "answer":
        resume(tx, kind.path, whole.size + len(merged.again))
    else:
        hold_back(tx, kind.path, row.complete_through, now)
    told = TakenBack(
        kind.path, row.origin, gone.peer, keep + 1, whole.size,
        len(merged.again), len(merged.duplicates), len(merged.conflicts), still,
    )  # fmt: skip
    body = {"origin": row.origin, "by": gone.peer, "from": keep + 1, "through": whole.size, "who": who, "why": why}
    body |= {"again": told.again, "duplicates": told.duplicates, "conflicts": told.conflicts}
    log.append(tx, at=now, room="exchange", kind="stream.taken-back", body=body)
    return told


def _current(tx: Connection, gone: Lost) -> Any:
    row = _store.out_stream(tx, gone.kind)
    if row is None or row.stream != gone.stream or row.origin != gone.origin:
        mend = "open a new epoch"
        raise Conflict("restore.other-epoch", expected=f"{gone.origin} as our stream", got="another", mend=mend)
    return row


def _theirs(tx: Connection, gone: Lost) -> Checkpoint:
    rows = (each for each in _store_epochs.all_behind(tx) if (each.stream, each.peer) == (gone.stream, gone.peer))
    found = next(rows, None)
    if found is None:
        raise Conflict("restore.not-behind", expected=f"{gone.origin} behind what {gone.peer} holds", got="not so")
    return Checkpoint.parse(found.note)


def _same_until(tx: Connection, row: Any, back: Sequence[tuple[int, bytes]], common: int) -> int:
    """How far what came back is what we have: beyond that are the events that were accepted since the restore."""
    same = common
    for mine, (number, event) in zip(_store.leaves(tx, row.stream, common, row.size), back, strict=False):
        if mine != leaf_hash(event):
            break
        same = number
    return same


def _check_not_given_twice(tx: Connection, row: Any, keep: int) -> None:
    confirmed = max((each.size for each in _store_epochs.peers_of(tx, row.stream)), default=0)
    left = log.newest(tx, OFFERS_LOOKED_AT, {"batch.offered", "letter.printed", "bundle.exported"})
    ranges = (each for entry in left for each in entry.body.get("streams", [entry.body]))
    offered = max((each["through"] for each in ranges if each["origin"] == row.origin), default=0)
    if min(row.size, max(confirmed, offered)) > keep:
        raise Conflict(
            "restore.given-twice",
            expected=f"that nothing after event {keep} of {row.origin} left since the restore",
            got=f"events up to {max(confirmed, offered)} were offered",
            mend="open a new epoch: `keersluis recover new-epoch`",
        )


def cut(tx: Connection, ctx: Context, row: Any, after: int, last: int) -> list[Submitted]:
    """Take the tail out. The node's own events get ids that follow on what came back: nobody else knows theirs."""
    kind = ctx.chain.kinds[row.kind]
    tail = _store_epochs.cut_tail(tx, row.stream, after)
    _store_reconciliation.forget(tx, "out", row.stream)
    own = kind.action == "answer"
    return [
        accepted_before(each, ctx.chain, f"{kind.path}/{last + n}" if own else None) for n, each in enumerate(tail, 1)
    ]


@dataclass(frozen=True, slots=True)
class _Known:
    digests: dict[bytes, bytes]
    newest: Instant


def _put(tx: Connection, ctx: Context, row: Any, back: Sequence[tuple[int, bytes]], now: Instant) -> _Known:
    """The rows of what came back, keys and all, as if they had never been lost."""
    events, keys, ids, newest = [], [], [], 0
    for number, event in back:
        said = accepted_before(event, ctx.chain)
        newest = parse_instant(decode(event).time)
        events.append((row.stream, number, said.when.start, newest, leaf_hash(event), event))
        keys.append((said.key, said.digest, row.stream, number))
        ids.append(said.id)
    taken = _store.known_keys(tx, [key[0] for key in keys])
    _store_epochs.put_events(tx, events, [key for key in keys if key[0] not in taken])
    _store.end_waiting(tx, row.kind, ids, now)
    return _Known({key: digest for key, digest, *_rest in keys}, newest)


def _put_conflicts(tx: Connection, kind: Kind, found: Sequence[Submitted], now: Instant) -> None:
    for event in found:
        body = msgspec.json.encode(event.attributes)
        _store_epochs.add_conflict(
            tx, {"kind": kind.path, "event_id": event.id, "bytes": body, "at": now, "solved_at": None}
        )


def _agreed(tx: Connection, row: Any, by: str, whole: Frontier, now: Instant) -> int:
    """Partners whose copy is the beginning of what we have again are no longer ahead; returns how many still are.
    `by`: who gave it back, of which the timeline tells anyway."""
    current = _store.out_stream(tx, row.kind)
    still = 0
    for each in _store_epochs.all_behind(tx):
        if each.stream != row.stream:
            continue
        theirs = Checkpoint.parse(each.note)
        if theirs.size > whole.size or tree(tx, current, theirs.size).root() != theirs.root:
            still += 1
            continue
        at = tree(tx, current, theirs.size)
        put = {"stream": row.stream, "peer": each.peer, "size": at.size, "frontier": at.to_bytes(), "at": now}
        put |= {"promised": theirs.complete_through, "receipt": None, "refusal": "taken back"}
        _store.put_out_peers(tx, [put])
        if each.peer == by:
            _store_epochs.drop_behind(tx, row.stream, by)
        else:
            agrees(tx, row, each.peer, now)
    return still


HELD = "restore"
"""The channel of what waits because nobody checked yet that everything is here again."""


def hold_back(tx: Connection, kind: str, since: Instant, now: Instant) -> None:
    """What was accepted, and reached nobody before it was lost, is in no partner's hands: nothing more is promised
    until somebody has looked in the system of record (P2)."""
    row = {"kind": kind, "event_id": f"restore/{now}", "occurred_start": since, "channel": HELD, "at": now}
    _store.add_waiting(tx, [row])


def confirm(tx: Connection, kinds: Collection[str], who: str, why: str, now: Instant) -> list[str]:
    """Somebody checked that what the system of record holds is here again: these kinds may promise again."""
    held = _store_epochs.held_back(tx, HELD)
    freed = sorted({kind for kind, _id in held if not kinds or kind in kinds})
    for kind, event_id in held:
        if kind in freed:
            _store.end_waiting(tx, kind, [event_id], now)
    if freed:
        body = {"kinds": freed, "who": who, "why": why}
        log.append(tx, at=now, room="exchange", kind="restore.confirmed", body=body)
    return freed


def state(tx: Connection) -> dict[str, Any]:
    """What of a restore is unfinished, and which epochs there are: for the page, the API and the command."""
    behind = [msgspec.to_builtins(each) for each in lost(tx)]
    conflicts = [
        {"kind": row.kind, "id": row.event_id, "at": format_instant(row.at)} for row in _store_epochs.conflicts(tx)
    ]
    epochs = [
        {"origin": row.origin, "continues": row.continues, "size": row.size, "beyond": row.beyond}
        for row in _store_epochs.all_in_epochs(tx)
    ]
    unconfirmed = sorted({kind for kind, _id in _store_epochs.held_back(tx, HELD)})
    return {"behind": behind, "conflicts": conflicts, "unconfirmed": unconfirmed, "epochs": epochs}


def solve_conflict(tx: Connection, kind: str, event_id: str, who: str, why: str, now: Instant) -> bool:
    """Somebody decided what becomes of an event whose key had been used before. False: it was on no desk."""
    solved = _store_epochs.solve_conflict(tx, kind, event_id, now)
    if solved:
        body = {"kind": kind, "event": event_id, "who": who, "why": why}
        log.append(tx, at=now, room="exchange", kind="restore.conflict-solved", body=body)
    return solved
