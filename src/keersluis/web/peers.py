"""What other organisations may ask of a node, and how a handler knows which one asks."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar.types import ASGIApp, Receive, Scope, Send

from keersluis.errors import Forbidden

OPEN_TO_PEERS = frozenset(
    ("POST", path)
    for path in (
        "/v0/uitwisseling/partijen",
        "/v0/uitwisseling/standen",
        "/v0/uitwisseling/tellingen",
        "/v0/uitwisseling/teruggave",
        "/v0/uitwisseling/herbevestigingen",
        "/v0/sleutels/verklaringen",
        "/v0/vragen",
    )
)
"""The only requests that are taken at the door for other organisations; pages and commands are for this machine."""

_PEER = "keersluis.peer"


def marked(scope: dict[str, Any], oin: str) -> dict[str, Any]:
    """The scope of a request by the organisation `oin`, as its certificate says. Only `door.py` makes one."""
    return scope | {"extensions": {_PEER: oin}}


def peer_of(scope: Any) -> str | None:
    """The OIN of the organisation whose certificate the request came under; None: it came from this machine."""
    oin: str | None = (scope.get("extensions") or {}).get(_PEER)
    return oin


def here_only(app: ASGIApp) -> ASGIApp:
    """`app` for this machine, where there is a door: what is for other organisations is taken there alone, so that
    nobody is one without a certificate."""

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if (scope.get("method"), scope.get("path")) in OPEN_TO_PEERS:
            await _refuse(send)
        else:
            await app(scope, receive, send)

    return guarded


async def _refuse(send: Send) -> None:
    error = Forbidden(
        "link.no-certificate",
        expected="a connection with the certificate of an organisation of the chain",
        got="one without",
        mend="use this node's `peer` address",
    )
    headers = [(b"content-type", b"application/problem+json"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": msgspec.json.encode(error.problem()), "more_body": False})
