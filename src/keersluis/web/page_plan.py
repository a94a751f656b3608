"""The page of plans for coming back: how each stands, its picture, its table, and what waits for what."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import quote

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler

from keersluis.errors import KeersluisError
from keersluis.web import picture_plan as picture
from keersluis.web import view_plan as view
from keersluis.web import view_schedule as schedule
from keersluis.web.page_order import proposed
from keersluis.web.pages import Pages, ask
from keersluis.web.protocol import StatusSource
from keersluis.web.recovery import answers
from keersluis.web.render import LIVE_HEADER, Renderer


class Plans:
    """The handler, over one source."""

    def __init__(self, source: StatusSource, renderer: Renderer, pages: Pages) -> None:
        self._source, self._renderer, self._pages = source, renderer, pages

    def __deepcopy__(self, _memo: dict[int, Any]) -> Plans:
        """Litestar copies its handlers; the source behind these is one."""
        return self

    async def index(self, request: Request[Any, Any, Any]) -> Response[str]:
        """GET /herstel/plan."""
        scene, common = await self._pages.scene(request)
        told = await answers(self._source, scene, view.API)
        whole = await asyncio.gather(*(self._one(*each) for each in view.wanted(told)))
        plans = [each for each in whole if each is not None]
        live = request.headers.get(LIVE_HEADER) == "live"  # an order is no news of every second
        facts = {
            "view": view,
            "picture": picture,
            "schedule": schedule,
            "plans": plans,
            "orders": {} if live else await proposed(self._source, scene, plans),
            "broken": view.broken(told),
            "silent": [key for key in scene.by_key if key not in told],
        }
        return self._renderer.page(request, "herstel_plan.html", common | facts)

    async def _one(self, organisation: str, name: str) -> tuple[str, Any] | None:
        try:
            path = f"{view.API}/{quote(name, safe='')}"
            found = json.loads(await ask(self._source.call, organisation, path, None))
        except KeersluisError:
            return None
        return (organisation, found) if found else None


def plan_handlers(source: StatusSource, renderer: Renderer, pages: Pages) -> list[HTTPRouteHandler]:
    """The route handler of the page."""
    return [get(view.PAGE, include_in_schema=False)(Plans(source, renderer, pages).index)]
