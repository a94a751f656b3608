"""One contract for every database: durable when told, whole or not at all, never half upgraded."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from keersluis.errors import Incorrect, Unavailable
from keersluis.storage import Migrations, Store, add_columns, open_store, upsert

metadata = sa.MetaData()
things = sa.Table(
    "things",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.LargeBinary, nullable=False),
    sa.Column("at", sa.BigInteger),
)
FIRST = Migrations("room", [metadata.create_all])
wider = sa.Table(
    "things",
    sa.MetaData(),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("note", sa.Text, nullable=False, server_default="none yet"),
)
"""The table as a later version has it, as far as the test looks."""


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
    opened = open_store(url, [FIRST])
    yield opened
    opened.close()


def put(name: str, value: bytes = b"v"):
    return lambda tx: tx.execute(sa.insert(things), {"name": name, "value": value, "at": 1})


def names(store: Store) -> set[str]:
    with store.read() as tx:
        return set(tx.execute(sa.select(things.c.name)).scalars())


def test_P1_what_write_returned_is_there(store: Store) -> None:
    store.write(put("a", b"\x00\xff"))
    with store.read() as tx:
        assert bytes(tx.execute(sa.select(things.c.value)).scalar_one()) == b"\x00\xff"


@pytest.mark.parametrize("url", ["file", "postgresql"], indirect=True)
def test_a_read_sees_one_committed_state_whatever_is_written_between_its_statements(store: Store) -> None:
    store.write(put("a"))
    with store.read() as tx:
        before = set(tx.execute(sa.select(things.c.name)).scalars())
        store.write(put("b"))
        assert set(tx.execute(sa.select(things.c.name)).scalars()) == before == {"a"}
    assert names(store) == {"a", "b"}


def test_a_job_that_fails_leaves_nothing_and_takes_no_other_with_it(store: Store) -> None:
    def half(tx: Connection) -> None:
        put("half")(tx)
        raise Incorrect("test.no")

    futures = [store.submit(put(f"good-{i}")) for i in range(20)]
    bad = store.submit(half)
    futures += [store.submit(put(f"later-{i}")) for i in range(20)]
    for future in futures:
        future.result()
    with pytest.raises(Incorrect):
        bad.result()
    assert "half" not in names(store)
    assert len(names(store)) == 40


@pytest.mark.parametrize("place", ["in the job", "before the commit"])
def test_P1_a_process_that_ends_inside_a_transaction_leaves_nothing(store: Store, place: str) -> None:
    """What the simulator's crashes rest on: they are no `Exception`, and nothing may catch them on the way."""

    class Ended(BaseException):
        pass

    def end(_tx: Connection) -> None:
        raise Ended

    def job(tx: Connection) -> str:
        put("half")(tx)
        if place == "in the job":
            end(tx)
        return "acknowledged"

    if place == "before the commit":
        store.before_commit.append(end)
    with pytest.raises(Ended):
        store.write(job)
    store.before_commit.clear()
    store.write(put("whole"))
    assert names(store) == {"whole"}


def test_many_threads_one_writer_nothing_lost(store: Store) -> None:
    def work(number: int) -> None:
        for i in range(25):
            store.write(put(f"{number}-{i}"))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(names(store)) == 100


def test_before_commit_hook_shares_the_fate_of_the_jobs(store: Store) -> None:
    def full(_tx: Connection) -> None:
        raise OperationalError("commit", None, Exception("database or disk is full"))

    store.write(put("before"))
    store.before_commit.append(full)
    with pytest.raises(Unavailable) as refused:
        store.write(put("lost"))
    assert refused.value.code == "storage.cannot-write"
    store.before_commit.clear()
    store.write(put("after"))
    assert names(store) == {"before", "after"}


def test_upsert_sets_keeps_or_replaces(store: Store) -> None:
    rows = [{"name": "a", "value": b"1", "at": 1}, {"name": "b", "value": b"1", "at": 1}]
    store.write(lambda tx: upsert(tx, things, rows, key=["name"]))
    store.write(lambda tx: upsert(tx, things, [{"name": "a", "value": b"2", "at": 2}], key=["name"]))
    store.write(lambda tx: upsert(tx, things, [{"name": "b", "value": b"3", "at": 3}], key=["name"], update=[]))
    with store.read() as tx:
        found = {row.name: (bytes(row.value), row.at) for row in tx.execute(sa.select(things))}
    assert found == {"a": (b"2", 2), "b": (b"1", 1)}


def test_migrations_go_on_from_where_the_database_is(url: str) -> None:
    store = open_store(url, [FIRST])
    store.write(put("old"))
    second = Migrations("room", [metadata.create_all, lambda tx: tx.execute(sa.text("CREATE TABLE more (x INTEGER)"))])
    if url != "sqlite://":
        store.close()
        store = open_store(url, [second])
        store.write(lambda tx: tx.execute(sa.text("INSERT INTO more VALUES (1)")))
        assert names(store) == {"old"}
        store.close()
        open_store(url, [second]).close()  # a second time does nothing
        with pytest.raises(Incorrect) as refused:
            open_store(url, [FIRST])
        assert refused.value.code == "storage.newer-schema"
    else:
        store.close()


def test_a_failed_migration_changes_nothing(url: str) -> None:
    if url == "sqlite://":
        return  # nothing of it outlives the process

    def breaks(tx: Connection) -> None:
        tx.execute(sa.text("CREATE TABLE half (x INTEGER)"))
        raise Incorrect("test.migration")

    open_store(url, [FIRST]).close()
    with pytest.raises(Incorrect, match=r"test\.migration"):
        open_store(url, [Migrations("room", [metadata.create_all, breaks])])
    again = open_store(url, [FIRST])
    with again.read() as tx:
        assert not sa.inspect(tx).has_table("half")
    again.close()


def test_readers_see_one_committed_state(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'x.db'}", [FIRST])
    with store.read() as tx:
        before = tx.execute(sa.select(sa.func.count()).select_from(things)).scalar_one()
        store.write(put("meanwhile"))
        assert tx.execute(sa.select(sa.func.count()).select_from(things)).scalar_one() == before == 0
    assert names(store) == {"meanwhile"}
    store.close()


def test_a_listener_that_fails_does_not_end_the_writer(url: str) -> None:
    store = open_store(url, [FIRST])

    def fails() -> None:
        raise RuntimeError("a page that listens")

    store.after_commit.append(fails)
    for name in "ab":
        store.submit(put(name)).result(timeout=10)
    assert names(store) == {"a", "b"}
    store.close()


def test_a_database_that_cannot_be_read_is_unavailable(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'node.db'}", [FIRST])
    with pytest.raises(Unavailable), store.read():
        raise OperationalError("SELECT", {}, Exception("disk I/O error"))
    store.close()


def test_a_column_of_a_later_version_is_added_once_and_kept_where_it_is(store: Store) -> None:
    step = add_columns(wider, "note")
    store.write(put("old"))
    store.write(step)
    store.write(step)
    with store.read() as tx:
        assert [tuple(row) for row in tx.execute(sa.select(wider.c.name, wider.c.note))] == [("old", "none yet")]
