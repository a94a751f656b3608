"""A queue in PostgreSQL as many build it: rows in, `FOR UPDATE SKIP LOCKED` out. The peer without signatures."""

from __future__ import annotations

import threading
import time

import psycopg

_TABLE = "CREATE TABLE queue (n bigserial PRIMARY KEY, body bytea NOT NULL)"
_PUT = "INSERT INTO queue (body) VALUES (%s)"
_TAKE = (
    "DELETE FROM queue WHERE n IN (SELECT n FROM queue ORDER BY n LIMIT %s FOR UPDATE SKIP LOCKED) RETURNING n, body"
)


def throughput(url: str, number: int, size: int, at_once: int) -> float:
    """Events per second from the first insert until the last is taken out, `at_once` in a transaction on both sides."""
    address = url.replace("+psycopg", "")
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS queue")
        connection.execute(_TABLE)
    feeding = threading.Thread(target=_feed, args=(address, number, size, at_once), daemon=True)
    started = time.monotonic()
    feeding.start()
    with psycopg.connect(address) as connection:
        got = 0
        while got < number:
            taken = connection.execute(_TAKE, (at_once,)).fetchall()
            connection.commit()
            got += len(taken)
    return number / (time.monotonic() - started)


def _feed(address: str, number: int, size: int, at_once: int) -> None:
    body = b"x" * size
    with psycopg.connect(address) as connection, connection.cursor() as cursor:
        for first in range(0, number, at_once):
            cursor.executemany(_PUT, [(body,)] * min(at_once, number - first))
            connection.commit()
