"""The status for partners and the public: `/stand`, and its feeds. No gate stops it, and it sets no cookie."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler

from keersluis.public_status import RELIABLE
from keersluis.recovery.public import feed
from keersluis.recovery.servicefiles import services_of
from keersluis.web import public_files
from keersluis.web.pages import Pages, ask
from keersluis.web.protocol import StatusSource
from keersluis.web.recovery import answers
from keersluis.web.render import Renderer
from keersluis.web.scene import Scene
from keersluis.web.security import AnyRequest, secured
from keersluis.words import LANGUAGES, negotiate, translator

PAGE, JSON, ATOM = "/stand", "/stand.json", "/stand.atom"


class Public:
    """The handlers, over one source."""

    def __init__(self, source: StatusSource, renderer: Renderer) -> None:
        self._source, self._renderer = source, renderer

    def __deepcopy__(self, _memo: dict[int, Any]) -> Public:
        """Litestar copies its handlers; the source behind these is one."""
        return self

    async def page(self, request: Request[Any, Any, Any]) -> Response[str]:
        """GET /stand."""
        language, told = _language(request), await self._feed()
        other = next(each for each in LANGUAGES if each != language)
        assets = self._renderer.assets
        links = {
            "styles": [assets[name].address for name in ("style.css", "theme.css") if name in assets],
            "mark": assets["mark.svg"].address,
            "atom": f"{ATOM}?taal={language}",
            "json": JSON,
            "other": f"{PAGE}?taal={other}",
        }
        demo = await ask(self._source.clock) is not None
        html = public_files.page(self._renderer, told, self._source.chain.timezone, language, links, demo=demo)
        return _answer(html, "text/html; charset=utf-8", language)

    async def json(self, request: Request[Any, Any, Any]) -> Response[bytes]:
        """GET /stand.json: the same as `/v0/publieke-stand`, of all nodes that this page tells of."""
        return secured(Response(public_files.as_json(await self._feed()), media_type="application/json"))

    async def atom(self, request: Request[Any, Any, Any]) -> Response[str]:
        """GET /stand.atom."""
        language = _language(request)
        told = public_files.atom(self._renderer, await self._feed(), self._source.chain.timezone, language)
        return _answer(told, "application/atom+xml; charset=utf-8", language)

    async def _feed(self) -> Mapping[str, Any]:
        chain = self._source.chain
        statuses = await ask(self._source.statuses)
        scene = Scene(translator("en"), chain, statuses)
        # A node tells of itself; the page of a whole chain names those of its nodes that say nothing.
        whole = await ask(self._source.clock) is not None or len(statuses) != 1
        expected = await answers(self._source, scene, "/v0/publieke-stand/verwacht")
        return feed(
            chain,
            await ask(services_of, chain),
            await answers(self._source, scene, "/v0/diensten"),
            statuses,
            expected=[each.key for each in chain.nodes] if whole else list(scene.by_key),
            made=scene.now,
            until=scene.now + RELIABLE,
            ahead=[row for each in expected.values() for row in each["ahead"]],
        )


def _language(request: AnyRequest) -> str:
    return negotiate(request.query_params.get("taal"), None, request.headers.get("accept-language", ""))


def _answer(text: str, media_type: str, language: str) -> Response[str]:
    response = Response(text, media_type=media_type)
    response.headers["Content-Language"] = language
    response.headers["Vary"] = "Accept-Language"
    return secured(response)


def public_handlers(source: StatusSource, renderer: Renderer, _pages: Pages) -> list[HTTPRouteHandler]:
    """The route handlers of the public status."""
    public = Public(source, renderer)
    return [
        get(PAGE, include_in_schema=False)(public.page),
        get(JSON, include_in_schema=False)(public.json),
        get(ATOM, include_in_schema=False)(public.atom),
    ]
