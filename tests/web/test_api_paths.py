"""Over a node's API: forecasts by simulated paths of what it counts, variants side by side, and forecasts kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient

from keersluis.chain import load_chain
from keersluis.exchange.wire import Wire
from keersluis.service import Node, make_home, open_node
from keersluis.times import ManualClock, parse_instant
from keersluis.web.app import node_app


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    chain = load_chain("nl-justice")
    make_home(chain, tmp_path / "home")
    clock = ManualClock(parse_instant("2025-09-29T08:00:00+02:00"))
    opened = open_node(chain, "om", tmp_path / "home", clock, Wire({}), inline=True)
    yield opened
    opened.close()


@pytest.fixture
def client(node: Node) -> Iterator[TestClient[Any]]:
    with TestClient(node_app(node), base_url="http://127.0.0.1") as opened:
        yield opened


def test_a_node_tells_of_which_backlogs_there_is_a_plan(client: TestClient[Any]) -> None:
    (plan,) = client.get("/v0/achterstanden/_wat-als").json()["plans"]
    assert (plan["backlog"], plan["plan"]) == ("om-paper", "om")
    assert [each["key"] for each in plan["variants"]] == [
        "extra-shift",
        "home-16-october",
        "stage-earlier",
        "scanning",
    ]


def test_variants_are_told_side_by_side_in_the_language_asked_for(client: TestClient[Any]) -> None:
    asked = "/v0/achterstanden/om-paper/wat-als?variant=scanning&paden=100"
    dutch, english = client.get(asked).json(), client.get(f"{asked}&taal=en").json()
    assert [each["key"] for each in english["variants"]] == ["", "scanning"]
    assert english["variants"][1]["title"] == "Paper entered by scanning"
    assert dutch["variants"][1]["title"] == "Papier invoeren door scannen"
    assert english["paths"] == 100


def test_what_cannot_be_asked_is_refused_with_its_reason(client: TestClient[Any]) -> None:
    for path, code in (
        ("om-papier/wat-als", "backlog.unknown"),
        ("om-calls/wat-als", "forecast.no-plan"),
        ("om-paper/wat-als?variant=scannen", "forecast.variant"),
        ("om-paper/prognose?uiterlijk=2055-01-01&paden=100", "forecast.by"),
    ):
        answer = client.get(f"/v0/achterstanden/{path}")
        assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert client.get("/v0/achterstanden/om-paper/prognose?paden=1").status_code == 400


def test_a_forecast_tells_each_in_the_row(client: TestClient[Any]) -> None:
    found = client.get("/v0/achterstanden/om-paper/prognose?paden=100&uiterlijk=2026-03-31&taal=en").json()
    assert [each["key"] for each in found["organisations"]] == ["om-paper", "om-cases", "courts"]
    assert all(each["capacity"]["by"] == "2026-03-31" for each in found["organisations"])
    again = client.get("/v0/achterstanden/om-paper/prognose?paden=100&uiterlijk=2026-03-31&taal=en").json()
    assert again == found
