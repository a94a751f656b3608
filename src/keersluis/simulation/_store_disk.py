"""The simulator's disks: databases in memory that outlive the node that crashed, and that can be full."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from concurrent.futures import Future
from functools import cache
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from keersluis.service import MIGRATIONS
from keersluis.storage import Job, Store, open_store

T = TypeVar("T")


def _driver(tx: Connection) -> Any:
    """SQLite's own connection."""
    return tx.connection.driver_connection


@cache
def _empty() -> bytes:
    """A database with every table and no rows, made once in a process."""
    store = open_store("sqlite://", MIGRATIONS, inline=True)
    with store.read() as tx:
        image: bytes = _driver(tx).serialize()
    store.close()
    return image


class DiskStore(Store):
    """The product's store; after each commit, when the next transaction may begin, something may happen."""

    def __init__(self, disk: Disk) -> None:
        super().__init__(disk.engine, inline=True)
        self.disk = disk
        self.before_commit.append(disk.commits_now)
        self.after_commit.append(disk.committed)

    def submit(self, job: Job[T]) -> Future[T]:
        self.disk.forget()
        future = super().submit(job)
        if future.exception() is None:
            self.disk.afterwards()
        return future


class Disk:
    """One organisation's disk. `store` gives what a node that starts finds there: all that was committed.

    `full` holds the numbers (from 1) of commits that fail; `refused` is told of each. What a transaction did by
    `note` counts from its commit on, when `durable` is given it; a rollback forgets it. `afterwards` is called when the
    next transaction may begin.
    """

    def __init__(
        self, durable: Callable[[list[Any]], None], refused: Callable[[], None], afterwards: Callable[[], None]
    ) -> None:
        self._durable, self._refused, self.afterwards = durable, refused, afterwards
        self._noted: list[Any] = []
        self.commits = 0
        self.full: set[int] = set()
        self._first = open_store("sqlite://", [], inline=True)
        self.engine = self._first.engine
        with self._first.read() as tx:
            _driver(tx).deserialize(_empty())

    def store(self) -> Store:
        """A store of a node that starts now."""
        return DiskStore(self)

    def note(self, what: Any) -> None:
        """Something that the transaction under way does."""
        self._noted.append(what)

    def close(self) -> None:
        """Throw the disk away."""
        self.engine.dispose()

    def commits_now(self, _tx: Any) -> None:
        """The moment of the commit: it fails where the plan has the disk full."""
        self.commits += 1
        if self.commits in self.full:
            self._refused()
            raise OperationalError("COMMIT", {}, sqlite3.OperationalError("database or disk is full"))

    def forget(self) -> None:
        """What was noted before, and did not become durable, did not happen: a transaction begins."""
        self._noted.clear()

    def committed(self) -> None:
        """What was noted is durable."""
        noted, self._noted = self._noted, []
        self._durable(noted)
