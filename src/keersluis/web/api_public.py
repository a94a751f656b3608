"""API of the status for partners and the public: it tells nothing that may not be public, and no gate stops it."""

from __future__ import annotations

from collections.abc import Sequence

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from keersluis import public_status
from keersluis.service import Node
from keersluis.web.bodies import said
from keersluis.web.threads import off


def public_handlers(node: Node) -> Sequence[HTTPRouteHandler]:
    """For every node."""

    @get("/publieke-stand", summary="What partners and the public may know of this organisation now")
    async def public() -> Response[bytes]:
        return said(await off(lambda: public_status.of(node)))

    @get("/publieke-stand/verwacht", summary="What partners and the public may expect of its plans and backlogs")
    async def ahead() -> Response[bytes]:
        return said(await off(lambda: public_status.ahead(node)))

    return [public, ahead]
