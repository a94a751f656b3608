"""From a plan and the accounts of its backlogs to a world to simulate, with all that was taken for granted. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np

from keersluis.errors import Incorrect
from keersluis.recovery import calendar, learning
from keersluis.recovery.accounts import Account, Fault
from keersluis.recovery.arrivals import OFFICE, Arrivals, Gate
from keersluis.recovery.assumed_paths import general, of_organisation
from keersluis.recovery.calendar import Days
from keersluis.recovery.capacity import Boost, Capacity, Newcomers, Overtime, Shift
from keersluis.recovery.dates import STAYS
from keersluis.recovery.forecasts import Assumption
from keersluis.recovery.history import Numbers
from keersluis.recovery.levels import Given, Level
from keersluis.recovery.paths import WEEK, Class, Organisation, World
from keersluis.recovery.worlds import (
    Change,
    ClassPlan,
    Earlier,
    ForecastPlan,
    Home,
    OrganisationPlan,
    Variant,
    Workplaces,
)


@dataclass(frozen=True)
class Built:
    """A world, and on what it rests. `left_out`: what was wrong with the account of each organisation."""

    plan: ForecastPlan
    world: World
    accounts: Mapping[str, Account]
    assumptions: tuple[Assumption, ...]

    @property
    def left_out(self) -> dict[str, tuple[Fault, ...]]:
        return {key: account.left_out for key, account in self.accounts.items() if account.left_out}

    def variant(self, variant: Variant) -> World:
        """The same world with the changes of a variant: it meets the same chances."""
        world = self.world
        for change in variant.changes:
            changed = _changed(world.organisation(change.organisation), change, world.days.first)
            world = replace(
                world,
                organisations=tuple(changed if each.key == changed.key else each for each in world.organisations),
            )
        return world


def build(plan: ForecastPlan, accounts: Mapping[str, Account], seed: int | None = None, paths: int = 0) -> Built:
    """`accounts` by key of the organisation; what they count goes before a stock that the plan states.

    Raises Incorrect `forecast.account`, `forecast.dates`, `forecast.too-little`.
    """
    missing = [each.key for each in plan.organisations if each.must_learn and each.key not in accounts]
    if missing:
        expected, got = "the account of each organisation", "none of " + ", ".join(missing)
        raise Incorrect("forecast.account", expected=expected, got=got)
    first = _first(plan, accounts)
    days = Days(first, plan.horizon, _holidays(plan, first, accounts))
    made = [_organisation(each, accounts.get(each.key), days) for each in plan.organisations]
    world = World(
        days,
        tuple(each for each, _told in made),
        plan.passages,
        paths or plan.paths,
        plan.seed if seed is None else seed,
    )
    told = [*general(plan, world), *(each for _made, those in made for each in those)]
    return Built(plan, world, accounts, tuple(told))


def _first(plan: ForecastPlan, accounts: Mapping[str, Account]) -> date:
    """The day after the accounts end: they must end together, or each stock would be of another day."""
    ends = {key: learning.next_day(account) for key, account in accounts.items()}
    first = max(ends.values()) if ends else plan.first
    if first is None:
        raise Incorrect("forecast.dates", expected="the first day of the forecast (from), or an account", got="neither")
    wrong = [f"{key} through {end}" for key, end in ends.items() if abs((end - first).days) > WEEK]
    if wrong:
        expected = f"accounts that end within a week of each other, before {first}"
        raise Incorrect("forecast.dates", expected=expected, got=", ".join(wrong))
    return first


def _holidays(plan: ForecastPlan, first: date, accounts: Mapping[str, Account]) -> frozenset[date]:
    if plan.holidays == "none":
        return frozenset()
    if not isinstance(plan.holidays, str):
        return frozenset(plan.holidays)
    start = min([first, *(learning.first_day(each) for each in accounts.values())]).year
    return calendar.dutch(range(start, first.year + (plan.horizon + STAYS) // 365 + 2))


# -- an organisation


def _organisation(told: OrganisationPlan, account: Account | None, days: Days) -> tuple[Organisation, list[Assumption]]:
    capacity, output, step, spare = _work(told, account, days)
    arrivals = _arrivals(told, account)
    made = Organisation(
        told.key,
        _classes(told, account),
        capacity,
        output,
        arrivals,
        told.normal,
        "priority" if told.classes else "as-it-comes" if told.order == "as-it-comes" else "oldest-first",
        told.gates,
        step,
        told.capacity.day_noise if told.capacity.output is not None else None,
    )
    return made, list(of_organisation(told, made, account, days, spare))


def _work(told: OrganisationPlan, account: Account | None, days: Days) -> tuple[Capacity, Level, int, bool]:
    """(who works when, what one does a day, days of a step of that, whether it may be more)."""
    capacity = told.capacity.capacity
    if told.capacity.output is not None or account is None:
        return capacity, told.capacity.output or Given(0.0), WEEK, False
    if not capacity.shifts:
        capacity = replace(capacity, shifts=(Shift(1.0, learning.working_days(account)),))
    return capacity, *learning.output_of(account, capacity, days.holidays)


def _arrivals(told: OrganisationPlan, account: Account | None) -> Arrivals | None:
    if told.arrivals is not None:
        return Arrivals(told.arrivals, WEEK, told.weekdays or OFFICE)
    return None if account is None else learning.arrivals_of(account)


def _classes(told: OrganisationPlan, account: Account | None) -> tuple[Class, ...]:
    ages, numbers = ((), ()) if account is None else learning.ages_of(account)
    if not told.classes:
        if account is None:
            ages, numbers = _spread(told.stock or 0, told.oldest)
        return (Class(ages=ages, numbers=numbers),)
    if account is None:
        return tuple(_class(each, *_spread(each.stock or 0, each.oldest)) for each in told.classes)
    shares = _shared(numbers, [each.share for each in told.classes])
    return tuple(_class(each, ages, own) for each, own in zip(told.classes, shares, strict=True))


def _class(told: ClassPlan, ages: tuple[int, ...], numbers: tuple[int, ...]) -> Class:
    return Class(told.key, told.share, ages, numbers, told.work, told.deadline)


def _spread(stock: int, oldest: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """So many, evenly of all ages up to the oldest."""
    days = tuple(range(0, oldest + 1, max(1, oldest // 52)))
    return days, _parts(stock, np.ones(len(days)))


def _parts(whole: int, weights: Numbers) -> tuple[int, ...]:
    """Whole parts that add up."""
    ends = np.floor(np.cumsum(weights) / weights.sum() * whole + 0.5)
    return tuple(np.diff(ends, prepend=0.0).astype(int).tolist())


def _shared(numbers: tuple[int, ...], shares: list[float]) -> list[tuple[int, ...]]:
    """The account's numbers by age, over the classes."""
    each = [_parts(number, np.array(shares)) if number else (0,) * len(shares) for number in numbers]
    return [tuple(row[n] for row in each) for n in range(len(shares))]


