"""Forecasts by simulated paths: exact where exact results exist, conserving, monotone, repeatable, never negative."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keersluis.errors import Incorrect
from keersluis.recovery.arrivals import Arrivals, Gate
from keersluis.recovery.calendar import Days, dutch
from keersluis.recovery.capacity import Boost, Capacity, Newcomers, Overtime, Shift
from keersluis.recovery.ends import needed, rates, sizes, spread
from keersluis.recovery.levels import Given, Learned, learn
from keersluis.recovery.paths import (
    Class,
    Organisation,
    Passage,
    Simulated,
    World,
    chance,
    flows,
    in_order,
    simulate,
)

MONDAY = date(2026, 1, 5)
EVERY_DAY = (1.0,) * 7
WHOLE_WEEK = frozenset(range(7))


def team(per_day: float, **changes: object) -> Capacity:
    return Capacity((Shift(per_day, WHOLE_WEEK),), **changes)  # type: ignore[arg-type]


def backlog(
    key: str = "om",
    stock: int = 100,
    per_day: float = 10,
    per_week: float | None = None,
    noise: float = 0.0,
    doubt: float = 0.0,
    **changes: object,
) -> Organisation:
    """Without noise or doubt: everything goes exactly as stated."""
    arrivals = None if per_week is None else Arrivals(Given(per_week, doubt, noise), 7, EVERY_DAY)
    classes = (Class(ages=(0,), numbers=(stock,)),)
    made = Organisation(key, classes, team(per_day), Given(1.0, doubt), arrivals, day_noise=0.1 if doubt else 0.0)
    return replace(made, **changes)


def world(*organisations: Organisation, days: int | Days = 56, paths: int = 100, **changes: object) -> World:
    days = Days(MONDAY, days) if isinstance(days, int) else days
    return replace(World(days, organisations, paths=paths), **changes)  # type: ignore[arg-type]


def only(found: Simulated, key: str = "om") -> int:
    """The day on which it is gone, where all paths agree."""
    days = set(found.tracks[key].gone.tolist())
    assert len(days) == 1
    return days.pop()


# -- exact results


def test_a_hundred_at_ten_a_day_are_gone_on_the_tenth() -> None:
    found = simulate(world(backlog()))
    assert only(found) == 10
    assert found.tracks["om"].stock[:11, 0].tolist() == [90, 80, 70, 60, 50, 40, 30, 20, 10, 0, 0]
    assert set(found.tracks["om"].done.tolist()) == {10}


def test_with_seven_a_week_coming_a_hundred_take_a_day_more() -> None:
    """One comes and ten go: 100 - 9 n, so 1 is left after eleven days, and that is the normal level."""
    found = simulate(world(backlog(per_week=7, normal=1)))
    assert only(found) == 11
    assert set(found.tracks["om"].done.tolist()) == {10}  # what is there today goes first


def test_nobody_works_at_weekends_and_on_holidays() -> None:
    """From Monday: five days' work a week, and 6 January is a holiday here."""
    at = replace(backlog(stock=50), capacity=Capacity((Shift(10),)))
    assert only(simulate(world(at))) == 5
    days = Days(MONDAY, 56, frozenset({MONDAY + timedelta(days=1)}))
    assert only(simulate(world(at, days=days))) == 8


def test_more_coming_than_going_is_never_gone_and_grows() -> None:
    found = simulate(world(backlog(per_week=84)))
    assert spread(found.tracks["om"].gone, found.never).middle is None
    assert rates(found, "om").growth == pytest.approx(14)
    assert found.tracks["om"].stock[27, 0] == 100 + 28 * 2


def test_a_stock_that_only_touches_its_normal_level_is_not_gone() -> None:
    """Ten come by a gate every few days: nothing is left on some days, yet mostly ten or more are."""
    gates = tuple(Gate(f"g{n}", Given(60, 0.0, 0.0), MONDAY + timedelta(days=n)) for n in range(10, 60, 6))
    found = simulate(world(backlog(stock=100, gates=gates), days=56))
    stock = found.tracks["om"].stock[:, 0]
    assert stock[9] == 0
    assert (stock[10:50] > 0).sum() > 30
    assert found.tracks["om"].gone[0] > 50


def test_arrivals_have_the_mean_and_variance_that_were_asked() -> None:
    """Negative binomial counts with variance three times their mean, over 2,000 paths of 84 days."""
    arrivals = Arrivals(Given(70.0, 0.0, 3.0), 7, EVERY_DAY)
    rng = np.random.default_rng(1)
    (counts,) = arrivals.draw(rng, Days(MONDAY, 84), 2000, (1.0,))
    weeks = counts.reshape(12, 7, 2000).sum(axis=1)
    assert weeks.mean() == pytest.approx(70, rel=0.01)
    assert weeks.var() == pytest.approx(210, rel=0.05)


