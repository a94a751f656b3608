"""When something goes wrong: a calm page that says in words what, and what the reader can do."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeAlias

from litestar import Request, Response
from litestar.exceptions import HTTPException

from keersluis.errors import KeersluisError
from keersluis.web.protocol import StatusSource
from keersluis.web.render import Renderer, language_of
from keersluis.words import Translator, translator

FaultHandler: TypeAlias = Callable[[Request[Any, Any, Any], Exception], Response[Any]]

_log = logging.getLogger("keersluis.web")


def html_faults(source: StatusSource, renderer: Renderer) -> FaultHandler:
    """A handler for any exception; only what nobody foresaw is logged, and none of it is shown."""

    def handle(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
        status = error.status_code if isinstance(error, HTTPException) else getattr(error, "status", 500)
        if status >= 500 and not isinstance(error, KeersluisError):
            _log.error("page failed", exc_info=error)
        _ = translator(language_of(request))
        title, text = _words(_, status)
        text = (_.problem(error.code) if isinstance(error, KeersluisError) else "") or text
        detail = str(error) if isinstance(error, KeersluisError) else ""
        facts = {"title": title, "text": text, "detail": detail, "status": status, "chain": source.chain}
        return renderer.page(request, "fault.html", facts, status)

    return handle


def _words(_: Translator, status: int) -> tuple[str, str]:
    if status in (404, 405):
        return _("This page does not exist"), _("The address may have been mistyped, or the page may have moved.")
    if status == 403:
        return _("This was not done"), _("The form was open for too long, or did not come from this site.")
    if status == 413:
        return _("This was not done"), _("The form is too large.")
    if status == 503:
        return _("Not now"), _("Something that is needed does not answer. Nothing is lost; please try again shortly.")
    if status < 500:
        return _("This was not done"), _("What was sent cannot be carried out.")
    return _("Something went wrong here"), _(
        "The fault is ours and has been recorded. Exchange and gates go on working."
    )
