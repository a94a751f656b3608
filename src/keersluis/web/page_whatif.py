"""The page of variants: what could be done otherwise, and how much sooner the backlogs would then be gone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler

from keersluis.errors import KeersluisError
from keersluis.web import view_whatif as view
from keersluis.web.pages import Pages
from keersluis.web.protocol import StatusSource
from keersluis.web.recovery import answers
from keersluis.web.render import LIVE_HEADER, Renderer
from keersluis.web.scene import Scene
from keersluis.web.threads import afar


class WhatIf:
    """The handler, over one source."""

    def __init__(self, source: StatusSource, renderer: Renderer, pages: Pages) -> None:
        self._source, self._renderer, self._pages = source, renderer, pages

    def __deepcopy__(self, _memo: dict[int, Any]) -> WhatIf:
        """Litestar copies its handlers; the source behind these is one."""
        return self

    async def index(self, request: Request[Any, Any, Any]) -> Response[str]:
        """GET /herstel/achterstanden/wat-als: the form, and what the variants that it names change."""
        scene, common = await self._pages.scene(request)
        facts: dict[str, Any] = {
            "choices": [],
            "choice": None,
            "picked": [],
            "told": None,
            "compared": [],
            "refused": "",
        }
        if request.headers.get(LIVE_HEADER) != "live":  # a comparison is of the moment at which it was asked
            facts |= await self._facts(request, scene)
        return self._renderer.page(request, "herstel_wat_als.html", common | facts)

    async def _facts(self, request: Request[Any, Any, Any], scene: Scene) -> dict[str, Any]:
        found = view.choices(scene, await answers(self._source, scene, view.PLANS))
        choice = view.chosen(found, request.query_params.get("achterstand"))
        if choice is None:
            return {}
        known = [key for key, _title in choice.variants]
        asked = request.query_params.getall("variant", [])
        picked = [each for each in known if each in asked] or known
        facts = {"choices": found, "choice": choice, "picked": picked}
        address = view.address(choice, picked, scene._.language)
        try:
            told = json.loads(await afar(lambda: self._source.call(choice.organisation, address, None)))
        except KeersluisError as error:
            return facts | {"refused": scene._.problem(error.code) or str(error)}
        if not told.get("variants"):
            return facts
        return facts | {"told": told, "compared": view.parts(scene, told)}


def handlers(source: StatusSource, renderer: Renderer, pages: Pages) -> Sequence[HTTPRouteHandler]:
    """The route handler of the page."""
    return [get(view.PATH, include_in_schema=False)(WhatIf(source, renderer, pages).index)]
