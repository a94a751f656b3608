"""API of plans for coming back: what stands, adoption, evidence, go and no-go, rollback, the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeAlias

from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import PathParameter

from keersluis import planning
from keersluis.service import Node
from keersluis.web import plan_requests as asked
from keersluis.web.bodies import read_as, said
from keersluis.web.threads import off

_Request: TypeAlias = Request[Any, Any, Any]
_Answer: TypeAlias = Response[bytes]
_Name: TypeAlias = Annotated[str, PathParameter(description="The plan.")]


async def _done(request: _Request, what: type[Any], act: Callable[[Any], Any]) -> _Answer:
    told = read_as(await request.body(), what)
    return said(await off(lambda: act(told)))


def plan_handlers(node: Node) -> Sequence[HTTPRouteHandler]:
    """For every node: a plan guards the gates of whoever adopts it."""

    @get("/herstelplannen", summary="Plans for coming back, and which of them stand here")
    async def listed() -> _Answer:
        return said({"plans": await off(lambda: planning.listed(node))})

    @get("/herstelplannen/{naam:str}", summary="One plan: stages, evidence, goes, what waits for what")
    async def shown(naam: _Name) -> _Answer:
        return said(await off(lambda: planning.shown(node, naam)))

    @post("/herstelplannen/{naam:str}/_vaststellen", status_code=200, summary="Adopt a plan: its gates are guarded")
    async def adopt(naam: _Name, request: _Request) -> _Answer:
        return await _done(request, asked.Adopting, lambda told: asked.adopt(node, naam, told))

    @post("/herstelplannen/{naam:str}/_bewijs", status_code=200, summary="Record evidence of a criterion")
    async def evidence(naam: _Name, request: _Request) -> _Answer:
        return await _done(request, asked.Showing, lambda told: asked.show(node, naam, told))

    @post("/herstelplannen/{naam:str}/_bewijs-intrekken", status_code=200, summary="Withdraw evidence")
    async def withdraw(naam: _Name, request: _Request) -> _Answer:
        return await _done(request, asked.TakingBack, lambda told: asked.withdraw(node, naam, told))

    @post("/herstelplannen/{naam:str}/_besluit", status_code=200, summary="Give a go or a no-go for a stage")
    async def vote(naam: _Name, request: _Request) -> _Answer:
        return await _done(request, asked.Deciding, lambda told: asked.vote(node, naam, told))

    @post("/herstelplannen/{naam:str}/_no-go-intrekken", status_code=200, summary="Withdraw a no-go")
    async def yes_after_all(naam: _Name, request: _Request) -> _Answer:
        return await _done(request, asked.TakingBack, lambda told: asked.withdraw_no_go(node, naam, told))

    @post("/herstelplannen/{naam:str}/_terugdraaien", status_code=200, summary="Roll a stage back: close its gates")
    async def roll_back(naam: _Name, request: _Request) -> _Answer:
        return await _done(request, asked.RollingBack, lambda told: asked.roll_back(node, naam, told))

    @post("/herstelplannen/{naam:str}/_beeindigen", status_code=200, summary="Complete or withdraw a plan")
    async def end(naam: _Name, request: _Request) -> _Answer:
        return await _done(request, asked.Ending, lambda told: asked.end(node, naam, told))

    return [listed, shown, adopt, evidence, withdraw, vote, yes_after_all, roll_back, end, *_note_handlers(node)]


def _note_handlers(node: Node) -> Sequence[HTTPRouteHandler]:
    @post("/notities", status_code=200, summary="Note what was found, as an entry that evidence can refer to")
    async def note(request: _Request) -> _Answer:
        return await _done(request, asked.Noting, lambda told: asked.note(node, told))

    @post("/notities/_intrekken", status_code=200, summary="Withdraw a note: it is evidence of nothing any more")
    async def withdraw_note(request: _Request) -> _Answer:
        return await _done(request, asked.NoteBack, lambda told: asked.withdraw_note(node, told))

    return [note, withdraw_note]
