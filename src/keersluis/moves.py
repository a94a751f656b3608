"""Moves of a node's gates beyond plain orders: back to what stood before, called off, and the watch over them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from keersluis.errors import Incorrect
from keersluis.exchange import gatekeeper
from keersluis.exchange.gates import GateOrder, Scope
from keersluis.exchange.sender import cut
from keersluis.service import Node


def undo(node: Node, asked: Sequence[tuple[Scope, GateOrder]]) -> list[GateOrder]:
    """Take back the last order that covers each of these; who, why, until, evidence and key are those of the order.

    All or nothing. Where one direction has no order, the other is undone alone; Raises Incorrect `gate.order`, and
    `gate.nothing-to-undo` where none has one. Returns the new orders.
    """
    moved = node.store.write(lambda tx: _undo(tx, node, asked))
    cut(node.link, {each.peer for each in moved if each.cuts})
    return moved


def _undo(tx: Connection, node: Node, asked: Sequence[tuple[Scope, GateOrder]]) -> list[GateOrder]:
    moved: list[GateOrder] = []
    missing: Incorrect | None = None
    done = 0
    for scope, order in asked:
        try:
            moved += gatekeeper.undo(tx, node.ctx, scope, order)
            done += 1
        except Incorrect as error:
            if error.code != "gate.nothing-to-undo":
                raise
            missing = error
    if missing and not done:
        raise missing
    return moved


def call_off(node: Node, number: int, who: str, why: str) -> GateOrder:
    """A scheduled order is called off before it takes effect. Raises Incorrect `gate.not-scheduled`."""
    return node.store.write(lambda tx: gatekeeper.call_off(tx, node.ctx, number, who, why, node.clock.now()))


def history(node: Node, after: int = 0, limit: int = 100) -> list[dict[str, Any]]:
    """Orders with a number beyond `after` as JSON, in the order in which they were given, and what became of each."""
    with node.store.read() as tx:
        return gatekeeper.history(tx, after, limit, node.clock.now())


class GateWatch:
    """Looks a few times a second whether a gate towards a peer moved: by an order of another process on the same
    store, by the clock, or by this node itself. Cuts off what is on its way to a gate that closed (P4), and notes
    orders that took effect."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.streams = [
            (peer, kind.path)
            for kind in node.chain.kinds.values()
            if kind.source == node.me.key
            for peer in kind.receivers
        ]
        self.streams += [(peer, "question") for peer in sorted({node.chain.register.key} - {node.me.key})]
        self._watch = gatekeeper.Watch()
        self._closed: frozenset[tuple[str, str]] = frozenset()
        self._again: frozenset[str] = frozenset()

    def look(self) -> set[str]:
        """One look. Returns the peers to which something opened."""
        now = self.node.clock.now()
        with self.node.store.read() as tx:
            closed = self._watch.closed_to(tx, self.streams, now)
        if self._watch.due(now):
            self.node.store.write(lambda tx: gatekeeper.note_effects(tx, now))
        newly, opened = closed - self._closed, self._closed - closed
        self._closed = closed
        peers = frozenset(peer for peer, _kind in newly)
        # twice: who had looked at the gate just before the order begins a request just after it
        cut(self.node.link, peers | self._again)
        self._again = peers
        return {peer for peer, _kind in opened}
