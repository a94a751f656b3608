"""The simulator: the promises hold under every fault, and a seed repeats exactly."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from functools import cache

import pytest

from keersluis.cli.main import run as command
from keersluis.simulation import faults, simulator, world
from keersluis.simulation.simulator import SeedReport, run
from keersluis.simulation.truth import Truth
from keersluis.simulation.watch import Violation

SEEDS = range(24)


@cache
def report(seed: int) -> SeedReport:
    return run(seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_P1_P2_P3_P4_P7_hold_under_faults(seed: int) -> None:
    assert report(seed).told() == []


def test_evidence_from_before_what_a_carried_receipt_confirmed_holds_up_no_stream() -> None:
    """Seed 83 once could not send for ever: its newest checkpoint was older than what a bundle had brought."""
    assert run(83).told() == []


def test_every_kind_of_fault_is_injected() -> None:
    seen: Counter[str] = sum((report(seed).faults for seed in SEEDS), Counter())
    assert set(faults.FAULTS) == seen.keys()


def test_a_seed_repeats_exactly_in_another_process_and_another_seed_does_not() -> None:
    """Whatever is random in the product (salts, the order of sets) leaves no trace."""
    script = "from keersluis.simulation.simulator import run\nprint(run(5).trace, run(6).trace)"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert told.stdout.split() == [report(5).trace, report(6).trace]
    assert report(5).trace != report(6).trace


def test_worlds_have_what_the_promises_are_about() -> None:
    """Every kind and level, acts known by day, acts at the last moment, and each sort of decision."""
    worlds = [world.draw(seed) for seed in SEEDS]
    acts = [act for drawn in worlds for act in drawn.acts]
    kinds = {path for path in world.small_chain().kinds if not path.startswith("answer-end")}
    assert {act.kind for act in acts} == kinds
    assert any(act.when.start < act.when.end for act in acts)
    assert any(act.at_the_last_moment for act in acts)
    truths = [Truth(drawn) for drawn in worlds]
    levels = {(due.policy, truth.level(due)) for truth in truths for due in truth.due()}
    assert levels == {(policy, level) for policy in ("screening", "credit", "watch") for level in (0, 1, 2)}
    assert any("/" in due.id for truth in truths for due in truth.due())


def test_some_sources_break_their_promise_and_most_keep_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is forgiven (P2) is looked at: too many broken promises would excuse anything."""
    kept: list[bool] = []
    check = simulator.checks.at_the_end

    def noting(watch: simulator.Watch, *rest: object) -> object:
        kept.extend(watch.kept(act) for act in watch.world.acts)
        return check(watch, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(simulator.checks, "at_the_end", noting)
    for seed in SEEDS[:6]:
        run(seed)
    assert 0 < kept.count(False) < len(kept) / 10


def test_the_command_prints_the_contract(capsys: pytest.CaptureFixture[str]) -> None:
    assert command(["simulate", "--seeds", "2", "--seed", "3", "--workers", "1", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told.keys() == {"seeds", "violations", "faults_injected", "events", "decisions", "seconds"}
    assert (told["seeds"], told["violations"]) == (2, [])
    assert sum(told["faults_injected"].values()) > 0


def test_a_violation_names_seed_promise_and_the_command_that_repeats_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = SeedReport(7, (Violation("P4", "something crossed"),), Counter(cut=1), 30, 10, "")
    monkeypatch.setattr(simulator, "run", lambda _seed: broken)
    assert command(["simulate", "--seeds", "1", "--seed", "7", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    repeat = "keersluis simulate --seeds 1 --seed 7"
    assert told["violations"] == [{"seed": 7, "promise": "P4", "sentence": "something crossed", "repeat": repeat}]
    assert command(["simulate", "--seeds", "1", "--seed", "7"]) == 1
    assert f"seed 7: P4: something crossed\n  repeat: {repeat}" in capsys.readouterr().out


def test_more_workers_tell_the_same_in_the_same_order() -> None:
    assert list(simulator.run_many(range(3), 2)) == [report(seed) for seed in range(3)]
