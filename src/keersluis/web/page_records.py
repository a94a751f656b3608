"""The pages of decision records: all of them, and one as it was known on a day."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from litestar import Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.handlers import HTTPRouteHandler

from keersluis.errors import Incorrect, KeersluisError
from keersluis.recovery.recordfiles import NAME
from keersluis.times import parse_when
from keersluis.web import view_records as view
from keersluis.web.pages import Pages, ask
from keersluis.web.protocol import StatusSource
from keersluis.web.recovery import answers
from keersluis.web.render import Renderer
from keersluis.web.scene import Scene
from keersluis.web.security import AnyRequest


class Records:
    """The handlers, over one source."""

    def __init__(self, source: StatusSource, renderer: Renderer, pages: Pages) -> None:
        self._source, self._renderer, self._pages = source, renderer, pages

    def __deepcopy__(self, _memo: dict[int, Any]) -> Records:
        """Litestar copies its handlers; the source behind these is one."""
        return self

    async def index(self, request: Request[Any, Any, Any]) -> Response[str]:
        """GET /herstel/besluiten: every record of every node that answers."""
        scene, common = await self._pages.scene(request)
        asked = _asked(request, scene)
        told = await answers(self._source, scene, view.API + _query(asked))
        facts = {
            "view": view,
            "asked": asked,
            "rows": view.rows(scene, told),
            "left_out": view.left_out(scene, sum(each.get("left_out", 0) for each in told.values())),
            "silent": [key for key in scene.by_key if key not in told],
            "holders": list(told),
        }
        return self._renderer.page(request, "herstel_besluiten.html", common | facts)

    async def one(self, request: Request[Any, Any, Any]) -> Response[str]:
        """GET /herstel/besluiten/{organisation}/{name}: one record, as known on a day."""
        organisation, name = request.path_params["organisation"], request.path_params["name"]
        scene, common = await self._pages.gate_scene(request, organisation)
        if not NAME.fullmatch(name):
            raise NotFoundException
        asked = _asked(request, scene)
        told = await self._told(organisation, f"{view.API}/{name}{_query(asked)}")
        whole = await self._told(organisation, f"{view.API}/{name}{_query({'openbaar': asked['openbaar']})}")
        if told is None and whole is None:
            raise NotFoundException
        facts = {
            "view": view,
            "asked": asked,
            "organisation": organisation,
            "told": told,
            "whole": whole or told,
            "name": name,
            "days": view.days(scene, whole) if whole else [],
        }
        return self._renderer.page(request, "herstel_besluit.html", common | facts)

    async def _told(self, organisation: str, path: str) -> Any:
        try:
            return json.loads(await ask(self._source.call, organisation, path, None)) or None
        except KeersluisError:
            return None


def _asked(request: AnyRequest, scene: Scene) -> dict[str, str]:
    """What the reader chose: two days, and whether as outsiders read it. A day that cannot be read is none."""
    found = {}
    for field in ("dag", "genoteerd"):
        given = request.query_params.get(field, "")[:40]
        try:
            parse_when(given, scene.chain.timezone)
            found[field] = given
        except Incorrect:
            found[field] = ""
    return found | {"openbaar": "ja" if request.query_params.get("openbaar") == "ja" else ""}


def _query(asked: dict[str, str]) -> str:
    """The same as the API has it."""
    names = {"dag": "geldigOp", "genoteerd": "beschikbaarOp"}
    query = {names[key]: value for key, value in asked.items() if key in names and value}
    query |= {"openbaar": "true"} if asked["openbaar"] else {}
    return f"?{urlencode(query)}" if query else ""


def handlers(source: StatusSource, renderer: Renderer, pages: Pages) -> Sequence[HTTPRouteHandler]:
    """The route handlers of these pages."""
    records = Records(source, renderer, pages)
    return [
        get(view.PATH, include_in_schema=False)(records.index),
        get(view.PATH + "/{organisation:str}/{name:str}", include_in_schema=False)(records.one),
    ]
