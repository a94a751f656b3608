"""One database per organisation: many readers, one writer with group commit, schema versions per room.

Requests queue as jobs; one transaction and one fsync serve many; each job is answered only after the commit that
made it durable (P1). SQLite (WAL, synchronous=FULL) is the embedded default, PostgreSQL the server.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy import Connection, Engine, event
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import StaticPool

from keersluis.errors import Incorrect, KeersluisError, Unavailable

T = TypeVar("T")
Job = Callable[[Connection], T]
Hook = Callable[[Connection], None]

_log = logging.getLogger(__name__)

CANNOT_GO_ON = OperationalError
"""What a job gets from a database that cannot go on (a full disk, a lost server): never the fault of what it wrote."""

GROUP = 256
"""The most jobs that share one commit."""

IN_AT_ONCE = 500
"""Values in one IN list; SQLite allows more."""

_WRITER_LOCK = 0x4B4C  # PostgreSQL: one writing transaction at a time, as SQLite has by nature

_schema = sa.MetaData()
_versions = sa.Table(
    "schema_versions",
    _schema,
    sa.Column("room", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
)


class Bytes(sa.LargeBinary):
    """Bytes in, bytes out: both drivers take and give them as they are, so that no value is wrapped on its way."""

    cache_ok = True

    def bind_processor(self, dialect: Any) -> None:
        return None

    def result_processor(self, dialect: Any, coltype: Any) -> None:
        return None


@dataclass(frozen=True)
class Migrations:
    """A room's schema as numbered steps; step k brings its tables from version k-1 to k."""

    room: str
    steps: Sequence[Hook]


@dataclass
class _Waiting:
    job: Job[Any]
    future: Future[Any] = field(default_factory=Future)


def open_store(url: str, migrations: Iterable[Migrations], *, inline: bool = False) -> Store:
    """Open (and where needed create or upgrade) the database at an SQLAlchemy `url`.

    `inline` runs every job in the caller's thread, for the simulator and for commands. Raises Incorrect
    `storage.newer-schema` when the database was written by a newer version, and then changes nothing.
    """
    store = Store(_engine(url), inline=inline)
    store.write(lambda tx: _migrate(tx, list(migrations)))
    return store


def _engine(url: str) -> Engine:
    if url in ("sqlite://", "sqlite:///:memory:"):
        engine = sa.create_engine(url, poolclass=StaticPool, connect_args={"check_same_thread": False})
    elif url.startswith("sqlite"):
        engine = sa.create_engine(url, connect_args={"timeout": 30})
    else:
        engine = sa.create_engine(url, pool_pre_ping=True)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves, so that savepoints and IMMEDIATE work
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "cache_size=-65536", "temp_store=MEMORY"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute("PRAGMA wal_autocheckpoint=8000")


def _migrate(tx: Connection, migrations: Sequence[Migrations]) -> None:
    _schema.create_all(tx)
    known = {row.room: row.version for row in tx.execute(sa.select(_versions))}
    newer = [m.room for m in migrations if known.get(m.room, 0) > len(m.steps)]
    if newer:
        raise Incorrect(
            "storage.newer-schema",
            expected="a database of this version of Keersluis or older",
            got=f"a newer schema for {', '.join(newer)}",
            mend="install the version that wrote it, or a later one",
        )
    for migration in migrations:
        have = known.get(migration.room, 0)
        for step in migration.steps[have:]:
            step(tx)
        if have < len(migration.steps):
            upsert(tx, _versions, [{"room": migration.room, "version": len(migration.steps)}], key=["room"])


def add_columns(table: sa.Table, *names: str) -> Hook:
    """A migration step: columns that a later version gave to `table`; where the table is made anew they are there."""

    def step(tx: Connection) -> None:
        have = {column["name"] for column in sa.inspect(tx).get_columns(table.name)}
        for name in names:
            if name not in have:
                column = sa.schema.CreateColumn(table.columns[name]).compile(dialect=tx.dialect)
                tx.exec_driver_sql(f"ALTER TABLE {table.name} ADD COLUMN {column}")

    return step


