"""Real logs for the tests: SQLite files written through the store, and what an attacker can do to them."""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from keersluis.identity import KeyRing
from keersluis.merkle import Frontier, leaf_hash
from keersluis.signing import Signer, sign_note
from keersluis.storage import Store, open_store
from keersluis.timeline import log
from keersluis.timeline.heads import read_head
from keersluis.times import HOUR, SECOND, Instant, parse_instant

START = parse_instant("2025-07-17T04:00:00Z")
ALPHA, BETA, GAMMA = ("00000099000000000001", "00000099000000000002", "00000099000000000003")
SIGNERS = {oin: Signer.from_seed(oin, bytes([number]) * 32) for number, oin in enumerate((ALPHA, BETA, GAMMA), 1)}
COMMITS = (3, 1, 4, 2, 5, 1)
"""How many entries each commit of `write_log` has: heads at 3, 4, 8, 10, 15, 16."""
SIZE = sum(COMMITS)
HEADS = tuple(sum(COMMITS[: n + 1]) for n in range(len(COMMITS)))


def keyring() -> KeyRing:
    ring = KeyRing()
    for oin, signer in SIGNERS.items():
        ring.add(oin, signer.public)
    return ring


@contextmanager
def node(path: Path, oin: str = ALPHA, at: Instant = START) -> Iterator[Store]:
    """The store of a node whose writer seals each commit at `at`."""
    store = open_store(f"sqlite:///{path}", [log.MIGRATIONS], inline=True)
    store.before_commit.append(lambda tx: log.seal(tx, SIGNERS[oin], at))
    try:
        yield store
    finally:
        store.close()


def grow(
    path: Path, oin: str = ALPHA, commits: tuple[int, ...] = COMMITS, *, label: str = "a", start: Instant = START
) -> None:
    """Append entries, a second apart, as many to a commit as `commits` says; `label` makes their content differ."""
    with node(path, oin) as store, store.read() as tx:
        count = log.size(tx)
    for entries in commits:
        with node(path, oin, start + (count + entries) * SECOND) as store:
            store.write(lambda tx, first=count, entries=entries: _fill(tx, first, entries, label, start))
        count += entries


def _fill(tx: Any, first: int, entries: int, label: str, start: Instant) -> None:
    for n in range(first + 1, first + entries + 1):
        body = {"peer": "police", "batch": n, "label": label}
        log.append(tx, at=start + n * SECOND, room="exchange", kind="batch.offered", body=body)


def witness(path: Path, oin: str, seen: Path, at: Instant) -> None:
    """The organisation `oin` sees the newest head of the log at `seen`, and keeps it."""
    note = newest_head(seen)
    with node(path, oin, at) as store:
        store.write(lambda tx: log.witness(tx, note, keyring(), at))


def head_sizes(path: Path) -> list[int]:
    """How many entries each head covers."""
    with attack(path) as db:
        return [n for (n,) in db.execute("SELECT n FROM timeline_heads ORDER BY n")]


def newest_head(path: Path) -> str:
    with node(path) as store, store.read() as tx:
        head = log.head(tx)
        assert head is not None
        return head.note


def write_log(folder: Path) -> Path:
    """The log of ALPHA, `COMMITS` commits."""
    path = folder / "node.db"
    grow(path)
    return path


def write_chain(folder: Path) -> dict[str, Path]:
    """Three organisations' logs that have seen each other; the last entries of ALPHA were seen by BETA."""
    paths = {oin: folder / name / "node.db" for oin, name in ((ALPHA, "alpha"), (BETA, "beta"), (GAMMA, "gamma"))}
    for oin, path in paths.items():
        path.parent.mkdir(parents=True)
        grow(path, oin, COMMITS[:3])
    for round_ in range(3):
        at = START + (round_ + 1) * 2 * log.KEEP_EVERY
        witness(paths[BETA], BETA, paths[ALPHA], at)
        witness(paths[ALPHA], ALPHA, paths[BETA], at)
        witness(paths[ALPHA], ALPHA, paths[GAMMA], at)
        witness(paths[GAMMA], GAMMA, paths[BETA], at)
        grow(paths[ALPHA], ALPHA, (2, 1), start=at + HOUR)
    witness(paths[BETA], BETA, paths[ALPHA], START + 8 * log.KEEP_EVERY)
    keyring().save(folder / "keys.json")
    return paths


def forge(db: sqlite3.Connection, n: int, signer: Signer) -> None:
    """Sign the head at `n` again, over what the entries are now, with this key."""
    leaves = [leaf for (leaf,) in db.execute("SELECT leaf FROM timeline_entries WHERE n <= ? ORDER BY n", (n,))]
    (note,) = db.execute("SELECT note FROM timeline_heads WHERE n = ?", (n,)).fetchone()
    tree = Frontier().extend(leaves)
    text = replace(read_head(note), root=tree.root()).text()
    values = (sign_note(text, signer), tree.to_bytes(), n)
    db.execute("UPDATE timeline_heads SET note = ?, frontier = ? WHERE n = ?", values)


def exported(path: Path) -> bytes:
    with node(path) as store, store.read() as tx:
        file = io.BytesIO()
        log.export(tx, file)
        return file.getvalue()


# --- what an attacker does, with the database in hand and without the private key -------------------


@contextmanager
def attack(path: Path) -> Iterator[sqlite3.Connection]:
    """The database, to be edited by raw SQL."""
    connection = sqlite3.connect(path)
    try:
        with connection:
            yield connection
    finally:
        connection.close()


def entry(db: sqlite3.Connection, n: int) -> tuple[bytes, bytes]:
    """The bytes and the leaf hash of entry `n`."""
    row: tuple[bytes, bytes] = db.execute("SELECT entry, leaf FROM timeline_entries WHERE n = ?", (n,)).fetchone()
    return row


def put_entry(db: sqlite3.Connection, n: int, data: bytes, leaf: bytes | None = None) -> None:
    """Replace the bytes of entry `n`, and the leaf hash (by default by the right one for these bytes)."""
    leaf = leaf_hash(data) if leaf is None else leaf
    db.execute("UPDATE timeline_entries SET entry = ?, leaf = ? WHERE n = ?", (data, leaf, n))


def forge_edges(db: sqlite3.Connection) -> None:
    """Compute anew all that needs no private key: the edge beside every head."""
    leaves = [leaf for (leaf,) in db.execute("SELECT leaf FROM timeline_entries ORDER BY n")]
    for (n,) in db.execute("SELECT n FROM timeline_heads ORDER BY n").fetchall():
        edge = Frontier().extend(leaves[:n]).to_bytes()
        db.execute("UPDATE timeline_heads SET frontier = ? WHERE n = ?", (edge, n))


def rewrite(path: Path, oin: str, keep: int, commits: tuple[int, ...], start: Instant) -> None:
    """The holder of the private key cuts the log to a head at `keep`, and goes on with other entries."""
    with attack(path) as db:
        db.execute("DELETE FROM timeline_entries WHERE n > ?", (keep,))
        db.execute("DELETE FROM timeline_heads WHERE n > ?", (keep,))
    grow(path, oin, commits, label="rewritten", start=start)
