"""One organisation's node as a process: `python -m keersluis.node` serves it until it is told to stop.

Started by `keersluis up`, by the demo and by a replay. With `--clock FILE` its time is the file's and it sends only
when told to; without, it runs on the machine's clock and sends by itself.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import os
import signal
import threading
from pathlib import Path
from typing import IO

from keersluis import restoring
from keersluis.chain import load_chain
from keersluis.errors import Conflict
from keersluis.exchange.wire import Wire, read_addresses
from keersluis.service import Node, open_node
from keersluis.storage import cannot_write
from keersluis.times import Clock, FileClock, SystemClock
from keersluis.worker import Worker


def main(arguments: list[str] | None = None) -> None:
    """Serve one node. `addresses.json` in the home says where each organisation listens."""
    parser = argparse.ArgumentParser(prog="keersluis.node", description="serve one organisation of a chain")
    parser.add_argument("chain", help="chain folder, or the name of a shipped one")
    parser.add_argument("organisation")
    parser.add_argument("home", type=Path)
    parser.add_argument("--clock", type=Path, help="file of a shared virtual clock")
    parser.add_argument("--database", help="SQLAlchemy URL; default an SQLite file in the home")
    parser.add_argument("--with-parent", action="store_true", help="end when standard input ends")
    asked = parser.parse_args(arguments)
    addresses = read_addresses(asked.home / "addresses.json")
    running = _alone(asked.home / asked.organisation / "lock")
    clock: Clock = FileClock(asked.clock) if asked.clock else SystemClock()
    wire = Wire(addresses)
    node = open_node(load_chain(asked.chain), asked.organisation, asked.home, clock, wire, url=asked.database)
    restoring.guard(node)
    port = int(addresses[asked.organisation].rsplit(":", 1)[1])
    try:
        asyncio.run(_serve(node, port, virtual=asked.clock is not None, tied=asked.with_parent))
    finally:
        wire.close()
        node.close()
        running.close()


def _alone(path: Path) -> IO[bytes]:
    """A file that is locked as long as it is open: one process at a time works for an organisation.

    Raises Conflict `node.runs-already`, Unavailable `storage.cannot-write`.
    """
    try:
        file = path.open("ab")
    except OSError as error:
        raise cannot_write(str(error), where=str(path.parent)) from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        expected, mend = "no other process for this organisation", "stop that one first"
        raise Conflict("node.runs-already", expected=expected, got="one", mend=mend, where=str(path.parent)) from None
    return file


async def _serve(node: Node, port: int, *, virtual: bool, tied: bool) -> None:
    from keersluis.web.app import node_app
    from keersluis.web.serve import serve

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    if tied:
        loop = asyncio.get_running_loop()
        threading.Thread(target=_until_parent_ends, args=(loop, stop), daemon=True).start()
    worker = None if virtual else Worker(node)
    if worker:
        worker.start()
    await serve(node_app(node), port, stop)
    if worker:
        worker.stop()


def _until_parent_ends(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    while os.read(0, 1024):
        pass
    loop.call_soon_threadsafe(stop.set)


if __name__ == "__main__":
    main()
