"""A new epoch of a stream of ours whose lost events cannot be had back: signed, and declared to continue the old."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection

from keersluis.chain import Kind
from keersluis.context import Context
from keersluis.errors import Conflict, Incorrect
from keersluis.exchange import _store, _store_epochs, outbox
from keersluis.exchange.epochs import (
    Declaration,
    Elsewhere,
)
from keersluis.exchange.outbox import EMPTY
from keersluis.exchange.restoration import Resume, cut, hold_back
from keersluis.exchange.stands import tree
from keersluis.merkle import Frontier
from keersluis.signing import sign_note
from keersluis.timeline import log
from keersluis.times import Instant
from keersluis.watermarks import Checkpoint, parse_origin, stream_origin

# -- the source's side: a new epoch ------------------------------------------------------------------------------


def open_epoch(
    tx: Connection, ctx: Context, kind_path: str, who: str, why: str, now: Instant, resume: Resume, even_so: bool
) -> str:
    """Begin the next epoch of a stream that cannot be had back; returns its origin. What we have beyond the part that
    every partner surely shares is numbered again in it, under the same ids.

    Raises Incorrect `restore.foreign-kind`, Conflict `restore.not-behind` (unless `even_so`).
    """
    kind = ctx.chain.kinds.get(kind_path)
    if kind is None or kind.source != ctx.me.key:
        expected = f"a kind of which {ctx.me.key} is the source"
        raise Incorrect("restore.foreign-kind", expected=expected, got=repr(kind_path))
    row = outbox.stream_row(tx, ctx, kind)
    beyond = [each for each in _store_epochs.all_behind(tx) if each.stream == row.stream]
    if not beyond and not even_so:
        raise Conflict("restore.not-behind", expected=f"{row.origin} behind what a partner holds", got="not so")
    size = min((each.common for each in beyond), default=row.size)
    top = max(parse_origin(each.origin).epoch for each in (row, *beyond))
    origin = stream_origin(ctx.me.oin, kind.path, top + 1)
    root = tree(tx, row, size)
    said = Declaration(origin, row.origin, size, root.root(), tuple(map(_elsewhere(ctx), beyond)), now, who, why)
    _succeed(tx, ctx, kind, row, root, said, beyond, now)
    tail = cut(tx, ctx, row, size, 10**12 * top)
    if tail:
        outbox.append(tx, ctx, kind, tail, now)
    if kind.action == "answer":
        resume(tx, kind.path, 10**12 * top + len(tail))
    elif beyond:
        hold_back(tx, kind.path, row.complete_through, now)
    body = {"origin": origin, "continues": row.origin, "size": size, "again": len(tail), "who": who, "why": why}
    log.append(tx, at=now, room="exchange", kind="epoch.opened", body=body)
    return origin


def _elsewhere(ctx: Context) -> Callable[[Any], Elsewhere]:
    def of(each: Any) -> Elsewhere:
        theirs = Checkpoint.parse(each.note)
        return Elsewhere(theirs.origin, theirs.size, theirs.root, ctx.chain.organisations[each.peer].oin)

    return of


def _succeed(
    tx: Connection, ctx: Context, kind: Kind, row: Any, root: Frontier, said: Declaration, beyond: Any, now: Instant
) -> None:
    """Close the old epoch where the new one begins. It promises nothing more: what it promised before stands."""
    last = _store_epochs.source_time_at(tx, row.stream, root.size)
    _store.update_out_stream(
        tx, row.stream, size=root.size, frontier=root.to_bytes(), source_time=last, complete_through=0
    )
    note = sign_note(said.text(), ctx.signer)
    declared = {"origin": row.origin, "stream": row.stream, "kind": kind.path, "next": said.origin, "note": note}
    begun = {"kind": kind.path, "origin": said.origin, "size": 0, "frontier": EMPTY.to_bytes()}
    begun |= {"source_time": max(now, row.source_time), "complete_through": row.complete_through}
    _store_epochs.next_epoch(tx, row, begun, declared | {"at": now})
    new: Any = _store.out_stream(tx, kind.path)
    told = {each.peer: each.promised for each in _store_epochs.peers_of(tx, row.stream)}
    for each in beyond:
        told[each.peer] = max(told.get(each.peer, 0), Checkpoint.parse(each.note).complete_through)
    rest = {"stream": new.stream, "size": 0, "frontier": EMPTY.to_bytes(), "receipt": None, "refusal": None, "at": now}
    _store.put_out_peers(tx, [rest | {"peer": peer, "promised": through} for peer, through in told.items()])
    _store_epochs.drop_behind(tx, row.stream)
    _store_epochs.drop_taken(tx, row.stream)
