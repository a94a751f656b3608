"""The connections to one peer: which calls are under way on them, so that a gate that closes can end them at once."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, NamedTuple

import httpcore

from keersluis.certificates import Contexts, oin_of
from keersluis.errors import Untrusted

SOCKET_OPTION = Any
"""What httpcore passes on to `setsockopt`."""

CONNECT_WITHIN = 2.0
"""Seconds to reach a peer."""

MOST = 24
"""Connections to one peer: fewer than its door takes (`web/door.py`)."""


_NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Trusts nobody: what an https address meets where no certificates were given."""


class Secured(NamedTuple):
    """How a line is secured: with which certificates, and whose OIN the other side must show."""

    contexts: Contexts
    oin: str

    def check(self, stream: httpcore.NetworkStream) -> None:
        """Raises Untrusted `link.other-organisation`: a good certificate, but not that of whom we meant to call."""
        oin = oin_of(stream.get_extra_info("ssl_object").getpeercert(True))
        if oin != self.oin:
            raise Untrusted("link.other-organisation", expected=f"the certificate of {self.oin}", got=f"that of {oin}")


class _Call:
    """One request under way: the stream that it uses, and whether it must end."""

    __slots__ = ("aborted", "stream")

    def __init__(self) -> None:
        self.aborted = False
        self.stream: _Stream | None = None

    def hold(self, stream: _Stream) -> None:
        """From here on this call uses `stream`. Raises WriteError when it must end: then nothing more leaves."""
        self.stream = stream  # first this and then the look; `abort` does it in the other order
        if self.aborted:
            raise httpcore.WriteError("aborted")

    def abort(self) -> None:
        self.aborted = True
        if self.stream is not None:
            self.stream.cut()


class Line:
    """Requests to one peer over connections that are kept. Safe to use from many threads."""

    def __init__(self, address: str, *, timeout: float, secured: Secured | None = None) -> None:
        self.address, self.secured = address, secured
        self._timeout = {"connect": CONNECT_WITHIN, "read": timeout, "write": timeout, "pool": timeout}
        self._pool = httpcore.ConnectionPool(
            ssl_context=_NOBODY, max_connections=MOST, keepalive_expiry=30.0, network_backend=_Backend(self)
        )
        self._lock = threading.Lock()
        self._under_way: set[_Call] = set()
        self._mine = threading.local()

    def request(self, method: str, path: str, headers: list[tuple[bytes, bytes]], body: bytes) -> httpcore.Response:
        """The peer's answer, read whole. Raises httpcore's errors, also when the call was aborted."""
        call = self._mine.call = _Call()
        with self._lock:
            self._under_way.add(call)
        try:
            return self._pool.request(
                method, self.address + path, headers=headers, content=body, extensions={"timeout": self._timeout}
            )
        finally:
            with self._lock:
                self._under_way.discard(call)

    def abort(self) -> int:
        """End every call under way, wherever it is: nothing more of it leaves. Returns how many."""
        with self._lock:
            calls = list(self._under_way)
        for call in calls:
            call.abort()
        return len(calls)

    def holds(self, stream: _Stream) -> None:
        """The calling thread's call uses `stream` now."""
        call: _Call | None = getattr(self._mine, "call", None)
        if call is not None:
            call.hold(stream)

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()


class _Stream(httpcore.NetworkStream):
    """A connection that knows whose call it carries."""

    def __init__(self, inner: httpcore.NetworkStream, line: Line) -> None:
        self._inner, self._line = inner, line

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self._line.holds(self)
        return self._inner.read(max_bytes, timeout)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._line.holds(self)
        self._inner.write(buffer, timeout)

    def close(self) -> None:
        self._inner.close()

    def start_tls(self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None) -> _Stream:
        """With our certificate; before a byte is sent, the other side's says who it is."""
        self._line.holds(self)
        secured = self._line.secured
        if secured is None:
            return _Stream(self._inner.start_tls(ssl_context, server_hostname, timeout), self._line)
        stream = self._inner.start_tls(secured.contexts.client(), server_hostname, timeout)
        try:
            secured.check(stream)
        except BaseException:
            stream.close()
            raise
        return _Stream(stream, self._line)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)

    def cut(self) -> None:
        """End the connection under whoever reads or writes it. `SSLSocket.shutdown` would first go on in plain text."""
        with suppress(OSError):
            socket.socket.shutdown(self._inner.get_extra_info("socket"), socket.SHUT_RDWR)


class _Backend(httpcore.SyncBackend):
    """Makes the connections of one line."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> _Stream:
        stream = _Stream(super().connect_tcp(host, port, timeout, local_address, socket_options), self._line)
        self._line.holds(stream)
        return stream
