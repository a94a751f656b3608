"""The simulator: the promises hold under every fault, and a seed repeats exactly."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from keersluis.cli.main import run as command
from keersluis.simulation import faults
from keersluis.simulation.simulator import run

SEEDS = range(24)


@pytest.mark.parametrize("first", SEEDS[::4])
def test_P1_P2_P3_P4_P7_hold_under_faults(first: int) -> None:
    for seed in range(first, first + 4):
        assert run(seed).told() == []


def test_a_seed_repeats_exactly_and_another_does_not() -> None:
    once, again, other = run(5), run(5), run(6)
    assert once == again
    assert once.trace != other.trace


def test_every_kind_of_fault_is_injected() -> None:
    wanted = {
        "cut",
        "crash",
        "duplicate",
        "reorder",
        "delay",
        "drop",
        "corrupt",
        "clock-skew",
        "disk-full",
        "gate-moved",
    }
    wanted |= {"gate-mid-batch", "paper", "promise-broken", "key-reused"}
    seen: Counter[str] = sum((run(seed).faults for seed in range(16)), Counter())
    assert wanted <= seen.keys()


def test_the_chain_that_was_never_cut_has_no_faults() -> None:
    assert not faults.NOTHING.orders


def test_the_command_prints_the_contract(capsys: pytest.CaptureFixture[str]) -> None:
    assert command(["simulate", "--seeds", "2", "--seed", "3", "--workers", "1", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["seeds"] == 2
    assert told["violations"] == []
    assert sum(told["faults_injected"].values()) > 0
