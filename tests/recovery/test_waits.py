"""How long one item waits, in days: each expected day is counted by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keersluis.cli.main import run as command
from keersluis.errors import Incorrect
from keersluis.recovery.waits import Desk, Joining, Line, waits

MONDAY = date(2025, 8, 4)
WORDS = {"nl": "Gewoon", "en": "Ordinary"}
SURE = 0.001
"""Minutes by which the work varies where a day is counted by hand."""


def line(key: str = "ordinary", stock: int = 10, minutes: float = 61, **more: Any) -> Line:
    return Line(key, WORDS, stock, more.pop("per_week", 0.0), minutes, more.pop("deviation", SURE), **more)


DESK = Desk(MONDAY, people=1, hours=5, weeks=10, lines=(line(),))


def middle(desk: Desk, k: int = 0) -> date | None:
    return waits(desk, 0.8, 100, 1)[k].middle


@pytest.mark.parametrize(
    ("desk", "day"),
    [
        (DESK, date(2025, 8, 6)),  # behind 10 hours and 10 minutes of work, of which 5 hours a day are done
        (replace(DESK, first=date(2025, 8, 2)), date(2025, 8, 6)),  # a Saturday: work begins on Monday
        (replace(DESK, holidays=(date(2025, 8, 5),)), date(2025, 8, 7)),
        (replace(DESK, people=11), MONDAY),
        (replace(DESK, lines=(line(stock=26),)), date(2025, 8, 11)),  # 26 hours 26: the sixth working day
        (replace(DESK, lines=(line(stock=110),), joining=(Joining(date(2025, 8, 11), 9),)), date(2025, 8, 12)),
        (replace(DESK, lines=(line(opens=date(2025, 8, 18)),)), date(2025, 8, 20)),
    ],
)
def test_what_comes_in_now_is_begun_on_the_day_that_its_turn_comes(desk: Desk, day: date) -> None:
    assert middle(desk) == day


@given(st.integers(1, 2400), st.integers(0, 400))
def test_a_gate_is_not_there_before_the_day_on_which_it_opens(hundredths: int, days: int) -> None:
    """Whatever the hours of a day, as 7.6."""
    desk = replace(DESK, hours=hundredths / 100)
    opens = date.fromordinal(MONDAY.toordinal() + 7 * (days // 5) + days % 5)
    assert desk.day_at(desk.hours_until(opens)) == opens


def test_a_class_waits_for_those_before_it_and_they_not_for_it() -> None:
    desk = replace(DESK, lines=(line("urgent", 4), line("ordinary", 5)))
    assert middle(desk, 0) == MONDAY
    assert middle(desk, 1) == date(2025, 8, 6), "4 urgent ones, the urgent one that comes in now, and 5 of its own"


def test_a_class_that_is_not_kept_up_with_says_so_and_may_have_no_day() -> None:
    """Twice as much urgent work comes in as one person does. Of all paths half ever have nothing urgent left (the
    busy period of M/M/1 ends with probability 1/2); only then the ordinary one is begun."""
    lines = (line("urgent", 0, 60, per_week=50.0, deviation=None), line("ordinary", 0, 60, per_week=1.0))
    urgent, ordinary = waits(replace(DESK, lines=lines), 0.8, 2000, 1)
    assert (urgent.load, ordinary.load) == (pytest.approx(2.0), pytest.approx(2.04))
    assert (urgent.kept_up, ordinary.kept_up) == (False, False)
    assert ordinary.within == pytest.approx(0.5, abs=0.04)
    assert (urgent.middle, urgent.last, ordinary.first, ordinary.last) == (MONDAY, MONDAY, MONDAY, None)


def test_a_class_before_what_cannot_be_kept_up_with_is_kept_up_with() -> None:
    lines = (line("urgent", 0, 60, per_week=20.0), line("ordinary", 0, 60, per_week=20.0))
    assert [each.kept_up for each in waits(replace(DESK, lines=lines), 0.8, 100, 1)] == [True, False]


def test_the_work_that_comes_in_later_waits_as_long_as_erlang_says() -> None:
    """One person, a load of a half, services of an hour at random: one hour on average."""
    desk = replace(DESK, weeks=200, lines=(line("ordinary", 0, 60, per_week=12.5, deviation=None),))
    later = waits(desk, 0.8, 400, 1)[0].later
    assert later == pytest.approx(1.0, rel=0.03)


def test_what_could_not_be_simulated_in_time_is_refused() -> None:
    with pytest.raises(Incorrect) as refused:
        waits(replace(DESK, lines=(line(stock=10_000_000),)), 0.8, 100, 1)
    assert refused.value.code == "wait.too-large"


GOOD = """
from = 2025-08-04
people = 2
hours = 6
weeks = 20
holidays = [2025-12-25]

[[class]]
key = "serious"
title = { nl = "Ernstig", en = "Serious" }
stock = 40
per-week = 30
minutes = 15

[[class]]
key = "ordinary"
stock = 300
per-week = 100
minutes = 10
deviation = 5
opens = "2025-08-18"

[[joining]]
from = 2025-09-01
people = 1
"""


def test_the_command_tells_a_day_and_an_interval_for_each_class(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = tmp_path / "desk.toml"
    desk.write_text(GOOD, encoding="utf-8")
    assert command(["backlog", "wait", str(desk), "--paths", "200", "--json"]) == 0
    once = capsys.readouterr().out
    told = json.loads(once)
    assert [each["class"] for each in told["classes"]] == ["serious", "ordinary"]
    for each in told["classes"]:
        assert each["begun"]["from"] <= each["begun"]["middle"] <= each["begun"]["to"]
    assert told["classes"][0]["begun"]["middle"] == "2025-08-04", "40 x 15 minutes, two people, 6 hours a day"
    assert told["classes"][1]["begun"]["from"] >= "2025-08-18"
    assert len(told["assumptions"]) == 4
    assert command(["backlog", "wait", str(desk), "--paths", "200", "--json"]) == 0
    assert capsys.readouterr().out == once
    monkeypatch.setenv("LC_ALL", "nl_NL.UTF-8")
    assert command(["backlog", "wait", str(desk), "--paths", "200"]) == 0
    assert "Ernstig: aan wat nu binnenkomt, wordt begonnen rond 2025-08-04." in capsys.readouterr().out


def test_all_faults_of_a_desk_are_told_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    desk = tmp_path / "desk.toml"
    bad = (
        GOOD.replace("hours = 6", "hours = 25")
        .replace("stock = 40", "stock = -1")
        .replace("minutes = 10", "minute = 10")
    )
    desk.write_text(bad.replace('"2025-08-18"', '"soon"'), encoding="utf-8")
    assert command(["backlog", "wait", str(desk), "--json"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert told["code"] == "wait.broken"
    for part in ("hours", "class[1].stock", "class[2].minutes", "'minute'", "class[2].opens"):
        assert [each for each in told["faults"] if part in each], part


@pytest.mark.parametrize("wrong", [["--paths", "1"], ["--level", "1"], ["--seed", "-1"]])
def test_flags_that_cannot_be_are_refused(wrong: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    desk = tmp_path / "desk.toml"
    desk.write_text(GOOD, encoding="utf-8")
    assert command(["backlog", "wait", str(desk), *wrong, "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["code"] in {"wait.paths", "backlog.level"}


def test_a_file_that_is_not_there_is_one_fault(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(["backlog", "wait", str(tmp_path / "none.toml"), "--json"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert (told["code"], len(told["faults"])) == ("wait.broken", 1)
