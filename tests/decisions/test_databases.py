"""The same course of decisions on SQLite and on PostgreSQL, through every statement of the store."""

from __future__ import annotations

from pathlib import Path

import pytest

from decisions.deciders import CUT, DAY, LATER, MOMENT, answer, complete, fact, gap, marks, open_decider, supplement
from keersluis.decisions import Provisional, Settled, desk

CONVICTION = fact("judgment.serious", "2025-07-21")
ALL = marks(MOMENT + 3 * DAY)
SHORT = marks(CUT)


def course(url: str) -> None:
    decider = open_decider("justis", url=url)
    decider.hear(supplement(answer("early", CONVICTION, watermarks=SHORT, at=LATER), CONVICTION))
    decider.take(*(answer(name, watermarks=SHORT) for name in ("early", "late", "clear", "closed")))
    decider.take(answer("sure", watermarks=ALL))
    assert decider.counts() == {"total": 5, "provisional": 4, "settled": 1, "revisit": 0, "held": 0}
    late = [supplement(answer(name, CONVICTION, watermarks=SHORT, at=LATER), CONVICTION) for name in ("late", "closed")]
    decider.hear(*late)
    assert [row["id"] for row in decider.desk()] == ["closed", "late"]
    decider.store.write(lambda tx: desk.close_revisit(tx, decider.ctx, "closed", "desk 3", "seen", LATER))
    decider.hear(complete(ALL))
    assert decider.counts() == {"total": 5, "provisional": 0, "settled": 4, "revisit": 1, "held": 0}
    decider.hear(gap("judgment.serious", MOMENT - DAY))
    assert isinstance(decider.get("clear").state, Provisional)
    decider.hear(complete(ALL))
    assert decider.get("clear").state == Settled()
    theft = fact("judgment.other", "2025-07-21")
    decider = open_decider("ind", url=url)
    decider.take(answer("pending", theft, watermarks=SHORT, moment=MOMENT + 10 * DAY), policy="immigration")
    with decider.store.read() as tx:
        assert [row["id"] for row in desk.holds(tx, decider.ctx)] == ["pending"]
        outcomes = {name: (state, level) for name, state, level, _issued, _final in desk.all_outcomes(tx)}
    assert outcomes["late"] == ("revisit", 2)
    decider.heard = 1000
    decider.hear(complete(marks(MOMENT + 14 * DAY)))
    assert decider.get("pending").issued == 1
    assert all(decider.replay(name) == () for name in outcomes)


def test_on_sqlite(tmp_path: Path) -> None:
    course(f"sqlite:///{tmp_path / 'decider.db'}")


@pytest.mark.postgres
def test_on_postgresql(empty_postgresql: str) -> None:
    course(empty_postgresql)
