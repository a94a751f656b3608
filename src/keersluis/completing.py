"""Completeness at the source, on a node: what waits to be entered. For the API, the page and commands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keersluis.exchange import intake
from keersluis.service import Node


def waiting(node: Node) -> dict[str, Any]:
    """What waits to be entered: `groups` per kind and channel, `items` one by one (the 1,000 oldest), `mailbags`."""
    with node.store.read() as tx:
        return intake.listed(tx, node.clock.now())


def withdraw(node: Node, items: Sequence[tuple[str, str]], who: str, why: str) -> int:
    """Acts (kind, id) were registered by mistake; to undo this, register them again. Returns how many."""
    return node.store.write(lambda tx: intake.withdraw(tx, node.ctx, items, who, why, node.clock.now()))


def register_mailbag(node: Node, kind: str, bag: str, count: int, oldest: str, channel: str) -> None:
    """About `count` acts wait unopened, the oldest possibly of `oldest` (a date or an RFC 3339 time)."""
    node.store.write(
        lambda tx: intake.register_mailbag(tx, node.ctx, kind, bag, count, oldest, channel, node.clock.now())
    )


def open_mailbag(node: Node, kind: str, bag: str, count: int) -> int:
    """So many of a mailbag were opened. Returns what is left."""
    return node.store.write(lambda tx: intake.opened(tx, node.ctx, kind, bag, count, node.clock.now()))


def close_mailbag(node: Node, kind: str, bag: str, who: str, why: str) -> None:
    """Nothing of a mailbag waits any longer."""
    node.store.write(lambda tx: intake.close_mailbag(tx, node.ctx, kind, bag, who, why, node.clock.now()))
