"""The API of bundles: made and fetched part by part, brought part by part and taken in."""

from __future__ import annotations

import io
from asyncio import to_thread
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter

from keersluis import carrying
from keersluis.exchange.packing import Wanted
from keersluis.service import Node
from keersluis.web.bodies import HEADERS, read_as, said

PartNumber = Annotated[int, Parameter(ge=1, le=2**31, description="Which part, from 1.")]
BundleNumber = Annotated[int, Parameter(ge=1, le=2**53, description="The bundle's number at this node.")]


class MakeBundle(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A bundle for a peer: of all kinds or of some, of what it has not confirmed or `van`..`tot` of one kind.

    `deelgrootte` in bytes; `onverzegeld`: not sealed to the peer.
    """

    peer: str
    soorten: list[str] = []
    van: Annotated[int, msgspec.Meta(ge=1, le=2**53)] | None = None
    tot: Annotated[int, msgspec.Meta(ge=0, le=2**53)] | None = None
    deelgrootte: int | None = None
    onverzegeld: bool = False


class Confirm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A bundle of receipts for the streams of `peer`."""

    peer: str
    deelgrootte: int | None = None
    onverzegeld: bool = False


class TakeIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Take in the kept bundle of this number, at most for so many seconds."""

    nummer: Annotated[int, msgspec.Meta(ge=1, le=2**53)]
    seconden: Annotated[float, msgspec.Meta(ge=0, le=300)] = carrying.SLICE


def wanted(request: MakeBundle) -> Wanted:
    """What a request asks for."""
    return Wanted(request.peer, tuple(request.soorten), request.van, request.tot)


def bundle_handlers(node: Node) -> Sequence[HTTPRouteHandler]:
    """Everything that can be done with bundles."""

    @get("/bundels", summary="Bundles made here and bundles that came")
    async def listed() -> Response[bytes]:
        return said(await to_thread(lambda: carrying.listing(node)))

    @post("/bundels/_maak", status_code=200, summary="Make a bundle of streams for a peer")
    async def make(request: Request[Any, Any, Any]) -> Response[bytes]:
        asked = read_as(await request.body(), MakeBundle)
        return said(
            await to_thread(
                lambda: carrying.make(node, wanted(asked), part_size=asked.deelgrootte, plain=asked.onverzegeld)
            )
        )

    @post("/bundels/_bevestig", status_code=200, summary="Make a bundle of receipts for a source")
    async def confirm(request: Request[Any, Any, Any]) -> Response[bytes]:
        asked = read_as(await request.body(), Confirm)
        return said(
            await to_thread(
                lambda: carrying.confirm(node, asked.peer, part_size=asked.deelgrootte, plain=asked.onverzegeld)
            )
        )

    @get("/bundels/{number:int}/delen/{part:int}", summary="One part of a bundle that was made here")
    async def fetch(number: BundleNumber, part: PartNumber) -> Response[bytes]:
        body = await to_thread(lambda: carrying.part(node, number, part))
        named = {"Content-Disposition": f'attachment; filename="keersluis-{number}.part-{part}"'}
        return Response(body, media_type="application/octet-stream", headers=HEADERS | named)

    @post("/bundels", status_code=200, summary="Keep parts of a bundle: the bytes of one part, or of several")
    async def keep(request: Request[Any, Any, Any]) -> Response[bytes]:
        body = await request.body()
        return said({"kept": await to_thread(lambda: carrying.keep(node, io.BytesIO(body)))})

    @post("/bundels/_verwerk", status_code=200, summary="Verify a kept bundle whole and take it in")
    async def take_in(request: Request[Any, Any, Any]) -> Response[bytes]:
        asked = read_as(await request.body(), TakeIn)
        return said(await to_thread(lambda: carrying.take_in(node, asked.nummer, seconds=asked.seconden)))

    return [listed, make, confirm, fetch, keep, take_in]
