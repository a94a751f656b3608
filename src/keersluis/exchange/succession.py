"""A new epoch of a stream, as its receiver sees it: declared by the source, behind the one that it continues.

Both epochs stay. The kind's watermark is that of the newest one, which begins only when all that the declaration says
of its predecessor is whole here, and so never moves back. What is held beyond that stays applied, and is marked.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from keersluis.chain import Kind
from keersluis.context import Context
from keersluis.errors import Conflict, Forbidden, Untrusted
from keersluis.exchange import _store, _store_epochs
from keersluis.exchange.epochs import Declaration, check_declaration
from keersluis.merkle import EMPTY_ROOT, leaf_hash, root
from keersluis.signing import verify_note
from keersluis.storage import Migrations
from keersluis.timeline import log
from keersluis.times import Instant
from keersluis.watermarks import NOTHING_PROMISED, Checkpoint, parse_origin

MIGRATIONS: Migrations = _store_epochs.MIGRATIONS
"""The tables of epochs and of restored backups, for `storage.open_store`."""


def root_here(tx: Connection, stream: int, size: int) -> bytes:
    """The root of the first `size` events of a received stream, by the checkpoint of that size or by the events."""
    known = _store.in_checkpoint(tx, stream, size)
    if known is not None:
        return Checkpoint.parse(known.split("\n\n")[0] + "\n").root
    return root([leaf_hash(event) for event in _store.in_bytes(tx, stream, size)])


def admit(
    tx: Connection, ctx: Context, checkpoint: Checkpoint, declared: str | None, kind: Kind, now: Instant
) -> Instant:
    """May this checkpoint's epoch be received? Returns the watermark that its stream starts from.

    Raises Forbidden `exchange.epoch` for one that nobody declared, or for more of one that is closed, Conflict
    `exchange.epoch-waits` while its predecessor is not whole here, Untrusted where that is another than was declared.
    """
    origin = checkpoint.origin
    after = _store_epochs.closes(tx, origin)
    if after is not None and checkpoint.size > after.size:
        expected = f"at most {after.size} events of {origin}, which {after.origin} continues"
        raise Forbidden("exchange.epoch", expected=expected, got=str(checkpoint.size))
    newest = _store_epochs.newest_in_stream(tx, kind.source, kind.path)
    start = NOTHING_PROMISED if newest is None else int(newest.watermark)
    epoch = parse_origin(origin).epoch
    if epoch == 1 or _store_epochs.in_epoch(tx, origin) is not None:
        return start
    if declared is None or (newest is not None and parse_origin(newest.origin).epoch > epoch):
        mend = "the source declares what it continues, with its first batch"
        raise Forbidden("exchange.epoch", expected="an epoch that is declared", got=origin, mend=mend)
    _declare(tx, ctx, _verified(ctx, declared, origin, now), declared, kind, now)
    return start


def _verified(ctx: Context, declared: str, origin: str, now: Instant) -> Declaration:
    note = verify_note(declared, ctx.keyring.at(now))
    said = Declaration.parse(note.text)
    check_declaration(said, origin)
    if parse_origin(origin).oin not in note.signers:
        raise Untrusted("epoch.not-signed-by-source", expected="the source's signature", got=", ".join(note.signers))
    return said


def _declare(tx: Connection, ctx: Context, said: Declaration, note: str, kind: Kind, now: Instant) -> None:
    old: Any = _store.in_stream(tx, said.continues)
    have = 0 if old is None else int(old.size)
    if have < said.size:
        raise Conflict(
            "exchange.epoch-waits",
            expected=f"{said.size} events of {said.continues} first",
            got=f"{have}",
            mend="the source offers those first; nothing is lost",
        )
    here = root_here(tx, old.stream, said.size) if said.size else EMPTY_ROOT
    if here != said.root:
        raise Untrusted(
            "exchange.forked",
            expected=f"the root of {said.continues} at {said.size} events, as it is here",
            got="another root in the declaration of its next epoch",
            mend="the source has told two stories: keep both and ask it to explain",
            where=said.origin,
        )
    row = {"origin": said.origin, "kind": kind.path, "continues": said.continues, "size": said.size}
    before = carried(tx, said.continues)
    row |= {"carried": before + said.size, "beyond": have - said.size, "note": note, "at": now}
    _store_epochs.put_in_epoch(tx, row)
    if old is not None:  # whatever was set apart of it, this is the source's explanation
        _store.solve_quarantine(tx, old.stream, now)
        _store.update_in_stream(tx, old.stream, stopped=None)
    body = {"origin": said.origin, "continues": said.continues, "size": said.size, "beyond": have - said.size}
    log.append(tx, at=now, room="exchange", kind="epoch.declared", body=body | {"who": said.who, "why": said.why})


def carried(tx: Connection, origin: str) -> int:
    """How many events of earlier epochs this one continues: they count when the source counts its acts."""
    row = _store_epochs.in_epoch(tx, origin)
    return 0 if row is None else int(row.carried)
