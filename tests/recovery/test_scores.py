"""Scores, peers and dates, held against their definitions."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keersluis.errors import Incorrect
from keersluis.recovery.dates import capacity, gone
from keersluis.recovery.history import history
from keersluis.recovery.outlook import Forecaster
from keersluis.recovery.peers import random_walk_with_drift, seasonal_naive
from keersluis.recovery.scores import coverage, interval_score, pinball
from recovery.made_logs import made

number = st.floats(-1000, 1000)


@given(number, number, number, st.floats(0.5, 0.99))
def test_the_interval_score_is_two_pinball_losses(one: float, other: float, truth: float, level: float) -> None:
    """Gneiting & Raftery 2007, section 6.2: the score is 2/alpha times the losses of both bounds."""
    low, high = (np.array([value]) for value in sorted((one, other)))
    outside, came = 1 - level, np.array([truth])
    losses = pinball(low, came, outside / 2) + pinball(high, came, 1 - outside / 2)
    assert interval_score(low, high, came, level) == pytest.approx(2 / outside * losses, abs=1e-6)


def test_coverage_counts_the_bounds_themselves() -> None:
    low, high = np.zeros(4), np.ones(4)
    assert coverage(low, high, np.array([0.0, 1.0, -0.1, 1.1])) == 0.5
    assert np.isnan(coverage(low[:0], high[:0], low[:0]))


def test_a_walk_with_drift_goes_on_as_it_went() -> None:
    low, high = random_walk_with_drift(np.array([0.0, 3.0, 4.0, 9.0]), 2, 0.8)
    assert ((low + high) / 2).tolist() == pytest.approx([12.0, 15.0])
    sigma = np.std([3 - 3, 1 - 3, 5 - 3])
    assert (high - low)[0] / 2 == pytest.approx(NormalDist().inv_cdf(0.9) * sigma * np.sqrt(1 + 1 / 3))


def test_the_seasonal_naive_repeats_the_last_season() -> None:
    stock = np.array([1.0, 5.0, 2.0, 6.0, 3.0, 7.0])
    low, high = seasonal_naive(2)(stock, 4, 0.8)
    assert ((low + high) / 2).tolist() == pytest.approx([3.0, 7.0, 3.0, 7.0])
    assert (high - low)[3] == pytest.approx((high - low)[0] * np.sqrt(2))
    early, _ = seasonal_naive(52)(stock, 1, 0.8)
    assert early[0] < 7.0


def test_a_history_refuses_what_leaves_before_it_came() -> None:
    with pytest.raises(Incorrect, match=r"backlog\.order"):
        history(np.array([3, 2]), np.array([2, 2]), 5)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(-1, 12)), max_size=40))
def test_in_less_out_is_stock_and_so_are_the_ages(items: list[tuple[int, int]]) -> None:
    items = [(came, went) for came, went in items if went < 0 or went >= came]
    came, went = (np.array([item[n] for item in items], np.int64) for n in (0, 1))
    past = history(came, went, 10)
    for t in range(10):
        there = sum(a <= t and (b < 0 or b > t) for a, b in items)
        assert past.stock[t] == there == past.held[t].sum()
        assert past.departures[t] == past.left[t].sum()


def test_more_is_needed_for_an_earlier_date_and_for_more_certainty() -> None:
    past = made("growing", 80, 2)
    for certainty in (0.5, 0.8, 0.95):
        assert capacity(past, 79, 10, certainty=certainty) > capacity(past, 79, 30, certainty=certainty)
    assert capacity(past, 79, 20, certainty=0.95) > capacity(past, 79, 20, certainty=0.5)


def test_a_growing_backlog_never_ends_and_one_worked_off_ends_in_time() -> None:
    past = made("growing", 120, 4)
    end = gone(Forecaster(past, 26), 119)
    assert end.never
    assert 0 < end.growth < 20
    back = made("cut and return", 120, 4)
    end = gone(Forecaster(back, 26), 80, normal=20)
    assert end.middle is not None
    first, last = end.intervals[1][1:]
    assert first is not None
    assert first <= end.middle <= (last or 10**6)
