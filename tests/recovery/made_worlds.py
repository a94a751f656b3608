"""Backlogs whose future is known, made otherwise than the forecast thinks: rates that follow an autoregression of their
logarithm, log-normal days, gamma output. For calibration alone."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

import numpy as np

from keersluis.recovery.accounts import ZONE, Account
from keersluis.recovery.history import Counts, History, Numbers, history
from keersluis.times import DAY, parse_when

START = date(2024, 1, 1)


class Made(NamedTuple):
    """The account of the first weeks, and the stock at the end of each day after them."""

    account: Account
    future: Counts


def made_world(seed: int, step: int, weeks: int, ahead: int, surplus: tuple[float, float] = (0.9, 1.25)) -> Made:
    """`weeks` known in steps of `step` days, and `ahead` weeks to come; what can be done is `surplus` times what comes,
    of which there is so much that it is not gone before."""
    rng = np.random.default_rng([seed, step, weeks])
    days = (weeks + ahead) * 7
    weekday = (START.weekday() + np.arange(days)) % 7
    base, hold = rng.uniform(15, 150), rng.uniform(0.6, 1)
    shape = np.array([1.5, 1.3, 1.2, 1.2, 1.1, 0.5, 0.2]) if rng.random() < 0.5 else np.array([1.4] * 5 + [0, 0])
    scatter = rng.choice([0, 0.1, 0.3])
    mean = base * np.exp(_wandering(rng, weeks + ahead, hold, rng.uniform(0, 0.06))) * shape[weekday]
    came = rng.poisson(mean * np.exp(scatter * rng.standard_normal(days)))
    more = rng.uniform(*surplus)
    could = base * more * 1.4 * (weekday < 5)
    could = could * np.exp(_wandering(rng, weeks + ahead, hold, rng.uniform(0, 0.04))) * rng.gamma(20, 1 / 20, days)
    before = int(base * (rng.uniform(60, 120) + max(0.0, more - 1) * weeks * 7))
    went, stock = _worked(before, came, np.floor(could + rng.random(days)).astype(int))
    known = weeks * 7
    return Made(account_of(before, came[:known], went[:known], step), stock[known:])


def _wandering(rng: np.random.Generator, weeks: int, hold: float, spread: float) -> Numbers:
    level = np.zeros(weeks)
    for week in range(1, weeks):
        level[week] = hold * level[week - 1] + spread * rng.standard_normal()
    return np.repeat(level, 7)


def _worked(before: int, came: Counts, could: Counts) -> tuple[Counts, Counts]:
    there, went, stock = before, np.zeros(len(came), int), np.zeros(len(came), int)
    for day in range(len(came)):
        there += came[day]
        went[day] = min(there, could[day])
        there -= went[day]
        stock[day] = there
    return went, stock


def account_of(before: int, came: Counts, went: Counts, step: int, start: date = START) -> Account:
    """What came first left first; what was there before is of the first step."""
    number = len(came) // step
    came, went = (each.reshape(number, step).sum(axis=1) for each in (came, went))
    arrived = np.repeat(np.arange(number + 1), np.concatenate([[before], came]))
    left = np.full(len(arrived), -1)
    gone = np.repeat(np.arange(1, number + 1), went)
    left[: len(gone)] = gone
    past = history(arrived, left, number + 1)
    past = History(past.arrivals[1:], past.departures[1:], past.stock[1:], past.held[1:], past.left[1:])
    return Account(parse_when(start.isoformat(), ZONE).start, step * DAY, past, (), False, False)
