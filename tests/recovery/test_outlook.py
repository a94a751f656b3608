"""What is said of a backlog's size: honest about its doubt, never below zero, of the past alone, always the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keersluis.recovery.backtest import backtest, origins, own_peers
from keersluis.recovery.history import History, history
from keersluis.recovery.outlook import Forecaster
from recovery.made_logs import SORTS, made

LEVELS = (0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99)


def until(past: History, steps: int) -> History:
    """What was known at the end of a step."""
    parts = (past.arrivals, past.departures, past.stock, past.held, past.left)
    return History(*(part[:steps] for part in parts))


def judged(sort: str, steps: int, seeds: int) -> dict[int, tuple[float, float]]:
    """Horizon -> (coverage of 80 %, logarithm of the interval score over that of the better peer), over all seeds."""
    told: dict[int, list[tuple[float, float]]] = {4: [], 13: []}
    for seed in range(seeds):
        past = made(sort, steps, 100 + seed)
        at = list(range(max(9, steps // 7), steps - 13, 3))
        for h, scores in backtest(past, 52, (4, 13), 0.8, at, own_peers(52)).items():
            ours, best = scores["ours"], min(scores[name].interval_score for name in own_peers(52))
            told[h].append((ours.coverage, float(np.log(ours.interval_score / best))))
    return {h: (float(np.mean([c for c, _ in each])), float(np.mean([s for _, s in each]))) for h, each in told.items()}


@pytest.mark.parametrize(
    ("steps", "seeds"),
    [(75, 1), pytest.param(75, 5, marks=pytest.mark.long), pytest.param(160, 3, marks=pytest.mark.long)],
)
def test_over_all_sorts_the_interval_holds_as_often_as_it_says_and_scores_better_than_the_peers(
    steps: int, seeds: int
) -> None:
    """Short records and longer ones. A single record may be off: looks that overlap are one."""
    by_sort = {sort: judged(sort, steps, seeds) for sort in SORTS}
    for h in (4, 13):
        covered, scored = np.array([each[h] for each in by_sort.values()]).T
        assert 0.73 <= covered.mean() <= 0.87, by_sort
        assert np.exp(scored.mean()) < 0.95, by_sort


@pytest.mark.long
@pytest.mark.parametrize("sort", SORTS)
def test_an_interval_holds_about_as_often_as_it_says(sort: str) -> None:
    """After a cut they are missed before they follow; of a season and of staffing they see little at first."""
    told = judged(sort, 160, 2)
    assert all(0.6 <= covered <= 0.98 for covered, _score in told.values()), told


@pytest.mark.parametrize("sort", SORTS)
def test_no_bound_is_below_zero_and_quantiles_never_cross(sort: str) -> None:
    past = made(sort, 90, 7)
    forecaster = Forecaster(past, 8)
    for t in range(4, 90, 7):
        said = forecaster.at(t, LEVELS).quantiles
        assert np.isfinite(said).all()
        assert (said >= 0).all()
        assert (np.diff(said, axis=1) >= 0).all()
        bounds = forecaster.interval(t, 0.8)
        assert (bounds >= 0).all()
        assert (bounds[:, 0] <= bounds[:, 1]).all()


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(-1, 30)), max_size=60),
    st.integers(1, 31),
)
def test_any_past_at_all_gets_an_outlook(items: list[tuple[int, int]], steps: int) -> None:
    items = [(came, went) for came, went in items if went < 0 or went >= came]
    came, went = (np.array([item[n] for item in items], np.int64) for n in (0, 1))
    said = Forecaster(history(came, went, steps), 3).at(steps - 1, LEVELS).quantiles
    assert np.isfinite(said).all()
    assert (said >= 0).all()
    assert (np.diff(said, axis=1) >= 0).all()


@pytest.mark.parametrize("sort", ["stable", "seasonal", "cut and return"])
def test_what_is_said_rests_on_what_was_known_then(sort: str) -> None:
    """A forecast in a backtest is the one that would have been made that day, to the last byte."""
    past = made(sort, 120, 3)
    whole = Forecaster(past, 6)
    for t in (10, 47, 90):
        then = Forecaster(until(past, t + 1), 6)
        assert then.at(t, LEVELS).quantiles.tobytes() == whole.at(t, LEVELS).quantiles.tobytes()
        assert then.interval(t, 0.8).tobytes() == whole.interval(t, 0.8).tobytes()


def test_the_same_past_gives_the_same_bytes() -> None:
    said = {Forecaster(made("monthly", 80, 5), 6).at(79, LEVELS).quantiles.tobytes() for _ in range(2)}
    assert len(said) == 1


def test_a_season_that_was_seen_is_expected_again() -> None:
    """After three years the seasonal backlog is foreseen better than by a walk, and by the season that last was."""
    past = made("seasonal", 260, 1)
    scores = backtest(past, 52, [13], 0.8, list(range(160, 247, 4)), own_peers(52))[13]
    assert scores["ours"].interval_score < scores["random_walk_drift"].interval_score


def test_origins_are_spread_and_leave_room_for_what_is_forecast() -> None:
    assert origins(703, 13, 46)[0] >= 100
    assert origins(703, 13, 46)[-1] == 703 - 1 - 13
    assert len(origins(703, 13, 46)) == 46
    assert origins(20, 13, 46) == []
    assert origins(30, 13, 46) == list(range(9, 17))
