"""Write and read the organisation's own log.

Every function works in the caller's transaction and keeps nothing in memory, so that a savepoint that is rolled back
takes its entries with it. Entries become evidence by `seal`, which signs one head for all of a commit.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import IO, Any

from sqlalchemy import Connection

from keersluis.errors import Fault, Untrusted
from keersluis.identity import KeyRing
from keersluis.merkle import Frontier, leaf_hash
from keersluis.signing import Signer, sign_note
from keersluis.storage import Migrations
from keersluis.timeline import _store
from keersluis.timeline.heads import check_head, contradict, read_head
from keersluis.timeline.lines import entry_line, head_line, opening_line, witnessed_line
from keersluis.timeline.model import (
    CONTRADICTED,
    RESTORED,
    WITNESSED,
    Contradiction,
    Entry,
    Head,
    decode_entry,
    encode_entry,
    owner,
    timeline_epoch,
    timeline_origin,
)
from keersluis.times import DAY, Instant
from keersluis.watermarks import Checkpoint

MIGRATIONS: Migrations = _store.MIGRATIONS
"""The log's tables, for `storage.open_store`."""

KEEP_EVERY = DAY
"""How often, of each other organisation, a witnessed head is also kept as an entry, so that two logs that witness
each other do not grow by that alone."""


def append(tx: Connection, *, at: Instant, room: str, kind: str, body: Mapping[str, Any]) -> int:
    """Write one entry and return its number (from 1).

    `body` is JSON: ids, counts, RFC 3339 times and words; never the number of a person. Raises TypeError for no JSON.
    """
    last, head = _store.ends(tx)
    n = last + 1
    data = encode_entry(Entry(n, at, room, kind, head, dict(body)))
    row = {"n": n, "at": at, "room": room, "kind": kind, "entry": data, "leaf": leaf_hash(data)}
    _store.insert_entry(tx, row)
    return n


def seal(tx: Connection, signer: Signer, at: Instant) -> Head | None:
    """Sign a head over all entries; None when none is new. Called by the writer just before each commit.

    `at` is the time of the commit. Raises Fault `timeline.frontier-altered` or `timeline.entries-missing` when
    what is stored is not what was signed: nothing is signed on top of an altered log.
    """
    return _seal(tx, signer, at, 0)


def _seal(tx: Connection, signer: Signer, at: Instant, later: int) -> Head | None:
    """`later`: by how much the epoch of this head is later than that of the one before."""
    last, covered = _store.ends(tx)
    if last == covered:
        return None
    before, epoch = _stored_frontier(tx)
    leaves = _store.leaves_after(tx, before.size)
    if last < covered or [n for n, _leaf in leaves] != list(range(before.size + 1, last + 1)):
        raise _altered("timeline.entries-missing", f"entries {before.size + 1} to {last}", "others")
    frontier = before.extend(leaf for _n, leaf in leaves)
    through = _store.time_of(tx, last)
    checkpoint = Checkpoint(
        timeline_origin(signer.name, epoch + later), last, frontier.root(), max(at, through), through
    )
    # By the key of the head's own moment, whatever the clock says by now: that is how it will be verified.
    note = sign_note(checkpoint.text(), signer.at(checkpoint.entered_through))
    head = Head(checkpoint, note, frontier.to_bytes())
    _store.insert_head(tx, last, head.note, head.frontier)
    return head


def restored(tx: Connection, signer: Signer, at: Instant, seen: Sequence[tuple[str, str]], who: str, why: str) -> int:
    """Say that this log came back from an old backup: `seen` are heads of it that others kept (who, note) and that it
    does not hold any more. From here on its heads are of the next epoch, so that nobody takes them for a rewriting.

    Heads that are in the log, or of an epoch that was declared lost before, are left out; returns the entry's number,
    0 when nothing was left. Raises Untrusted for a note that is no head of this log, signed by its own key.
    """
    _seal(tx, signer, at, 0)
    epoch = _stored_frontier(tx)[1]
    gone = [(by, note) for by, note in seen if _is_lost(tx, signer, read_head(note), epoch)]
    if not gone:
        return 0
    body = {"epoch": epoch + 1, "heads": [{"by": by, "note": note} for by, note in gone], "who": who, "why": why}
    n = append(tx, at=at, room="timeline", kind=RESTORED, body=body)
    _seal(tx, signer, at, 1)
    return n


def _is_lost(tx: Connection, signer: Signer, seen: Checkpoint, epoch: int) -> bool:
    if owner(seen.origin) != signer.name or timeline_epoch(seen.origin) < epoch:
        return False
    leaves = [leaf for n, leaf in _store.leaves_after(tx, 0) if n <= seen.size]
    return len(leaves) < seen.size or Frontier().extend(leaves).root() != seen.root


def head(tx: Connection) -> Head | None:
    """The newest signed head; None for an empty log."""
    row = _store.last_head(tx)
    return None if row is None else Head(read_head(row[1]), row[1], row[2])


def entries(tx: Connection, since: int = 0, limit: int = 100) -> list[Entry]:
    """At most `limit` entries after number `since`, in order; the number is the position for a page that follows."""
    return [decode_entry(data) for data in _store.page(tx, since, limit)]