def test_doubt_about_a_rate_is_the_same_on_all_days_of_a_path() -> None:
    """A sum of 12 weeks then varies by the doubt too: 12 * 210 + (0.2 * 840)**2."""
    arrivals = Arrivals(Given(70.0, 0.2, 3.0), 7, EVERY_DAY)
    (counts,) = arrivals.draw(np.random.default_rng(1), Days(MONDAY, 84), 4000, (1.0,))
    assert counts.sum(axis=0).var() == pytest.approx(12 * 210 + 168**2, rel=0.1)


def test_weekdays_and_holidays_shape_what_comes() -> None:
    arrivals = Arrivals(Given(70.0, 0.0, 0.0), 7, (1.4, 1.4, 1.4, 1.4, 1.4, 0, 0))
    days = Days(MONDAY, 14, frozenset({MONDAY}))
    assert arrivals.per_day(days).tolist() == pytest.approx([0, 14, 14, 14, 14, 0, 0] + [14] * 5 + [0, 0])


def test_a_metered_gate_lets_through_what_it_holds_and_no_more() -> None:
    gate = Gate("a", Given(25, 0.0, 0.0), MONDAY + timedelta(days=3), grows=2, per_day=10)
    came = gate.draw(np.random.default_rng(1), Days(MONDAY, 10), 3)
    assert came[:, 0].tolist() == [0, 0, 0, 10, 10, 10, 1, 0, 0, 0]


def test_a_gate_whose_day_is_in_doubt_opens_on_each_of_its_days() -> None:
    gate = Gate("a", Given(25, 0.0, 0.0), MONDAY, MONDAY + timedelta(days=4))
    came = gate.draw(np.random.default_rng(1), Days(MONDAY, 10), 2000)
    on = (came > 0).mean(axis=1)
    assert on[:5] == pytest.approx(0.2, abs=0.04)
    assert (came.sum(axis=0) == 25).all()


def test_what_a_gate_let_in_before_the_first_day_does_not_come_again() -> None:
    """It stood open for two days: all of it is in today's stock; metered, five of its 25 are left to come."""
    days, early = Days(MONDAY, 10), MONDAY - timedelta(days=2)
    whole = Gate("a", Given(25, 0.0, 0.0), early)
    assert whole.draw(np.random.default_rng(1), days, 3).sum() == 0
    metered = replace(whole, per_day=10)
    assert metered.draw(np.random.default_rng(1), days, 3)[:, 0].tolist() == [5] + [0] * 9
    maybe = replace(whole, latest=MONDAY + timedelta(days=1))  # as likely before the first day as on one of two
    assert maybe.draw(np.random.default_rng(1), days, 2000).sum() / 25 == pytest.approx(1000, abs=70)


# -- capacity, by hand


def test_workplaces_bind_until_home_working_is_back() -> None:
    capacity = Capacity((Shift(60),), workplaces=40, home_from=MONDAY + timedelta(days=7), home_share=0.25)
    people = capacity.people(Days(MONDAY, 14))
    assert people.tolist() == [40] * 5 + [0, 0] + [55] * 5 + [0, 0]


def test_an_extra_shift_uses_the_same_workplaces_again() -> None:
    evening = Shift(30, frozenset({0, 2}), MONDAY + timedelta(days=2))
    capacity = Capacity((Shift(60), evening), workplaces=40)
    assert capacity.people(Days(MONDAY, 8)).tolist() == [40, 40, 70, 40, 40, 0, 0, 70]


def test_new_people_learn_and_overtime_ends_at_its_limit() -> None:
    new = Capacity((Shift(10, WHOLE_WEEK),), newcomers=(Newcomers(4, MONDAY, 2, 0.5),))
    assert new.people(Days(MONDAY, 15))[[0, 7, 14]].tolist() == pytest.approx([12, 13, 14])
    over = Capacity((Shift(10, WHOLE_WEEK),), overtime=(Overtime(0.2, MONDAY + timedelta(days=30), most=5),))
    assert over.people(Days(MONDAY, 5)).tolist() == pytest.approx([12, 12, 11, 10, 10])


def test_scanning_makes_a_part_of_the_work_go_faster() -> None:
    half = Capacity((Shift(10, WHOLE_WEEK),), boosts=(Boost(2.0, MONDAY + timedelta(days=1), 0.5),))
    assert half.people(Days(MONDAY, 2)).tolist() == pytest.approx([10, 10 / 0.75])
    paper = Capacity((Shift(10),), boosts=(Boost(2.0, MONDAY, of="paper"),))
    assert paper.work(Days(MONDAY, 1), "paper").tolist() == [0.5]
    assert paper.work(Days(MONDAY, 1), "digital").tolist() == [1.0]


