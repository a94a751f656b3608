"""The shipped scenario comes back by its plan: its gate orders pass with the goes given in time, and by these alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient

from homes import fresh_home
from keersluis.chain import load_chain
from keersluis.errors import Conflict
from keersluis.exchange import gatekeeper
from keersluis.exchange.gates import standing
from keersluis.exchange.wire import Wire
from keersluis.service import Node, open_node
from keersluis.simulation.conductor import _order
from keersluis.simulation.feed import GateOrder, Request
from keersluis.simulation.scenario import load_scenario
from keersluis.times import ManualClock
from keersluis.web.app import node_app
from keersluis.web.bodies import read_as
from keersluis.web.gate_requests import GateRequest, gate_orders

CHAIN = load_chain("nl-justice")
PLAN = "/v0/herstelplannen/om-return"


def items() -> list[GateOrder | Request]:
    """What the prosecution service's people do, in order of time."""
    scenario = load_scenario("om-2025", CHAIN).scenario
    both: list[GateOrder | Request] = [*scenario.orders, *scenario.requests]
    return sorted((each for each in both if each.organisation == "om"), key=lambda each: each.at)


def play(home: Path, keep: Callable[[Request], bool]) -> tuple[Node, list[str], TestClient[Any]]:
    """(the node at the end, the whys of the orders that were refused, its API)."""
    fresh_home(home, "om")
    clock = ManualClock(items()[0].at)
    node = open_node(CHAIN, "om", home, clock, Wire({}), inline=True)
    client = TestClient(node_app(node), base_url="http://127.0.0.1:8600")
    refused = []
    for item in items():
        clock.set(item.at)
        if isinstance(item, GateOrder):
            try:
                node.order_gate(gate_orders(read_as(json.dumps(_order(item)).encode(), GateRequest), item.at))
            except Conflict as error:
                refused.append(item.why if error.code == "plan.no-go" else error.code)
        elif item.path.startswith((PLAN, "/v0/herstelplannen")) and keep(item):
            client.post(item.path, json=item.body)
    return node, refused, client


def state(node: Node, kind: str) -> str:
    with node.store.read() as tx:
        return standing(gatekeeper.orders_at(tx, node.clock.now()), "justid", "out", kind).state


def test_every_gate_order_of_the_scenario_passes_by_the_goes_given_in_time(tmp_path: Path) -> None:
    node, refused, client = play(tmp_path, lambda _row: True)
    assert refused == []
    told = client.get(PLAN).json()
    assert told["state"] == "completed"
    assert {stage["state"] for stage in told["stages"]} == {"go"}
    assert state(node, "disposal") == "open"
    node.close()


@pytest.mark.parametrize("lacking", ["besluit", "bewijs"])
def test_adopted_without_a_go_nothing_opens(tmp_path: Path, lacking: str) -> None:
    node, refused, _client = play(tmp_path, lambda row: not row.path.endswith(lacking))
    assert len([why for why in refused if "fase" in why]) == 7  # 4 and 18 August, 1 and 15 September
    assert "Alle toepassingen en koppelingen werken weer" in refused
    assert {state(node, kind) for kind in ("prosecution-decision.serious", "withdrawal", "disposal")} == {"closed"}
    node.close()


def test_one_go_too_few_keeps_the_broad_opening_back(tmp_path: Path) -> None:
    def keep(row: Request) -> bool:
        return not (isinstance(row.body, dict) and row.body.get("fase") == "execution" and "go" in row.body)

    node, refused, _client = play(tmp_path, keep)
    assert refused == ["Alle toepassingen en koppelingen werken weer"] * len(refused)
    assert refused
    assert (state(node, "judgment.serious"), state(node, "disposal")) == ("open", "closed")
    node.close()
