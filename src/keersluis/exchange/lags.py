"""How long entry really takes: delays from act to entry, counted in bins, and what may be concluded from them. Pure.

The declared lag of a kind is what binds. Where entry takes longer than declared, as measured, the promise is held
back to what is measured: it is better late than false (P2).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from keersluis.times import DAY, SECOND, Instant

WEEK = 7 * DAY
WINDOW = 13
"""Weeks that count: an exceptional quarter is forgotten after the next."""

LONGEST = WINDOW * WEEK
"""A delay that does not fit in the window is arrears or history that was loaded, not the usual way of entry."""

ENOUGH = 1000
"""Fewer delays than this say nothing of one in a thousand."""

WITHIN, OF = 999, 1000
"""The quantile: so many of so many acts were entered within the measured lag."""

REFRESH = 60 * SECOND
"""A measurement is taken anew when it is older than this."""

_FINE = 3  # bits kept of a delay: bins of an eighth of their size at most


def bin_of(delay: int) -> int:
    """The bin of a delay in microseconds: log-spaced over whole seconds, exact below 8 seconds."""
    seconds = max(0, -(-delay // SECOND))
    extra = max(0, seconds.bit_length() - _FINE - 1)
    return (extra << _FINE) + (seconds >> extra)


def edges(number: int) -> tuple[int, int]:
    """The least and the greatest delay of a bin, in microseconds."""
    extra = max(0, (number >> _FINE) - 1)
    first = (number - (extra << _FINE)) << extra
    return first * SECOND, (first + (1 << extra) - 1) * SECOND


def counted(delays: Iterable[int]) -> Counter[int]:
    """Delays in microseconds -> how many in each bin; those beyond the window left out."""
    return Counter(bin_of(delay) for delay in delays if delay <= LONGEST)


def week_of(source_time: Instant) -> int:
    """The week in which a delay is counted."""
    return source_time // WEEK


@dataclass(frozen=True, slots=True)
class Measured:
    """999 of 1000 of `samples` acts were entered within `lag` microseconds, and surely no fewer than within
    `at_least`; the difference is the width of a bin."""

    lag: int
    at_least: int
    samples: int

    def exceeds(self, declared: int) -> bool:
        """Whether entry takes longer than declared, beyond what the bins and the number of acts leave in doubt."""
        return self.samples >= ENOUGH and self.at_least > declared

    def binding(self, declared: int) -> int:
        """The lag that a promise must keep to, in microseconds."""
        return max(declared, self.lag) if self.exceeds(declared) else declared


NOTHING_MEASURED = Measured(0, 0, 0)


def measured(bins: Mapping[int, int]) -> Measured:
    """Bin -> how many acts, to the quantile that they give."""
    samples = sum(bins.values())
    reached = 0
    for number in sorted(bins):
        reached += bins[number]
        if reached * OF >= samples * WITHIN:
            least, most = edges(number)
            return Measured(most, least, samples)
    return NOTHING_MEASURED