def test_general_holidays_are_those_of_the_calendar() -> None:
    """2026, as published by the national government."""
    expected = {(1, 1), (4, 3), (4, 5), (4, 6), (4, 27), (5, 14), (5, 24), (5, 25), (12, 25), (12, 26)}
    assert {(day.month, day.day) for day in dutch([2026])} == expected


# -- order of work


def test_priority_classes_are_done_in_turn() -> None:
    classes = (Class("grave", 0.5, (0,), (30,)), Class("other", 0.5, (0,), (50,)))
    at = replace(backlog(), classes=classes, order="priority")
    flow = flows(world(at), 0, [at])["om"]
    assert flow.stock[0][:4, 0].tolist() == [20, 10, 0, 0]
    assert flow.stock[1][:5, 0].tolist() == [50, 50, 50, 40, 30]


def test_ages_follow_from_what_came_first_leaving_first() -> None:
    """Thirty of 40 days old and seventy of today, ten a day: the old are gone after three days."""
    at = replace(backlog(), classes=(Class("", 1.0, (0, 40), (70, 30), deadline=36),))
    found = simulate(world(replace(at, capacity=team(2))))
    older = found.tracks["om"].older[28]
    assert older[:2].tolist() == pytest.approx([16, 2])
    assert older[3] == 0  # 28 days old at most
    assert found.tracks["om"].late is not None
    assert found.tracks["om"].late[:2].tolist() == pytest.approx([16, 2])
    assert older[4] == 100 - 2 * 35


def test_without_an_order_what_waits_today_is_done_later_than_oldest_first() -> None:
    steady = backlog(per_week=63)
    first = simulate(world(steady)).tracks["om"].done
    as_it_comes = simulate(world(replace(steady, order="as-it-comes"))).tracks["om"].done
    assert (as_it_comes > first).all()


# -- properties

