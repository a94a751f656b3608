"""What a figure should be, and whether it is: the last word of every benchmark. Pure."""

from __future__ import annotations

from typing import Literal

import msgspec

Direction = Literal[">=", "<="]


class Aim(msgspec.Struct, frozen=True):
    """`value` None: it could not be measured here, and then it does not hold."""

    name: str
    value: float | None
    target: float
    direction: Direction
    holds: bool


def aim(name: str, value: float | None, direction: Direction, target: float) -> Aim:
    """Hold `value` against `target`."""
    holds = value is not None and (value >= target if direction == ">=" else value <= target)
    return Aim(name, value, target, direction, holds)


def ratio(ours: float, theirs: float | None) -> float | None:
    """How many times as fast; None where the peer was not there."""
    return round(ours / theirs, 2) if theirs else None


def quantile(values: list[float], share: float) -> float:
    """The value that `share` (0 to 1) of the measurements do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
