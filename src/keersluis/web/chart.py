"""Small line drawings of how a count moved. Pure; gives SVG without words, since the figures stand beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from markupsafe import Markup

from keersluis.times import parse_instant

T = TypeVar("T")

WIDTH, HEIGHT, _EDGE = 240, 56, 3


def line(moved: Sequence[tuple[str, int]]) -> Markup:
    """An area under a line: moments (RFC 3339) on the x axis, counts from 0 to the highest on the y axis."""
    if len(moved) < 2:
        return Markup("")
    first, last = parse_instant(moved[0][0]), parse_instant(moved[-1][0])
    span, highest = max(1, last - first), max(1, *(count for _at, count in moved))
    floor, scale = HEIGHT - _EDGE, (HEIGHT - 2 * _EDGE) / highest
    points = " ".join(
        f"{(parse_instant(at) - first) * WIDTH / span:.1f} {floor - count * scale:.1f}" for at, count in moved
    )
    return Markup(
        '<svg class="line" viewBox="0 0 {w} {h}" preserveAspectRatio="none" aria-hidden="true" focusable="false">'
        '<path class="line-area" d="M0 {floor} L{points} L{w} {floor}Z"/>'
        '<path class="line-stroke" d="M{points}"/></svg>'
    ).format(w=WIDTH, h=HEIGHT, floor=floor, points=points)


def few(moved: Sequence[T], most: int = 8) -> list[T]:
    """At most `most` of the samples, evenly spread, with the first and the last: for the table beside the line."""
    if len(moved) <= most:
        return list(moved)
    return [moved[round(n * (len(moved) - 1) / (most - 1))] for n in range(most)]
