"""What a forecast by paths is told: organisations with their stock, arrivals, capacity and gates, and variants. Pure.

What is not told is learned from the account of the backlog, or taken as it usually is, and then stands among the
assumptions of the answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TypeAlias

from keersluis.errors import Incorrect
from keersluis.recovery.arrivals import Gate
from keersluis.recovery.capacity import Boost, Capacity, Newcomers, Overtime, Shift
from keersluis.recovery.levels import Given
from keersluis.recovery.paths import Passage
from keersluis.sections import Words, nearest

PATHS = 2000
HORIZON = 728
NOISE = 2.0
"""Variance of a week's arrivals over their mean, where a rate is stated and nothing said of this."""

DOUBT = 0.1
"""Doubt about a rate that is stated, where nothing is said of it (standard deviation, as a share)."""

DAY_NOISE = 0.15
"""How much what one does varies by day, where stated and nothing said of this."""


@dataclass(frozen=True)
class ClassPlan:
    """A priority class; `stock` None: its share of what the account holds."""

    key: str
    title: Words
    share: float
    stock: int | None
    oldest: int
    work: float
    deadline: int | None


@dataclass(frozen=True)
class CapacityPlan:
    """`output` None: learned. `shifts` of which nothing is told: one team that is present as it was.
    `team`: so it is here."""

    capacity: Capacity
    output: Given | None
    day_noise: float
    team: bool = False


@dataclass(frozen=True)
class OrganisationPlan:
    """One backlog as told. `backlog`: the key of its account, or the file of its `log`; "" where it has none. A `stock`
    that is stated counts only where there is no account."""

    key: str
    title: Words
    backlog: str
    log: str
    stock: int | None
    oldest: int
    normal: int
    order: str
    classes: tuple[ClassPlan, ...]
    arrivals: Given | None
    weekdays: tuple[float, ...] | None
    capacity: CapacityPlan
    gates: tuple[Gate, ...]

    @property
    def has_account(self) -> bool:
        return bool(self.backlog or self.log)

    @property
    def must_learn(self) -> bool:
        """It does not state everything, so that it cannot do without its account."""
        counted = self.stock is None and not (self.classes and all(each.stock is not None for each in self.classes))
        return self.has_account and (counted or self.arrivals is None or self.capacity.output is None)


@dataclass(frozen=True)
class Workplaces:
    """There are so many."""

    number: float


@dataclass(frozen=True)
class Home:
    """From `first` on, `share` of the people can work at home (None: as before)."""

    first: date
    share: float | None


@dataclass(frozen=True)
class Earlier:
    """All of that `name` (gates, and shifts or boosts from a day on) begins so many days earlier; never before the
    forecast does."""

    name: str
    days: int


What: TypeAlias = Shift | Newcomers | Overtime | Boost | Workplaces | Home | Earlier


@dataclass(frozen=True)
class Change:
    """One thing that a variant does to an organisation."""

    organisation: str
    what: What


@dataclass(frozen=True)
class Variant:
    """A named what-if: the same world, but for its changes."""

    key: str
    title: Words
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class ForecastPlan:
    """All that is told. `first`: the first day to simulate where there is no account; with accounts it is the day
    after they end."""

    title: Words
    first: date | None
    horizon: int
    paths: int
    seed: int
    holidays: str | tuple[date, ...]
    organisations: tuple[OrganisationPlan, ...]
    passages: tuple[Passage, ...]
    variants: tuple[Variant, ...]

    def organisation(self, key: str) -> OrganisationPlan:
        """Raises Incorrect `forecast.organisation`."""
        found = next((each for each in self.organisations if each.key == key), None)
        if found is None:
            known = [each.key for each in self.organisations]
            got = repr(key) + nearest(key, known)
            raise Incorrect("forecast.organisation", expected="one of " + ", ".join(known), got=got)
        return found

    def variant(self, key: str) -> Variant:
        """Raises Incorrect `forecast.variant`."""
        found = next((each for each in self.variants if each.key == key), None)
        if found is None:
            known = [each.key for each in self.variants]
            expected = "one of " + (", ".join(known) or "none: the plan has no variants")
            raise Incorrect("forecast.variant", expected=expected, got=repr(key) + nearest(key, known))
        return found
