"""When a backlog is gone is said and scored by one rule: a forecast by paths is held against what lasts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from keersluis.recovery.building import build
from keersluis.recovery.dates import Gone, lasting
from keersluis.recovery.forecasts import Forecast
from keersluis.recovery.history import Counts
from keersluis.recovery.path_answers import statement
from keersluis.recovery.paths import simulate
from keersluis.recovery.verification import ENDING, NOT_YET, Kept, Stocks, came, held, spans
from keersluis.recovery.world_files import read_plan
from keersluis.times import DAY

WEEK = 7 * DAY

WAVES = """
from = 2026-01-05
horizon_days = 364
paths = 500
holidays = "none"

[[organisation]]
key = "post"
stock = 100
normal = 5
arrivals = { per_week = 21, doubt = 0.1 }
capacity = { per_week = 70, doubt = 0.15 }
gate = [{ name = "wave", items = 500, doubt = 0.1, opens = 2026-04-20, latest = 2026-05-18 }]
"""


def scored(said: Forecast, path: Counts) -> Kept:
    """The forecast, and what comes of it on one path of days."""
    days = said.step // DAY
    return Kept(1, said, came(said, Stocks(said.as_of, said.step, tuple(path[days - 1 :: days].tolist()))))


@pytest.mark.parametrize("seed", [1, 2])
def test_a_forecast_that_is_scored_on_its_own_paths_holds_as_often_as_it_says(seed: int, tmp_path: Path) -> None:
    """What waits today is gone in weeks, and a wave comes after four months: the end is that of the wave. An interval
    of whole weeks holds a little more than the 80 % that it says."""
    (tmp_path / "plan.toml").write_text(WAVES, encoding="utf-8")
    built = build(read_plan(tmp_path / "plan.toml"), {}, seed=seed)
    found = simulate(built.world)
    said = statement(built, found, "post", "post", 0)
    said = replace(said, made=said.as_of)
    kept = [scored(said, path) for path in found.tracks["post"].stock.T]
    assert all(ENDING in each.actual for each in kept)
    share = float(np.mean([held(each, ENDING, 0.8) for each in kept]))
    assert 0.78 <= share <= 0.92


@pytest.mark.parametrize(
    ("below", "first", "back"),
    [
        ("0011111111", 2, False),
        ("0100111111", 4, False),  # it only touched its normal level
        ("0011011111", 2, False),  # one bad step does not bring it back
        ("1111111111", 0, False),  # it is not there now
        ("0000000000", 5, False),  # more than there are steps
        ("0011111100", 2, True),
    ],
)
def test_gone_is_what_lasts(below: str, first: int, back: bool) -> None:
    """Over runs of 2, through 4 steps after it, looking 4 steps ahead."""
    rows = np.array([[mark == "1"] for mark in below])
    gone, again = lasting(rows, 2, 4, 4)
    assert (gone.tolist(), again.tolist()) == ([first], [back])


END = Gone(0, 3, ((0.5, 3, 3), (0.8, 2, 4), (0.95, 1, 5)), -1.0)


def weekly(*sizes: int) -> dict[int, int]:
    """What is known of a statement by paths that all bounds of its end lie within five weeks; sizes from week 1 on."""
    said = Forecast("x", 0, 0, WEEK, 100, 0, "paths", (0.1, 0.9), ((0.0, 9.0),), END, (), (), "")
    return came(said, Stocks(0, WEEK, sizes))


def test_an_end_by_paths_is_scored_once_it_is_known_to_last() -> None:
    """Half a year is 26 weeks."""
    assert ENDING not in weekly(50, 0, *[0] * 25)
    assert weekly(50, 0, *[0] * 26)[ENDING] == 2
    assert weekly(0, 50, 50, 50, 0, *[0] * 26)[ENDING] == 5
    assert ENDING not in weekly(*[50] * 30)
    assert weekly(*[50] * 31)[ENDING] == NOT_YET


def test_an_end_that_did_not_come_takes_as_long_as_its_bounds_say() -> None:
    said = Forecast("x", 0, 0, WEEK, 100, 0, "record", (0.1, 0.9), ((0.0, 9.0),), END, (), (), "")
    assert spans([Kept(1, said, {ENDING: NOT_YET})], ENDING) == [(0, 6 * WEEK)]
    assert spans([Kept(1, said, {ENDING: 2})], ENDING) == [(0, 2 * WEEK)]
