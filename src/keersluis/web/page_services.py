"""The page of services: `/herstel/diensten`."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler

from keersluis.recovery.servicefiles import services_of
from keersluis.web import view_services
from keersluis.web.pages import Pages, ask
from keersluis.web.protocol import StatusSource
from keersluis.web.recovery import answers
from keersluis.web.render import Renderer


class Services:
    """The handler, over one source."""

    def __init__(self, source: StatusSource, renderer: Renderer, pages: Pages) -> None:
        self._source, self._renderer, self._pages = source, renderer, pages

    def __deepcopy__(self, _memo: dict[int, Any]) -> Services:
        """Litestar copies its handlers; the source behind these is one."""
        return self

    async def page(self, request: Request[Any, Any, Any]) -> Response[str]:
        """GET /herstel/diensten."""
        scene, common = await self._pages.scene(request)
        inventory = await ask(services_of, scene.chain)
        told = await answers(self._source, scene, "/v0/diensten")
        services = view_services.seen(scene, inventory, told)
        keepers = dict.fromkeys(each["kept_by"] for each in services)
        facts = common | {
            "lede": view_services.lede(scene, services),
            "causes": view_services.causes(scene, services),
            "procedures": view_services.procedures(scene, services),
            "groups": view_services.groups(scene, services),
            "history": view_services.history(scene, services),
            "keepers": [key for key in keepers if key in scene.by_key],
        }
        return self._renderer.page(request, "herstel_diensten.html", facts)


def service_page_handlers(source: StatusSource, renderer: Renderer, pages: Pages) -> list[HTTPRouteHandler]:
    """The route handlers of the page of services."""
    return [get("/herstel/diensten", include_in_schema=False)(Services(source, renderer, pages).page)]
