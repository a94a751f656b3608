"""What a variant changes: the same chances met twice, so that the difference is known better than either date. Pure.

On each path the dates of the variant and of the plan as it is are subtracted. A path on which one of them lies beyond
the simulation counts to its end, so the change told is then the least that it is; how many there are is told beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np

from keersluis.recovery.building import Built
from keersluis.recovery.dates import LEVELS
from keersluis.recovery.ends import Spread, spread
from keersluis.recovery.history import Counts
from keersluis.recovery.paths import Simulated, simulate
from keersluis.recovery.worlds import Variant

ALL = ""
"""Stands for all organisations together: gone when the last of them is."""


@dataclass(frozen=True)
class Change:
    """In days, negative is sooner: `middle`, and an interval (level, from, to) for each of `dates.LEVELS`; the share of
    the paths on which it is `sooner`, `later`, and on which one of the two ends lies `beyond` the simulation."""

    middle: int
    intervals: tuple[tuple[float, int, int], ...]
    sooner: float
    later: float
    beyond: float


@dataclass(frozen=True)
class Outcome:
    """Of one variant (None: the plan as it is), by organisation, and `ALL`: when it is gone, and the change of that."""

    variant: Variant | None
    found: Simulated
    gone: dict[str, Spread]
    change: dict[str, Change]


def compare(
    built: Built,
    variants: Sequence[Variant],
    threads: int = 2,
    progress: Callable[[int], None] = lambda done: None,
) -> list[Outcome]:
    """The plan as it is, and each variant beside it."""
    base = simulate(built.world, threads)
    progress(1)
    found = [Outcome(None, base, _gone(base), {})]
    for number, variant in enumerate(variants, 2):
        other = simulate(built.variant(variant), threads)
        keys = [*base.tracks, ALL]
        change = {key: difference(ends(base, key), ends(other, key), base.never) for key in keys}
        found.append(Outcome(variant, other, _gone(other), change))
        progress(number)
    return found


def ends(found: Simulated, key: str) -> Counts:
    """[path]: days until one backlog is gone, or all."""
    if key == ALL:
        return reduce(np.maximum, (each.gone for each in found.tracks.values()))
    return found.tracks[key].gone


def _gone(found: Simulated) -> dict[str, Spread]:
    return {key: spread(ends(found, key), found.never) for key in (*found.tracks, ALL)}


def difference(before: Counts, after: Counts, never: int) -> Change:
    """Path by path."""
    moved = after - before

    def at(level: float) -> int:
        return int(np.quantile(moved, level, method="inverted_cdf"))

    return Change(
        at(0.5),
        tuple((level, at(0.5 - level / 2), at(0.5 + level / 2)) for level in LEVELS),
        float((moved < 0).mean()),
        float((moved > 0).mean()),
        float(((before >= never) | (after >= never)).mean()),
    )
