"""The API of letters: print, read a scan, enter what was read, list."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from collections.abc import Sequence
from typing import Annotated, Any, TypeAlias

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter

from keersluis import letters_desk
from keersluis.errors import Incorrect
from keersluis.exchange.letters import MOST_PACKED
from keersluis.service import Node
from keersluis.web.bodies import HEADERS, read_as, said
from keersluis.words import LANGUAGES

MOST_LETTERS = 5_000


class PrintRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which events to print: one by its id (`gebeurtenis`); or of a kind (`soort`) the numbers `van` … `tot`; or all
    that a peer has not receipted (`wachtOp`). `aan` is the receiver where a kind has more than one; `taal` nl or en."""

    gebeurtenis: str | None = None
    soort: str | None = None
    van: int | None = None
    tot: int | None = None
    wachtOp: str | None = None  # noqa: N815, as the other names of the API
    aan: str | None = None
    taal: str = "nl"


class LettersRead(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Letters that were read from codes, each in base64."""

    brieven: list[str]


FileName: TypeAlias = Annotated[str, QueryParameter(max_length=200, description="What to call the file in the report.")]


def wish(asked: PrintRequest) -> letters_desk.Wish:
    """Raises Incorrect `letter.language`."""
    if asked.taal not in LANGUAGES:
        raise Incorrect(
            "letter.language", expected=f"one of {', '.join(LANGUAGES)}", got=repr(asked.taal), where="taal"
        )
    return letters_desk.Wish(asked.gebeurtenis, asked.soort, asked.van, asked.tot, asked.wachtOp, asked.aan)


def packed(letters: Sequence[str]) -> list[bytes]:
    """Raises Incorrect `letter.unreadable`."""
    if len(letters) > MOST_LETTERS:
        expected = f"at most {MOST_LETTERS:,} letters at once"
        raise Incorrect("letter.too-many", expected=expected, got=f"{len(letters):,}")
    found = []
    for number, text in enumerate(letters, 1):
        try:
            found.append(b64decode(text, validate=True))
        except ValueError:
            found.append(b"")
        if not 0 < len(found[-1]) <= MOST_PACKED:
            expected = f"base64 of 1 to {MOST_PACKED:,} bytes"
            raise Incorrect("letter.unreadable", expected=expected, got="another value", where=f"letter {number}")
    return found


def letter_handlers(node: Node) -> Sequence[HTTPRouteHandler]:
    """Letters out and in."""

    @get("/brieven", summary="Letters printed and letters entered, the latest first")
    async def listed() -> Response[bytes]:
        return said(await asyncio.to_thread(lambda: letters_desk.overview(node)))

    @post("/brieven", status_code=200, summary="Let events go out as letters; the answer is what is to be printed")
    async def posted(request: Request[Any, Any, Any]) -> Response[bytes]:
        asked = read_as(await request.body(), PrintRequest)
        printed = await asyncio.to_thread(lambda: letters_desk.post(node, wish(asked)))
        return said(letters_desk.document(printed))

    @post("/brieven/_pdf", status_code=200, summary="Let events go out as letters; the answer is the PDF of them")
    async def as_pdf(request: Request[Any, Any, Any]) -> Response[bytes]:
        asked = read_as(await request.body(), PrintRequest)
        printed = await asyncio.to_thread(lambda: letters_desk.post(node, wish(asked)))
        body = await asyncio.to_thread(lambda: letters_desk.stack(node.chain, printed, asked.taal))
        headers = {**HEADERS, "Content-Disposition": 'attachment; filename="brieven.pdf"'}
        return Response(body, media_type="application/pdf", headers=headers)

    @post("/brieven/_inkomend", status_code=200, summary="Enter letters whose codes were read")
    async def entered(request: Request[Any, Any, Any]) -> Response[bytes]:
        letters = packed(read_as(await request.body(), LettersRead).brieven)
        return said({"results": await asyncio.to_thread(lambda: letters_desk.enter(node, letters))})

    @post("/brieven/_scan", status_code=200, summary="Read a scan (PDF, PNG, JPEG, TIFF) and enter its letters")
    async def scanned(request: Request[Any, Any, Any], naam: FileName = "scan") -> Response[bytes]:
        body = await request.body()
        return said(await asyncio.to_thread(lambda: letters_desk.scan(node, naam, body)))

    return [listed, posted, as_pdf, entered, scanned]
