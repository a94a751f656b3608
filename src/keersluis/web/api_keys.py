"""Keys over the API: see them, rotate, revoke and add, and take what a peer says of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler

from keersluis import keeping
from keersluis.exchange import keys
from keersluis.service import Node
from keersluis.times import SECOND, parse_instant
from keersluis.web.bodies import read_as, said
from keersluis.web.peers import peer_of

AHEAD = 30 * SECOND
"""How long before it counts a new key is told, by default: time for peers to hear of it."""


class Rotation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A change of the node's own key, at `vanaf` (default: in half a minute)."""

    wie: str
    waarom: str
    vanaf: str | None = None


class Revocation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The end of a key (its eight hex digits, or base64) at `vanaf` (default: now)."""

    oin: str
    sleutel: str
    wie: str
    waarom: str
    vanaf: str | None = None


class Addition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key (base64) that its organisation showed in another way."""

    oin: str
    sleutel: str
    wie: str
    waarom: str
    vanaf: str


def key_handlers(node: Node) -> Sequence[HTTPRouteHandler]:
    """The handlers."""

    @get("/sleutels", summary="The keys of all organisations as this node knows them, and its own certificate")
    async def listing() -> Response[bytes]:
        return said(await asyncio.to_thread(keeping.overview, node))

    @post("/sleutels/_wissel", status_code=200, summary="Rotate this node's own key")
    async def rotate(request: Request[Any, Any, Any]) -> Response[bytes]:
        asked = read_as(await request.body(), Rotation)
        at = parse_instant(asked.vanaf) if asked.vanaf else node.clock.now() + AHEAD
        return said({"statement": await asyncio.to_thread(keeping.rotate, node, at, asked.wie, asked.waarom)})

    @post("/sleutels/_intrekken", status_code=200, summary="Revoke a key, of one's own or of a peer")
    async def revoke(request: Request[Any, Any, Any]) -> Response[bytes]:
        asked = read_as(await request.body(), Revocation)
        at = parse_instant(asked.vanaf) if asked.vanaf else node.clock.now()
        act = keeping.revoke
        statement = await asyncio.to_thread(act, node, asked.oin, asked.sleutel, at, asked.wie, asked.waarom)
        return said({"statement": statement})

    @post("/sleutels/_toevoegen", status_code=200, summary="Trust a key that was shown in another way")
    async def add(request: Request[Any, Any, Any]) -> Response[bytes]:
        asked = read_as(await request.body(), Addition)
        start = parse_instant(asked.vanaf)
        await asyncio.to_thread(keeping.add, node, asked.oin, asked.sleutel, start, asked.wie, asked.waarom)
        return said({"added": asked.oin})

    @post("/sleutels/verklaringen", status_code=200, summary="Take what a peer says of its own keys")
    async def take(request: Request[Any, Any, Any]) -> Response[bytes]:
        statement, oin = keys.read(await request.body()), peer_of(request.scope)
        return said({"new": await asyncio.to_thread(keeping.take, node, statement, oin)})

    return [listing, rotate, revoke, add, take]
