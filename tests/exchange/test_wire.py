"""The wire against a peer that is slow, gone, or still reading when the gate closes."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from keersluis.errors import Unavailable
from keersluis.exchange.wire import Wire

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"


class Peer:
    """Listens, and reads no more than it is told to before it answers."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.connections: list[socket.socket] = []

    def accept(self) -> socket.socket:
        connection, _ = self.listener.accept()
        connection.settimeout(5)
        self.connections.append(connection)
        return connection

    def close(self) -> None:
        for each in (*self.connections, self.listener):
            each.close()


@pytest.fixture
def peer() -> Iterator[Peer]:
    opened = Peer()
    yield opened
    opened.close()


@pytest.fixture
def wire(peer: Peer) -> Iterator[Wire]:
    opened = Wire({"b": peer.url}, timeout=20)
    yield opened
    opened.close()


def sending(wire: Wire, body: bytes) -> tuple[threading.Thread, list[Unavailable]]:
    errors: list[Unavailable] = []

    def send() -> None:
        try:
            wire.send("b", "/x", body)
        except Unavailable as error:
            errors.append(error)

    thread = threading.Thread(target=send)
    thread.start()
    return thread, errors


def read_all(connection: socket.socket) -> int:
    read = 0
    try:
        while got := connection.recv(1 << 16):
            read += len(got)
    except OSError:
        pass
    return read


@pytest.mark.parametrize("whom", ["b", "*"])
def test_P4_a_body_under_way_does_not_arrive_whole_once_it_is_aborted(peer: Peer, wire: Wire, whom: str) -> None:
    body = b"x" * (64 << 20)  # more than the buffers of both sides hold
    thread, errors = sending(wire, body)
    connection = peer.accept()
    connection.recv(1)
    started = time.monotonic()
    assert wire.abort(whom) == 1
    thread.join(5)
    assert [error.code for error in errors] == ["link.unreachable"]
    assert time.monotonic() - started < 5
    assert read_all(connection) < len(body)


def test_P4_a_call_that_waits_for_its_answer_ends_and_the_next_one_gets_through(peer: Peer, wire: Wire) -> None:
    thread, errors = sending(wire, b"first")
    connection = peer.accept()
    while b"first" not in connection.recv(1 << 16):
        pass
    wire.abort("b")
    thread.join(5)
    assert len(errors) == 1
    again, later = sending(wire, b"second")
    peer.accept().sendall(ANSWER)
    again.join(5)
    assert later == []


def test_abort_ends_nothing_of_others_and_counts_nothing_where_nothing_is(wire: Wire) -> None:
    assert (wire.abort("b"), wire.abort("elsewhere"), wire.abort()) == (0, 0, 0)


def test_P4_a_call_that_has_not_yet_connected_sends_nothing(peer: Peer, wire: Wire) -> None:
    """The order falls between the beginning of a call and its first byte."""
    line = wire._lines["b"]
    held = line.holds

    def order_falls(stream: object) -> None:
        wire.abort("b")
        held(stream)  # type: ignore[arg-type]

    line.holds = order_falls  # type: ignore[method-assign]
    thread, errors = sending(wire, b"body")
    thread.join(5)
    assert len(errors) == 1
    assert read_all(peer.accept()) == 0


def test_a_connection_is_kept_for_the_next_request(peer: Peer, wire: Wire) -> None:
    thread, _ = sending(wire, b"one")
    connection = peer.accept()
    connection.sendall(ANSWER)
    thread.join(5)
    thread, errors = sending(wire, b"two")
    while b"two" not in connection.recv(1 << 16):
        pass
    connection.sendall(ANSWER)
    thread.join(5)
    assert errors == []
