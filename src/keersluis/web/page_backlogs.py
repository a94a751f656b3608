"""The pages of backlogs: all of them, worst first, and each with its charts and their tables."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from litestar import Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.handlers import HTTPRouteHandler

from keersluis.errors import KeersluisError
from keersluis.web import view_backlogs as view
from keersluis.web.pages import Pages, ask
from keersluis.web.protocol import StatusSource
from keersluis.web.recovery import answers
from keersluis.web.render import Renderer


class Backlogs:
    """The handlers, over one source."""

    def __init__(self, source: StatusSource, renderer: Renderer, pages: Pages) -> None:
        self._source, self._renderer, self._pages = source, renderer, pages

    def __deepcopy__(self, _memo: dict[int, Any]) -> Backlogs:
        """Litestar copies its handlers; the source behind these is one."""
        return self

    async def index(self, request: Request[Any, Any, Any]) -> Response[str]:
        """GET /herstel/achterstanden."""
        scene, common = await self._pages.scene(request)
        told = await answers(self._source, scene, view.API)
        said = await answers(self._source, scene, view.SAID)
        facts = {
            "houses": view.houses(scene, told, said),
            "silent": [scene.name(key) for key in scene.by_key if key not in told],
        }
        return self._renderer.page(request, "herstel_achterstanden.html", common | facts)

    async def one(self, request: Request[Any, Any, Any]) -> Response[str]:
        """GET /herstel/achterstanden/{organisation}/{key}; NotFoundException where there is none."""
        organisation, key = request.path_params["organisation"], request.path_params["key"]
        scene, common = await self._pages.gate_scene(request, organisation)
        told = await self._read(organisation, f"{view.API}/{key}")
        if not told or told.get("key") != key:
            raise NotFoundException
        flow, flow_rows = view.in_and_out(scene, told)
        facts = {
            "organisation": organisation,
            "told": told,
            "fan": view.burn_down(scene, told, await self._forecast(organisation, key)),
            "flow": flow,
            "flow_rows": flow_rows,
            "ages": view.ages(scene, told),
            "classes": view.classes(scene, told),
            "imports": view.imports(scene, told),
            "forms": view.forms(organisation, told),
            "channel": view.channel(scene, told["channel"]),
            "process": view.process(scene, told["process"]),
        }
        return self._renderer.page(request, "herstel_achterstand.html", common | facts)

    async def _forecast(self, organisation: str, key: str) -> Any:
        """The last forecast that was kept of a backlog, in full."""
        found = await self._read(organisation, f"{view.SAID}?achterstand={key}")
        newest = next((each for each in (found or {}).get("forecasts", ()) if each["backlog"] == key), None)
        return None if newest is None else await self._read(organisation, f"{view.SAID}/{newest['n']}")

    async def _read(self, organisation: str, path: str) -> Any:
        try:
            return json.loads(await ask(self._source.call, organisation, path, None))
        except KeersluisError:
            return None


def handlers(source: StatusSource, renderer: Renderer, pages: Pages) -> Sequence[HTTPRouteHandler]:
    """The route handlers of the pages."""
    it = Backlogs(source, renderer, pages)
    return [
        get(view.PATH, include_in_schema=False)(it.index),
        get(view.PATH + "/{organisation:str}/{key:str}", include_in_schema=False)(it.one),
    ]