numbers = st.integers(0, 3000)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Two or three in a row or in a fork, with doubt everywhere."""
    keys = ["a", "b", "c"][: draw(st.integers(2, 3))]
    organisations = [
        backlog(
            key,
            draw(numbers),
            draw(st.floats(0, 60)),
            draw(st.floats(0, 400)),
            noise=draw(st.sampled_from([0.0, 1.0, 5.0])),
            doubt=draw(st.sampled_from([0.0, 0.3])),
            order=draw(st.sampled_from(["oldest-first", "as-it-comes"])),
            gates=(Gate("g", Given(draw(numbers), 0.2), MONDAY + timedelta(days=draw(st.integers(-5, 70)))),),
        )
        for key in keys
    ]
    share, delay = draw(st.floats(0, 1)), draw(st.integers(0, 90))
    passages = [Passage("a", key, share, delay, doubt=draw(st.sampled_from([0.0, 0.2]))) for key in keys[1:]]
    return World(Days(MONDAY, 63), tuple(organisations), tuple(passages), 100, draw(st.integers(0, 9)))


@given(worlds())
@settings(max_examples=25, deadline=None)
def test_on_each_path_and_day_in_less_out_is_stock_and_never_below_nothing(made: World) -> None:
    for key, flow in flows(made, 0, in_order(made)).items():
        at = made.organisation(key)
        for each, came, left, stock in zip(at.classes, flow.came, flow.left, flow.stock, strict=True):
            assert (came >= 0).all()
            assert (left >= 0).all()
            assert (stock >= 0).all()
            assert (each.stock + np.cumsum(came - left, axis=0) == stock).all()
        assert (np.sum(flow.left, axis=0) <= flow.could).all()


@given(worlds(), st.floats(1, 3))
@settings(max_examples=25, deadline=None)
def test_more_capacity_is_never_later_on_any_path(made: World, factor: float) -> None:
    at = made.organisations[0]
    shifts = tuple(replace(each, staff=each.staff * factor) for each in at.capacity.shifts)
    more = replace(at, capacity=replace(at.capacity, shifts=shifts))
    before = simulate(made).tracks["a"]
    after = simulate(replace(made, organisations=(more, *made.organisations[1:]))).tracks["a"]
    assert (after.gone <= before.gone).all()
    assert (after.done <= before.done).all()
    assert (after.stock <= before.stock).all()


@given(worlds())
@settings(max_examples=15, deadline=None)
def test_what_one_passes_on_arrives_at_the_next_and_no_more(made: World) -> None:
    one = made.passages[0]
    whole = replace(made, passages=(replace(one, share=1.0, doubt=0.0),))
    with_, without = flows(whole, 0, in_order(whole)), flows(replace(made, passages=()), 0, in_order(made))
    arrived = sum(with_[one.target].came) - sum(without[one.target].came)
    left = sum(with_["a"].left)
    assert (arrived[: one.delay] == 0).all()
    assert (arrived[one.delay :] == left[: max(len(left) - one.delay, 0)]).all()


def test_half_of_what_leaves_arrives_to_within_one() -> None:
    row = world(backlog("a", 10_000, 7), backlog("b", 0, 0), passages=(Passage("a", "b", 0.5, 2),))
    found = simulate(row)
    left = found.world.whole.number - 2
    assert (np.abs(found.tracks["b"].came - 0.5 * 7 * left) <= 1).all()


# -- repeatable


def digest(found: Simulated) -> str:
    return hashlib.sha256(b"".join(each.stock.tobytes() for each in found.tracks.values())).hexdigest()


def noisy(**changes: object) -> World:
    a, b = (backlog(key, 500, 12, 80, 3.0, 0.2) for key in "ab")
    return replace(World(Days(MONDAY, 70), (a, b), (Passage("a", "b", 0.7, 1),), 600, 3), **changes)  # type: ignore[arg-type]


def test_the_same_seed_gives_the_same_bytes_on_any_number_of_threads() -> None:
    one = simulate(noisy(), threads=1)
    assert digest(one) == digest(simulate(noisy(), threads=4))
    assert digest(one) != digest(simulate(noisy(seed=4)))
    assert (one.tracks["a"].arrivals == simulate(noisy(), threads=3).tracks["a"].arrivals).all()


def test_fewer_paths_are_the_first_of_more() -> None:
    few, many = simulate(noisy(paths=300)), simulate(noisy())
    assert (few.tracks["b"].stock == many.tracks["b"].stock[:, :300]).all()


def test_another_organisation_beside_it_changes_nothing() -> None:
    alone = simulate(replace(noisy(), organisations=noisy().organisations[:1], passages=()))
    assert (alone.tracks["a"].stock == simulate(noisy()).tracks["a"].stock).all()
    numbers = [chance(noisy(), block, key, 0).integers(2**60) for block in range(3) for key in "ab"]
    assert len(set(numbers)) == 6


# -- what a date takes


def test_the_capacity_needed_is_the_least_that_is_enough() -> None:
    """A hundred, one a day coming, to be at most 10 on day 20: 4.5 + 1 a day, and whole items by chance."""
    made = world(backlog(per_week=7, normal=10), days=56)
    need = needed(made, "om", 20)
    assert need.present == pytest.approx(70)
    assert need.per_week(0.5) == pytest.approx(7 * (90 / 20 + 1), rel=0.06)
    times = need.times(0.95)
    assert times is not None
    shifts = tuple(replace(each, staff=each.staff * times) for each in made.organisations[0].capacity.shifts)
    enough = replace(made.organisations[0], capacity=Capacity(shifts))
    found = simulate(replace(made, organisations=(enough,)))
    assert (found.tracks["om"].gone <= 20).mean() >= 0.94


def test_no_capacity_helps_against_a_gate_that_opens_after_the_date() -> None:
    gate = Gate("g", Given(10_000, 0.0, 0.0), MONDAY + timedelta(days=20), per_day=100)
    need = needed(world(backlog(gates=(gate,), capacity=team(0))), "om", 20)
    assert need.per_week(0.5) is None
    with pytest.raises(Incorrect) as error:
        needed(world(backlog()), "om", 900)
    assert error.value.code == "forecast.by"


def test_sizes_are_told_by_quantiles_that_do_not_cross() -> None:
    rows = sizes(simulate(noisy()), "a", 7, (0.1, 0.5, 0.9))
    assert rows.shape == (10, 3)
    assert (np.diff(rows, axis=1) >= 0).all()
    assert (rows >= 0).all()


def test_too_much_is_refused_before_it_is_tried() -> None:
    with pytest.raises(Incorrect) as error:
        simulate(replace(noisy(), paths=10**6, days=Days(MONDAY, 3000)))
    assert error.value.code == "forecast.too-large"


# -- learned rates


def test_a_level_is_learned_with_what_is_left_in_doubt() -> None:
    """Of 20 independent counts around 100 the level is known to about 10 / sqrt(20)."""
    rng = np.random.default_rng(5)
    found = [learn(rng.poisson(100, 20).astype(float)) for _ in range(200)]
    errors = np.array([each.mean - 100 for each in found])
    drawn = np.array([each.draw(rng, 400, 1)[0][0].std() for each in found])
    assert abs(errors.mean()) < 0.6
    assert errors.std() < drawn.mean() < 2 * errors.std()  # it may also have moved: that is doubt too


def test_a_level_that_moved_is_told_as_it_is_now() -> None:
    seen = np.concatenate([np.full(30, 50.0), np.full(8, 90.0)]) + np.tile([2.0, -2.0], 19)
    learned = learn(seen)
    assert isinstance(learned, Learned)
    assert learned.mean == pytest.approx(90, abs=4)
