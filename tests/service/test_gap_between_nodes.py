"""A gap that a source finds in its own stream reaches the register through the exchange, and nobody types it there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from exchange_harness import event

from keersluis import reconciling, status
from keersluis.chain import load_chain
from keersluis.errors import Forbidden, Unavailable, Untrusted
from keersluis.exchange import _store, tally_questions
from keersluis.exchange.gates import GateOrder
from keersluis.exchange.ledgers import of_events
from keersluis.exchange.questions import QUESTIONS, sign
from keersluis.exchange.reconciliation import FIRST, whole_hour
from keersluis.exchange.sender import BATCHES
from keersluis.exchange.tally_questions import TALLIES
from keersluis.service import Node, make_home, open_node
from keersluis.times import HOUR, Instant, ManualClock, parse_instant

START = parse_instant("2025-07-01T12:00:00+02:00")
KIND = "prosecution-decision.serious"


class Town:
    """A source, the register and a decider on one clock; `spoil` may change an answer on its way."""

    def __init__(self, home: Path) -> None:
        self.chain, self.clock = load_chain("nl-justice"), ManualClock(START)
        make_home(self.chain, home)
        keys = ("om", "justid", "justis")
        self.nodes = {key: open_node(self.chain, key, home, self.clock, self, inline=True) for key in keys}
        self.spoil = lambda answer: answer

    def send(self, peer: str, path: str, body: bytes) -> bytes:
        if peer not in self.nodes:
            raise Unavailable("link.unreachable", expected=f"an answer of {peer}")
        node = self.nodes[peer]
        if path == TALLIES:
            return self.spoil(reconciling.tell(node, body))
        return {BATCHES: node.receive, QUESTIONS: node.answer}[path](body)

    def tick(self, span: int = 6 * HOUR) -> None:
        self.clock.set(self.clock.now() + span)
        om = self.nodes["om"]
        with om.store.read() as tx:
            sizes = {row.kind: row.size for row in _store.all_out_streams(tx)}
        now = self.clock.now()
        om.state_counts([(k.path, now, sizes.get(k.path, 0)) for k in self.chain.kinds.values()
                         if k.source == "om" and k.counts])  # fmt: skip
        om.pump()
        self.nodes["justid"].pump()


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    made = Town(tmp_path)
    yield made
    for node in made.nodes.values():
        node.close()


def compared(town: Town, kind: str = KIND) -> dict[str, Any]:
    return reconciling.compare_with(town.nodes["justid"], "om", kind, FIRST, whole_hour(town.clock.now()))


def gaps(node: Node, which: str) -> list[bool]:
    return [each["filled_at"] is None for each in status.of(node)["gaps"][which]]


def act(number: int, at: Instant) -> bytes:
    return event(number, at)


def test_P2_what_was_settled_on_a_stream_is_open_again_until_its_gap_is_filled(town: Town) -> None:
    om, justid, justis = (town.nodes[key] for key in ("om", "justid", "justis"))
    record = [act(n, START - 20 * HOUR + n * HOUR) for n in range(10)]
    om.accept([each for n, each in enumerate(record) if n != 6])
    town.tick()
    asked = {"id": "d-1", "policy": "vog-standard", "subject": "skn:T0000040", "moment": "2025-07-01T08:00:00Z"}
    justis.decide([asked])
    for _ in range(16):
        town.tick()
    assert justis.decision_counts()["settled"] == 1
    ledger, node = of_events(record, town.chain), reconciling.OnStore(om)
    until = whole_hour(town.clock.now())
    outcome = reconciling.reconcile(ledger, node, KIND, FIRST, until, publish=False)
    assert [each.id for each in outcome.found.missing] == ["e-6"]
    om.pump()
    justid.pump()
    assert gaps(om, "own") == gaps(justid, "heard") == [True]
    assert justis.decision_counts()["provisional"] == 1, "nobody typed a gap at the register"
    outcome = reconciling.reconcile(ledger, node, KIND, FIRST, until)
    assert outcome.agree
    for _ in range(16):
        town.tick()
    assert gaps(om, "own") == gaps(justid, "heard") == [False]
    counts = justis.decision_counts()
    assert (counts["provisional"], counts["total"]) == (0, 1)


def test_a_receiver_asks_its_source_and_names_the_first_period_that_differs(town: Town) -> None:
    town.nodes["om"].accept([act(n, START - 40 * HOUR + n * HOUR) for n in range(30)])
    before = compared(town)
    assert (before["agrees"], before["under_way"]) == (False, 30)
    town.tick()
    after = compared(town)
    assert (after["agrees"], after["under_way"], after["questions"]) == (True, 0, 1)
    town.nodes["om"].accept([act(77, START - 5 * HOUR)])
    again = compared(town)
    assert (again["agrees"], again["under_way"]) == (False, 1)
    assert again["first"]["since"] == "2025-07-01T05:00:00Z"
    assert again["questions"] <= 22


def test_P4_a_closed_gate_lets_no_question_about_tallies_through(town: Town) -> None:
    order = GateOrder(town.clock.now(), "justid", "in", "question", "closed", "duty officer", "a drill")
    town.nodes["om"].order_gate([order])
    with pytest.raises(Unavailable) as told:
        compared(town)
    assert told.value.code == "gate.closed"


def test_attack_another_answer_a_foreign_question_and_an_old_one_are_refused(town: Town) -> None:
    om, justid, justis = (town.nodes[key] for key in ("om", "justid", "justis"))
    now, period = town.clock.now(), (FIRST, whole_hour(town.clock.now()))
    kept = reconciling.tell(om, tally_questions.ask(justid.ctx, "om", KIND, *period, now))
    town.spoil = lambda _answer: kept
    town.tick()
    with pytest.raises(Untrusted, match="to this question"):
        compared(town)
    with pytest.raises(Forbidden):
        reconciling.tell(om, tally_questions.ask(justis.ctx, "om", KIND, *period, town.clock.now()))
    with pytest.raises(Forbidden):
        reconciling.tell(om, tally_questions.ask(justid.ctx, "om", KIND, *period, now))
    forged = msgspec.json.decode(kept) | {"payload": {"about": "x", "count": 0, "digest": "0" * 64, "size": 0}}
    town.spoil = lambda _answer: msgspec.json.encode(forged)
    with pytest.raises(Untrusted):
        compared(town)
    asked = tally_questions.Asked(justid.me.oin, "2025-07-01T00:00:00Z", KIND, "2025-07-01T00:00:00Z", "x")
    with pytest.raises(Forbidden):
        reconciling.tell(om, sign(asked, "tallies-asked", justid.ctx.signer))
