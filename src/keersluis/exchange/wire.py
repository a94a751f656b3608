"""The wire: bytes to a peer over HTTP, and its answer or its problem back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import httpcore
import msgspec

from keersluis.certificates import Contexts, credentials_of
from keersluis.chain import Chain
from keersluis.errors import Conflict, Fault, Forbidden, Incorrect, KeersluisError, Unavailable, Untrusted
from keersluis.exchange.lines import Line, Secured

_FAMILIES: dict[int, type[KeersluisError]] = {
    400: Incorrect,
    403: Forbidden,
    409: Conflict,
    413: Incorrect,
    415: Incorrect,
    422: Untrusted,
    429: Unavailable,
    503: Unavailable,
}
_HEADERS = [(b"content-type", b"application/json"), (b"accept", b"application/json, application/problem+json")]
_UNREACHABLE = (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, httpcore.UnsupportedProtocol)
_KNOWN = {"code", "expected", "got", "mend", "where"}
_NUMBERS = {"retry_after", "allowed", "next"}


class Listens(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Where one organisation's node listens: `local` (plain, for this machine) and `peer` (TLS, for other
    organisations) are base URLs. `listen` is host:port of the interface for `peer`, where they differ."""

    local: str | None = None
    peer: str | None = None
    listen: str | None = None


def read_listens(path: Path) -> dict[str, Listens]:
    """A file of organisation key -> where it listens; one URL stands for both. Raises Incorrect `link.addresses`."""
    try:
        told = msgspec.json.decode(path.read_bytes(), type=dict[str, str | Listens])
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        expected = "a JSON object with a base URL, or `local` and `peer` URLs, for each organisation"
        raise Incorrect("link.addresses", expected=expected, got=str(error), where=str(path)) from None
    return {key: Listens(each, each) if isinstance(each, str) else each for key, each in told.items()}


def read_addresses(path: Path, side: Literal["local", "peer"] = "local") -> dict[str, str]:
    """Organisation key -> base URL for this machine's own commands (`local`) or for other organisations (`peer`).

    Raises Incorrect `link.addresses`.
    """
    listens = read_listens(path)
    return {key: url for key, each in listens.items() if (url := each.local if side == "local" else each.peer)}


def open_wire(chain: Chain, home: Path, organisation: str) -> Wire:
    """The links of `organisation` to its peers, as the files of its home say (`certificates.credentials_of`).

    Raises Incorrect `link.plain` for a peer that would be reached over a network without TLS.
    """
    path = home / "addresses.json"
    addresses = read_addresses(path, "peer") if path.exists() else {}
    for address in addresses.values():
        _check_secured(address, str(path))
    credentials = credentials_of(home, organisation)
    oins = {key: each.oin for key, each in chain.organisations.items()}
    return Wire(addresses, tls=Contexts(credentials) if credentials else None, oins=oins)


def _check_secured(address: str, where: str) -> None:
    url = urlsplit(address)
    host = url.hostname or ""
    if url.scheme != "https" and not (host == "localhost" or host == "::1" or host.startswith("127.")):
        expected = "an https URL, or one of this machine"
        raise Incorrect("link.plain", expected=expected, got=address, mend="bring a certificate", where=where)


class Wire:
    """HTTP links to the peers at `addresses` (organisation key -> base URL). Safe to use from many threads.

    Over https with `tls`, and each peer must show the certificate of the organisation that was meant (`oins`).
    """

    def __init__(
        self,
        addresses: Mapping[str, str],
        *,
        timeout: float = 60.0,
        tls: Contexts | None = None,
        oins: Mapping[str, str] | None = None,
    ) -> None:
        self.addresses, self.tls = dict(addresses), tls
        oins = oins or {}
        self._lines = {
            peer: Line(address, timeout=timeout, secured=Secured(tls, oins.get(peer, "")) if tls else None)
            for peer, address in self.addresses.items()
        }

    def send(self, peer: str, path: str, body: bytes) -> bytes:
        """POST `body`; raises the peer's own problem, Unavailable `link.unreachable`, or Untrusted
        `link.other-organisation` when somebody else answers there."""
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
            raise unreachable(peer, f"{type(error).__name__} {error}".strip()[:200]) from None
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
