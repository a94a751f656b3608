"""API of a node that comes back from an old backup: what partners ask of each other, and what people order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler

from keersluis import restoring
from keersluis.service import Node
from keersluis.web.bodies import read_as, said
from keersluis.web.peers import peer_of
from keersluis.web.threads import afar, off

T = TypeVar("T")


class Ordered(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who orders it, and why."""

    wie: str
    waarom: str


class EpochOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new epoch of the stream of `soort`; `toch`: also where no partner is known to hold more."""

    soort: str
    wie: str
    waarom: str
    toch: bool = False


class Confirmation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the system of record holds is here again, for these kinds (none named: all)."""

    wie: str
    waarom: str
    soorten: list[str] = []


class Solved(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An event whose key had been used before is dealt with."""

    soort: str
    id: str
    wie: str
    waarom: str


def recovery_handlers(node: Node) -> Sequence[HTTPRouteHandler]:
    """Stands and events for partners; checking, taking back, epochs and conflicts for people."""

    @post("/uitwisseling/standen", status_code=200, summary="Tell a source what is held here of its streams")
    async def stands(request: Request[Any, Any, Any]) -> Response[bytes]:
        body, oin = await request.body(), peer_of(request.scope)
        return said(await off(lambda: restoring.tell(node, body, oin)))

    @post("/uitwisseling/teruggave", status_code=200, summary="Give a source its own lost events back")
    async def give_back(request: Request[Any, Any, Any]) -> Response[bytes]:
        body, oin = await request.body(), peer_of(request.scope)
        return said(await off(lambda: restoring.give_back(node, body, oin)))

    @get("/herstel", summary="What of a restored backup is unfinished")
    async def state() -> Response[bytes]:
        return said(await off(lambda: restoring.state(node)))

    @post("/herstel/_controle", status_code=200, summary="Ask every receiver what it holds of our streams")
    async def check() -> Response[bytes]:
        return said(await afar(lambda: restoring.check(node)))

    @post("/herstel/terughalingen", status_code=200, summary="Take lost events back from who holds them")
    async def take_back(request: Request[Any, Any, Any]) -> Response[bytes]:
        told = read_as(await request.body(), Ordered)
        return said(await afar(lambda: restoring.take_back(node, told.wie, told.waarom)))

    @post("/herstel/tijdperken", status_code=200, summary="Open a new epoch of a stream")
    async def epoch(request: Request[Any, Any, Any]) -> Response[bytes]:
        told = read_as(await request.body(), EpochOrder)
        return said(await afar(lambda: restoring.new_epoch(node, told.soort, told.wie, told.waarom, even_so=told.toch)))

    @post("/herstel/bevestigingen", status_code=200, summary="Confirm that everything is here again")
    async def confirm(request: Request[Any, Any, Any]) -> Response[bytes]:
        told = read_as(await request.body(), Confirmation)
        return said(await off(lambda: restoring.confirm(node, told.soorten, told.wie, told.waarom)))

    @post("/herstel/conflicten", status_code=200, summary="An event with a key that was used before is dealt with")
    async def solve(request: Request[Any, Any, Any]) -> Response[bytes]:
        told = read_as(await request.body(), Solved)
        return said(
            {"solved": await off(lambda: restoring.solve_conflict(node, told.soort, told.id, told.wie, told.waarom))}
        )

    return [stands, give_back, state, check, take_back, epoch, confirm, solve]
