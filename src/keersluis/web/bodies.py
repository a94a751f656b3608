"""Bodies of requests and answers of the API, the same for every file of it."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from litestar import Response

from keersluis.errors import Incorrect

T = TypeVar("T")

API_VERSION = "0.1.0"
HEADERS = {"API-Version": API_VERSION, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def read_as(body: bytes, what: type[T]) -> T:
    """Raises Incorrect `api.unreadable`, naming the field."""
    try:
        return msgspec.json.decode(body, type=what)
    except msgspec.MsgspecError as error:
        raise Incorrect("api.unreadable", expected="a body as /openapi.json says", got=str(error)) from None


def said(value: Any, code: int = 200) -> Response[bytes]:
    """A JSON answer."""
    body = value if isinstance(value, bytes) else msgspec.json.encode(value)
    return Response(body, status_code=code, media_type="application/json", headers=HEADERS)
