"""API of backlogs: how they stand, and imports of counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import PathParameter

from keersluis import counting
from keersluis.service import Node
from keersluis.web.bodies import read_as, said
from keersluis.web.threads import off

Count = Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)]
Digest = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class LeftOut(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One sort of what is wrong in a file: how many, and the first places."""

    code: str
    number: Annotated[int, msgspec.Meta(ge=1, le=2**53)]
    places: list[str] = []


class Import(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a file says of a backlog. `perioden`: [begin, in, uit, stand of null, regel] met `stap` dagen; of
    `verblijven`: [aantal, gekomen, gegaan of null], zonder zaaknummers, volledig tot `tot`. `proef`: only tell."""

    achterstand: str
    digest: Digest
    tot: str
    wie: str
    waarom: str
    stap: Annotated[int, msgspec.Meta(ge=0, le=366)] = 0
    perioden: list[tuple[str, Count, Count, Count | None, Count]] = []
    verblijven: list[tuple[Count, str, str | None]] = []
    weggelaten: list[LeftOut] = []
    onvolledig: bool = False
    proef: bool = False


class Undoing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The last import of this backlog is undone."""

    achterstand: str
    wie: str
    waarom: str


def backlog_handlers(node: Node) -> Sequence[HTTPRouteHandler]:
    """What waits at this organisation."""

    @get("/achterstanden", summary="Every backlog, worst first, and what holds the register back")
    async def listed() -> Response[bytes]:
        return said(await off(lambda: counting.listed(node)))

    @get("/achterstanden/{sleutel:str}", summary="One backlog, step by step, with its imports")
    async def shown(sleutel: Annotated[str, PathParameter(description="Its key in backlogs.toml.")]) -> Response[bytes]:
        return said(await off(lambda: counting.shown(node, sleutel)))

    @post("/achterstanden/_importeer", status_code=200, summary="Take in what a file says of a backlog")
    async def take_in(request: Request[Any, Any, Any]) -> Response[bytes]:
        it = read_as(await request.body(), Import)
        return said(await off(lambda: _take_in(node, it)))

    @post("/achterstanden/_ongedaan", status_code=200, summary="Undo the last import of a backlog")
    async def undo(request: Request[Any, Any, Any]) -> Response[bytes]:
        it = read_as(await request.body(), Undoing)
        return said(await off(lambda: counting.undo(node, it.achterstand, it.wie, it.waarom)))

    return [listed, shown, take_in, undo]


def _take_in(node: Node, it: Import) -> dict[str, Any]:
    left_out = [{"code": each.code, "number": each.number, "places": each.places} for each in it.weggelaten]
    found = counting.unpacked(it.stap, it.tot, it.perioden, it.verblijven, left_out)
    rest = {"skip_bad": it.onvolledig, "dry_run": it.proef}
    return counting.take_in(node, it.achterstand, found, it.digest, it.wie, it.waarom, **rest)
