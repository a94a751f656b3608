"""The pages of the return: the one that leads to the others, their forms, and how they read the nodes."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler

from keersluis.errors import KeersluisError
from keersluis.web import recovery_topics
from keersluis.web.actions import Action
from keersluis.web.forms import Place, form_handlers
from keersluis.web.pages import Pages, ask
from keersluis.web.protocol import StatusSource
from keersluis.web.recovery_topics import Answers, Section
from keersluis.web.render import Renderer
from keersluis.web.scene import Scene


async def answers(source: StatusSource, scene: Scene, path: str) -> Answers:
    """What each node that answers says at `path` (with /v0), all asked at once. One that cannot say is not in it."""

    async def answer(organisation: str) -> Any:
        try:
            return json.loads(await ask(source.call, organisation, path, None))
        except KeersluisError:
            return None

    given = await asyncio.gather(*map(answer, scene.by_key))
    return {key: each for key, each in zip(scene.by_key, given, strict=True) if each is not None}


class Return:
    """The handler of the first page, over one source."""

    def __init__(self, source: StatusSource, renderer: Renderer, pages: Pages) -> None:
        self._source, self._renderer, self._pages = source, renderer, pages

    def __deepcopy__(self, _memo: dict[int, Any]) -> Return:
        """Litestar copies its handlers; the source behind these is one."""
        return self

    async def index(self, request: Request[Any, Any, Any]) -> Response[str]:
        """GET /herstel: what each of the pages says in a few sentences."""
        scene, common = await self._pages.scene(request)
        told = [(section, await self._told(scene, section)) for section in recovery_topics.sections(scene)]
        return self._renderer.page(request, "herstel.html", common | {"told": told})

    async def _told(self, scene: Scene, section: Section) -> list[str]:
        if section.reads is None:
            return []
        return list(section.says(scene, await answers(self._source, scene, section.reads)))


def _back(scene: Scene, _organisation: str, action: Action) -> tuple[str, str]:
    section = next((each for each in recovery_topics.sections(scene) if action.page.startswith(each.path)), None)
    return (action.page, section.title) if section else ("/herstel", scene._("Return"))


PLACE = Place(recovery_topics.FORMS, recovery_topics.actions, _back)


def recovery_handlers(source: StatusSource, renderer: Renderer, pages: Pages) -> list[HTTPRouteHandler]:
    """The route handlers of the pages of the return."""
    return [
        get("/herstel", include_in_schema=False)(Return(source, renderer, pages).index),
        *form_handlers(source, renderer, pages, PLACE),
    ]
