"""API of reservations: set, lifted and listed at a register; reaffirmed by the source."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler

from keersluis import reserving
from keersluis.service import Node
from keersluis.times import parse_instant
from keersluis.web.bodies import read_as, said
from keersluis.web.peers import peer_of
from keersluis.web.threads import afar


class NewReservation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Doubt what `bron` recorded of `soorten` (none: all) from `van` until `tot` (none: now)."""

    bron: str
    van: str
    wie: str
    waarom: str
    soorten: list[str] = []
    tot: str | None = None


class Lifting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The doubt of reservation `nummer` is over."""

    nummer: int
    wie: str
    waarom: str


class Standing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """We checked our streams of `soorten` (none: all) and stand by them."""

    wie: str
    waarom: str
    soorten: list[str] = []


def reservation_handlers(node: Node) -> Sequence[HTTPRouteHandler]:
    """For every node: a receiver takes statements, a source makes them, a register sets and lifts."""

    @post("/uitwisseling/herbevestigingen", status_code=200, summary="Take a source's word that it stands by a stream")
    async def reaffirmed(request: Request[Any, Any, Any]) -> Response[bytes]:
        told, oin = read_as(await request.body(), reserving.Statement), peer_of(request.scope)
        return said(await asyncio.to_thread(lambda: reserving.reaffirmed(node, told.verklaring, oin)))

    @post("/herbevestigingen", status_code=200, summary="Say to all receivers that we stand by our streams")
    async def reaffirm(request: Request[Any, Any, Any]) -> Response[bytes]:
        told = read_as(await request.body(), Standing)
        return said(await afar(lambda: reserving.reaffirm(node, told.soorten, told.wie, told.waarom)))

    @get("/voorbehouden", summary="Reservations on what sources recorded, newest first")
    async def listed() -> Response[bytes]:
        return said({"reservations": await asyncio.to_thread(lambda: reserving.listed(node))})

    @post("/voorbehouden", status_code=200, summary="Make a reservation on what a source recorded")
    async def reserve(request: Request[Any, Any, Any]) -> Response[bytes]:
        told = read_as(await request.body(), NewReservation)
        since, until = parse_instant(told.van), None if told.tot is None else parse_instant(told.tot)
        made = await asyncio.to_thread(
            lambda: reserving.reserve(node, told.bron, told.soorten, since, until, told.wie, told.waarom)
        )
        return said(made)

    @post("/voorbehouden/_opheffen", status_code=200, summary="Lift a reservation")
    async def lift(request: Request[Any, Any, Any]) -> Response[bytes]:
        told = read_as(await request.body(), Lifting)
        return said(await asyncio.to_thread(lambda: reserving.lift(node, told.nummer, told.wie, told.waarom)))

    @post("/voorbehouden/_herbevestigd", status_code=200, summary="Take a source's word that was carried by hand")
    async def carried(request: Request[Any, Any, Any]) -> Response[bytes]:
        told = read_as(await request.body(), reserving.Statement)
        return said(await asyncio.to_thread(lambda: reserving.reaffirmed(node, told.verklaring)))

    return [carried, reaffirmed, reaffirm, listed, reserve, lift]
