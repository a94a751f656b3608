"""The pages of the exchange: how it stands at each organisation, and everything that can be done about it."""

from __future__ import annotations

import json
from typing import Any

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler

from keersluis.errors import KeersluisError
from keersluis.web import exchange_topics, exchange_view
from keersluis.web.actions import Action
from keersluis.web.forms import Place, form_handlers
from keersluis.web.pages import Pages, ask
from keersluis.web.protocol import StatusSource
from keersluis.web.render import Renderer
from keersluis.web.scene import Scene
from keersluis.web.security import AnyRequest
from keersluis.web.topics import API


class Desk:
    """The handlers, over one source."""

    def __init__(self, source: StatusSource, renderer: Renderer, pages: Pages) -> None:
        self._source, self._renderer, self._pages = source, renderer, pages

    def __deepcopy__(self, _memo: dict[int, Any]) -> Desk:
        """Litestar copies its handlers; the source behind these is one."""
        return self

    async def index(self, request: Request[Any, Any, Any]) -> Response[str]:
        """GET /uitwisseling: every organisation that answers, or the one there is."""
        scene, common = await self._pages.scene(request)
        if scene.alone:
            return await self._show(request, scene, common, scene.statuses[0]["organisation"])
        houses = [(key, exchange_view.links(scene, key), _apart(scene, key)) for key in scene.by_key]
        return self._renderer.page(request, "exchanges.html", common | {"houses": houses})

    async def organisation(self, request: Request[Any, Any, Any]) -> Response[str]:
        """GET /uitwisseling/{organisation}: its links, what waits, what was set apart, what can be done."""
        organisation = request.path_params["organisation"]
        scene, common = await self._pages.gate_scene(request, organisation)
        return await self._show(request, scene, common, organisation)

    async def _show(
        self, request: AnyRequest, scene: Scene, common: dict[str, Any], organisation: str
    ) -> Response[str]:
        waits, apart = exchange_view.backlog(scene, organisation), exchange_view.set_apart(scene, organisation)
        facts = common | {
            "organisation": organisation,
            "links": exchange_view.links(scene, organisation),
            "backlog": waits,
            "lede": exchange_view.lede(scene, waits, apart),
            "apart": apart,
            "broken": exchange_view.broken_promises(scene, organisation),
            "topics": await self._topics(scene, organisation),
        }
        return self._renderer.page(request, "exchange.html", facts)

    async def _topics(self, scene: Scene, organisation: str) -> list[dict[str, Any]]:
        """Each topic with what the node's API says of it; one that does not answer says nothing."""
        found = []
        for topic in exchange_topics.of(scene, organisation):
            facts: dict[str, Any] = {"topic": topic, "tables": (), "alarm": ()}
            if topic.reads:
                try:
                    answer = json.loads(await ask(self._source.call, organisation, API + topic.reads, None))
                    facts |= {"tables": topic.tables(answer), "alarm": topic.alarm(answer)}
                except KeersluisError as error:
                    facts["alarm"] = [str(error)]
            found.append(facts)
        return found


def _apart(scene: Scene, key: str) -> int:
    return len(scene.by_key[key]["quarantine"])


def _back(scene: Scene, organisation: str, _action: Action) -> tuple[str, str]:
    return f"/uitwisseling/{organisation}", scene._("Exchange of {name}", name=scene.short(organisation))


PLACE = Place("/uitwisseling", exchange_topics.actions, _back)


def desk_handlers(source: StatusSource, renderer: Renderer, pages: Pages) -> list[HTTPRouteHandler]:
    """The route handlers of the exchange's pages."""
    desk = Desk(source, renderer, pages)
    return [
        get("/uitwisseling", include_in_schema=False)(desk.index),
        get("/uitwisseling/{organisation:str}", include_in_schema=False)(desk.organisation),
        *form_handlers(source, renderer, pages, PLACE),
    ]
