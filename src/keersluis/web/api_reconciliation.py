"""The API by which a system of record is reconciled with its node: counts, digests, gaps."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler

from keersluis import reconciling
from keersluis.exchange.reconciliation import Entry, Statement, Tally
from keersluis.service import Node
from keersluis.times import format_instant, parse_instant, parse_when
from keersluis.web.bodies import read_as, said
from keersluis.web.peers import peer_of
from keersluis.web.threads import afar

Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Digest = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class Period(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A kind, and a period of event time: `van` up to `tot`, whole hours."""

    soort: str
    van: str
    tot: str


class With(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A source, a kind that comes from it, and a period of event time: whole hours."""

    peer: str
    soort: str
    van: str
    tot: str


class Counted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the organisation's own system of record holds of a kind in a period."""

    soort: str
    van: str
    tot: str
    aantal: Count
    digest: Digest


class Missing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An act of the system of record that was never published; `gebeurd` is its event time."""

    id: str
    gebeurd: str


class Gap(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Acts of a period that were never published, and how that is known."""

    soort: str
    van: str
    tot: str
    ontbreekt: list[Missing]
    waarom: str


def reconciliation_handlers(node: Node) -> Sequence[HTTPRouteHandler]:
    """Counts and digests, compared with those of the system of record."""

    @get("/afstemmingen", summary="What was stated and how it compares, and the gaps that were declared")
    async def listed() -> Response[bytes]:
        return said(await asyncio.to_thread(reconciling.overview, node))

    @post("/afstemmingen", status_code=200, summary="State what the system of record counts in some periods")
    async def state(request: Request[Any, Any, Any]) -> Response[bytes]:
        told, now = read_as(await request.body(), list[Counted]), node.clock.now()
        stated = [
            Statement(c.soort, parse_instant(c.van), parse_instant(c.tot), Tally.read(c.aantal, c.digest), now)
            for c in told
        ]
        return said(await asyncio.to_thread(reconciling.state, node, stated))

    @post("/afstemmingen/_tel", status_code=200, summary="Count what this node holds of a kind in a period")
    async def count(request: Request[Any, Any, Any]) -> Response[bytes]:
        it = read_as(await request.body(), Period)
        period = (it.soort, parse_instant(it.van), parse_instant(it.tot))
        found = await asyncio.to_thread(reconciling.count_digest, node, *period)
        return said({"count": found.count, "digest": found.hex})

    @post("/afstemmingen/_lijst", status_code=200, summary="The ids of what this node holds of a kind in a period")
    async def ids(request: Request[Any, Any, Any]) -> Response[bytes]:
        it = read_as(await request.body(), Period)
        period = (it.soort, parse_instant(it.van), parse_instant(it.tot))
        found = await asyncio.to_thread(reconciling.entries, node, *period)
        return said({"entries": [{"id": each.id, "occurred": format_instant(each.occurred)} for each in found]})

    @post("/afstemmingen/gaten", status_code=200, summary="Declare that acts of a period were never published")
    async def declare(request: Request[Any, Any, Any]) -> Response[bytes]:
        it = read_as(await request.body(), Gap)
        zone = node.chain.timezone
        missing = [Entry(each.id, parse_when(each.gebeurd, zone).start) for each in it.ontbreekt]
        period = (it.soort, parse_instant(it.van), parse_instant(it.tot))
        await asyncio.to_thread(reconciling.declare, node, *period, missing, it.waarom)
        return said({"declared": len(missing)})

    @post("/afstemmingen/gaten/_vul", status_code=200, summary="A declared gap is filled, as counts and digest show")
    async def fill(request: Request[Any, Any, Any]) -> Response[bytes]:
        it = read_as(await request.body(), Counted)
        period = (it.soort, parse_instant(it.van), parse_instant(it.tot))
        await asyncio.to_thread(reconciling.fill, node, *period, Tally.read(it.aantal, it.digest))
        return said({"filled": it.soort})

    return [listed, state, count, ids, declare, fill, *_peer_handlers(node)]


def _peer_handlers(node: Node) -> Sequence[HTTPRouteHandler]:
    """A receiver beside its source."""

    @post("/uitwisseling/tellingen", status_code=200, summary="Tell a receiver what was published in a period, signed")
    async def tell(request: Request[Any, Any, Any]) -> Response[bytes]:
        body, oin = await request.body(), peer_of(request.scope)
        return said(await asyncio.to_thread(reconciling.tell, node, body, oin))

    @post("/afstemmingen/_met", status_code=200, summary="Compare what was applied here with what its source published")
    async def compare(request: Request[Any, Any, Any]) -> Response[bytes]:
        it = read_as(await request.body(), With)
        period = (it.soort, parse_instant(it.van), parse_instant(it.tot))
        return said(await afar(lambda: reconciling.compare_with(node, it.peer, *period)))

    return [tell, compare]
