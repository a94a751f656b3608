"""How much of this node one peer may use: requests, connections, memory in flight. Pure: time comes in as data.

What is refused says in its answer which quota there is, how much of it was used, and when to come back.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from math import ceil

from keersluis.errors import Incorrect, Unavailable
from keersluis.exchange.batches import BATCH_BYTES

PARCEL_BYTES = BATCH_BYTES + 1024 * 1024
"""The most bytes of one request: a full parcel with its checkpoints."""


@dataclass(frozen=True, slots=True)
class Limits:
    """For one peer. `requests` a second, `burst` at once; `connections` open; `in_flight` bytes of requests that are
    read and not yet answered; `body` bytes of one request."""

    requests: float = 200.0
    burst: int = 400
    connections: int = 32
    in_flight: int = 4 * PARCEL_BYTES
    body: int = PARCEL_BYTES

    def told(self, **used: float) -> dict[str, float]:
        """The member `quota` of a problem: the limits, and what was `used`."""
        limits: dict[str, float] = {name.replace("_", "-"): value for name, value in asdict(self).items()}
        return limits | {f"used-{name}": value for name, value in used.items()}


@dataclass(slots=True)
class _Use:
    tokens: float
    at: float
    connections: int = 0
    held: int = 0


@dataclass(slots=True)
class Quota:
    """What each peer uses now. Times are seconds of any clock that only goes forward."""

    limits: Limits = field(default_factory=Limits)
    _uses: dict[str, _Use] = field(default_factory=dict)

    def connect(self, peer: str, now: float) -> None:
        """A connection opens. Raises Unavailable `quota.connections`."""
        use, most = self._use(peer, now), self.limits.connections
        if use.connections >= most:
            raise self._refusal("quota.connections", f"at most {most} connections of {peer}", 1, connections=most)
        use.connections += 1

    def leave(self, peer: str) -> None:
        """A connection ended."""
        self._uses[peer].connections -= 1

    def request(self, peer: str, now: float) -> None:
        """A request begins. Raises Unavailable `quota.requests`."""
        use, limits = self._use(peer, now), self.limits
        use.tokens = min(limits.burst, use.tokens + max(0.0, now - use.at) * limits.requests)
        use.at = max(now, use.at)
        if use.tokens < 1:
            wait = max(1, ceil((1 - use.tokens) / limits.requests))
            expected = f"at most {limits.requests:g} requests a second of {peer}"
            raise self._refusal("quota.requests", expected, wait, requests=limits.burst)
        use.tokens -= 1

    def hold(self, peer: str, size: int, now: float) -> None:
        """`size` more bytes of a request lie in memory, unless it raises Unavailable `quota.in-flight`."""
        use, most = self._use(peer, now), self.limits.in_flight
        if use.held + size > most:
            expected = f"at most {most} bytes under way of {peer}"
            raise self._refusal("quota.in-flight", expected, 1, in_flight=use.held + size)
        use.held += size

    def release(self, peer: str, size: int) -> None:
        """`size` bytes are done with."""
        self._uses[peer].held -= size

    def too_large(self, size: int) -> Incorrect:
        """The error of one request that is larger than any may be."""
        most = self.limits.body
        mend = "send it in parts: a parcel has room for 8 MiB of events"
        told = self.limits.told(body=size)
        return Incorrect("quota.body", expected=f"at most {most} bytes", got=f"{size} or more", mend=mend, quota=told)

    def _use(self, peer: str, now: float) -> _Use:
        return self._uses.setdefault(peer, _Use(float(self.limits.burst), now))

    def _refusal(self, code: str, expected: str, wait: int, **used: float) -> Unavailable:
        mend = f"nothing was taken: try again in {wait} s"
        told = self.limits.told(**used)
        return Unavailable(code, expected=expected, got="more", mend=mend, retry_after=wait, quota=told)
