"""Times at the edges of what can be said: refused in words or taken, never a fault of ours."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from keersluis.errors import Incorrect
from keersluis.times import day_of, format_instant, format_when, local, parse_instant, parse_when

AMSTERDAM, NEW_YORK = ZoneInfo("Europe/Amsterdam"), ZoneInfo("America/New_York")


@pytest.mark.parametrize("tz", [AMSTERDAM, NEW_YORK])
@pytest.mark.parametrize("day", ["9999-12-31", "0001-01-01"])
def test_the_last_day_that_there_is_says_that_something_has_no_end(day: str, tz: ZoneInfo) -> None:
    when = parse_when(day, tz)
    assert when.start < when.end
    assert [format_instant(each)[:4] in ("0001", "9999") for each in when] == [True, True]
    assert format_when(when, tz) == day


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
def test_a_moment_beyond_the_calendar_is_refused_in_words(text: str) -> None:
    with pytest.raises(Incorrect, match="not-an-instant"):
        parse_instant(text)


@pytest.mark.parametrize("tz", [AMSTERDAM, NEW_YORK])
@pytest.mark.parametrize("text", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_the_edges_of_the_calendar_have_a_local_day(text: str, tz: ZoneInfo) -> None:
    at = parse_instant(text)
    assert local(at, tz).year in (1, 9999)
    day = day_of(at, tz)
    assert day.start <= day.end
