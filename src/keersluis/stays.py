"""What waited where, from when to when: the one form in which every room tells of its waiting. Pure.

In - out = stock follows from the form: each stay came once, and left once or not yet.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from keersluis.times import Instant


class Stay(NamedTuple):
    """`n` items that came and left together. `born`: when the act was done (event time), from which ages count;
    `since`: when it came here; `ended`: when it left, None while it is here. Instants are exact or rounded down to
    the hour."""

    n: int
    born: Instant
    since: Instant
    ended: Instant | None


class Totals(NamedTuple):
    """How many came, left, and are here."""

    came: int
    left: int
    stock: int


def totals(stays: Iterable[Stay]) -> Totals:
    """Of all stays; came - left = stock."""
    came = left = 0
    for stay in stays:
        came += stay.n
        left += stay.n if stay.ended is not None else 0
    return Totals(came, left, came - left)
