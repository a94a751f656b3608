"""What a backlog holds, how old it is and when it ends: against naive counting, and working it off item by item."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from random import Random
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keersluis.recovery.backlog_words import Holding, age_label, holding, lasts, terms
from keersluis.recovery.stock import (
    BUCKETS,
    Backlog,
    CatchUp,
    Order,
    PriorityClass,
    Rate,
    account_of,
    catch_up,
    class_states,
    days_left,
    edges,
    gone_by,
    profile,
    standing,
    worst_first,
)
from keersluis.stays import Stay
from keersluis.times import DAY, HOUR, Instant, local, parse_instant
from keersluis.words import translator

ZONE = ZoneInfo("Europe/Amsterdam")
NOW = parse_instant("2025-09-25T12:00:00+02:00")
NL, EN = translator("nl"), translator("en")
NONE = {"nl": "", "en": ""}


def backlog(normal: int = 0, order: Order = "oldest-first", days: int | None = None, minutes: float = 0) -> Backlog:
    classes = (PriorityClass("all", NONE, (), minutes, days, NONE),)
    return Backlog("b", "om", "prosecution", "paper", NONE, "entry", (), (), (), normal, DAY, order, classes)


@st.composite
def some_stays(draw: st.DrawFn) -> list[Stay]:
    stays = []
    for _ in range(draw(st.integers(0, 40))):
        since = NOW - draw(st.integers(0, 40 * 24)) * HOUR
        gone = draw(st.one_of(st.none(), st.integers(0, 60 * 24)))
        ended = None if gone is None or since + gone * HOUR > NOW else since + gone * HOUR
        stays.append(Stay(draw(st.integers(1, 4)), since - draw(st.integers(0, 400)) * HOUR, since, ended))
    return stays


@given(some_stays(), st.sampled_from([DAY, 7 * DAY]))
def test_the_account_says_of_each_step_what_counting_one_by_one_says(stays: list[Stay], step: Instant) -> None:
    account = account_of(stays, edges(NOW, step, ZONE))
    past = account.past
    assert account.end <= NOW < account.end + step
    for n in range(past.steps):
        first, last = account.start + n * step, account.start + (n + 1) * step
        assert past.arrivals[n] == sum(s.n for s in stays if first <= s.since < last)
        assert past.departures[n] == sum(s.n for s in stays if s.ended is not None and first <= s.ended < last)
        here = [s for s in stays if s.since < last and (s.ended is None or s.ended >= last)]
        assert past.stock[n] == sum(s.n for s in here)
        assert past.held[n].sum() == past.stock[n]
        for age in range(n + 1):
            came = account.start + (n - age) * step
            assert past.held[n, age] >= sum(s.n for s in here if came <= s.since < came + step)


@given(some_stays())
def test_in_less_out_is_stock_from_step_to_step(stays: list[Stay]) -> None:
    past = account_of(stays, edges(NOW, DAY, ZONE)).past
    assert (np.diff(past.stock) == (past.arrivals - past.departures)[1:]).all()


@given(st.integers(0, 20 * 365), st.sampled_from([DAY, 7 * DAY]))
def test_steps_end_at_midnight_and_always_at_the_same_ones(days: int, step: Instant) -> None:
    """So that what was said of a moment is held against that moment, whenever it is looked at."""
    at = days * DAY + 13 * HOUR
    mine, later = edges(at, step, ZONE), edges(at + 40 * DAY, step, ZONE)
    end = local(mine[-1], ZONE)
    assert (end.hour, end.minute) in ((0, 0), (23, 0))
    assert local(mine[-1] - 1, ZONE).weekday() == 6 or step == DAY
    assert set(later) >= set(mine[len(mine) - len(set(mine) & set(later)) :])
    assert mine[-1] <= at < mine[-1] + step


@given(some_stays())
def test_the_age_profile_is_that_of_the_acts(stays: list[Stay]) -> None:
    """From when they were done, not from when they came to be known here."""
    here = [s for s in stays if s.ended is None]
    bounds = [0, *BUCKETS, 10**6]
    expected = [sum(s.n for s in here if low <= (NOW - s.born) // DAY < high) for low, high in pairwise(bounds)]
    assert profile(stays, NOW) == expected


def worked_off(items: int, pace: int, came: int, order: Order, random: Random) -> int | None:
    """Days until the last of the items that are here now has gone, by working one day after the other."""
    here = [0] * items
    for day in range(1, 3000):
        here += [day] * came
        if order == "as-it-comes":
            random.shuffle(here)
        here = here[pace:]
        if not any(born == 0 for born in here):
            return day
    return None


@given(st.integers(1, 300), st.integers(1, 40), st.integers(0, 60))
def test_oldest_first_the_last_goes_when_all_before_it_have(items: int, pace: int, came: int) -> None:
    found = days_left(items, items, pace, came, "oldest-first")
    assert found is not None
    assert -(-found // 1) == worked_off(items, pace, came, "oldest-first", Random(1))


@pytest.mark.parametrize(("items", "pace", "came"), [(200, 20, 0), (200, 20, 15), (200, 20, 20), (200, 20, 24)])
def test_as_it_comes_the_last_goes_far_later(items: int, pace: int, came: int) -> None:
    found = days_left(items, items, pace, came, "as-it-comes")
    tried = sorted(worked_off(items, pace, came, "as-it-comes", Random(n)) or 3000 for n in range(60))
    assert found is not None
    assert tried[3] - 1 <= found <= tried[-3]
    assert found >= items / pace * 0.95


def test_nothing_is_caught_up_when_nothing_goes() -> None:
    assert catch_up(10, Rate(3.0, 0.0), "oldest-first", NOW) == CatchUp(None, None, None)
    assert gone_by(10, Rate(3.0, 2.0), NOW) == CatchUp(None, None, None)
    assert gone_by(0, Rate(3.0, 2.0), NOW).middle == NOW


@given(st.integers(1, 5000), st.floats(0.1, 100), st.floats(0, 100), st.floats(0, 50))
def test_bounds_lie_around_the_middle(stock: int, gone: float, came: float, spread: float) -> None:
    for ends in (
        catch_up(stock, Rate(came, gone, spread, 28), "oldest-first", NOW),
        gone_by(stock, Rate(came, gone, spread, 28), NOW),
    ):
        early, middle, late = (float("inf") if at is None else at for at in (ends.early, ends.middle, ends.late))
        assert NOW <= early <= middle <= late


def test_terms_are_missed_by_those_that_are_reached_too_late() -> None:
    """Ten a day go, oldest first: the first ten are reached within a day, the last of forty after four."""
    stays = {"all": [Stay(10, NOW - n * DAY, NOW - n * DAY, None) for n in (5, 4, 3, 2)]}
    state = class_states(backlog(days=4, minutes=30), stays, Rate(0.0, 10.0), NOW)[0]
    # done by: 1, 2, 3 and 4 days; left: -1, 0, 1 and 2 days
    assert (state.overdue, state.will_be, state.stock, state.minutes) == (10, 30, 40, 1200)
    state = class_states(backlog(days=9), stays, Rate(0.0, 10.0), NOW)[0]
    assert (state.overdue, state.will_be) == (0, 0)
    state = class_states(backlog(days=6), stays, Rate(0.0, 0.0), NOW)[0]
    assert (state.overdue, state.will_be) == (0, 40)
    assert class_states(backlog(), stays, Rate(0.0, 0.0), NOW)[0].overdue is None


def test_as_it_comes_even_the_youngest_may_be_late() -> None:
    stays = {"all": [Stay(100, NOW, NOW, None)]}
    state = class_states(backlog(days=10, order="as-it-comes"), stays, Rate(10.0, 10.0), NOW)[0]
    assert state.will_be == 37  # 100 / e: a tenth goes each day, for ten days


def test_those_that_miss_terms_come_first_then_by_how_many_times_normal() -> None:
    def one(key: str, number: int, normal: int, days: int | None = None) -> object:
        it = replace(backlog(normal, days=days), key=key)
        return standing(it, {"all": [Stay(number, NOW - 9 * DAY, NOW - DAY, None)]}, edges(NOW, DAY, ZONE), NOW)

    found = worst_first([one("few", 5, 5), one("many", 90, 10), one("late", 1, 5, days=7)])  # type: ignore[list-item]
    assert [each.backlog.key for each in found] == ["late", "many", "few"]


# -- exact words -----------------------------------------------------------------------------------------------------

THROUGH = parse_instant("2025-08-02T23:59:59+02:00")
OCTOBER = [parse_instant(f"2025-10-{day:02}T12:00:00+02:00") for day in (4, 10, 21)]


def held(**changed: object) -> Holding:
    it = Holding(THROUGH, {"paper": 1312}, CatchUp(*OCTOBER), True, 87.5)
    return replace(it, **changed)  # type: ignore[arg-type]


def test_links_are_back_yet_the_register_is_complete_only_through_2_august() -> None:
    assert holding(held(), ZONE, EN) == (
        "All links are open, yet the register is complete only through 2 August 2025, because 1,312 letters wait. "
        "At the rate of the last four weeks (612 a week) what waits now is entered by 10 October 2025; "
        "four times in five between 4 October 2025 and 21 October 2025."
    )
    assert holding(held(), ZONE, NL) == (
        "Alle koppelingen zijn open, maar het register is pas volledig tot en met 2 augustus 2025, omdat er nog "
        "1.312 brieven wachten. In het tempo van de afgelopen vier weken (612 per week) is wat er nu wacht ingevoerd "
        "op 10 oktober 2025; in vier van de vijf gevallen tussen 4 oktober 2025 en 21 oktober 2025."
    )


def test_each_channel_is_named_and_closed_links_are_told() -> None:
    it = held(waiting={"mailbox": 1, "paper": 3, "system-down": 0}, links_open=False, ends=CatchUp(None, None, None))
    assert holding(it, ZONE, EN) == (
        "The register is complete only through 2 August 2025: not all links are open, and 3 letters and 1 message in "
        "a mailbox wait. In the last four weeks nothing was entered of what waits: at this rate it never catches up."
    )
    assert holding(held(waiting={"paper": 1}), ZONE, EN).startswith(
        "All links are open, yet the register is complete only through 2 August 2025, because 1 letter waits."
    )


def at_rate(came: float, gone: float, stock: int = 700) -> str:
    it = standing(backlog(normal=20), {"all": [Stay(stock, NOW, NOW, None)]}, edges(NOW, DAY, ZONE), NOW)
    pace = Rate(came, gone)
    it = replace(it, pace=pace, normal_again=gone_by(stock - 20, pace, NOW))
    return lasts(it, ZONE, EN)


def test_until_when_it_lasts_or_never_at_this_rate() -> None:
    assert at_rate(10, 78) == "At the rate of the last four weeks it lasts until 5 October 2025."
    assert at_rate(30, 10) == (
        "Never at this rate: 210 a week come and 70 go, so it grows by 140 a week. "
        "To be back to normal on 25 December 2025, 263 a week must go."
    )
    assert at_rate(10, 10).startswith("Never at this rate: 70 a week come and 70 go. To be back to normal on")
    assert at_rate(30, 10, stock=20) == "No more waits than is normal (20)."


def test_terms_in_words() -> None:
    stays = {"all": [Stay(10, NOW - n * DAY, NOW - n * DAY, None) for n in (5, 4)]}
    it = standing(backlog(days=4), stays, edges(NOW, DAY, ZONE), NOW)
    assert terms(it, EN) == "10 are past their term; 10 more will be before they are reached."
    assert terms(it, NL) == "10 zijn over de termijn; 10 andere zullen dat zijn voor ze aan de beurt zijn."
    assert terms(standing(backlog(), stays, edges(NOW, DAY, ZONE), NOW), EN) == ""


def test_ages_in_words() -> None:
    assert [age_label(each, EN) for each in ((None, 1), (7, 14), (91, None))] == [
        "less than 1 day",
        "7 to 14 days",
        "91 days or more",
    ]
