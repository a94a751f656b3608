"""P5: what a node writes in its log, in whose transaction, and what it signs. One contract for every database."""

from __future__ import annotations

import io
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection

from keersluis.merkle import leaf_hash, root
from keersluis.signing import verify_note
from keersluis.storage import Store, open_store
from keersluis.timeline import Entry, log
from keersluis.timeline.model import decode_entry, encode_entry
from keersluis.timeline.verify import verify_log
from keersluis.times import SECOND
from timeline.logs import ALPHA, SIGNERS, START, keyring


@pytest.fixture(params=["memory", "file", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "memory":
        return "sqlite://"
    if request.param == "file":
        return f"sqlite:///{tmp_path / 'node.db'}"
    server: str = request.getfixturevalue("empty_postgresql")
    return server


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = open_store(url, [log.MIGRATIONS])
    opened.before_commit.append(lambda tx: log.seal(tx, SIGNERS[ALPHA], START))
    yield opened
    opened.close()


def note(tx: Connection, n: int = 1) -> int:
    return log.append(tx, at=START, room="exchange", kind="gate.moved", body={"peer": "police", "n": n})


def written(store: Store) -> list[Entry]:
    with store.read() as tx:
        return log.entries(tx)


def test_entries_are_numbered_from_one_and_read_back_by_position(store: Store) -> None:
    assert [store.write(lambda tx, n=n: note(tx, n)) for n in range(1, 6)] == [1, 2, 3, 4, 5]
    with store.read() as tx:
        assert [entry.n for entry in log.entries(tx, since=2, limit=2)] == [3, 4]
        assert [entry.n for entry in log.newest(tx, 2)] == [4, 5]
        assert log.size(tx) == 5
        assert log.entries(tx)[0] == Entry(1, START, "exchange", "gate.moved", 0, {"peer": "police", "n": 1})


def test_an_entry_of_a_job_that_fails_is_gone_and_leaves_no_hole(store: Store) -> None:
    def fails(tx: Connection) -> None:
        note(tx, 99)
        raise ValueError("on purpose")

    with store.engine.connect() as tx:
        if tx.dialect.name == "sqlite":
            tx.exec_driver_sql("BEGIN IMMEDIATE")
        note(tx, 1)
        savepoint = tx.begin_nested()
        note(tx, 2)
        savepoint.rollback()
        assert note(tx, 3) == 2
        tx.commit()
    with pytest.raises(ValueError, match="on purpose"):
        store.write(fails)
    store.write(lambda tx: note(tx, 4))
    assert [(entry.n, entry.body["n"]) for entry in written(store)] == [(1, 1), (2, 3), (3, 4)]


def test_one_head_is_signed_for_all_entries_of_a_commit_and_none_where_nothing_is_new(store: Store) -> None:
    def job(tx: Connection) -> None:
        for n in range(7):
            note(tx, n)

    store.write(job)
    store.write(lambda tx: None)
    with store.read() as tx:
        head = log.head(tx)
    assert head is not None
    assert head.checkpoint.size == 7
    assert verify_note(head.note, keyring()).signers == (ALPHA,)
    assert [entry.head for entry in written(store)] == [0] * 7
    store.write(note)
    assert [entry.head for entry in written(store)][-1] == 7


def test_a_head_bears_the_root_of_the_exact_entries(store: Store) -> None:
    for n in range(1, 12):
        store.write(lambda tx, n=n: note(tx, n))
    with store.read() as tx:
        head = log.head(tx)
        leaves = [leaf_hash(encode_entry(entry)) for entry in log.entries(tx)]
    assert head is not None
    assert head.checkpoint.root == root(leaves)
    assert head.checkpoint.complete_through == head.checkpoint.entered_through == START


def test_an_empty_log_has_no_head(store: Store) -> None:
    with store.read() as tx:
        assert log.head(tx) is None
        assert log.entries(tx) == []
        assert log.witnessed(tx) == {}


@pytest.mark.parametrize("url", ["file", "postgresql"], indirect=True)
def test_a_log_is_verified_where_it_is_stored_and_as_a_file(store: Store, url: str, tmp_path: Path) -> None:
    for n in range(20):
        store.write(lambda tx, n=n: note(tx, n))
    file = io.BytesIO()
    with store.read() as tx:
        assert log.export(tx, file) == 20
    (tmp_path / "log.jsonl").write_bytes(file.getvalue())
    for where in (url, tmp_path / "log.jsonl"):
        report = verify_log(where, keyring())
        assert report.good
        assert (report.log, report.entries, report.heads) == (ALPHA, 20, 20)


def test_a_body_that_is_no_json_is_refused_and_nothing_is_written(store: Store) -> None:
    with pytest.raises(TypeError):
        store.write(lambda tx: log.append(tx, at=START, room="exchange", kind="gate.moved", body={"x": object()}))
    assert written(store) == []


def test_fields_that_a_later_version_adds_to_an_entry_are_kept() -> None:
    data = b'{"n":1,"at":"2025-07-17T04:00:00Z","room":"r","kind":"k","head":0,"trace":"x","body":{"a":{"b":[1.5]}}}'
    assert decode_entry(data) == Entry(1, START, "r", "k", 0, {"a": {"b": [1.5]}})


# --- costs --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def long_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20,000 entries under 200 heads."""
    path = tmp_path_factory.mktemp("long") / "node.db"
    store = open_store(f"sqlite:///{path}", [log.MIGRATIONS], inline=True)
    store.before_commit.append(lambda tx: log.seal(tx, SIGNERS[ALPHA], START + 20_000 * SECOND))
    for commit in range(200):

        def job(tx: Connection, commit: int = commit) -> None:
            for n in range(commit * 100, commit * 100 + 100):
                log.append(tx, at=START + n * SECOND, room="exchange", kind="batch.applied", body={"through": n})

        store.write(job)
    store.close()
    return path


def test_P6_to_append_costs_the_same_however_long_the_log_is(long_log: Path) -> None:
    """Under 100 microseconds on an idle core; four times that here, for a core that is shared."""
    store = open_store(f"sqlite:///{long_log}", [log.MIGRATIONS], inline=True)
    spent: list[float] = []

    def job(tx: Connection) -> None:
        for _ in range(10):
            start = time.perf_counter()
            for n in range(50):
                note(tx, n)
            spent.append((time.perf_counter() - start) / 50)
        raise ValueError("leave it as it was")

    with pytest.raises(ValueError, match="leave it"):
        store.write(job)
    store.close()
    assert min(spent) < 400e-6


def test_verifying_streams_and_keeps_one_stretch_in_memory(long_log: Path, tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    store = open_store(f"sqlite:///{long_log}", [log.MIGRATIONS], inline=True)
    with store.read() as tx, file.open("wb") as out:
        log.export(tx, out)
    store.close()
    for where in (long_log, file):
        verify_log(where, keyring())  # caches of a bounded size fill
        tracemalloc.start()
        report = verify_log(where, keyring())
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert report.good
        assert report.entries == 20_000
        assert peak < min(long_log.stat().st_size, file.stat().st_size) / 2, where
