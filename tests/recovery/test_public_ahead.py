"""What outsiders may expect: only of plans and backlogs that are marked public, in both languages, by hand."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from keersluis.chain import load_chain
from keersluis.recovery import public_ahead
from keersluis.recovery.backlogfiles import load_backlogs
from keersluis.recovery.dates import Gone
from keersluis.recovery.forecasts import Forecast
from keersluis.times import DAY, parse_instant

ZONE = ZoneInfo("Europe/Amsterdam")
BACKLOGS = load_backlogs(load_chain("nl-justice"))
PAPER, CALLS = BACKLOGS["om-paper"], BACKLOGS["om-calls"]


def plan(*, public: bool = True) -> dict[str, Any]:
    stages = [("mail", "go", "2025-08-08T07:00:00Z"), ("links", "waits", "2025-09-25T08:00:00Z")]
    told = [
        {"key": key, "title": {"nl": f"Fase {key}", "en": f"Stage {key}"}, "state": state, "expected_end": at}
        for key, state, at in stages
    ]
    return {"name": "back", "public": public, "stages": told}


def forecast(gone: Gone, stock: int = 1312, backlog: str = "om-paper") -> Forecast:
    end = parse_instant("2025-08-31T22:00:00Z")
    levels = (0.1, 0.5, 0.9)
    sizes = ((1200.0, 1250.0, 1300.0),)
    return Forecast(backlog, end, end, DAY, stock, 20, "record", levels, sizes, gone, (), (), "")


def test_a_stage_that_is_still_to_come_is_told_with_its_day_and_one_that_came_is_not() -> None:
    (row,) = public_ahead.of_plan(plan(), ZONE)
    assert row["stage"] == "links"
    assert row["text"]["en"].startswith("Stage links: expected 25 September 2025")
    assert row["text"]["nl"].startswith("Fase links: verwacht op 25 september 2025")


def test_nothing_is_told_of_what_is_not_public() -> None:
    assert public_ahead.of_plan(plan(public=False), ZONE) == []
    assert not CALLS.public
    never = Gone(20, None, ((0.8, None, None),), 3.0)
    assert public_ahead.of_backlogs([CALLS], {"om-calls": forecast(never, backlog="om-calls")}, ZONE) == []


@pytest.mark.parametrize(
    ("gone", "english"),
    [
        (Gone(20, None, ((0.8, None, None),), 3.0), "at this rate they will not be worked off"),
        (Gone(20, 30, ((0.8, 20, None),), -3.0), "worked off about 30 September 2025, which is in much doubt"),
        (
            Gone(20, 30, ((0.5, 25, 35), (0.8, 20, 40)), -3.0),
            "worked off about 30 September 2025, in four of five cases from 20 September 2025 to 10 October 2025",
        ),
    ],
)
def test_a_backlog_is_told_with_its_doubt_or_as_never(gone: Gone, english: str) -> None:
    (row,) = public_ahead.of_backlogs([PAPER], {"om-paper": forecast(gone)}, ZONE)
    assert row["text"]["en"].startswith("Acts on paper: 1,312 waited at the end of 31 August 2025; ")
    assert english in row["text"]["en"]
    assert row["text"]["nl"].startswith("Handelingen op papier: 1.312 wachtten aan het einde van 31 augustus 2025; ")


def test_a_backlog_at_its_normal_level_is_no_news() -> None:
    at_once = Gone(20, 0, ((0.8, 0, 0),), 0.0)
    assert public_ahead.of_backlogs([PAPER], {"om-paper": forecast(at_once, stock=20)}, ZONE) == []
