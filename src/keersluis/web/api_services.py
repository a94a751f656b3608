"""API of services: the inventory with its states, a change of state, and its undoing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler

from keersluis import serving
from keersluis.recovery.changes import Told
from keersluis.service import Node
from keersluis.web.bodies import read_as, said
from keersluis.web.threads import off


class Public(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The sentence for outsiders, in both languages."""

    nl: str
    en: str


class NewState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A service is in `stand` (up, read-only, emergency, down) since `sinds` (none: now). `noodprocedure`: which one is
    in force. `verwacht`: its return, a day or RFC 3339. `publiek`: a sentence for outsiders; without one they hear the
    state alone. The same `sleutel` again changes nothing."""

    stand: str
    wie: str
    waarom: str
    noodprocedure: str | None = None
    sinds: str | None = None
    verwacht: str | None = None
    bewijs: str | None = None
    publiek: Public | None = None
    sleutel: str | None = None


class Undoing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Take the last change of a service back: what stood before it stands again."""

    wie: str
    waarom: str
    sleutel: str | None = None


def told_of(request: NewState) -> Told:
    """What a request says, for `serving.change`."""
    return Told(
        state=request.stand,
        who=request.wie,
        why=request.waarom,
        procedure=request.noodprocedure,
        since=request.sinds,
        expected=request.verwacht,
        evidence=request.bewijs,
        public=None if request.publiek is None else {"nl": request.publiek.nl, "en": request.publiek.en},
        key=request.sleutel,
    )


def service_handlers(node: Node) -> Sequence[HTTPRouteHandler]:
    """For every node: the services of which it tells the state."""

    @get("/diensten", summary="Services whose state is told here, with their history")
    async def listed() -> Response[bytes]:
        return said(await off(lambda: serving.listed(node)))

    @get("/diensten/{dienst:str}", summary="One service, with its history")
    async def one(dienst: str) -> Response[bytes]:
        return said(await off(lambda: serving.one(node, dienst)))

    @post("/diensten/{dienst:str}/standen", status_code=200, summary="Tell the state of a service")
    async def change(dienst: str, request: Request[Any, Any, Any]) -> Response[bytes]:
        told = told_of(read_as(await request.body(), NewState))
        return said(await off(lambda: serving.change(node, dienst, told)))

    @post("/diensten/{dienst:str}/standen/_herstel", status_code=200, summary="Take the last change of a service back")
    async def undo(dienst: str, request: Request[Any, Any, Any]) -> Response[bytes]:
        told = read_as(await request.body(), Undoing)
        return said(await off(lambda: serving.undo(node, dienst, told.wie, told.waarom, told.sleutel)))

    return [listed, one, change, undo]
