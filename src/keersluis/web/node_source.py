"""One node as the source of its own pages."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from keersluis import status
from keersluis.chain import Chain
from keersluis.errors import Forbidden
from keersluis.service import Node
from keersluis.web import inside
from keersluis.web.gate_requests import GateRequest, gate_orders
from keersluis.web.history import Samples
from keersluis.web.scene import Status

FRESH = 0.3
"""Seconds for which one look at the store serves every page."""


class NodeSource:
    """What the pages of one node need (a `StatusSource`)."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.app: inside.ASGI = None
        self._samples = Samples()
        self._lock = threading.Lock()
        self._seen: tuple[float, int, Status] | None = None
        self._commits = 0
        node.store.after_commit.append(self._committed)

    @property
    def chain(self) -> Chain:
        return self.node.chain

    def _committed(self) -> None:
        self._commits += 1

    def statuses(self) -> Sequence[Status]:
        """This node's own status."""
        with self._lock:
            if self._seen is None or time.monotonic() - self._seen[0] > FRESH:
                told = status.of(self.node)
                self._samples.add([told])
                self._seen = (time.monotonic(), self._commits, told)
            return [self._seen[2]]

    def history(self) -> Sequence[Mapping[str, Any]]:
        """How the counts moved since the node started."""
        return self._samples.samples()

    def order_gate(self, organisation: str, order: dict[str, Any]) -> None:
        """Carry out an order at this node. Raises Forbidden for another organisation's gate."""
        if organisation != self.node.me.key:
            raise Forbidden("gate.not-ours", expected=f"a gate of {self.node.me.key}", got=organisation)
        names = ("peer", "direction", "kind", "state", "who", "why", "rate", "until", "evidence")
        request = GateRequest(*(order.get(name) for name in names))  # type: ignore[arg-type]
        self.node.order_gate(gate_orders(request, self.node.clock.now()))
        with self._lock:
            self._seen = None

    def call(self, organisation: str, path: str, body: bytes | None) -> bytes:
        """This node's own API. Raises Forbidden for another organisation's."""
        if organisation != self.node.me.key or self.app is None:
            raise Forbidden("node.not-ours", expected=f"something to do at {self.node.me.key}", got=organisation)
        answer = inside.call(self.app, path, body)
        with self._lock:
            self._seen = None
        return answer

    def clock(self) -> Mapping[str, Any] | None:
        """A node has no say over a virtual clock."""
        return None

    def control(self, action: dict[str, Any]) -> None:
        """Refused: see `clock`."""
        raise Forbidden("demo.no-clock", expected="the demo's own page", got=str(action.get("action")))

    def changed(self, _since: int) -> int:
        """Grows with every commit."""
        return self._commits
