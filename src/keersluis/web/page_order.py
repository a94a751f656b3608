"""The part of the plans' page that proposes an order: counts of those who decide, put before the node of the plan."""

from __future__ import annotations

import asyncio
import json
from typing import Any, TypeAlias
from urllib.parse import quote

import msgspec

from keersluis.errors import KeersluisError
from keersluis.recovery.weights import deciders
from keersluis.web.pages import ask
from keersluis.web.protocol import StatusSource
from keersluis.web.scene import Scene
from keersluis.web.view_plan import API

Orders: TypeAlias = dict[tuple[str, str], Any]
"""(organisation, plan) -> the order that its node proposes (`ordering.scheduled`)."""


async def proposed(source: StatusSource, scene: Scene, plans: list[tuple[str, Any]]) -> Orders:
    """Of each plan, at the organisation whose plan it is. One that cannot say is not in it."""
    mine = [(key, plan["name"]) for key, plan in plans if plan["organisation"] == key]
    if not mine:
        return {}
    counts = await asyncio.gather(*(_asked(source, key, f"{API}/_telling", None) for key in deciders(scene.chain)))
    body = json.dumps({"tellingen": [each for each in counts if each]}).encode()
    orders = await asyncio.gather(
        *(_asked(source, key, f"{API}/{quote(name, safe='')}/_volgorde", body) for key, name in mine)
    )
    return {each: order for each, order in zip(mine, orders, strict=True) if order}


async def _asked(source: StatusSource, organisation: str, path: str, body: bytes | None) -> Any:
    try:
        return msgspec.json.decode(await ask(source.call, organisation, path, body))
    except KeersluisError:
        return None
