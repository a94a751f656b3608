"""The source system's outbox table, in its own database: PostgreSQL or SQLite. The only SQL of the adaptors.

The table is theirs. With ``mark`` we write one column of it; with ``cursor`` we only read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from keersluis.adaptors.config import OutboxSource
from keersluis.adaptors.mapping import Row
from keersluis.errors import Incorrect, Unavailable


class Table:
    """The outbox table of one adaptor. Raises Unavailable `adaptor.database` when its database does not answer, and
    Incorrect `adaptor.outbox` when it is not as the adaptor's file says."""

    def __init__(self, source: OutboxSource, url: str, columns: Sequence[str]) -> None:
        self._source = source
        self._engine = _engine(url, read_only=source.mode == "cursor")
        self.postgresql = self._engine.dialect.name == "postgresql"
        schema, _, name = source.table.rpartition(".")
        needed = dict.fromkeys((source.key, source.status, *columns))
        self._table = sa.table(name, *(sa.column(each) for each in needed if each), schema=schema or None)
        self._key: Any = self._table.c[source.key]

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def check(self) -> None:
        """The table and its columns are there; where a cursor is kept, its numbers are given in a way that it can
        follow. Raises Incorrect `adaptor.outbox` with every fault."""
        with self._begin() as tx:
            schema, _, name = self._source.table.rpartition(".")
            if not sa.inspect(tx).has_table(name, schema or None):
                raise _wrong(self._source, [f"table: expected one that is there, got {self._source.table!r}"])
            have = {each["name"]: each for each in sa.inspect(tx).get_columns(name, schema or None)}
            faults = [
                f"{each.name}: expected a column of the table, got none"
                for each in self._table.c
                if each.name not in have
            ]
            key = have.get(self._source.key)
            if key is not None and not isinstance(key["type"], sa.Integer):
                faults.append(f"{self._source.key}: expected whole numbers, got {key['type']}")
            if self._source.mode == "cursor" and self.postgresql and not faults:
                faults += self._sequence_faults(tx)
        if faults:
            raise _wrong(self._source, faults)

    def _sequence_faults(self, tx: Connection) -> list[str]:
        """Numbers that a session keeps for later, or that may turn back, can come after greater ones at any time."""
        statement = sa.text(
            "SELECT s.seqcache, s.seqincrement, s.seqcycle FROM pg_sequence s"
            " WHERE s.seqrelid = pg_get_serial_sequence(:table, :key)::regclass"
        )
        row = tx.execute(statement, {"table": self._source.table, "key": self._source.key}).first()
        if row is None:
            return [f"{self._source.key}: expected a column with a sequence of its own (identity or serial), got none"]
        if row.seqcache != 1 or row.seqincrement < 1 or row.seqcycle:
            return [f"{self._source.key}: expected a sequence that rises, with CACHE 1 and NO CYCLE, got another"]
        return []

    @contextmanager
    def _begin(self) -> Iterator[Connection]:
        try:
            with self._engine.begin() as tx:
                yield tx
        except SQLAlchemyError as error:
            reason = str(error.orig if isinstance(error, DBAPIError) else error).strip().splitlines()[0]
            raise Unavailable(
                "adaptor.database",
                expected="the database of the source system",
                got=reason,
                mend="what was not marked is taken again; nothing is lost",
                where=self._source.table,
            ) from None

    # -- mark ------------------------------------------------------------------------------------------------------

    @contextmanager
    def taking(self, most: int) -> Iterator[tuple[list[Row], Connection]]:
        """Up to `most` waiting rows in the order of the key, and the transaction in which `mark` acknowledges them.

        On PostgreSQL the rows are locked until then, and rows that another adaptor has locked are passed over. SQLite
        locks whole databases, so there the reading ends first and a row is marked if it still waits.
        """
        if not self.postgresql:
            with self._begin() as tx:
                rows = self._waiting(tx, most)
            with self._begin_later() as later:
                yield rows, later
            return
        with self._begin() as tx:
            yield self._waiting(tx, most), tx

    @contextmanager
    def _begin_later(self) -> Iterator[Connection]:
        with self._begin() as tx:
            yield tx

    def _waiting(self, tx: Connection, most: int) -> list[Row]:
        statement = sa.select(*self._table.c).where(self._waits()).order_by(self._key).limit(most)
        if self.postgresql:
            statement = statement.with_for_update(skip_locked=True)
        return [self._row(found) for found in tx.execute(statement).mappings()]

    def _waits(self) -> Any:
        status = self._table.c[self._source.status]
        return status.is_(None) if self._source.waiting is None else status == self._source.waiting

    def mark(self, tx: Connection, keys: Sequence[int], status: str) -> None:
        """Acknowledge rows: only what is durable at the node, or was refused by it."""
        for start in range(0, len(keys), 500):
            part = list(keys[start : start + 500])
            statement = sa.update(self._table).where(self._key.in_(part), self._waits())
            tx.execute(statement.values({self._source.status: status}))

    # -- cursor ----------------------------------------------------------------------------------------------------

    def after(self, key: int, most: int, through: int | None = None) -> list[Row]:
        """Committed rows with a key greater than `key` (up to `through`), in its order."""
        statement = sa.select(*self._table.c).where(self._key > key).order_by(self._key).limit(most)
        if through is not None:
            statement = statement.where(self._key <= through)
        with self._begin() as tx:
            return [self._row(found) for found in tx.execute(statement).mappings()]

    def newest(self) -> int:
        """The greatest committed key; 0 for none."""
        with self._begin() as tx:
            return int(tx.execute(sa.select(sa.func.coalesce(sa.func.max(self._key), 0))).scalar_one())

    def under_way(self) -> list[str]:
        """The transactions that may still commit a key smaller than one that is there already.

        A number is taken before its row is committed, perhaps long before the transaction has an id of its own; so
        every virtual transaction of the database counts, and every prepared one. All users may see these. On SQLite
        one transaction writes at a time, and takes its numbers then: none.
        """
        if not self.postgresql:
            return []
        statement = sa.text(
            "SELECT l.virtualtransaction AS name FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid"
            " WHERE l.locktype = 'virtualxid' AND l.pid <> pg_backend_pid()"
            " AND coalesce(a.datname, current_database()) = current_database()"
            " AND coalesce(a.backend_type, '') <> 'autovacuum worker'"
            " UNION SELECT 'prepared ' || gid FROM pg_prepared_xacts WHERE database = current_database()"
        )
        with self._begin() as tx:
            return sorted(str(name) for name in tx.execute(statement).scalars())

    # -- both ------------------------------------------------------------------------------------------------------

    def count(self, after: int = 0) -> int:
        """How many rows wait."""
        waits = self._waits() if self._source.mode == "mark" else self._key > after
        with self._begin() as tx:
            return int(tx.execute(sa.select(sa.func.count()).select_from(self._table).where(waits)).scalar_one())

    def peek(self, most: int) -> list[Row]:
        """Rows to show; nothing is locked."""
        with self._begin() as tx:
            statement = sa.select(*self._table.c).order_by(self._key).limit(most)
            if self._source.mode == "mark":
                statement = statement.where(self._waits())
            return [self._row(found) for found in tx.execute(statement).mappings()]

    def _row(self, found: Mapping[Any, Any]) -> Row:
        values = {str(name): _text(value) for name, value in found.items() if value is not None}
        values.pop(self._source.status, None)
        return Row(int(found[self._source.key]), "", values)


def _engine(url: str, *, read_only: bool) -> sa.Engine:
    if url.startswith(("postgres://", "postgresql://")):
        url = "postgresql+psycopg://" + url.partition("://")[2]
    try:
        engine = sa.create_engine(url, pool_pre_ping=True)
    except (SQLAlchemyError, ImportError, ValueError):
        engine = None
    if engine is None or engine.dialect.name not in ("postgresql", "sqlite"):
        expected = "postgresql://… or sqlite:///…"
        raise Incorrect("adaptor.outbox", expected=expected, got="another address", where="outbox.url")
    if read_only and engine.dialect.name == "postgresql":
        engine = engine.execution_options(postgresql_readonly=True)
    return engine


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, bytes | memoryview):
        return bytes(value).decode(errors="replace")
    return msgspec.json.encode(value).decode() if isinstance(value, dict | list) else str(value)


def _wrong(source: OutboxSource, faults: list[str]) -> Incorrect:
    return Incorrect(
        "adaptor.outbox",
        expected=f"a table {source.table} as the adaptor's file says",
        got=faults[0],
        where="outbox",
        faults=[f"outbox: {fault}" for fault in faults],
    )
