"""How many decisions wait for what: as many as there are when each is asked by itself, and cheap."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from decisions.chain_in_a_test import Run
from decisions.deciders import CUT, FIRST, LATER, MOMENT, Decider, answer, complete, marks, open_decider
from keersluis.decisions import desk
from keersluis.decisions._store_weighing import after
from keersluis.decisions.model import missing_in, state_name
from keersluis.decisions.weighing import waiting
from keersluis.times import DAY, HOUR


def one_by_one(decider: Decider) -> Counter[tuple[frozenset[str], str, bool]]:
    """Each decision asked for what it still waits for."""
    found: Counter[tuple[frozenset[str], str, bool]] = Counter()
    with decider.store.read() as tx:
        for name, *_rest in desk.all_outcomes(tx):
            decision = desk.get_known(tx, decider.ctx, name)
            missing = missing_in(decision.state)
            if missing:
                found[frozenset(missing), decision.policy, state_name(decision.state) == "held"] += 1
    return found


def together(decider: Decider) -> Counter[tuple[frozenset[str], str, bool]]:
    found: Counter[tuple[frozenset[str], str, bool]] = Counter()
    with decider.store.read() as tx:
        for each in waiting(tx, decider.ctx):
            found[frozenset(each.missing), each.policy, each.held] += each.decisions
    return found


@dataclass
class Weighed(Run):
    """A world in which everything is counted both ways again and again."""

    different: list[int] = field(default_factory=list)
    greatest: int = 0

    def _pass_on(self, step: int) -> None:
        super()._pass_on(step)
        if step % 9 == 0:
            counted = together(self.decider)
            self.greatest = max(self.greatest, counted.total())
            if counted != one_by_one(self.decider):
                self.different.append(step)


@pytest.mark.parametrize("seed", range(4))
def test_the_count_is_that_of_the_decisions_one_by_one(seed: int) -> None:
    run = Weighed(seed)
    run.go()
    assert run.different == []
    assert run.greatest > 5


def test_later_decisions_of_a_group_wait_for_what_the_earlier_have() -> None:
    decider = open_decider()
    for n in range(6):
        moment = MOMENT + n * DAY
        decider.take(answer(f"d{n}", watermarks=marks(CUT), moment=moment, at=moment))
    decider.hear(complete(marks(LATER, prosecution__decision_serious=MOMENT + 3 * DAY + HOUR, disposal=CUT)))
    assert together(decider) == one_by_one(decider)
    waits = {missing: number for (missing, _policy, _held), number in together(decider).items()}
    assert waits[frozenset({FIRST})] == 2


def test_gravity_is_the_weight_of_the_policy_times_what_could_change() -> None:
    decider = open_decider()
    decider.take(answer("d1", watermarks=marks(CUT)))
    decider.take(answer("d2", watermarks=marks(CUT)), policy="screening-child-care")
    with decider.store.read() as tx:
        gravity = {each.policy: each.gravity for each in waiting(tx, decider.ctx)}
    policies = desk.policies_of(decider.ctx.chain)
    for name, found in gravity.items():
        assert found == policies[name].weight * (len(policies[name].levels) - 1)


def test_p6_one_query_for_a_group_however_many_decisions_it_has() -> None:
    def statements(number: int) -> int:
        decider = open_decider()
        decider.take(*(answer(f"d{n}", watermarks=marks(CUT)) for n in range(number)))
        counted: list[str] = []
        with decider.store.read() as tx:
            event.listen(tx.engine, "before_cursor_execute", lambda *args: counted.append(args[2]))
            assert sum(each.decisions for each in waiting(tx, decider.ctx)) == number
        return len(counted)

    assert statements(3) == statements(300) <= 4


def test_p6_counting_reads_the_index_alone() -> None:
    decider = open_decider()
    decider.take(answer("d1", watermarks=marks(CUT)))
    seen: list[str] = []
    with decider.store.read() as tx:
        event.listen(tx.engine, "before_cursor_execute", lambda *args: seen.append(args[2]))
        assert after(tx, 1, [0, MOMENT]) == [1, 0]
        statement = seen[0].replace("?", "1")
        plan = " ".join(str(row) for row in tx.execute(sa.text(f"EXPLAIN QUERY PLAN {statement}")))
    assert "COVERING INDEX decisions_open" in plan
