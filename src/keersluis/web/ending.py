"""Live streams stay open for as long as somebody looks; a server that stops must not wait for them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

from litestar.types import ASGIApp, Receive, Scope, Send

STREAM = "/stroom"


def until(app: ASGIApp, stop: asyncio.Event) -> ASGIApp:
    """`app`, whose live streams are told that their reader left when `stop` is set.

    Only the streams pay for it; all other requests, the exchange's among them, go straight through.
    """

    async def ending(scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("path") != STREAM:
            await app(scope, receive, send)
            return

        async def listen() -> Any:
            return await _first(receive(), stop)

        await app(scope, listen, send)

    return ending


async def _first(message: Awaitable[Any], stop: asyncio.Event) -> Any:
    heard, told = asyncio.ensure_future(message), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({heard, told}, return_when=asyncio.FIRST_COMPLETED)
        return heard.result() if heard.done() else {"type": "http.disconnect"}
    finally:
        told.cancel()
        heard.cancel()
