"""Serves an application on a loopback port inside this process, until it is told to stop: for this machine only.
Other organisations come by `door.py`."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from granian.constants import Interfaces
from granian.server.embed import Server

from keersluis.web.ending import until


def free_port() -> int:
    """A port of the loopback interface that was free just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def serve(app: Any, port: int, stop: asyncio.Event) -> None:
    """Serve `app` (ASGI) on 127.0.0.1:`port` until `stop` is set."""
    ending = until(app, stop)
    server = Server(
        ending, address="127.0.0.1", port=port, interface=Interfaces.ASGI, log_enabled=False, websockets=False
    )
    task = asyncio.create_task(server.serve())
    waiter = asyncio.create_task(stop.wait())
    await asyncio.wait([task, waiter], return_when=asyncio.FIRST_COMPLETED)
    waiter.cancel()
    if not task.done():
        server.stop()  # type: ignore[no-untyped-call]
    await task
