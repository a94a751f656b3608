"""What the pages need of the service that runs them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from keersluis.chain import Chain
from keersluis.web.scene import Status


class StatusSource(Protocol):
    """One node, or a demo's whole chain. All calls are made from worker threads and may take a moment."""

    @property
    def chain(self) -> Chain:
        """The chain that the page tells of."""
        ...

    def statuses(self) -> Sequence[Status]:
        """What each node that answers says of itself (GET /v0/stand), in the order to show them."""
        ...

    def history(self) -> Sequence[Mapping[str, Any]]:
        """How the counts moved: {"at", provisional, revisit, held, settled}, oldest first (see `history.Samples`)."""
        ...

    def order_gate(self, organisation: str, order: dict[str, Any]) -> None:
        """Carry out an order; return when it is durable. `order` has peer, direction (in, out, *), kind, state, rate
        (messages per second or None), who, why, until (RFC 3339 or None), evidence (text or None).

        Raises KeersluisError when it cannot be carried out.
        """
        ...

    def call(self, organisation: str, path: str, body: bytes | None) -> bytes:
        """POST `body` to the API of an organisation's node (GET without) and return the answer. Raises its problem."""
        ...

    def clock(self) -> Mapping[str, Any] | None:
        """The demo's virtual clock: {"paused": bool, "speed": seconds per second, "start", "end"}; None in earnest."""
        ...

    def control(self, action: dict[str, Any]) -> None:
        """Move the virtual clock: {"action": "pause"}, {"action": "resume"} or {"action": "speed", "factor": float}."""
        ...

    def changed(self, since: int) -> int:
        """The position of the log now (all nodes together); it only grows. Must return at once."""
        ...
