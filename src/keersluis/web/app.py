"""The application of one node: its API, its pages, its description."""

from __future__ import annotations

from typing import Any

from litestar import Litestar, Request, Response, get
from litestar.exceptions import HTTPException
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin

from keersluis.errors import KeersluisError
from keersluis.service import Node
from keersluis.web.api import MAX_BODY, api
from keersluis.web.bodies import API_VERSION, HEADERS
from keersluis.web.neighbours import from_here
from keersluis.web.node_source import NodeSource
from keersluis.web.problems import Problems
from keersluis.web.protocol import StatusSource
from keersluis.web.site import fault_page, page_handlers


@get("/openapi.json", include_in_schema=False, summary="This API, as OpenAPI 3.1")
async def description(request: Request[Any, Any, Any]) -> Response[dict[str, Any]]:
    """The OpenAPI document, where the Dutch API Design Rules have it."""
    return Response(request.app.openapi_schema.to_schema(), media_type="application/json", headers=HEADERS)


def node_app(node: Node) -> Litestar:
    """Serves one node."""
    source = NodeSource(node)
    app = Litestar(
        route_handlers=[api(node), description, *page_handlers(source)],
        openapi_config=OpenAPIConfig(
            title=f"Keersluis: {node.me.name['nl']}",
            version=API_VERSION,
            path="/v0/schema",
            render_plugins=[JsonRenderPlugin(path="/openapi.json")],
        ),
        guards=[from_here],
        exception_handlers={HTTPException: Problems(HEADERS).refused, KeersluisError: Problems(HEADERS).foreseen},
        request_max_body_size=MAX_BODY,
        logging_config=None,
    )
    source.app = app
    return app


def pages_app(source: StatusSource) -> Litestar:
    """Serves the pages alone, over a source of statuses: the demo's whole chain."""
    return Litestar(
        route_handlers=[*page_handlers(source)],
        guards=[from_here],
        exception_handlers={HTTPException: fault_page(source)},
        openapi_config=None,
        logging_config=None,
    )
