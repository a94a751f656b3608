"""The nodes of a chain in this process, behind the same calls as those over HTTP: for scenarios in tests."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from threading import Lock
from typing import Any

import msgspec
from litestar.testing import TestClient

from keersluis import reconciling, status
from keersluis.chain import Chain
from keersluis.exchange.questions import QUESTIONS
from keersluis.exchange.reconciliation import Entry, Tally
from keersluis.exchange.sender import BATCHES
from keersluis.exchange.wire import problem
from keersluis.service import Node, make_home, open_node
from keersluis.simulation.compare import Seen, look
from keersluis.simulation.conductor import Player
from keersluis.simulation.feed import Feed
from keersluis.times import Instant, ManualClock, format_instant, parse_instant
from keersluis.web.api import CountsStatement
from keersluis.web.api_intake import WaitingItem
from keersluis.web.app import node_app
from keersluis.web.bodies import read_as
from keersluis.web.gate_requests import GateRequest, gate_orders


class LocalNodes:
    """What `Player` needs of `Nodes`. `watch` is called after each tick's last send."""

    def __init__(self, chain: Chain, home: Path, start: Instant) -> None:
        make_home(chain, home)
        self.chain, self.home, self.clock, self.wire = chain, home, ManualClock(start), self
        self._opened, self._clients, self._opening = ExitStack(), dict[str, TestClient[Any]](), Lock()
        self.nodes = {me.key: open_node(chain, me.key, home, self.clock, self, inline=True) for me in chain.nodes}

    def send(self, key: str, path: str, body: bytes) -> bytes:
        route = _ROUTES.get(path)
        return self.over_http("POST", key, path, body) if route is None else route(self.nodes[key], body) or b"{}"

    def get(self, key: str, path: str) -> bytes:
        route = _ROUTES.get(path)
        return self.over_http("GET", key, path, b"") if route is None else route(self.nodes[key], b"") or b"{}"

    def over_http(self, method: str, key: str, path: str, body: bytes) -> bytes:
        """Whatever a scenario's request asks: the node's own application, in this process."""
        with self._opening:  # pages ask all nodes at once, and an application is made once
            if key not in self._clients:
                client = TestClient(node_app(self.nodes[key]), base_url="http://127.0.0.1:8600")
                self._clients[key] = self._opened.enter_context(client)
        answer = self._clients[key].request(method, path, content=body or None)
        if answer.status_code >= 300:
            raise problem(answer.status_code, answer.content)
        return answer.content

    def status(self, key: str) -> dict[str, Any]:
        return status.of(self.nodes[key])

    def stop(self) -> None:
        self._opened.close()
        for node in self.nodes.values():
            node.close()


def _publish(node: Node, body: bytes) -> bytes:
    accepted = node.accept([bytes(raw) for raw in msgspec.json.decode(body, type=list[msgspec.Raw])])
    return msgspec.json.encode({"accepted": accepted})


def _order(node: Node, body: bytes) -> None:
    node.order_gate(gate_orders(read_as(body, GateRequest), node.clock.now()))


def _waiting(node: Node, body: bytes) -> None:
    node.register_waiting([(i.soort, i.id, i.gebeurd, i.kanaal) for i in read_as(body, list[WaitingItem])])


def _counts(node: Node, body: bytes) -> None:
    told = read_as(body, list[CountsStatement])
    node.state_counts([(c.soort, parse_instant(c.tot), c.aantal) for c in told])


def _period(body: bytes) -> tuple[str, Instant, Instant]:
    told = msgspec.json.decode(body)
    return told["soort"], parse_instant(told["van"]), parse_instant(told["tot"])


def _tally(node: Node, body: bytes) -> bytes:
    found = reconciling.count_digest(node, *_period(body))
    return msgspec.json.encode({"count": found.count, "digest": found.hex})


def _list(node: Node, body: bytes) -> bytes:
    found = reconciling.entries(node, *_period(body))
    return msgspec.json.encode({"entries": [{"id": e.id, "occurred": format_instant(e.occurred)} for e in found]})


def _declare(node: Node, body: bytes) -> None:
    told = msgspec.json.decode(body)
    missing = [Entry(each["id"], parse_instant(each["gebeurd"])) for each in told["ontbreekt"]]
    reconciling.declare(node, *_period(body), missing, told["waarom"])


def _fill(node: Node, body: bytes) -> None:
    told = msgspec.json.decode(body)
    reconciling.fill(node, *_period(body), Tally.read(told["aantal"], told["digest"]))


_ROUTES: dict[str, Callable[[Node, bytes], bytes | None]] = {
    "/v0/gebeurtenissen": _publish,
    "/v0/poorten": _order,
    "/v0/inname/wachtend": _waiting,
    "/v0/tellingen": _counts,
    "/v0/afstemmingen": lambda node, _body: msgspec.json.encode(reconciling.overview(node)),
    "/v0/afstemmingen/_tel": _tally,
    "/v0/afstemmingen/_lijst": _list,
    "/v0/afstemmingen/gaten": _declare,
    "/v0/afstemmingen/gaten/_vul": _fill,
    "/v0/uitwisseling/_verzend": lambda node, _body: node.pump() and None,
    "/v0/beslissingen": lambda node, body: node.decide(msgspec.json.decode(body)) and None,
    BATCHES: lambda node, body: node.receive(body),
    QUESTIONS: lambda node, body: node.answer(body),
}


def played(
    feed: Feed,
    home: Path,
    *,
    cut: bool,
    watch: Callable[[LocalNodes, Instant], None] = lambda _n, _at: None,
) -> Seen:
    """Play a feed to its end in this process and look at what is stored."""
    nodes = LocalNodes(feed.chain, home, feed.start)
    try:
        player = Player(nodes, feed, cut=cut)  # type: ignore[arg-type]
        while player.step():
            watch(nodes, player.now)
        assert player.played.refused == [], "requests of the scenario that did not end as their rows expect"
    finally:
        nodes.stop()
    return look(feed.chain, home)
