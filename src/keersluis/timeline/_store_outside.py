"""Open somebody's database to read its log: it is only read, whatever lies in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy import Connection, event
from sqlalchemy.exc import SQLAlchemyError

from keersluis.errors import Incorrect
from keersluis.timeline import _store

_SQLITE_MAGIC = b"SQLite format 3\x00"


def is_database(where: str | Path) -> bool:
    """Whether this is a database URL, or a file of SQLite."""
    if "://" in str(where):
        return True
    with Path(where).open("rb") as file:
        return file.read(len(_SQLITE_MAGIC)) == _SQLITE_MAGIC


@contextmanager
def reading(where: str | Path) -> Iterator[Connection]:
    """A connection that sees one state of the log at a path or URL.

    Raises Incorrect `timeline.not-a-log`, `timeline.unreadable-source`.
    """
    try:
        engine = sa.create_engine(str(where)) if "://" in str(where) else _sqlite(Path(where))
        try:
            with engine.connect() as tx:
                _begin(tx, str(where))
                yield tx
        finally:
            engine.dispose()
    except (SQLAlchemyError, ImportError) as error:
        got = str(getattr(error, "orig", error))
        raise Incorrect(
            "timeline.unreadable-source", expected="a database that can be read", got=got, where=str(where)
        ) from None


def _begin(tx: Connection, where: str) -> None:
    if tx.dialect.name == "sqlite":
        tx.exec_driver_sql("BEGIN")
    else:
        tx.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    if not _store.has_log(tx):
        expected = "a database with the tables of a log"
        raise Incorrect("timeline.not-a-log", expected=expected, got="another database", where=where)


def _sqlite(path: Path) -> sa.Engine:
    """An engine that cannot write. On a medium where not even a lock can be made, the file is taken to stand still."""
    lockable = path.with_name(path.name + "-wal").exists() or os.access(path.parent, os.W_OK)
    mode = "mode=ro" if lockable else "immutable=1"
    engine = sa.create_engine(f"sqlite:///file:{quote(str(path.absolute()))}?{mode}&uri=true")
    event.listen(engine, "connect", _read_any_text)
    return engine


def _read_any_text(connection: Any, _record: Any) -> None:
    """Text that is no UTF-8 is somebody's doing: it must be found and placed, not stop the reading."""
    connection.isolation_level = None
    connection.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