# -- what a variant changes


def _changed(at: Organisation, change: Change, first: date) -> Organisation:
    what, capacity = change.what, at.capacity
    if isinstance(what, Earlier):
        return _earlier(at, what, first)
    if isinstance(what, Shift):
        capacity = replace(capacity, shifts=(*capacity.shifts, what))
    elif isinstance(what, Newcomers):
        capacity = replace(capacity, newcomers=(*capacity.newcomers, what))
    elif isinstance(what, Overtime):
        capacity = replace(capacity, overtime=(*capacity.overtime, what))
    elif isinstance(what, Boost):
        capacity = replace(capacity, boosts=(*capacity.boosts, what))
    elif isinstance(what, Workplaces):
        capacity = replace(capacity, workplaces=what.number)
    elif isinstance(what, Home):
        share = capacity.home_share if what.share is None else what.share
        capacity = replace(capacity, home_from=what.first, home_share=share)
    return replace(at, capacity=capacity)


def _earlier(at: Organisation, what: Earlier, first: date) -> Organisation:
    def moved(day: date) -> date:
        return max(day - timedelta(days=what.days), min(first, day))

    def gate(each: Gate) -> Gate:
        return replace(each, opens=moved(each.opens), latest=None if each.latest is None else moved(each.latest))

    capacity = at.capacity
    shifts = [
        replace(each, first=moved(each.first)) if each.name == what.name and each.first else each
        for each in capacity.shifts
    ]
    boosts = [replace(each, first=moved(each.first)) if each.name == what.name else each for each in capacity.boosts]
    gates = [gate(each) if each.name == what.name else each for each in at.gates]
    return replace(at, gates=tuple(gates), capacity=replace(capacity, shifts=tuple(shifts), boosts=tuple(boosts)))
