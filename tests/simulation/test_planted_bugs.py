"""Each bug that is planted in the product is found by the simulator; without it the same seeds hold.

The seeds are the ones at which each bug shows; a change of world or faults may move them (any seed will do).
"""

from __future__ import annotations

import planted
import pytest
from planted import Plant

from keersluis.simulation.simulator import run

WITHIN = 40
"""Seeds in which a planted bug must show."""

FOUND = {
    planted.acknowledge_before_commit: 0,
    planted.watermark_by_newest_row: 0,
    planted.settle_on_the_newest_watermark: 0,
    planted.gate_checked_when_queued: 7,
    planted.receiver_does_not_check_its_gate: 0,
    planted.source_time_taken_for_event_time: 0,
    planted.event_time_held_back_by_source_time: 0,
    planted.waiting_paper_is_ignored: 0,
    planted.unsent_events_are_ignored: 0,
    planted.batch_is_applied_twice: 0,
    planted.counts_are_ignored: 0,
    planted.days_are_treated_as_instants: 8,
    planted.facts_are_folded_in_the_order_of_arrival: 5,
    planted.full_disk_counts_as_written: 1,
    planted.gate_orders_are_lost_in_a_crash: 0,
    planted.watermark_moves_without_root: 8,
    planted.moves_back: 0,
}


@pytest.mark.parametrize("plant", FOUND, ids=lambda plant: plant.__name__)
def test_a_planted_bug_is_found(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    first = FOUND[plant]
    seeds = [first, *(seed for seed in range(WITHIN) if seed != first)]
    with monkeypatch.context() as patch:
        plant(patch)
        assert any(run(seed).violations for seed in seeds), f"{plant.__doc__} was not found in {WITHIN} seeds"


@pytest.mark.parametrize("seed", sorted(set(FOUND.values())))
def test_without_the_bug_the_same_seeds_hold(seed: int) -> None:
    assert run(seed).told() == []
