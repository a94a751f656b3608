"""A node's API against its callers: other sites, callers that wait, and what a peer says."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from litestar.testing import TestClient

from keersluis.chain import load_chain
from keersluis.errors import Unavailable
from keersluis.exchange.wire import problem
from keersluis.service import Node, make_home, open_node
from keersluis.times import SystemClock
from keersluis.web.app import node_app

HERE = "http://127.0.0.1:8600"
CLOSE = {"peer": "*", "richting": "*", "soort": "*", "stand": "closed", "wie": "crisis team", "waarom": "test"}


class Stalls:
    """A register that takes the request and does not answer until told."""

    def __init__(self) -> None:
        self.release = threading.Event()
        self.waiting = 0

    def send(self, _peer: str, _path: str, _body: bytes) -> bytes:
        self.waiting += 1
        self.release.wait(30)
        raise Unavailable("link.unreachable", expected="an answer", got="none")


@pytest.fixture
def link() -> Stalls:
    return Stalls()


@pytest.fixture
def node(link: Stalls, tmp_path: Path) -> Iterator[Node]:
    chain = load_chain("nl-justice")
    make_home(chain, tmp_path)
    opened = open_node(chain, "justis", tmp_path, SystemClock(), link)
    yield opened
    opened.close()


@pytest.fixture
def client(node: Node) -> Iterator[TestClient[Any]]:
    with TestClient(node_app(node), base_url=HERE) as opened:
        yield opened


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://elsewhere.example"}, {"Origin": "null"}, {"Origin": "http://127.0.0.1:9999"}],
)
def test_a_page_of_another_site_moves_no_gate(client: TestClient[Any], headers: dict[str, str]) -> None:
    refused = client.post("/v0/poorten", json=CLOSE, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "web.other-site")
    assert client.get("/v0/stand").json()["gates"] == []


@pytest.mark.parametrize("path", ["/v0/stand", "/", "/openapi.json"])
@pytest.mark.parametrize("host", ["elsewhere.example", "elsewhere.example:8600", "127.0.0.1.elsewhere.example", "["])
def test_a_name_that_was_made_to_point_here_reads_nothing(client: TestClient[Any], path: str, host: str) -> None:
    assert client.get(path, headers={"Host": host}).status_code == 403


@pytest.mark.parametrize("host", ["127.0.0.1:8600", "localhost", "localhost:1", "[::1]:8600"])
def test_this_machine_by_any_of_its_names_is_answered(client: TestClient[Any], host: str) -> None:
    assert client.get("/v0/stand", headers={"Host": host}).status_code == 200
    assert client.post("/v0/poorten", json=CLOSE, headers={"Host": host, "Origin": f"http://{host}"}).is_success


def test_P4_a_gate_closes_while_many_wait_for_a_register_that_does_not_answer(
    client: TestClient[Any], link: Stalls
) -> None:
    asked = {"policy": "vog-standard", "subject": "skn:T0000001"}
    asks = [
        threading.Thread(target=client.post, args=("/v0/beslissingen",), kwargs={"json": [asked | {"id": f"d-{n}"}]})
        for n in range(12)
    ]
    for ask in asks:
        ask.start()
    deadline = time.monotonic() + 10
    while link.waiting < 12 and time.monotonic() < deadline:
        time.sleep(0.02)
    waiting, started = link.waiting, time.monotonic()
    closed = client.post("/v0/poorten", json=CLOSE)
    took = time.monotonic() - started
    link.release.set()
    for ask in asks:
        ask.join()
    assert (waiting, closed.status_code) == (12, 200)
    assert took < 1


def test_what_a_peer_says_of_itself_becomes_no_fault_of_ours() -> None:
    told = msgspec.json.encode({"code": "x.y", "self": 1, "retry_after": "1\r\nX: y", "allowed": 3, "faults": "?"})
    error = problem(503, told)
    assert (error.code, error.facts) == ("x.y", {"allowed": 3})
