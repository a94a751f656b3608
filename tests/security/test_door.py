"""Attacks on the door for other organisations: short, bounded, over real sockets. Named after the attack."""

from __future__ import annotations

import os
import resource
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from doors import GUEST, HOUSE, OTHER, PATH, Came, House, Papers, answer, head

from keersluis.certificates import Contexts
from keersluis.errors import Forbidden, Incorrect, Unavailable, Untrusted
from keersluis.exchange.quota import PARCEL_BYTES, Limits, Quota
from keersluis.web.door import Patience

HASTY = Patience(handshake=0.5, idle=2.0, head=0.4, grace=0.4, slowest=1 << 20)


@pytest.fixture(scope="session")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    return Papers(tmp_path_factory.mktemp("papers"))


@pytest.fixture
def house(papers: Papers) -> Iterator[Callable[..., House]]:
    open_houses: list[House] = []

    def start(**settings: Any) -> House:
        open_houses.append(House(papers, **settings))
        open_houses[-1].start()
        return open_houses[-1]

    yield start
    for each in open_houses:
        each.stop()


def still_serves(house: House) -> bool:
    """Whether a guest in good faith is answered."""
    wire = house.wire()
    try:
        return wire.send("house", PATH, b"[]") == b"{}"
    finally:
        wire.close()


def test_who_comes_is_known_by_the_certificate_and_not_by_what_it_says(house: Callable[..., House]) -> None:
    opened = house()
    with opened.connect() as guest:
        guest.sendall(head(PATH, f"X-OIN: {OTHER}", f"keersluis.peer: {OTHER}", "Content-Length: 2") + b"{}")
        assert answer(guest)[0] == 200
        guest.sendall(head(PATH, "Content-Length: 3") + b"[1]")  # a second on the same connection
        assert answer(guest)[0] == 200
    assert opened.came == [Came(GUEST, 2), Came(GUEST, 3)]


@pytest.mark.parametrize("bad", ["forged", "expired"])
def test_a_certificate_of_a_wrong_authority_or_past_its_end_gets_nowhere(house: Callable[..., House], bad: str) -> None:
    opened = house()
    wire = opened.wire(getattr(opened.papers, bad))
    with pytest.raises(Unavailable):
        wire.send("house", PATH, b"[]")
    wire.close()
    assert opened.came == []
    assert still_serves(opened)


@pytest.mark.parametrize("bad", ["forged", "expired"])
def test_a_house_with_a_bad_certificate_is_told_nothing(house: Callable[..., House], papers: Papers, bad: str) -> None:
    opened = house(credentials=getattr(papers, bad))
    wire = opened.wire()
    with pytest.raises(Unavailable, match="CERTIFICATE_VERIFY_FAILED"):
        wire.send("house", PATH, b"secret")
    wire.close()
    assert opened.came == []


def test_a_good_certificate_of_another_organisation_is_not_whom_we_meant(house: Callable[..., House]) -> None:
    opened = house()
    wire = opened.wire(oin=OTHER)
    with pytest.raises(Untrusted) as refused:
        wire.send("house", PATH, b"secret")
    wire.close()
    assert refused.value.code == "link.other-organisation"
    assert opened.came == []


def test_nobody_comes_in_without_a_certificate(house: Callable[..., House]) -> None:
    opened = house()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(opened.papers.authority.path)
    plain = socket.create_connection(("127.0.0.1", opened.port), 5)
    with context.wrap_socket(plain, server_hostname="127.0.0.1") as nobody:
        with suppress(OSError):
            nobody.sendall(head(PATH, "Content-Length: 2") + b"{}")
        with pytest.raises(OSError):
            answer(nobody)
    assert opened.came == []


def test_an_older_tls_is_refused(house: Callable[..., House]) -> None:
    opened = house()
    context = Contexts(opened.papers.guest).client()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    plain = socket.create_connection(("127.0.0.1", opened.port), 5)
    with pytest.raises(OSError):
        context.wrap_socket(plain, server_hostname="127.0.0.1")


