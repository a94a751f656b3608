"""Each bug that is planted in the product is found by the simulator, as a violation of the promise that it breaks;
without the bug the same seeds hold."""

from __future__ import annotations

from functools import cache

import planted
import pytest
from planted import Plant

from keersluis.simulation.simulator import SeedReport, run

WITHIN = 60
"""Seeds in which a planted bug must show."""

BREAKS: dict[Plant, tuple[str, int]] = {
    planted.acknowledge_before_commit: ("P1", 1),
    planted.batch_is_applied_twice: ("P1", 0),
    planted.full_disk_counts_as_written: ("P1", 15),
    planted.watermark_moves_without_root: ("P1", 8),
    planted.watermark_by_newest_row: ("P2", 0),
    planted.settle_on_the_newest_watermark: ("P2", 0),
    planted.source_time_taken_for_event_time: ("P2", 0),
    planted.event_time_held_back_by_source_time: ("P2", 0),
    planted.waiting_paper_is_ignored: ("P2", 5),
    planted.unsent_events_are_ignored: ("P2", 0),
    planted.counts_are_ignored: ("P2", 0),
    planted.days_are_treated_as_instants: ("P2", 7),
    planted.clock_differences_are_forgotten: ("P2", 1),
    planted.early_supplement_is_dropped: ("P2", 21),
    planted.moves_back: ("P2", 8),
    planted.facts_are_folded_in_the_order_of_arrival: ("P3", 12),
    planted.gate_checked_when_queued: ("P4", 1),
    planted.gate_not_checked_again: ("P4", 3),
    planted.receiver_does_not_check_its_gate: ("P4", 0),
    planted.gate_orders_are_lost_in_a_crash: ("P4", 0),
    planted.a_letter_is_applied_again_when_its_original_arrives: ("P1", 12),
    planted.a_letter_vouches_for_what_it_does_not_hold: ("P2", 20),
    planted.bundles_pass_a_closed_gate: ("P4", 5),
    planted.an_order_for_every_link_speaks_of_the_wire: ("P4", 5),
    planted.a_silent_stream_flows: ("P7", 1),
    planted.the_clock_moves_the_watermark: ("P7", 0),
}
"""The promise that each bug breaks, and a seed at which it shows. A change of the world or of the product moves the
seeds: then a test takes longer, for it looks at others, until the number here is mended."""


@cache
def unharmed(seed: int) -> SeedReport:
    return run(seed)


@pytest.mark.parametrize("plant", BREAKS, ids=lambda plant: plant.__name__)
def test_a_planted_bug_is_found(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    promise, first = BREAKS[plant]
    seeds = [first, *(seed for seed in range(WITHIN) if seed != first)]
    with monkeypatch.context() as patch:
        plant(patch)
        assert any(promise in {each.promise for each in run(seed).violations} for seed in seeds), plant.__doc__


@pytest.mark.parametrize("seed", sorted({seed for _promise, seed in BREAKS.values()}))
def test_without_the_bug_the_same_seeds_hold(seed: int) -> None:
    assert unharmed(seed).told() == []
