"""Bundles over a running node's API: the same as on its store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from exchange_harness import KIND
from links import Ends, ends
from litestar.testing import TestClient

from keersluis.exchange import bundles
from keersluis.web.app import node_app

HERE = "http://127.0.0.1:8600"


@pytest.fixture
def between(tmp_path: Path) -> Iterator[Ends]:
    with ends(tmp_path / "home") as both:
        both.accept(1, 12)
        yield both


@pytest.fixture
def clients(between: Ends) -> Iterator[tuple[TestClient[Any], TestClient[Any]]]:
    with (
        TestClient(node_app(between.source), base_url=HERE) as source,
        TestClient(node_app(between.register), base_url=HERE) as register,
    ):
        yield source, register


def made(client: TestClient[Any], path: str = "_maak", **asked: Any) -> bytes:
    told = client.post(f"/v0/bundels/{path}", json={"peer": "justid"} | asked).json()
    parts = [client.get(f"/v0/bundels/{told['n']}/delen/{k}") for k in range(1, told["parts"] + 1)]
    assert all(part.headers["content-type"] == "application/octet-stream" for part in parts)
    return b"".join(part.content for part in parts)


def taken(client: TestClient[Any], data: bytes) -> dict[str, Any]:
    (n,) = client.post("/v0/bundels", content=data).json()["kept"]
    told: dict[str, Any] = client.post("/v0/bundels/_verwerk", json={"nummer": n}).json()
    return told


def test_a_bundle_crosses_and_its_receipt_comes_back(
    clients: tuple[TestClient[Any], TestClient[Any]], between: Ends
) -> None:
    source, register = clients
    told = taken(register, made(source))
    assert (told["state"], told["events"], told["missing"], told["refused"]) == ("applied", 12, [], {})
    assert between.facts() == 12
    assert taken(source, made(register, "_bevestig", peer="om"))["receipts"] > 0
    (sent,) = source.get("/v0/bundels").json()["out"]
    assert (sent["state"], sent["peer"], sent["events"]) == ("receipted", "justid", 12)
    (came,) = register.get("/v0/bundels").json()["in"]
    assert (came["state"], came["applied"], came["missing"]) == ("applied", 12, [])


def test_P4_a_closed_gate_is_503_and_hands_out_nothing(
    clients: tuple[TestClient[Any], TestClient[Any]], between: Ends
) -> None:
    source, register = clients
    data = made(source)
    between.order("om", "out", "closed")
    assert source.post("/v0/bundels/_maak", json={"peer": "justid"}).status_code == 503
    assert source.get("/v0/bundels/1/delen/1").status_code == 503
    between.order("justid", "in", "closed")
    refused = taken(register, data)["refused"]
    assert KIND in refused
    assert all("closed by crisis team" in why for why in refused.values())
    assert between.stored() == []


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v0/bundels", b"PK", 422),
        ("/v0/bundels", b"", 422),
        ("/v0/bundels/_verwerk", b'{"nummer": 99}', 400),
        ("/v0/bundels/_verwerk", b'{"nummer": 0}', 400),
        ("/v0/bundels/_maak", b'{"peer": "nobody"}', 400),
        ("/v0/bundels/_maak", b'{"peer": "justid", "van": 1}', 400),
        ("/v0/bundels/_maak", b'{"peer": "justid", "deelgrootte": 7}', 400),
        ("/v0/bundels/_bevestig", b'{"peer": "politie"}', 400),
    ],
)
def test_what_cannot_be_is_a_problem_with_a_code(
    clients: tuple[TestClient[Any], TestClient[Any]], path: str, body: bytes, status: int
) -> None:
    answer = clients[1].post(path, content=body)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert answer.json()["code"]


def test_more_than_one_request_may_hold_is_refused(clients: tuple[TestClient[Any], TestClient[Any]]) -> None:
    answer = clients[1].post("/v0/bundels", content=b"\0" * (3 * bundles.LARGEST_PART))
    assert answer.status_code == 413
