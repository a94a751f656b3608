"""The days of a simulation: which weekday each is, and whether it is a holiday. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt

from keersluis.recovery.history import Counts, Numbers

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
SUNDAY = 6

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Days:
    """`number` days from `first` on."""

    first: date
    number: int
    holidays: frozenset[date] = frozenset()

    @property
    def weekday(self) -> Counts:
        """[day]: 0 (Monday) to 6; a holiday is as a Sunday."""
        days = (self.first.weekday() + np.arange(self.number)) % 7
        days[self.closed] = SUNDAY
        return np.asarray(days)

    @property
    def closed(self) -> Flags:
        """[day]: a holiday."""
        flags = np.zeros(self.number, bool)
        at = [self.index(day) for day in self.holidays]
        flags[[n for n in at if 0 <= n < self.number]] = True
        return flags

    @property
    def season(self) -> Numbers:
        """[day]: the part of the year that has passed."""
        start = self.first.timetuple().tm_yday - 1
        return np.asarray((start + np.arange(self.number)) / 365.25)

    def index(self, day: date) -> int:
        """Its place; negative for days before the first."""
        return (day - self.first).days

    def at(self, index: int) -> date:
        return self.first + timedelta(days=index)

    def between(self, first: date | None, last: date | None) -> Flags:
        """[day]: from `first` through `last`; None is without end."""
        at = np.arange(self.number)
        from_ = -1 if first is None else self.index(first)
        until = self.number if last is None else self.index(last)
        return np.asarray((at >= from_) & (at <= until))


def dutch(years: Collection[int]) -> frozenset[date]:
    """The generally recognised holidays of the Netherlands (Algemene termijnenwet art. 3), Good Friday with them."""
    days = set()
    for year in years:
        easter = _easter(year)
        king = date(year, 4, 27)
        king = king - timedelta(days=1) if king.weekday() == SUNDAY else king
        days |= {date(year, 1, 1), king, date(year, 12, 25), date(year, 12, 26)}
        days |= {easter + timedelta(days=n) for n in (-2, 0, 1, 39, 49, 50)}
    return frozenset(days)


def _easter(year: int) -> date:
    """The anonymous Gregorian computus (J. Meeus, *Astronomical Algorithms*, 1991, ch. 8)."""
    a, (b, c) = year % 19, divmod(year, 100)
    d, e = divmod(b, 4)
    g = (b - (b + 8) // 25 + 1) // 3
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    m = (32 + 2 * e + 2 * i - h - k) % 7
    n = (a + 11 * h + 22 * m) // 451
    month, day = divmod(h + m - 7 * n + 114, 31)
    return date(year, month, day + 1)
