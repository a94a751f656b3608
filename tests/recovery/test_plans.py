"""A plan's file is read whole: everything that is wrong with it is told at once."""

from __future__ import annotations

import dataclasses
from itertools import combinations, product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keersluis.chain import SHIPPED, load_chain
from keersluis.errors import Incorrect
from keersluis.exchange.gates import ALL, WAYS, Scope
from keersluis.recovery import planfiles
from keersluis.recovery.plans import PHASES, Plan, PlanGate, Stage, faults_of
from keersluis.times import DAY, parse_instant

CHAIN = load_chain(SHIPPED / "nl-justice")
WORDS = {"nl": "x", "en": "x"}

ROLES = """
title = { nl = "p", en = "p" }
organisation = "om"
[roles.manager]
title = { nl = "m", en = "m" }
go = true
[roles.ciso]
title = { nl = "c", en = "c" }
go = true
sign = true
"""

STAGE = """
title = { nl = "s", en = "s" }
phase = "trial"
start = 2025-08-01
end = 2025-08-11
"""


def read(text: str, services: Any = None) -> Plan:
    return planfiles.parse_plan("p", text.encode(), CHAIN, services)


def faults(text: str, services: Any = None) -> list[str]:
    with pytest.raises(Incorrect) as told:
        read(text, services)
    assert told.value.code == "plan.broken"
    return told.value.faults


def test_the_shipped_plan_says_what_the_incident_was() -> None:
    plan = planfiles.load_plan(planfiles.find_plan("om-return", CHAIN), CHAIN)
    ends = {key: stage.end for key, stage in plan.stages.items()}
    assert ends["gravest-decisions"] == parse_instant("2025-08-04T09:00:00+02:00")
    assert ends["execution"] == parse_instant("2025-09-25T10:00:00+02:00")
    assert plan.organisations == ("om",)
    assert [stage.phase for stage in plan.in_order()] == sorted(
        (stage.phase for stage in plan.stages.values()), key=PHASES.index
    )
    gate = plan.stages["gravest-decisions"].gates[0]
    assert gate.scope == Scope("justid", "out", "prosecution-decision.serious", "*")
    assert plan.stages["consulting"].go == ("crisis-manager", "ciso", "process-owner")


def test_every_fault_of_a_file_is_told_at_once() -> None:
    told = faults(
        ROLES
        + "[roles.nobody]\n"
        + 'title = { nl = "n", en = "n" }\n'
        + "[teams.idle]\n"
        + "[stages.one]"
        + STAGE
        + 'depends_on = ["two", "thre"]\nvotes = 3\nduration = "30d"\n'
        + "[[stages.one.gates]]\npeer = 'justidd'\ndirection = 'out'\nkind = 'judgment'\n"
        + "[[stages.one.gates]]\npeer = 'justid'\ndirection = 'out'\nkind = 'judgment'\n"
        + "[stages.one.criteria.a]\n"
        + 'title = { nl = "a", en = "a" }\nsort = "partner-consulted"\n'
        + "[stages.two]"
        + STAGE
        + 'depends_on = ["one"]\nwho = "x"\n'
        + "[[stages.two.gates]]\npeer = '*'\ndirection = 'out'\nkind = 'judgment.serious'\n"
    )
    text = "\n".join(told)
    for part in (
        "roles.nobody: expected go or sign",
        "stages.one.depends_on: expected a stage of this plan, got 'thre'",
        "one -> two -> one",
        "stages.one.duration",
        "stages.one.go: expected at least 3 roles",
        "'justidd' (did you mean 'justid'?)",
        "stages.one.criteria.a.partners",
        "got 'who'",
        "stages.one.start: expected a start at or after the end of stage 'two'",
        "stages.two.start: expected a start at or after the end of stage 'one'",
        "stages.two.gates: expected gates that nothing else in the plan lists",
        "teams.idle",
    ):
        assert part in text, part


@pytest.mark.parametrize("data", [b"\xff\xfe", b"title = ", b"", b"stages = 3", b"roles = []\nstages = 1"])
def test_a_file_that_is_no_plan_is_told_so(data: bytes) -> None:
    with pytest.raises(Incorrect, match=r"plan\.broken"):
        planfiles.parse_plan("p", data, CHAIN)


def test_a_file_that_is_not_there_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(Incorrect, match=r"plan\.broken"):
        planfiles.load_plan(tmp_path / "gone.toml", CHAIN)
    with pytest.raises(Incorrect) as told:
        planfiles.find_plan("om-retrun", CHAIN)
    assert told.value.code == "plan.not-found"
    assert "om-return" in str(told.value)


def test_a_service_that_the_inventory_does_not_have_is_named() -> None:
    text = ROLES + "[stages.one]" + STAGE + 'services = ["mail", "compass"]\n'
    assert faults(text, ["mail", "compas"]) == [
        "p.toml: stages.one.services: expected a service of services.toml, got 'compass' (did you mean 'compas'?)"
    ]
    assert read(text).stages["one"].services == ("mail", "compass")


def test_four_eyes_are_no_option() -> None:
    assert any("votes" in each for each in faults(ROLES + "[stages.one]" + STAGE + "votes = 1\n"))


def test_dates_that_touch_do_not_contradict() -> None:
    before = Stage("a", WORDS, "trial", 0, DAY, DAY, ("m", "c"))
    after = dataclasses.replace(before, key="b", start=DAY, end=2 * DAY, depends_on=("a",))
    plan = Plan("p", WORDS, WORDS, "om", {}, {"a": before, "b": after}, {}, "")
    assert list(faults_of(plan)) == []
    early = dataclasses.replace(plan, stages={"a": before, "b": dataclasses.replace(after, start=DAY - 1)})
    assert [where for where, _expected, _got in faults_of(early)] == ["stages.b.start"]


PEERS, KINDS = ("justid", "justis"), ("judgment.serious", "judgment.other", "disposal")
SCOPES = st.builds(
    Scope,
    st.sampled_from(("*", *PEERS)),
    st.sampled_from(("in", "out")),
    st.sampled_from(("*", "judgment", *KINDS)),
    st.sampled_from((ALL, *WAYS)),
)


def atoms(gate: PlanGate) -> set[tuple[str, ...]]:
    """The single gates of a scope, told without the code under test."""
    scope = gate.scope
    return {
        (gate.organisation, peer, scope.direction, kind, link)
        for peer, kind, link in product(PEERS, KINDS, WAYS)
        if scope.peer in ("*", peer)
        and scope.link in ("*", link)
        and (scope.kind in ("*", kind) or kind.split(".")[0] == scope.kind)
    }


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(("om", "ind")), SCOPES), max_size=6))
def test_a_plan_is_refused_exactly_when_two_of_its_gates_overlap(rows: list[tuple[str, str, Scope]]) -> None:
    gates: dict[str, list[PlanGate]] = {"a": [], "b": []}
    for stage, organisation, scope in rows:
        gates[stage].append(PlanGate(organisation, scope))
    stages = {
        key: Stage(key, WORDS, "trial", 0, 0, 0, ("m", "c"), gates=tuple(listed)) for key, listed in gates.items()
    }
    told = list(faults_of(Plan("p", WORDS, WORDS, "om", {}, stages, {}, "")))
    every = [atoms(gate) for listed in gates.values() for gate in listed]
    assert len(told) == sum(bool(one & other) for one, other in combinations(every, 2))
