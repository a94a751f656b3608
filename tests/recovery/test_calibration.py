"""The record of kept statements: scored by what could not be known, and the next statement follows it."""

from __future__ import annotations

from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest

from keersluis.recovery.calibration import ENOUGH, FLOOR, calibrated, stretches
from keersluis.recovery.dates import Gone
from keersluis.recovery.forecasts import STATED, Forecast, decode
from keersluis.recovery.verification import (
    ENDING,
    NOT_YET,
    Kept,
    Stocks,
    apart,
    came,
    headline,
    held,
    reliability,
    tallies,
)
from keersluis.times import DAY, Instant

WEEK = 7 * DAY
START: Instant = 1_704_063_600_000_000


def stocks(*sizes: int) -> Stocks:
    return Stocks(START, WEEK, sizes)


def says(as_of: int, *middles: float, half: float = 10.0, gone: Gone | None = None, stock: int = 100) -> Forecast:
    """A statement at the end of `as_of` steps: 80 % within `half` of the middle, the rest as a normal curve has it."""
    units = [NormalDist().inv_cdf(level) / NormalDist().inv_cdf(0.9) for level in STATED]
    rows = tuple(tuple(max(0.0, middle + half * unit) for unit in units) for middle in middles)
    at = START + as_of * WEEK
    end = gone or Gone(0, None, tuple((level, None, None) for level in (0.5, 0.8, 0.95)), 0.0)
    return Forecast("x", at + DAY, at, WEEK, stock, 0, "record", STATED, rows, end, (), (), "")


# -- scoring


def test_only_what_could_not_be_known_then_counts() -> None:
    said = says(3, 100, 100, 100)
    known = stocks(90, 95, 99, 101, 140)
    assert came(said, known) == {1: 101, 2: 140}
    late = replace(said, made=said.at(1))
    assert came(late, known) == {2: 140}
    assert came(replace(said, made=said.at(9)), known) == {}


def test_an_known_on_other_steps_says_nothing() -> None:
    known = stocks(90, 95, 99, 101, 140)
    assert came(says(3, 100, 100), replace(known, start=known.start + DAY)) == {}


def test_bounds_are_within() -> None:
    kept = Kept(1, says(3, 100), {1: 110})
    assert held(kept, 1, 0.8)
    assert not held(replace(kept, actual={1: 111}), 1, 0.8)
    assert held(replace(kept, actual={1: 111}), 1, 0.95)
    assert not held(kept, 1, 0.5)


def dated(middle: int | None, *bounds: tuple[int | None, int | None]) -> Gone:
    levels = zip((0.5, 0.8, 0.95), bounds, strict=True)
    return Gone(0, middle, tuple((level, first, last) for level, (first, last) in levels), -1.0)


@pytest.mark.parametrize(
    ("later", "told", "holds"),
    [
        ((50, 20, 0, 0, 0, 0), 3, (True, True, True)),
        ((0, 0, 0, 0, 0, 0), 1, (False, False, True)),
        ((50, 40, 30, 20, 10, 5), NOT_YET, (False, False, False)),
        ((50, 40), None, ()),
    ],
)
def test_the_end_is_scored_when_it_came_or_all_bounds_have_passed(
    later: tuple[int, ...], told: int | None, holds: tuple[bool, ...]
) -> None:
    said = says(2, 50, gone=dated(3, (3, 3), (2, 4), (1, 5)))
    found = came(said, stocks(120, 100, *later))
    assert found.get(ENDING) == told
    assert tuple(held(Kept(1, said, found), ENDING, level) for level in (0.5, 0.8, 0.95) if told is not None) == holds


def test_an_end_that_may_never_come_is_not_missed_by_waiting() -> None:
    said = says(2, 50, gone=dated(3, (3, 4), (2, 5), (1, None)))
    assert ENDING not in came(said, stocks(120, 100, *[50] * 40))
    assert came(said, stocks(120, 100, *[50] * 40, 0))[ENDING] == 41


