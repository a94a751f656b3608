"""What keeps other sites' hands off the page: headers, and a token that a form and a cookie must share."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from litestar import Request, Response
from litestar.datastructures import Cookie

TOKEN_COOKIE = "keersluis_formulier"
TOKEN_FIELD = "formulier"

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self';"
        " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}

AnyRequest = Request[Any, Any, Any]


def secured(response: Response[Any]) -> Response[Any]:
    """The response with all security headers; pages are not kept by caches."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Cache-Control", "no-store")
    return response


def form_token(request: AnyRequest) -> str:
    """The token in the reader's cookie, or a new one."""
    kept = request.cookies.get(TOKEN_COOKIE, "")
    return kept if len(kept) == 43 and kept.isascii() else secrets.token_urlsafe(32)


def token_cookie(request: AnyRequest, token: str) -> Cookie:
    """SameSite=Strict: another site's form comes without it."""
    safe = request.url.scheme == "https"
    return Cookie(TOKEN_COOKIE, value=token, httponly=True, secure=safe, samesite="strict")


def sent_from_here(request: AnyRequest, form: Mapping[str, Any]) -> bool:
    """Whether a form was made by this site for this reader.

    Cookies do not tell ports apart, so the browser's own word on where the form came from is asked as well.
    """
    kept, given = request.cookies.get(TOKEN_COOKIE, ""), str(form.get(TOKEN_FIELD) or "")
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        return False
    return bool(kept) and hmac.compare_digest(kept.encode(), given.encode())
