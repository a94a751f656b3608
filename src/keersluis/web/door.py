"""The door for other organisations: TLS with a certificate on both sides, and bounds on all that a peer can use up.

A small HTTP/1.1 server of our own (h11), because who the peer is must be known before a byte of its request is read:
its OIN stands in the certificate. What passes goes to the node's application in this process.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import h11
import msgspec

from keersluis.certificates import Contexts, oin_of
from keersluis.errors import Forbidden, Incorrect, KeersluisError, Unavailable
from keersluis.exchange.quota import Quota
from keersluis.web.peers import OPEN_TO_PEERS, marked

_log = logging.getLogger(__name__)

CHUNK = 256 * 1024
HEAD_BYTES = 16 * 1024

_STATUS = {
    "quota.requests": 429,
    "quota.connections": 429,
    "quota.body": 413,
    "door.slow": 408,
    "door.unknown": 404,
}


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds that the door waits: for the handshake, for the next request, for its head, and for the first part of
    its body or for the peer to take the answer; from then on `slowest` bytes a second must come or go. A connection
    ends after `lasts` seconds, so that a certificate that was revoked meanwhile is looked at again."""

    handshake: float = 5.0
    idle: float = 45.0
    head: float = 5.0
    grace: float = 10.0
    slowest: float = 32 * 1024
    lasts: float = 600.0


@dataclass
class Door:
    """Serves `app` (ASGI) to other organisations. `member` says which key of the chain an OIN has, or raises Forbidden
    for one that is no member or whose keys were all revoked. `most`: open connections of all peers together;
    `unknown`: connections of one network address that have not yet shown a certificate."""

    app: Any
    contexts: Contexts
    member: Callable[[str], str]
    quota: Quota = field(default_factory=Quota)
    patience: Patience = field(default_factory=Patience)
    most: int = 256
    unknown: int = 64

    def __post_init__(self) -> None:
        self._open: set[asyncio.Task[None]] = set()
        self._greeting: Counter[str] = Counter()

    async def serve(self, host: str, port: int, stop: asyncio.Event) -> None:
        """Take connections until `stop` is set; what is under way then gets two seconds."""
        listener = _listener(host, port)
        accepting = asyncio.create_task(self._accept(listener))
        await stop.wait()
        accepting.cancel()
        listener.close()
        if self._open:
            await asyncio.wait(self._open, timeout=2.0)
        for task in tuple(self._open):
            task.cancel()

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, address = await loop.sock_accept(listener)
            except OSError:
                await asyncio.sleep(0.05)  # out of descriptors, or it was gone before we took it
                continue
            if len(self._open) >= self.most or self._greeting[address[0]] >= self.unknown:
                connection.close()  # at once and without a word: a word would need a handshake
                continue
            self._greeting[address[0]] += 1
            task = loop.create_task(self._visit(connection, address[0]))
            self._open.add(task)
            task.add_done_callback(self._open.discard)

    async def _visit(self, connection: socket.socket, address: str) -> None:
        """One connection from handshake to end. Whatever a peer does ends with its connection."""
        try:
            reader, writer = await self._greet(connection)
        except (OSError, TimeoutError):
            connection.close()
            return
        finally:
            self._greeting -= Counter([address])
        try:
            await self._converse(reader, writer)
        except (OSError, TimeoutError, h11.ProtocolError):
            pass
        except Exception:  # noqa: BLE001, one visitor that nobody foresaw ends nobody else
            _log.exception("a connection ended by a fault of ours")
        finally:
            await _end(writer)

    async def _greet(self, connection: socket.socket) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=CHUNK, loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        transport, _ = await loop.connect_accepted_socket(
            lambda: protocol,
            connection,
            ssl=self.contexts.server(),
            ssl_handshake_timeout=self.patience.handshake,
            ssl_shutdown_timeout=1.0,
        )
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visit = _Visit(reader, writer, self.patience)
        peer = ""
        try:
            tls: ssl.SSLObject = writer.get_extra_info("ssl_object")
            oin = oin_of(tls.getpeercert(True) or b"")
            self.member(oin)
            self.quota.connect(oin, visit.now())
            peer = oin
            while visit.goes_on() and await self._request(visit, oin):
                pass
        except KeersluisError as error:
            await visit.refuse(error)
        finally:
            if peer:
                self.quota.leave(peer)

    async def _request(self, visit: _Visit, oin: str) -> bool:
        """One request; False when no other can follow on this connection. Raises what is to be said before it ends."""
        request = await visit.head()
        if request is None:
            return False
        self.member(oin)  # with each request: a key may have been revoked meanwhile
        self.quota.request(oin, visit.now())
        method, path = request.method.decode(), request.target.decode("latin-1").partition("?")[0]
        if (method, path) not in OPEN_TO_PEERS:
            raise Forbidden("door.unknown", expected="a request for other organisations", got=f"{method} {path[:100]}")
        body = bytearray()
        try:
            await self._body(visit, oin, request, body)
            await visit.answer(*await _called(self.app, visit.scope(request, path, oin), bytes(body)))
        finally:
            self.quota.release(oin, len(body))
        return visit.next()

    async def _body(self, visit: _Visit, oin: str, request: h11.Request, body: bytearray) -> None:
        """The body into `body`, of which each byte is held against the peer's quota."""
        declared = next((int(value) for name, value in request.headers if name == b"content-length"), 0)
        if declared > self.quota.limits.body:
            raise self.quota.too_large(declared)
        started = visit.now()
        while True:
            due = started + self.patience.grace + len(body) / self.patience.slowest
            part = await visit.part(due)
            if part is None:
                return
            if len(body) + len(part) > self.quota.limits.body:
                raise self.quota.too_large(len(body) + len(part))
            self.quota.hold(oin, len(part), visit.now())
            body += part


