"""What the API answers when it does not do what was asked: problem details of RFC 9457, whoever's fault it is."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException

from keersluis.errors import Fault, Incorrect, KeersluisError
from keersluis.words import negotiate, translator

_log = logging.getLogger("keersluis.web")

_OF_ITS_OWN = {"gate.metered": 429, "event.too-large": 413, "api.media-type": 415}
"""Codes for which HTTP has a status beside that of their family."""


class Problems:
    """Exception handlers that add `headers` to every answer."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = headers

    def foreseen(self, request: Request[Any, Any, Any], error: KeersluisError) -> Response[bytes]:
        """A metered gate is 429, a closed one 503; both say when to try again."""
        return self._answer(request, error, _OF_ITS_OWN.get(error.code, error.status))

    def refused(self, request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
        """What the framework refuses: parameters, methods, sizes. Every wrong parameter is named."""
        extra = error.extra if isinstance(error.extra, list) else []
        faults = [f"{each.get('key', '')}: {each.get('message', '')}" for each in extra if isinstance(each, dict)]
        told = Incorrect(
            "api.refused",
            expected="a request as /openapi.json says",
            got="; ".join(faults) or error.detail,
            faults=faults,
        )
        return self._answer(request, told, error.status_code)

    def unforeseen(self, request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
        """A fault of ours is logged, and none of it is shown."""
        _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        fault = Fault("api.fault", expected="an answer", got="a fault of ours, which is recorded")
        return self._answer(request, fault, 500)

    def _answer(self, request: Request[Any, Any, Any], error: KeersluisError, status: int) -> Response[bytes]:
        """The title is in the language that was asked for; what was expected and got is English."""
        headers = dict(self._headers)
        if "retry_after" in error.facts:
            headers["Retry-After"] = str(error.facts["retry_after"])
        problem = error.problem() | {"status": status}
        _ = translator(negotiate(None, None, request.headers.get("accept-language", "")))
        problem["title"] = _.problem(error.code) or problem["title"]
        body = msgspec.json.encode(problem)
        return Response(body, status_code=status, media_type="application/problem+json", headers=headers)
