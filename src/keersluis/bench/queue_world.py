"""What the benchmark has forecast: organisations in a row, each with a large stock in three priority classes, arrivals
by weekday, a gate that opens, people in shifts, and half of what it finishes passed on to the next."""

from __future__ import annotations

from datetime import date
from itertools import pairwise

from keersluis.recovery.arrivals import Arrivals, Gate
from keersluis.recovery.calendar import Days
from keersluis.recovery.capacity import Capacity, Shift
from keersluis.recovery.levels import Given
from keersluis.recovery.paths import Class, Organisation, Passage, World

FIRST = date(2026, 1, 5)
DAYS = 728
"""As far as a plan looks ahead when it does not say."""
SHARES = {"grave": 0.2, "serious": 0.3, "ordinary": 0.5}


def world(organisations: int, items: int, paths: int) -> World:
    """`items` in stock at each organisation; as many come anew in the two years, and it can do three times as many."""
    days = Days(FIRST, DAYS)
    keys = [f"org{n}" for n in range(organisations)]
    passages = tuple(Passage(*pair, share=0.5) for pair in pairwise(keys))
    return World(days, tuple(_organisation(key, items) for key in keys), passages, paths, seed=1)


def _organisation(key: str, items: int) -> Organisation:
    classes = tuple(
        Class(name, share, ages=tuple(range(0, 70, 7)), numbers=(round(items * share / 10),) * 10)
        for name, share in SHARES.items()
    )
    staff = 100
    return Organisation(
        key,
        classes,
        Capacity((Shift(staff),), workplaces=90, home_from=date(2026, 3, 2), home_share=0.5),
        output=Given(3 * items / (DAYS * 5 / 7) / staff, doubt=0.1),
        arrivals=Arrivals(Given(items / (DAYS / 7), doubt=0.1, noise=2.0)),
        order="priority",
        gates=(Gate("return", Given(items / 20, doubt=0.1), opens=date(2026, 2, 2), of="ordinary"),),
        day_noise=0.15,
    )
