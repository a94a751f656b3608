"""The charts over time: what is drawn lies where its date and number say, and is told apart without colour."""

from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from keersluis.times import DAY, HOUR, parse_instant
from keersluis.web.charts import Band, Bars, Chart, Level, Line, Moment, figure, picture, round_dates, round_numbers
from keersluis.words import translator

ZONE = ZoneInfo("Europe/Amsterdam")
START = parse_instant("2025-08-01T00:00:00+02:00")
EN = translator("en")


def chart(**parts: object) -> Chart:
    return Chart("test", "Waiting", "A sentence", ZONE, **parts)  # type: ignore[arg-type]


def drawn(it: Chart, narrow: bool = False) -> ElementTree.Element:
    return ElementTree.fromstring(str(picture(it, EN, narrow=narrow)))


def paths(it: Chart, css: str, narrow: bool = False) -> list[str]:
    return [each.get("d", "") for each in drawn(it, narrow).iter("path") if css in each.get("class", "").split()]


def texts(it: Chart, css: str, narrow: bool = False) -> list[str]:
    return [each.text or "" for each in drawn(it, narrow).iter("text") if css in each.get("class", "").split()]


def numbers(d: str) -> list[float]:
    return [float(each) for each in re.findall(r"-?\d+(?:\.\d+)?", d)]


def test_a_line_stands_at_its_numbers_between_the_axis_numbers() -> None:
    it = chart(lines=[Line([(START, 0.0), (START + DAY, 50.0), (START + 2 * DAY, 100.0)], "waiting")])
    ticks = {each.text: float(each.get("y", "0")) - 4.5 for each in drawn(it).iter("text")}
    x0, y0, x1, y1, x2, y2 = numbers(paths(it, "chart-line")[0])
    assert abs(y0 - ticks["0"]) < 0.2
    assert abs(y2 - ticks["100"]) < 0.2
    assert abs(y1 - (y0 + y2) / 2) < 0.2
    assert abs(x1 - (x0 + x2) / 2) < 0.2


def test_numbers_are_written_as_the_reader_does() -> None:
    it = chart(lines=[Line([(START, 0.0), (START + DAY, 4000.0)], "waiting")])
    assert "4,000" in texts(it, "chart-tick")
    assert "4.000" in str(picture(it, translator("nl"), narrow=False))


@given(st.floats(0, 5e6), st.floats(0, 5e6), st.integers(2, 8))
def test_axis_numbers_are_round_evenly_spread_and_reach_around(down: float, up: float, most: int) -> None:
    found = round_numbers(-down, up, most)
    steps = {round(b - a, 6) for a, b in pairwise(found)}
    assert len(steps) == 1
    assert found[0] <= -down + 1e-3
    assert found[-1] >= up - 1e-3
    assert len(found) <= 2 * most + 3
    assert str(int(steps.pop())).rstrip("0") in {"1", "2", "25", "5"}


@given(st.integers(0, 20_000 * 24), st.integers(25, 4000 * 24), st.integers(3, 9))
def test_axis_dates_are_local_midnights_within_the_span(hour: int, hours: int, most: int) -> None:
    first, last = hour * HOUR, (hour + hours) * HOUR
    found = round_dates(first, last, ZONE, most)
    assert len(found) <= most
    for at, month in found:
        assert first <= at <= last
        day = EN.axis_day(at, ZONE)
        assert EN.moment(at, ZONE).endswith("00:00")
        assert not month or day.startswith("1 ")


def test_an_interval_without_end_does_not_flatten_what_is_known() -> None:
    near = [(START, 100.0), (START + DAY, 90.0)]
    it = chart(lines=[Line(near, "ahead", "ahead")], bands=[Band([(START, 100, 100), (START + DAY, 0, 1e6)], "95", 95)])
    assert "120" in texts(it, "chart-tick") or "150" in texts(it, "chart-tick")
    lowest, highest = min(numbers(paths(it, "chart-band")[0])[1::2]), numbers(paths(it, "chart-line")[0])[1]
    assert lowest < highest < 200


def test_what_came_in_stands_on_the_axis_and_what_went_out_hangs_from_it() -> None:
    it = chart(
        bars=[Bars([(START, START + DAY, 5.0)], "in"), Bars([(START, START + DAY, 3.0)], "out", "out")],
    )
    zero = numbers(paths(it, "chart-zero")[0])[1]
    assert numbers(paths(it, "chart-bar--in")[0])[2] < zero < numbers(paths(it, "chart-bar--out")[0])[2]
    assert not [each for each in texts(it, "chart-tick") if each.startswith("-")]


def test_lines_side_by_side_have_letters_that_do_not_lie_on_each_other() -> None:
    styles = ("one", "two", "three", "four", "five")
    it = chart(lines=[Line([(START, 9.0), (START + DAY, 0.0)], style, style) for style in styles])  # type: ignore[arg-type]
    found = [float(e.get("y", "0")) for e in drawn(it).iter("text") if "chart-letter" in e.get("class", "")]
    assert sorted(texts(it, "chart-letter")) == ["A", "B", "C", "D", "E"]
    assert min(b - a for a, b in pairwise(sorted(found))) >= 12 - 0.2


def test_labels_of_moments_do_not_lie_on_each_other_and_stay_within() -> None:
    it = chart(
        lines=[Line([(START, 1.0), (START + 30 * DAY, 1.0)], "waiting")],
        moments=[Moment(START + n * DAY, f"deadline number {n}", "deadline") for n in (0, 1, 2, 30)],
    )
    for narrow in (False, True):
        width = float(drawn(it, narrow).get("viewBox", "").split()[2])
        boxes = [
            (float(e.get("x", "0")), float(e.get("y", "0")), 3.6 * len(e.text or ""))
            for e in drawn(it, narrow).iter("text")
            if "chart-label" in e.get("class", "")
        ]
        assert all(x - half >= 0 and x + half <= width for x, _y, half in boxes)
        apart = [(a, b) for a in boxes for b in boxes if a < b and a[1] == b[1]]
        assert all(abs(a[0] - b[0]) >= a[2] + b[2] for a, b in apart)


def test_a_chart_says_what_it_shows_to_who_does_not_see_it() -> None:
    it = chart(lines=[Line([(START, 1.0), (START + DAY, 2.0)], "<waiting>")], levels=[Level(1, "normal")])
    for narrow in (False, True):
        svg = drawn(it, narrow)
        assert svg.get("role") == "img"
        named = [svg.find(f".//*[@id='{each}']") for each in svg.get("aria-labelledby", "").split()]
        assert [each.text for each in named if each is not None] == ["Waiting", "A sentence"]
    assert "<waiting>" not in figure(it, EN)
    assert "&lt;waiting&gt;" in figure(it, EN)


def test_nothing_to_draw_gives_nothing() -> None:
    assert figure(chart(), EN) == ""
    assert figure(chart(lines=[Line([(START, 4.0)], "waiting")]), EN) == ""
    assert figure(chart(moments=[Moment(START, "now")]), EN) == ""


def test_an_empty_backlog_is_drawn_on_the_axis() -> None:
    it = chart(lines=[Line([(START, 0.0), (START + DAY, 0.0)], "waiting")])
    assert numbers(paths(it, "chart-line")[0])[1] == numbers(paths(it, "chart-zero")[0])[1]
