"""The API of what waits to be entered: paper, mailboxes, systems that are down."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler

from keersluis import completing
from keersluis.service import Node
from keersluis.web.bodies import read_as, said

Channel = Literal["paper", "mailbox", "system-down"]
Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]


class WaitingItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An act that is known to wait for entry; `gebeurd` is its event time."""

    soort: str
    id: str
    gebeurd: str
    kanaal: Channel = "paper"


class Withdrawal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Acts of a kind that were registered by mistake."""

    soort: str
    ids: list[str]
    wie: str
    waarom: str


class Mailbag(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """About so many acts that wait unopened, the oldest possibly of `oudste`."""

    soort: str
    id: str
    aantal: Count
    oudste: str
    kanaal: Channel = "mailbox"


class Opened(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """So many of a mailbag were opened."""

    soort: str
    id: str
    aantal: Count


class Closed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing of a mailbag waits any longer."""

    soort: str
    id: str
    wie: str
    waarom: str


def intake_handlers(node: Node) -> Sequence[HTTPRouteHandler]:
    """What waits to be entered at this organisation."""

    @post("/inname/wachtend", status_code=200, summary="Register acts that wait for entry")
    async def register(request: Request[Any, Any, Any]) -> Response[bytes]:
        items = read_as(await request.body(), list[WaitingItem])
        rows = [(item.soort, item.id, item.gebeurd, item.kanaal) for item in items]
        return said({"registered": await asyncio.to_thread(node.register_waiting, rows)})

    @get("/inname/wachtend", summary="What waits to be entered, with its age")
    async def listed() -> Response[bytes]:
        return said(await asyncio.to_thread(completing.waiting, node))

    @post("/inname/_trek-in", status_code=200, summary="Withdraw acts that were registered by mistake")
    async def withdraw(request: Request[Any, Any, Any]) -> Response[bytes]:
        it = read_as(await request.body(), Withdrawal)
        items = [(it.soort, each) for each in it.ids]
        return said({"withdrawn": await asyncio.to_thread(completing.withdraw, node, items, it.wie, it.waarom)})

    @post("/inname/postzakken", status_code=200, summary="Register a mailbag of acts that are not known one by one")
    async def mailbag(request: Request[Any, Any, Any]) -> Response[bytes]:
        it = read_as(await request.body(), Mailbag)
        rest = (it.soort, it.id, it.aantal, it.oudste, it.kanaal)
        await asyncio.to_thread(completing.register_mailbag, node, *rest)
        return said({"registered": it.aantal})

    @post("/inname/postzakken/_open", status_code=200, summary="So many of a mailbag were opened")
    async def opened(request: Request[Any, Any, Any]) -> Response[bytes]:
        it = read_as(await request.body(), Opened)
        return said({"left": await asyncio.to_thread(completing.open_mailbag, node, it.soort, it.id, it.aantal)})

    @post("/inname/postzakken/_sluit", status_code=200, summary="Nothing of a mailbag waits any longer")
    async def closed(request: Request[Any, Any, Any]) -> Response[bytes]:
        it = read_as(await request.body(), Closed)
        await asyncio.to_thread(completing.close_mailbag, node, it.soort, it.id, it.wie, it.waarom)
        return said({"closed": it.id})

    return [register, listed, withdraw, mailbag, opened, closed]