class _Visit:
    """The HTTP of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, patience: Patience) -> None:
        self._reader, self._writer, self._patience = reader, writer, patience
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES)
        self._loop = asyncio.get_running_loop()
        self._began = self.now()

    def now(self) -> float:
        """Seconds of the loop's clock."""
        return self._loop.time()

    def goes_on(self) -> bool:
        return self.now() - self._began < self._patience.lasts

    async def head(self) -> h11.Request | None:
        """The next request's head; None when the peer has left. Raises Unavailable `door.slow`."""
        due = self.now() + self._patience.idle
        begun = False
        while (event := self._http.next_event()) is h11.NEED_DATA:
            data = await self._read(due, begun)
            if not begun:
                begun, due = True, self.now() + self._patience.head
            self._http.receive_data(data)
        return event if isinstance(event, h11.Request) else None

    async def part(self, due: float) -> bytes | None:
        """The next part of the body, None after the last. Raises Unavailable `door.slow`."""
        while True:
            if self._http.they_are_waiting_for_100_continue:
                await self._send(h11.InformationalResponse(status_code=100, headers=[]))
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                self._http.receive_data(await self._read(due, True))
            elif isinstance(event, h11.Data):
                return bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                return None
            else:
                raise ConnectionAbortedError

    async def _read(self, due: float, begun: bool) -> bytes:
        try:
            async with asyncio.timeout_at(due):
                return await self._reader.read(CHUNK)
        except TimeoutError:
            if not begun:
                raise  # nothing was asked, so nothing is answered
            expected = f"a head in {self._patience.head:g} s and {self._patience.slowest:g} bytes a second"
            raise Unavailable("door.slow", expected=expected, got="less", retry_after=1) from None

    def scope(self, request: h11.Request, path: str, oin: str) -> dict[str, Any]:
        """The request for the application, marked with whose it is."""
        query = request.target.partition(b"?")[2]
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": request.http_version.decode(),
            "method": request.method.decode(),
            "scheme": "https",
            "path": path,
            "raw_path": path.encode("latin-1"),
            "query_string": query,
            "root_path": "",
            "headers": [(bytes(name).lower(), bytes(value)) for name, value in request.headers],
            "client": self._writer.get_extra_info("peername")[:2],
            "server": self._writer.get_extra_info("sockname")[:2],
            "state": {},
        }
        return marked(scope, oin)

    async def answer(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        """Send an answer whole."""
        kept = [(name, value) for name, value in headers if name.lower() not in (b"content-length", b"connection")]
        kept.append((b"content-length", str(len(body)).encode()))
        if not self.goes_on():
            kept.append((b"connection", b"close"))
        await self._send(h11.Response(status_code=status, headers=kept))
        await self._send(h11.Data(data=body))
        await self._send(h11.EndOfMessage())

    async def _send(self, event: Any) -> None:
        data = self._http.send(event)
        if data:
            self._writer.write(data)
            async with asyncio.timeout(self._patience.grace + len(data) / self._patience.slowest):
                await self._writer.drain()

    def next(self) -> bool:
        """Make ready for another request on this connection, where there can be one."""
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
            return True
        return False

    async def refuse(self, error: KeersluisError) -> None:
        """Say why, and end: the rest of the request is not read."""
        status = _STATUS.get(error.code, error.status)
        headers = [(b"content-type", b"application/problem+json"), (b"connection", b"close")]
        if "retry_after" in error.facts:
            headers.append((b"retry-after", str(error.facts["retry_after"]).encode()))
        if self._http.our_state is h11.IDLE or self._http.our_state is h11.SEND_RESPONSE:
            await self.answer(status, headers, msgspec.json.encode(error.problem() | {"status": status}))
        await self._linger()

    async def _linger(self) -> None:
        """Until the peer has read the answer or gives up, but not long: ending while it writes would take it away."""
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(min(1.0, self._patience.grace)):
                while await self._reader.read(CHUNK):
                    pass


async def _called(app: Any, scope: dict[str, Any], body: bytes) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """The application's answer: status, headers, body."""
    status, headers, parts = 500, [], []
    message: dict[str, Any] | None = {"type": "http.request", "body": body, "more_body": False}

    async def receive() -> dict[str, Any]:
        nonlocal message
        told, message = message, None
        if told is None:
            await asyncio.Event().wait()
            raise ConnectionAbortedError
        return told

    async def send(told: Any) -> None:
        nonlocal status, headers
        if told["type"] == "http.response.start":
            status, headers = told["status"], list(told.get("headers", ()))
        else:
            parts.append(told.get("body", b""))

    await app(scope, receive, send)
    return status, headers, b"".join(parts)


async def _end(writer: asyncio.StreamWriter) -> None:
    """Close what was said to its end, but wait for nobody."""
    writer.close()
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(1.0):
            await writer.wait_closed()
    writer.transport.abort()


def _listener(host: str, port: int) -> socket.socket:
    """A listening socket. Raises Incorrect `door.address`."""
    try:
        listener = socket.create_server((host, port), backlog=128)
    except OSError as error:
        where = f"{host}:{port}"
        expected = "an address of this machine that is free"
        raise Incorrect("door.address", expected=expected, got=error.strerror or str(error), where=where) from None
    listener.setblocking(False)
    return listener
