"""Calls an application's own API from within: a page's action takes the very way that a program's request takes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from keersluis.exchange.wire import problem

ASGI = Any
"""An ASGI application, such as Litestar's."""


def call(app: ASGI, path: str, body: bytes | None, media_type: str = "application/json") -> bytes:
    """POST `body` to `path` (GET without) and return the answer's bytes; for worker threads. Raises its problem."""
    return asyncio.run(_call(app, path, body, media_type))


async def _call(app: ASGI, path: str, body: bytes | None, media_type: str) -> bytes:
    address, _, query = path.partition("?")
    scope = _scope("GET" if body is None else "POST", address, query, media_type)
    waiting = [{"type": "http.request", "body": body or b"", "more_body": False}]
    told: list[Mapping[str, Any]] = []

    async def receive() -> Mapping[str, Any]:
        if waiting:
            return waiting.pop()
        await asyncio.Event().wait()  # nobody hangs up
        raise AssertionError

    async def send(message: Mapping[str, Any]) -> None:
        told.append(message)

    await app(scope, receive, send)
    status = next(int(each["status"]) for each in told if each["type"] == "http.response.start")
    answer = b"".join(each.get("body", b"") for each in told if each["type"] == "http.response.body")
    if status >= 300:
        raise problem(status, answer)
    return answer


def _scope(method: str, path: str, query: str, media_type: str) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(b"host", b"127.0.0.1"), (b"content-type", media_type.encode())],
        "client": ("127.0.0.1", 0),
        "server": ("127.0.0.1", 0),
        "state": {},
    }