@pytest.mark.parametrize("garbage", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff" + os.urandom(4000), b"\x00"])
def test_garbage_instead_of_a_handshake_ends_that_connection_alone(house: Callable[..., House], garbage: bytes) -> None:
    opened = house(patience=HASTY)
    with socket.create_connection(("127.0.0.1", opened.port), 5) as visitor:
        visitor.sendall(garbage)
        with suppress(OSError):
            while visitor.recv(1 << 16):
                pass
    assert still_serves(opened)
    assert len(opened.came) == 1


def test_a_stranger_with_a_good_certificate_is_told_so(house: Callable[..., House]) -> None:
    opened = house()
    wire = opened.wire(opened.papers.stranger)
    with pytest.raises(Forbidden) as refused:
        wire.send("house", PATH, b"[]")
    wire.close()
    assert refused.value.code == "link.stranger"
    assert opened.came == []


def test_a_peer_whose_keys_are_revoked_is_shut_out_on_a_connection_that_it_has(house: Callable[..., House]) -> None:
    opened = house()
    wire = opened.wire()
    wire.send("house", PATH, b"[]")
    opened.revoked.add(GUEST)
    with pytest.raises(Forbidden):
        wire.send("house", PATH, b"[]")
    wire.close()
    assert len(opened.came) == 1


@pytest.mark.parametrize("path", ["/", "/v0/poorten", "/v0/stand", "/v0/beslissingen", PATH + "/../../poorten"])
def test_pages_and_commands_are_not_for_peers(house: Callable[..., House], path: str) -> None:
    opened = house()
    with opened.connect() as guest:
        guest.sendall(head(path, "Content-Length: 2") + b"{}")
        status, _, told = answer(guest)
    assert (status, told["code"]) == (404, "door.unknown")
    assert opened.came == []


def test_a_body_that_is_declared_too_large_is_refused_before_it_is_read(house: Callable[..., House]) -> None:
    opened = house()
    with opened.connect() as guest:
        guest.sendall(head(PATH, f"Content-Length: {PARCEL_BYTES + 1}"))
        status, _, told = answer(guest)
    assert (status, told["code"], told["quota"]["body"]) == (413, "quota.body", PARCEL_BYTES)
    assert opened.came == []


def test_an_endless_body_is_cut_off_and_leaves_no_memory_behind(house: Callable[..., House]) -> None:
    opened = house(quota=Quota(Limits(body=1 << 20)))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    with opened.connect() as guest:
        guest.sendall(head(PATH, "Transfer-Encoding: chunked"))
        with suppress(OSError):
            for _number in range(1024):  # 64 MiB, if it were taken
                guest.sendall(chunk)
        with suppress(OSError):
            assert answer(guest)[0] == 413
    assert opened.came == []
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 * 1024
    assert opened.quota._uses[GUEST].held == 0
    assert still_serves(opened)


def test_a_body_that_trickles_is_cut_off(house: Callable[..., House]) -> None:
    opened = house(patience=HASTY)
    started = time.monotonic()
    with opened.connect() as guest:
        guest.sendall(head(PATH, "Content-Length: 1000"))
        with suppress(OSError):
            while time.monotonic() - started < 2.5:
                guest.sendall(b"x")
                time.sleep(0.05)
        status, _, told = answer(guest)
    assert (status, told["code"]) == (408, "door.slow")
    assert opened.came == []


def test_a_head_that_trickles_is_cut_off(house: Callable[..., House]) -> None:
    opened = house(patience=HASTY)
    with opened.connect() as guest:
        with suppress(OSError):
            for byte in head(PATH, "X-Slow: " + "y" * 400)[:200]:
                guest.sendall(bytes([byte]))
                time.sleep(0.01)
        assert answer(guest)[0] == 408
    assert opened.came == []


def test_an_endless_head_is_cut_off(house: Callable[..., House]) -> None:
    opened = house(patience=HASTY)
    with opened.connect() as guest, suppress(OSError):
        guest.sendall(head(PATH)[:-2] + b"X-Long: ")
        for _number in range(64):
            guest.sendall(b"y" * 4096)
        assert guest.recv(1 << 16) == b""
    assert opened.came == []
    assert still_serves(opened)


def test_a_connection_that_asks_nothing_is_ended(house: Callable[..., House]) -> None:
    opened = house(patience=Patience(idle=0.3))
    with opened.connect() as guest:
        guest.settimeout(3)
        with suppress(ConnectionError):
            assert guest.recv(1) == b""


def test_hundreds_of_connections_that_never_greet_leave_the_door_open_for_others(house: Callable[..., House]) -> None:
    opened = house(most=100, unknown=32)
    with ExitStack() as crowd:
        for _number in range(200):
            crowd.enter_context(
                socket.create_connection(("127.0.0.1", opened.port), 5, source_address=("127.0.0.2", 0))
            )
        assert still_serves(opened)
        assert len(opened.door._open) <= 33


def test_one_peer_has_so_many_connections_and_the_next_is_told_so(house: Callable[..., House]) -> None:
    opened = house(quota=Quota(Limits(connections=4)))
    with ExitStack() as many:
        for _number in range(4):
            guest = many.enter_context(opened.connect())
            guest.sendall(head(PATH, "Content-Length: 2") + b"{}")
            assert answer(guest)[0] == 200
        fifth = many.enter_context(opened.connect())
        fifth.sendall(head(PATH, "Content-Length: 2") + b"{}")
        status, fields, told = answer(fifth)
        assert (status, fields["retry-after"], told["quota"]["connections"]) == (429, "1", 4)
        other = many.enter_context(opened.connect(opened.papers.other))
        other.sendall(head(PATH, "Content-Length: 2") + b"{}")
        assert answer(other)[0] == 200
    deadline = time.monotonic() + 3
    while opened.quota._uses[GUEST].connections and time.monotonic() < deadline:
        time.sleep(0.02)
    assert still_serves(opened)


def test_a_flood_of_requests_is_metered_and_the_answer_says_by_what(house: Callable[..., House]) -> None:
    opened = house(quota=Quota(Limits(requests=1, burst=5)))
    wire = opened.wire()
    for _number in range(5):
        wire.send("house", PATH, b"[]")
    with pytest.raises(Unavailable) as refused:
        wire.send("house", PATH, b"[]")
    wire.close()
    assert refused.value.code == "quota.requests"
    assert refused.value.facts["retry_after"] == 1
    assert "at most 1 requests a second" in refused.value.expected
    assert len(opened.came) == 5


def test_large_requests_at_once_fill_no_more_memory_than_the_quota(house: Callable[..., House]) -> None:
    hold = threading.Event()

    def waits() -> bytes:
        hold.wait(5)
        return b"{}"

    opened = house(quota=Quota(Limits(in_flight=3 << 20, body=2 << 20)), answer=waits)
    body = head(PATH, f"Content-Length: {2 << 20}") + b"x" * (2 << 20)
    with opened.connect() as first, opened.connect() as second:
        first.sendall(body)
        deadline = time.monotonic() + 3
        while not opened.came and time.monotonic() < deadline:
            time.sleep(0.01)
        with suppress(OSError):
            second.sendall(body)
        status, fields, told = answer(second)
        assert (status, told["code"], fields["retry-after"]) == (503, "quota.in-flight", "1")
        assert told["quota"]["in-flight"] == 3 << 20
        hold.set()
        assert answer(first)[0] == 200
    assert still_serves(opened)


def test_a_certificate_that_is_replaced_serves_without_a_restart(papers: Papers, house: Callable[..., House]) -> None:
    own = papers.issue(HOUSE, "renewed")
    opened = house(credentials=own)

    def shown() -> bytes | None:
        with opened.connect() as guest:
            return guest.getpeercert(True)

    before = shown()
    papers.issue(HOUSE, "renewed")
    assert shown() != before


def test_a_key_that_does_not_fit_is_named(papers: Papers, tmp_path: Path) -> None:
    wrong = papers.guest.__class__(papers.guest.certificate, papers.house.key, papers.authority.path)
    with pytest.raises(Incorrect) as refused:
        Contexts(wrong)
    assert refused.value.code == "certificate.unusable"
    assert str(papers.house.key) in refused.value.where
