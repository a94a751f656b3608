"""The page of forecasts: each that was kept, what came, and how often such statements came true."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler

from keersluis.web import view_forecasts as view
from keersluis.web.pages import Pages
from keersluis.web.protocol import StatusSource
from keersluis.web.recovery import answers
from keersluis.web.render import Renderer


class Forecasts:
    """The handler, over one source."""

    def __init__(self, source: StatusSource, renderer: Renderer, pages: Pages) -> None:
        self._source, self._renderer, self._pages = source, renderer, pages

    def __deepcopy__(self, _memo: dict[int, Any]) -> Forecasts:
        """Litestar copies its handlers; the source behind these is one."""
        return self

    async def index(self, request: Request[Any, Any, Any]) -> Response[str]:
        """GET /herstel/prognoses: the record of every node that answers."""
        scene, common = await self._pages.scene(request)
        told = await answers(self._source, scene, view.API)
        facts = {
            "records": view.records(scene, told),
            "shown": view.SHOWN,
            "silent": [scene.name(key) for key in scene.by_key if key not in told],
        }
        return self._renderer.page(request, "herstel_prognoses.html", common | facts)


def handlers(source: StatusSource, renderer: Renderer, pages: Pages) -> Sequence[HTTPRouteHandler]:
    """The route handler of the page."""
    return [get("/herstel/prognoses", include_in_schema=False)(Forecasts(source, renderer, pages).index)]