def insert_rows(tx: Connection, table: sa.Table, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert many rows of plain values (int, str, bytes, None), each in the order of `columns`; for hot paths."""
    if rows:
        mark = "%s" if tx.dialect.name == "postgresql" else "?"
        marks = ", ".join([mark] * len(columns))
        tx.exec_driver_sql(f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({marks})", list(rows))


def rows_in(tx: Connection, select: str, values: Sequence[Any]) -> Iterator[Any]:
    """The rows of `select … IN`, for many plain values; for hot paths, where Core would look at each of them."""
    mark = "%s" if tx.dialect.name == "postgresql" else "?"
    for first in range(0, len(values), IN_AT_ONCE):
        some = tuple(values[first : first + IN_AT_ONCE])
        yield from tx.exec_driver_sql(f"{select} ({', '.join([mark] * len(some))})", some)


def upsert(
    tx: Connection,
    table: sa.Table,
    rows: Sequence[dict[str, Any]],
    *,
    key: Sequence[str],
    update: Sequence[str] | None = None,
) -> None:
    """Insert `rows`; where `key` exists, set the columns of `update` (default: all others; empty: leave as it is)."""
    if not rows:
        return
    names = [c.name for c in table.columns if c.name not in key] if update is None else update
    written = tuple(name for name in names if name in rows[0])
    tx.execute(_upsert(tx.dialect.name, table, tuple(key), written), list(rows))


@lru_cache(maxsize=256)
def _upsert(dialect: str, table: sa.Table, key: tuple[str, ...], names: tuple[str, ...]) -> Any:
    build: Any = postgresql_insert if dialect == "postgresql" else sqlite_insert
    statement = build(table)
    if not names:
        return statement.on_conflict_do_nothing(index_elements=list(key))
    return statement.on_conflict_do_update(
        index_elements=list(key), set_={name: statement.excluded[name] for name in names}
    )


class Store:
    """The database of one organisation. Safe to use from many threads."""

    def __init__(self, engine: Engine, *, inline: bool) -> None:
        self.engine = engine
        self.before_commit: list[Hook] = []
        self.after_commit: list[Callable[[], None]] = []
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._alone = threading.Lock()
        self._thread: threading.Thread | None = None
        self._memory = isinstance(engine.pool, StaticPool)
        if not inline and not self._memory:
            self._thread = threading.Thread(target=self._serve, name="writer", daemon=True)
            self._thread.start()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that sees one committed state of the whole database."""
        try:
            with self.engine.connect() as connection:
                if connection.dialect.name != "sqlite":
                    connection.execution_options(isolation_level="REPEATABLE READ")
                elif not self._memory:
                    connection.exec_driver_sql("BEGIN")
                yield connection
        except OperationalError as error:
            raise _translate(error) from error

    def write(self, job: Job[T]) -> T:
        """Run `job` in a writing transaction and return its result once it is durable.

        While nobody else writes it runs in the caller's own thread: an idle node waits for no other thread.
        """
        if self._thread is None or not self._queue.empty() or not self._alone.acquire(blocking=False):
            return self.submit(job).result()
        waiting = _Waiting(job)
        try:
            self._commit([waiting])
        finally:
            self._alone.release()
        return cast(T, waiting.future.result())

    def submit(self, job: Job[T]) -> Future[T]:
        """Queue `job`; the future is resolved after the commit, or carries the job's own error."""
        waiting = _Waiting(job)
        if self._thread is None:
            with self._alone:
                self._commit([waiting])
        else:
            self._queue.put(waiting)
        return waiting.future

    def close(self) -> None:
        """Finish what is queued and close every connection."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None
        self.engine.dispose()

    def _serve(self) -> None:
        while (first := self._queue.get()) is not None:
            group: list[_Waiting] = [first]
            stop = False
            while len(group) < GROUP and not self._queue.empty():
                following = self._queue.get()
                if following is None:
                    stop = True
                    break
                group.append(following)
            with self._alone:
                self._commit(group)
            if stop:
                return

    def _commit(self, group: list[_Waiting]) -> None:
        """One transaction for the group; a job that fails is rolled back alone."""
        done: list[tuple[_Waiting, Any]] = []
        try:
            with self.engine.connect() as connection:
                self._begin(connection)
                try:
                    for waiting in group:
                        self._run(connection, waiting, done, alone=len(group) == 1)
                    for hook in self.before_commit if done else ():
                        hook(connection)
                    connection.commit()
                except BaseException:
                    connection.rollback()
                    raise
        except BaseException as error:  # noqa: BLE001, every failure goes to whoever waits for it
            for waiting in group:
                if not waiting.future.done():
                    waiting.future.set_exception(_translate(error))
            return
        self._told()
        for waiting, result in done:
            waiting.future.set_result(result)

    def _told(self) -> None:
        """What listens to commits cannot undo one, nor keep the writer from the next."""
        for callback in self.after_commit:
            try:
                callback()
            except Exception:  # noqa: BLE001, whatever it is
                _log.exception("a listener to commits failed")

    @staticmethod
    def _begin(connection: Connection) -> None:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _WRITER_LOCK})

    @staticmethod
    def _run(connection: Connection, waiting: _Waiting, done: list[tuple[_Waiting, Any]], *, alone: bool) -> None:
        if alone:
            done.append((waiting, waiting.job(connection)))
            return
        savepoint = connection.begin_nested()
        try:
            result = waiting.job(connection)
            savepoint.commit()
        except Exception as error:  # noqa: BLE001, as above
            savepoint.rollback()
            waiting.future.set_exception(_translate(error))
        else:
            done.append((waiting, result))


def _translate(error: BaseException) -> BaseException:
    """A database that cannot write is Unavailable, not a crash: the sender keeps its event and tries again."""
    if isinstance(error, KeersluisError) or not isinstance(error, OperationalError):
        return error
    return cannot_write(str(error.orig))


def cannot_write(reason: str, where: str = "") -> Unavailable:
    """The error of a disk that is full, read-only or gone."""
    return Unavailable(
        "storage.cannot-write",
        expected="a database that can be read and written",
        got=reason,
        mend="make room on the disk or see to its rights; nothing was lost, what was not acknowledged is offered again",
        where=where,
    )