def newest(tx: Connection, limit: int = 30, kinds: Collection[str] | None = None) -> list[Entry]:
    """The last `limit` entries (of these kinds, where given), oldest first."""
    return [decode_entry(data) for data in _store.newest(tx, limit, kinds)]


def of_kinds(tx: Connection, kinds: Collection[str], since: int | None = None) -> list[Entry]:
    """The entries of these kinds after number `since`, in order; without it those that no head covers yet: within a
    transaction its own."""
    if since is not None:
        return [decode_entry(data) for data in _store.of_kinds(tx, kinds, since)]
    last, covered = _store.ends(tx)
    rows = _store.fresh(tx, covered) if last > covered else []
    return [decode_entry(data) for kind, data in rows if kind in kinds]


def entry(tx: Connection, n: int) -> Entry | None:
    """Entry `n`; None where there is none."""
    found = _store.page(tx, n - 1, 1) if n > 0 else []
    return next((each for each in map(decode_entry, found) if each.n == n), None)


def size(tx: Connection) -> int:
    """How many entries there are."""
    return _store.ends(tx)[0]


def witness(tx: Connection, note: str, keyring: KeyRing, at: Instant) -> Contradiction | None:
    """Remember the newest head of another organisation's log, now and then as an entry of our own.

    A head that no append-only log can have had beside the one seen before becomes an entry with both notes, which is
    proof for anyone, and is returned; the earlier stays remembered. Raises Untrusted when the note is not a signed
    head of a log: then nothing is kept, for it proves nothing.
    """
    seen = check_head(note, keyring, at)
    before = _store.witnessed_of(tx, seen.origin)
    known = None if before is None else _known(before.note, seen, keyring)
    if known is None:
        _keep(tx, seen, note, at, None)
        return None
    reason = contradict(known, seen)
    if reason:
        body = {"of": seen.origin, "why": reason, "earlier": before.note, "later": note}
        n = append(tx, at=at, room="timeline", kind=CONTRADICTED, body=body)
        return Contradiction(before.note, note, n)
    if seen.size > known.size:
        _keep(tx, seen, note, at, before.kept_at)
    return None


def witnessed(tx: Connection) -> dict[str, Head]:
    """Origin of each other log that was seen -> its newest head (without a frontier, which its owner has)."""
    rows = _store.all_witnessed(tx)
    return {row.origin: Head(read_head(row.note), row.note, b"") for row in rows}


def export(tx: Connection, file: IO[bytes]) -> int:
    """Write the log as JSON lines: exact entries, heads, witnessed heads. Returns the number of entries.

    Streams; give it a connection of `Store.read`, which sees one state. The format is in `lines.py`.
    """
    entries_, heads_, witnessed_ = _store.counts(tx)
    file.write(opening_line(entries_, heads_, witnessed_))
    heads = ((row.n, head_line(row.n, row.note, row.frontier)) for row in _store.all_heads(tx))
    due = next(heads, None)
    for row in _store.all_entries(tx):
        while due is not None and due[0] < row.n:
            file.write(due[1])
            due = next(heads, None)
        file.write(entry_line(row.n, row.leaf, row.entry))
    while due is not None:
        file.write(due[1])
        due = next(heads, None)
    for row in _store.all_witnessed(tx):
        file.write(witnessed_line(row.note))
    return entries_


def _stored_frontier(tx: Connection) -> tuple[Frontier, int]:
    """The tree at the newest head, and the epoch of that."""
    row = _store.last_head(tx)
    if row is None:
        return Frontier(), 1
    try:
        frontier, signed = Frontier.from_bytes(row[2]), read_head(row[1])
        if (frontier.size, frontier.root()) == (signed.size, signed.root):
            return frontier, timeline_epoch(signed.origin)
    except (Untrusted, TypeError):  # SQLite gives back whatever type somebody put there
        pass
    raise _altered("timeline.frontier-altered", f"the frontier of head {row[0]}", "another")


def _known(note: str, seen: Checkpoint, keyring: KeyRing) -> Checkpoint | None:
    """The head kept before; None where somebody spoilt it. Its signature, checked when it came, is checked again only
    before it is held against a new one: nobody is accused with what he did not sign."""
    try:
        known = read_head(note)
        return check_head(note, keyring) if contradict(known, seen) else known
    except Untrusted:
        return None


def _keep(tx: Connection, seen: Checkpoint, note: str, at: Instant, kept_at: Instant | None) -> None:
    due = kept_at is None or at - kept_at >= KEEP_EVERY
    if due:
        append(tx, at=at, room="timeline", kind=WITNESSED, body={"of": seen.origin, "size": seen.size, "note": note})
    row = {"origin": seen.origin, "size": seen.size, "note": note, "seen_at": at, "kept_at": at if due else kept_at}
    _store.keep_witnessed(tx, row)


def _altered(code: str, expected: str, got: str) -> Fault:
    mend = "somebody changed this database from outside: keep it, and see `keersluis timeline verify` for the place"
    return Fault(code, expected=expected, got=got, where="timeline", mend=mend)
