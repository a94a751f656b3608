"""Whose requests are taken: those made to this machine, by no other site.

A node listens on the loopback interface, where every page that somebody reads on the same machine can reach it: by a
form or script of another site (it names its origin), or under a name of its own that it lets point here (the host).
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from keersluis.errors import Forbidden
from keersluis.web.peers import peer_of


def from_here(request: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
    """A guard for every route. Raises Forbidden `web.other-host` or `web.other-site`."""
    if peer_of(request.scope) is not None:
        return  # by a certificate, which no page of another site has
    host = request.headers.get("host", "")
    if not _is_ours(host):
        raise Forbidden("web.other-host", expected="a request to localhost or an address", got=host[:200])
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != host:
        raise Forbidden("web.other-site", expected=f"a request from {host} itself", got=origin[:200])


def _is_ours(host: str) -> bool:
    """A name can be made to point here by whoever owns it; `localhost` and an address cannot."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or bool(ip_address(name))
    except ValueError:
        return False
