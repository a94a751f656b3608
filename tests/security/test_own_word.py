"""Over a connection with a certificate an organisation speaks for itself alone; and what was said twice counts once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from keersluis.chain import load_chain
from keersluis.errors import Forbidden
from keersluis.exchange import questions
from keersluis.exchange.batches import Outcomes, decode
from keersluis.service import Node, make_home, open_node
from keersluis.times import SystemClock, format_instant

KIND = "prosecution-decision.serious"


class Overhears:
    """A link that carries what it is given to one node, as its sender, and keeps a copy."""

    def __init__(self) -> None:
        self.to: Node | None = None
        self.oin = ""
        self.kept: list[tuple[str, bytes]] = []

    def send(self, _peer: str, path: str, body: bytes) -> bytes:
        assert self.to is not None
        self.kept.append((path, body))
        return self.to.receive(body, self.oin) if path.endswith("partijen") else self.to.answer(body, self.oin)


@pytest.fixture
def link() -> Overhears:
    return Overhears()


@pytest.fixture
def nodes(link: Overhears, tmp_path: Path) -> Iterator[dict[str, Node]]:
    chain = load_chain("nl-justice")
    make_home(chain, tmp_path)
    opened = {key: open_node(chain, key, tmp_path, SystemClock(), link) for key in ("om", "justid", "justis")}
    link.to = opened["justid"]
    yield opened
    for node in opened.values():
        node.close()


def event(node: Node) -> bytes:
    chain = node.chain
    told = {
        "specversion": "1.0",
        "id": "e-1",
        "source": f"urn:nld:oin:{node.me.oin}:systeem:test",
        "type": chain.ce_type(chain.kinds[KIND]),
        "occurred": format_instant(SystemClock().now() - 1_000_000),
        "data": {"subject": "skn:T0000001", "content": {"offence": "generated", "maximum_months": 96}},
    }
    return msgspec.json.encode(told)


def applied(node: Node) -> int:
    from keersluis import status

    return next(int(row["size"]) for row in status.of(node)["watermarks"] if row["kind"] == KIND)


def test_a_peer_cannot_deliver_the_parcel_of_another(nodes: dict[str, Node], link: Overhears) -> None:
    link.oin = nodes["om"].me.oin
    nodes["om"].accept([event(nodes["om"])])
    nodes["om"].pump()
    path, body = link.kept[0]
    assert path.endswith("partijen")
    with pytest.raises(Forbidden) as refused:
        nodes["justid"].receive(body, nodes["justis"].me.oin)
    assert refused.value.code == "link.not-its-own"


def test_P1_a_replayed_parcel_is_receipted_again_and_changes_nothing(nodes: dict[str, Node], link: Overhears) -> None:
    link.oin = nodes["om"].me.oin
    nodes["om"].accept([event(nodes["om"])])
    nodes["om"].pump()
    for _path, body in list(link.kept):
        again = decode(nodes["justid"].receive(body, link.oin), Outcomes)
        assert all(outcome.receipt for outcome in again.outcomes)
    assert applied(nodes["justid"]) == 1


def test_nobody_asks_with_the_question_of_another(nodes: dict[str, Node], link: Overhears) -> None:
    link.oin = nodes["justis"].me.oin
    nodes["justis"].decide([{"id": "q-1", "policy": "vog-standard", "subject": "skn:T0000001"}])
    path, message = link.kept[0]
    assert path == questions.QUESTIONS
    with pytest.raises(Forbidden) as refused:
        nodes["justid"].answer(message, nodes["om"].me.oin)
    assert refused.value.code == "link.not-its-own"
