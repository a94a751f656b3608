"""The wire: bytes to a peer over HTTP, and its answer or its problem back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpcore
import msgspec

from keersluis.errors import Conflict, Fault, Forbidden, Incorrect, KeersluisError, Unavailable, Untrusted
from keersluis.exchange.lines import Line

_FAMILIES: dict[int, type[KeersluisError]] = {
    400: Incorrect,
    403: Forbidden,
    409: Conflict,
    422: Untrusted,
    429: Unavailable,
    503: Unavailable,
}
_HEADERS = [(b"content-type", b"application/json"), (b"accept", b"application/json, application/problem+json")]
_UNREACHABLE = (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, httpcore.UnsupportedProtocol)
_KNOWN = {"code", "expected", "got", "mend", "where"}
_NUMBERS = {"retry_after", "allowed", "next"}


def read_addresses(path: Path) -> dict[str, str]:
    """A file of organisation key -> base URL. Raises Incorrect `link.addresses`."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, str])
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        expected = "a JSON object with a base URL for each organisation"
        raise Incorrect("link.addresses", expected=expected, got=str(error), where=str(path)) from None


class Wire:
    """HTTP links to the peers at `addresses` (organisation key -> base URL). Safe to use from many threads."""

    def __init__(self, addresses: Mapping[str, str], *, timeout: float = 60.0) -> None:
        self.addresses = dict(addresses)
        self._lines = {peer: Line(address, timeout=timeout) for peer, address in self.addresses.items()}

    def send(self, peer: str, path: str, body: bytes) -> bytes:
        """POST `body`; raises the peer's own problem, or Unavailable `link.unreachable`."""
        return self._request("POST", peer, path, body)

    def get(self, peer: str, path: str) -> bytes:
        """GET; raises as `send`."""
        return self._request("GET", peer, path, b"")

    def abort(self, peer: str = "*") -> int:
        """End the requests under way to `peer` (`*`: to everybody) so that no body arrives whole, and return how many.

        They raise Unavailable `link.unreachable`; the next request makes a connection of its own. For a gate that
        closes (P4): who looked at the gate just before the order, and had not begun, is met by calling this twice.
        """
        lines = self._lines.values() if peer == "*" else filter(None, [self._lines.get(peer)])
        return sum(line.abort() for line in lines)

    def _request(self, method: str, peer: str, path: str, body: bytes) -> bytes:
        line = self._lines.get(peer)
        if line is None:
            raise unreachable(peer, "no address of it is known here")
        try:
            response = line.request(method, path, _HEADERS, body)
        except (*_UNREACHABLE, OSError) as error:
            raise unreachable(peer, type(error).__name__) from None
        if response.status >= 300:
            raise problem(response.status, response.content)
        return response.content

    def close(self) -> None:
        """Close the connections."""
        for line in self._lines.values():
            line.close()


def unreachable(peer: str, got: str) -> Unavailable:
    """The error of a link that is down."""
    return Unavailable(
        "link.unreachable", expected=f"an answer of {peer}", got=got, mend="what waits is offered again by itself"
    )


def problem(status: int, body: bytes) -> KeersluisError:
    """The error that a peer's problem+json stands for (RFC 9457)."""
    try:
        told = msgspec.json.decode(body, type=dict[str, object])
    except msgspec.MsgspecError:
        told = {"got": body[:200].decode(errors="replace")}
    family = _FAMILIES.get(status, Fault)
    texts = {name: str(told.get(name, "")) for name in _KNOWN - {"code"}}
    facts: dict[str, Any] = {name: told[name] for name in _NUMBERS & told.keys() if isinstance(told[name], int | float)}
    if isinstance(told.get("faults"), list):
        facts["faults"] = told["faults"]
    return family(str(told.get("code", f"http.{status}")), **texts, **facts)