def test_overlapping_statements_are_counted_as_they_are_worth() -> None:
    assert apart([(0, 4), (1, 5), (2, 6), (4, 8), (5, 9)]) == 2
    assert apart([]) == 0
    record = [Kept(n, says(n, *[100] * 4), {4: 100 if n % 5 else 111}) for n in range(1, 11)]
    told = headline(record, 0.8, (4, 13))
    assert (told.number, told.held, told.apart) == (10, 8, 3)
    assert [(each.level, each.held) for each in tallies(record)] == [(0.5, 8), (0.8, 8), (0.95, 10)]
    assert tallies(record, [13]) == []


def test_reliability_counts_how_often_each_quantile_was_not_exceeded() -> None:
    record = [Kept(n, says(n, 100), {1: size}) for n, size in enumerate((80, 95, 105, 120))]
    told = {level: share for level, share, _number in reliability(record, [1])}
    assert (told[0.1], told[0.5], told[0.9]) == (0.25, 0.5, 0.75)


# -- calibration


def truths(half: float, number: int, seed: int) -> list[Kept]:
    """Statements whose half-width of 80 % is `half`, of sizes for which 10 is right; none overlap."""
    chance, record = np.random.default_rng(seed), []
    for n in range(number):
        size = round(1000 + 10 / 1.2816 * chance.normal())
        record.append(Kept(n + 1, says(n, 1000, half=half), {1: size}))
    return record


@pytest.mark.parametrize("half", [5.0, 40.0, 10.0])
def test_who_is_badly_calibrated_reaches_its_level_by_its_own_record(half: float) -> None:
    """Half the width, and four times: each statement is stretched by what those before it came to, as in use."""
    told: list[bool] = []
    for seed in range(12):
        record: list[Kept] = []
        for kept in truths(half, 120, seed):
            said = calibrated(kept.forecast, stretches(record, 1))
            record.append(replace(kept, forecast=said))
            if len(record) > 60:
                told.append(held(record[-1], 1, 0.8))
    assert 0.75 <= np.mean(told) <= (0.85 if half < 20 else 1.0)


def test_half_the_width_uncalibrated_does_not() -> None:
    """What the test above would see if nothing were done."""
    assert np.mean([held(kept, 1, 0.8) for seed in range(12) for kept in truths(5.0, 60, seed)]) < 0.6


def test_a_finite_record_is_enough_for_the_level() -> None:
    """With few statements the interval holds at least as often as it says, whatever was wrong with the width."""
    for number in (ENOUGH, 6, 9):
        told = []
        for seed in range(300):
            *record, following = truths(3.0, number + 1, seed)
            said = calibrated(following.forecast, stretches(record, 1))
            told.append(held(replace(following, forecast=said), 1, 0.8))
        assert np.mean(told) >= 0.77, number


def test_a_short_record_changes_nothing_and_a_long_one_narrows_to_the_floor() -> None:
    assert stretches(truths(10.0, ENOUGH - 1, 1), 3) == (1.0, 1.0, 1.0)
    exact = [Kept(n, says(n, 1000), {1: 1000}) for n in range(100)]
    few, many = stretches(exact[:5], 1)[0], stretches(exact, 1)[0]
    assert FLOOR < many < few < 1.0


def test_fewer_steps_ahead_stand_in_where_a_horizon_has_too_few() -> None:
    record = [replace(kept, forecast=says(n, *[1000] * 13, half=5.0)) for n, kept in enumerate(truths(5.0, 30, 3))]
    told = stretches(record, 13)
    assert told[0] > 1.5
    assert set(told) == {told[0]}


def test_overlapping_statements_do_not_make_a_record_longer() -> None:
    record = [Kept(n, says(n, *[1000] * 20), {20: 1030}) for n in range(1, 20)]
    assert stretches(record, 20)[19] == 1.0


def test_a_stretched_statement_says_so_and_keeps_its_middle() -> None:
    said = says(2, 100, 20, gone=dated(6, (5, 7), (3, 9), (1, None)))
    wide = calibrated(said, (2.0, 3.0))
    assert [wide.quantile(h, 0.5) for h in (1, 2)] == [100, 20]
    assert wide.interval(1, 0.8) == (80, 120)
    assert min(min(row) for row in wide.quantiles) >= 0
    assert wide.gone.intervals == ((0.5, 3, 9), (0.8, 1, 15), (0.95, 1, None))
    assert decode(wide.encode()) == wide
    assert calibrated(said, (1.0, 1.0)) is said
