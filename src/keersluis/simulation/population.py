"""A generated population and calendar: who may be the subject of an act or a question, and when people work.

All persons are generated. Their numbers are not in use: ``T`` numbers for SKN, and the test BSNs that Haal
Centraal publishes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from zlib import crc32
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from keersluis.times import HOUR, SECOND, Instant, day_of, local, parse_when

Numbers = NDArray[np.int64]

TEST_BSNS = (
    "999993847", "999992077", "999993483", "999990482", "000009921", "999993653", "999995017",
    "999990408", "999994669", "999992806", "999993926", "999991905", "999993550", "999990421",
)  # fmt: skip
"""Published by Haal Centraal for tests; no real person has them."""

_WEEKEND = 0.12
_FIRST_HOUR, _LAST_HOUR = 7, 21


def generator(seed: int, purpose: str) -> np.random.Generator:
    """A generator of its own for each purpose, so that a change in one flow leaves the others as they are."""
    return np.random.default_rng([seed, crc32(purpose.encode())])


@dataclass(frozen=True)
class Population:
    """`persons` generated persons, of whom a share `known` comes to meet the sources of the chain.

    The first are those with test BSNs, all of them known; the others are ``skn:T0000001`` and so on.
    """

    persons: int
    known: float
    seed: int

    def subject(self, number: int) -> str:
        """Person 0, 1, 2 .. -> ``<scheme>:<number>``."""
        tests = len(TEST_BSNS)
        return f"bsn:{TEST_BSNS[number]}" if number < tests else f"skn:T{number - tests + 1:07d}"

    @cached_property
    def known_persons(self) -> Numbers:
        """The persons who have, or will have, facts; some of them many (an even few make most of the flow)."""
        random = generator(self.seed, "population")
        tests = np.arange(len(TEST_BSNS))
        others = np.arange(len(TEST_BSNS), self.persons)
        number = min(len(others), max(10, round(self.persons * self.known)))
        return np.concatenate([tests, random.choice(others, number, replace=False)])

    @cached_property
    def _weights(self) -> NDArray[np.float64]:
        number = len(self.known_persons)
        ranks = generator(self.seed, "weights").permutation(number) + 1
        weights = 1.0 / np.sqrt(ranks + 100)
        return np.asarray(weights / weights.sum(), dtype=np.float64)

    def for_acts(self, random: np.random.Generator, number: int) -> list[str]:
        """Subjects of `number` new cases; the same person may have several."""
        return [self.subject(int(n)) for n in random.choice(self.known_persons, number, p=self._weights)]

    def for_questions(self, random: np.random.Generator, number: int, known: float, distinct: bool) -> list[str]:
        """Subjects of `number` questions, a share `known` of them about known persons."""
        share = min(round(number * known), len(self.known_persons)) if distinct else round(number * known)
        first = random.choice(self.known_persons, share, replace=not distinct)
        pool = np.setdiff1d(np.arange(self.persons), first) if distinct else np.arange(self.persons)
        rest = random.choice(pool, min(number - share, len(pool)) if distinct else number - share, replace=not distinct)
        drawn = np.concatenate([first, rest])
        random.shuffle(drawn)
        return [self.subject(int(n)) for n in drawn]


class Calendar:
    """The local days from `first` to `last` (both in it), and when people work on them."""

    def __init__(self, first: Instant, last: Instant, tz: ZoneInfo) -> None:
        begin, final = local(first, tz).date(), local(last, tz).date()
        self.dates: list[date] = [begin + timedelta(days=n) for n in range((final - begin).days + 1)]
        self.texts = [day.isoformat() for day in self.dates]
        self.starts: Numbers = np.array([parse_when(text, tz).start for text in self.texts], dtype=np.int64)
        self.final = day_of(last, tz).end
        self._weights = np.array([_WEEKEND if day.weekday() > 4 else 1.0 for day in self.dates])

    def index(self, instant: Instant) -> int:
        """The day in which `instant` falls."""
        return int(np.searchsorted(self.starts, instant, side="right")) - 1

    def working(
        self, random: np.random.Generator, number: int, first: Instant, last: Instant, rising: bool = False
    ) -> list[Instant]:
        """`number` moments in [first, last), whole seconds, ordered, mostly on working days and by daylight.

        With `rising` the last days get more than the first, as memory has more of the recent past.
        """
        days = slice(self.index(first), self.index(last - 1) + 1)
        weights = self._weights[days].copy()
        if rising:
            weights *= np.arange(1, len(weights) + 1)
        chosen = random.choice(self.starts[days], number, p=weights / weights.sum())
        hours = np.clip(random.normal(13.0, 3.0, number), _FIRST_HOUR, _LAST_HOUR)
        seconds = (hours * (HOUR // SECOND)).astype(np.int64)
        moments = np.clip(chosen + seconds * SECOND, first, last - SECOND)
        return [int(moment) for moment in np.sort(moments)]
