"""Which address shows which page: the whole site, over one source."""

from __future__ import annotations

from pathlib import Path

from litestar import Router, get, post
from litestar.handlers import HTTPRouteHandler

from keersluis.web import page_backlogs, page_forecasts, page_records
from keersluis.web.desk import desk_handlers
from keersluis.web.ending import STREAM
from keersluis.web.faults import FaultHandler, html_faults
from keersluis.web.page_plan import plan_handlers
from keersluis.web.page_public import public_handlers
from keersluis.web.page_services import service_page_handlers
from keersluis.web.page_whatif import handlers as what_if_handlers
from keersluis.web.pages import Pages
from keersluis.web.protocol import StatusSource
from keersluis.web.recovery import recovery_handlers
from keersluis.web.render import Renderer

_LARGEST_FORM = 64 * 1024


def page_handlers(source: StatusSource, theme_css: Path | None = None) -> list[Router]:
    """The route handlers of all pages. `theme_css` is an organisation's own style sheet, loaded after ours."""
    renderer = Renderer(theme_css)
    pages = Pages(source, renderer)
    handlers: list[HTTPRouteHandler] = [
        get("/", include_in_schema=False)(pages.overview),
        get("/herzieningen", include_in_schema=False)(pages.revisits),
        get("/tijdlijn", include_in_schema=False)(pages.timeline),
        get("/poort/{organisation:str}", include_in_schema=False)(pages.gate_form),
        post("/poort/{organisation:str}", include_in_schema=False, status_code=200)(pages.gate_step),
        get("/poort/{organisation:str}/gedaan", include_in_schema=False)(pages.gate_done),
        post("/bediening", include_in_schema=False)(pages.control),
        get(STREAM, include_in_schema=False)(pages.stream),
        get("/statisch/{name:str}", include_in_schema=False)(pages.asset),
        *what_if_handlers(source, renderer, pages),
        *desk_handlers(source, renderer, pages),
        *recovery_handlers(source, renderer, pages),
        *page_backlogs.handlers(source, renderer, pages),
        *service_page_handlers(source, renderer, pages),
        *public_handlers(source, renderer, pages),
        *page_records.handlers(source, renderer, pages),
        *plan_handlers(source, renderer, pages),
        *page_forecasts.handlers(source, renderer, pages),
    ]
    faults: dict[int | type[Exception], FaultHandler] = {Exception: html_faults(source, renderer)}
    return [Router("/", route_handlers=handlers, exception_handlers=faults, request_max_body_size=_LARGEST_FORM)]


def fault_page(source: StatusSource, theme_css: Path | None = None) -> FaultHandler:
    """For the application itself: the calm page for an address that no handler has."""
    return html_faults(source, Renderer(theme_css))
