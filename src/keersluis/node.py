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
from functools import partial
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from keersluis import restoring
from keersluis.certificates import Contexts, Credentials, credentials_of
from keersluis.chain import load_chain
from keersluis.errors import Conflict, Forbidden, Incorrect
from keersluis.exchange.wire import Listens, open_wire, read_listens
from keersluis.forecasting import foreteller
from keersluis.keeping import teller
from keersluis.repeating import Repeating
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
    chain = load_chain(asked.chain)
    listens = read_listens(asked.home / "addresses.json")[asked.organisation]
    running = _alone(asked.home / asked.organisation / "lock")
    clock: Clock = FileClock(asked.clock) if asked.clock else SystemClock()
    wire = open_wire(chain, asked.home, asked.organisation)
    node = open_node(chain, asked.organisation, asked.home, clock, wire, url=asked.database)
    credentials = credentials_of(asked.home, asked.organisation)
    restoring.guard(node)
    try:
        asyncio.run(_serve(node, listens, credentials, virtual=asked.clock is not None, tied=asked.with_parent))
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


async def _serve(node: Node, listens: Listens, credentials: Credentials | None, *, virtual: bool, tied: bool) -> None:
    from keersluis.web.app import node_app

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    if tied:
        loop = asyncio.get_running_loop()
        threading.Thread(target=_until_parent_ends, args=(loop, stop), daemon=True).start()
    threads: list[Repeating | Worker] = [teller(node)]
    threads += [] if virtual else [Worker(node), foreteller(node)]
    for thread in threads:
        thread.start()
    await _listen(node, node_app(node), listens, credentials, stop)
    for thread in threads:
        thread.stop()


async def _listen(node: Node, app: Any, listens: Listens, credentials: Credentials | None, stop: asyncio.Event) -> None:
    """On the port for this machine and, where there is a certificate, at the door for other organisations."""
    from keersluis.web.door import Door
    from keersluis.web.peers import here_only
    from keersluis.web.serve import serve

    local = urlsplit(listens.local or "").port
    if local is None:
        raise Incorrect("link.addresses", expected="a `local` URL with a port for this node", got=repr(listens.local))
    if credentials is None or not (listens.peer or "").startswith("https://"):
        await serve(app, local, stop)
        return
    where = urlsplit(f"//{listens.listen}" if listens.listen else listens.peer or "")
    door = Door(app, Contexts(credentials), partial(member, node))
    welcome = asyncio.create_task(door.serve(where.hostname or "", where.port or 443, stop))
    serving = asyncio.create_task(serve(here_only(app), local, stop))
    await asyncio.wait([welcome, serving], return_when=asyncio.FIRST_COMPLETED)
    stop.set()  # a node with one of its two ports is none
    await asyncio.gather(welcome, serving)


def member(node: Node, oin: str) -> str:
    """The key of the organisation that has this OIN. Raises Forbidden `link.stranger` or `link.revoked`."""
    found = next((each for each in node.chain.organisations.values() if each.oin == oin), None)
    if found is None:
        raise Forbidden("link.stranger", expected="an organisation of this chain", got=oin[:40])
    if not node.ctx.keyring.keys(oin, node.clock.now()):
        mend = "show us a new key: keersluis keys add"
        raise Forbidden("link.revoked", expected=f"a key of {found.key} in force", got="none", mend=mend)
    return found.key


def _until_parent_ends(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    while os.read(0, 1024):
        pass
    loop.call_soon_threadsafe(stop.set)


if __name__ == "__main__":
    main()
