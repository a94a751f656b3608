"""Three nodes of the shipped chain in one process, on every database: publish, ask, settle, revisit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from keersluis import status
from keersluis.chain import Chain, load_chain
from keersluis.errors import Forbidden, Incorrect, Unavailable, Untrusted
from keersluis.exchange.gates import GateOrder
from keersluis.exchange.questions import QUESTIONS, ask
from keersluis.exchange.sender import BATCHES
from keersluis.service import Node, make_home, open_node
from keersluis.timeline.verify import verify_path
from keersluis.times import DAY, HOUR, Instant, ManualClock, format_instant, parse_instant

START = parse_instant("2025-07-01T12:00:00+02:00")
SERIOUS = "prosecution-decision.serious"
KEYS = ("om", "politie", "justid", "justis", "ind")


@dataclass
class Town:
    """The nodes, one clock, and a network that can be cut."""

    chain: Chain
    home: Path
    clock: ManualClock
    nodes: dict[str, Node] = field(default_factory=dict)
    down: set[str] = field(default_factory=set)

    def send(self, peer: str, path: str, body: bytes) -> bytes:
        if peer in self.down or peer not in self.nodes:
            raise Unavailable("link.unreachable", expected=f"an answer of {peer}")
        node = self.nodes[peer]
        return {BATCHES: node.receive, QUESTIONS: node.answer}[path](body)

    def tick(self, microseconds: int = 6 * HOUR, silent: tuple[str, ...] = ()) -> None:
        self.clock.set(self.clock.now() + microseconds)
        now = self.clock.now()
        for key in ("om", "politie", "justid"):
            if key in silent:
                continue
            node = self.nodes[key]
            node.state_counts(
                [
                    (k.path, now, self.accepted(node, k.path))
                    for k in self.chain.kinds.values()
                    if k.counts and k.source == key
                ]
            )
            node.pump()

    def accepted(self, node: Node, kind: str) -> int:
        return next((s["size"] for s in status.of(node)["streams"] if s["kind"] == kind), 0)

    def publish(
        self, number: int, occurred: Instant, *, kind: str = SERIOUS, subject: str = "skn:T0000001", **data: Any
    ) -> None:
        leaf = self.chain.kinds[kind]
        event = {
            "specversion": "1.0",
            "id": f"e-{number}",
            "source": f"urn:nld:oin:{self.chain.organisations[leaf.source].oin}:systeem:test",
            "type": self.chain.ce_type(leaf),
            "occurred": format_instant(occurred),
            "data": {"subject": subject, "content": {"offence": "generated", "maximum_months": 96}} | data,
        }
        self.nodes[leaf.source].accept([msgspec.json.encode(event)])

    def decide(
        self, name: str, *, organisation: str = "justis", policy: str = "vog-standard", subject: str = "skn:T0000001"
    ) -> dict[str, Any]:
        (taken,) = self.nodes[organisation].decide([{"id": name, "policy": policy, "subject": subject}])
        return taken

    def state(self, name: str, organisation: str = "justis") -> str:
        found: str = self.nodes[organisation].decision(name)["state"]
        return found


@pytest.fixture(params=["sqlite", "postgresql"])
def town(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Town]:
    chain = load_chain("nl-justice")
    make_home(chain, tmp_path)
    town = Town(chain, tmp_path, ManualClock(START))
    with ExitStack() as stack:
        for key in KEYS:
            url = None
            if request.param == "postgresql":
                new: Any = request.getfixturevalue("new_postgresql")
                url = new()
            node = open_node(chain, key, tmp_path, town.clock, town, url=url, inline=True)
            stack.callback(node.close)
            town.nodes[key] = node
        yield town


def test_a_healthy_chain_settles_nothing_found(town: Town) -> None:
    town.tick()
    taken = town.decide("d-1")
    assert (taken["state"], taken["level"]) == ("provisional", 0)
    for _ in range(14):
        town.tick()
    assert town.state("d-1") == "settled"


def test_P7_silence_of_one_source_keeps_decisions_provisional_without_any_gate(town: Town) -> None:
    town.tick()
    town.decide("d-1")
    for _ in range(40):
        town.tick(silent=("om",))
    assert town.state("d-1") == "provisional"
    rows = {row["kind"]: row["state"] for row in status.of(town.nodes["justid"])["watermarks"]}
    assert rows[SERIOUS] == "silent"
    assert rows["police-data.serious"] == "flowing"


def test_a_late_fact_lands_on_the_desk_and_paper_keeps_it_open(town: Town) -> None:
    town.tick()
    act = town.clock.now() + HOUR
    town.clock.set(act + HOUR)
    om = town.nodes["om"]
    om.register_waiting([(SERIOUS, "e-1", format_instant(act), "paper")])
    town.clock.set(act + 2 * HOUR)
    town.decide("d-1")
    for _ in range(60):
        town.tick()
    assert town.state("d-1") == "provisional", "links are up, yet paper lies at the source (P2)"
    town.publish(1, act)
    town.tick()
    town.tick()
    assert town.state("d-1") == "revisit"
    (revisit,) = town.nodes["justis"].revisits(10)
    assert revisit["gravity"] > 0
    assert "complete through" in revisit["because_en"]
    done = town.nodes["justis"].close_revisit("d-1", "desk", "a new decision was sent")
    assert done["issued"] == done["level"] > 0
    assert town.nodes["justis"].revisits(10) == []
    town.nodes["justis"].close_revisit("d-1", "desk", "closed by mistake", undo=True)
    assert len(town.nodes["justis"].revisits(10)) == 1


def test_the_same_decision_asked_twice_is_one_decision(town: Town) -> None:
    town.tick()
    assert town.decide("d-1") == town.decide("d-1")
    assert town.nodes["justis"].decision_counts()["total"] == 1


def test_no_answer_no_decision(town: Town) -> None:
    town.down.add("justid")
    with pytest.raises(Unavailable):
        town.decide("d-1")
    assert town.nodes["justis"].decision_counts()["total"] == 0


def test_P4_gates_stop_questions_at_the_asker_and_at_the_register(town: Town) -> None:
    for key, direction, kind in (
        ("justis", "out", "question"),
        ("justid", "in", "question"),
        ("justid", "out", "answer"),
    ):
        move = GateOrder(town.clock.now(), "*", direction, kind, "closed", "test", "test")  # type: ignore[arg-type]
        town.nodes[key].order_gate([move])
        with pytest.raises(Unavailable) as refused:
            town.decide("d-1")
        assert refused.value.code == "gate.closed"
        back = GateOrder(town.clock.now(), "*", direction, kind, "open", "test", "test")  # type: ignore[arg-type]
        town.nodes[key].order_gate([back])
    assert town.decide("d-1")["state"] == "provisional"
    lookups = status.of(town.nodes["justid"])["register"]["lookups"]
    assert lookups == 1, "a question that was refused looked nobody up"


def test_a_question_in_another_name_is_refused(town: Town) -> None:
    justid, om = town.nodes["justid"], town.nodes["om"]
    with pytest.raises(Forbidden):
        justid.answer(ask([], om.ctx.signer, town.clock.now(), "1" * 24))
    forged = msgspec.json.decode(ask([], town.nodes["justis"].ctx.signer, town.clock.now(), "2" * 24))
    forged["payload"] = [{"id": "x"}]
    with pytest.raises(Untrusted):
        justid.answer(msgspec.json.encode(forged))


def test_time_travel_shows_what_held_and_what_was_known(town: Town) -> None:
    town.tick()
    before = format_instant(town.clock.now())
    town.publish(1, town.clock.now() - HOUR)
    town.tick()
    justid = town.nodes["justid"]
    assert len(justid.look_up("skn:T0000001", "keeper", "vog", None, None).facts) == 1
    assert justid.look_up("skn:T0000001", "keeper", "vog", None, before).facts == []
    assert justid.look_up("skn:T0000001", "keeper", "vog", format_instant(START - DAY), None).facts == []
    assert status.of(justid)["register"]["lookups"] == 3


def test_P5_the_logs_of_all_verify_and_witness_each_other(town: Town) -> None:
    if not (town.home / "om" / "node.db").exists():
        return  # the files of this test are SQLite's; the contract of the timeline runs on PostgreSQL by itself
    town.tick()
    town.publish(1, town.clock.now() - HOUR)
    town.decide("d-1")
    town.tick()
    for node in town.nodes.values():
        node.close()
    report = verify_path(town.home)
    assert report.good, report.findings
    assert len(report.logs) == len(town.chain.nodes) or len(report.logs) == len(KEYS)
    assert any(log.witnessed for log in report.logs)


def test_nothing_of_a_status_names_a_person(town: Town) -> None:
    town.tick()
    town.publish(1, town.clock.now() - HOUR)
    town.decide("d-1")
    town.tick()
    for node in town.nodes.values():
        assert b"T0000001" not in msgspec.json.encode(status.of(node))


def test_a_payload_that_the_register_could_not_read_is_refused_at_the_source(town: Town) -> None:
    with pytest.raises(Incorrect) as refused:
        town.publish(1, town.clock.now() - HOUR, subject="no number")
    assert "event 1" in refused.value.faults[0]


def test_a_gap_that_is_found_afterwards_makes_settled_provisional_until_it_is_filled(town: Town) -> None:
    town.tick()
    moment = town.clock.now()
    town.decide("d-1")
    for _ in range(14):
        town.tick()
    assert town.state("d-1") == "settled"
    justid = town.nodes["justid"]
    assert justid.declare_gap(SERIOUS, moment - DAY, moment) == 1
    town.tick()
    assert town.state("d-1") == "provisional"
    assert justid.fill_gap(SERIOUS, moment - DAY, moment)
    town.tick()
    town.tick()
    assert town.state("d-1") == "settled"
