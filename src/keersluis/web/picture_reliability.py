"""A reliability diagram as SVG: of what was said with a probability, how often it was so. Pure.

On the diagonal the two are the same. A table beside it has the same figures.
"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from keersluis.words import Translator

SIZE, EDGE, TOP = 320, 44, 14


def reliability(points: Sequence[tuple[float, float, int]], name: str, _: Translator) -> Markup:
    """(probability stated, share that was so, of how many) each; nothing where there are none."""
    if not points:
        return Markup("")
    return Markup(
        '<figure class="chart-figure reliability"><svg class="chart" viewBox="0 0 {size} {size}" role="img" '
        'aria-labelledby="{name}-t {name}-d"><title id="{name}-t">{title}</title><desc id="{name}-d">{text}</desc>'
        "{parts}</svg></figure>"
    ).format(
        size=SIZE,
        name=name,
        title=_("Stated probability, and how often it was so"),
        text=_("On the diagonal both are the same; below it the size came out higher than stated, above it lower."),
        parts=Markup("").join([*_axes(_), _line(points), *map(_dot, points)]),
    )


def _x(share: float) -> float:
    return EDGE + share * (SIZE - EDGE - TOP)


def _y(share: float) -> float:
    return SIZE - EDGE - share * (SIZE - EDGE - TOP)


def _axes(_: Translator) -> list[Markup]:
    parts = []
    for share in (0.0, 0.5, 1.0):
        percent = _percent(share, _)
        parts += [
            Markup('<path class="chart-grid" d="M{:.1f} {:.1f}H{:.1f}"/>').format(_x(0), _y(share), _x(1)),
            Markup('<path class="chart-grid" d="M{:.1f} {:.1f}V{:.1f}"/>').format(_x(share), _y(0), _y(1)),
            _text(_x(0) - 6, _y(share) + 4.5, percent, "end"),
            _text(_x(share), _y(0) + 16, percent, "middle" if share < 1 else "end"),
        ]
    parts.append(
        Markup('<path class="chart-line chart-line--level" d="M{:.1f} {:.1f}L{:.1f} {:.1f}"/>').format(
            _x(0), _y(0), _x(1), _y(1)
        )
    )
    parts.append(_text(_x(0.5), SIZE - 8, _("stated"), "middle"))
    parts.append(_text(_x(0), TOP - 3, _("so it was"), "start"))
    return parts


def _line(points: Sequence[tuple[float, float, int]]) -> Markup:
    path = " ".join(f"{_x(stated):.1f} {_y(share):.1f}" for stated, share, _number in points)
    return Markup('<path class="chart-line chart-line--past" d="M{}"/>').format(path)


def _dot(point: tuple[float, float, int]) -> Markup:
    return Markup('<circle class="reliability-dot" cx="{:.1f}" cy="{:.1f}" r="4.5"/>').format(
        _x(point[0]), _y(point[1])
    )


def _percent(share: float, _: Translator) -> str:
    return _("{number} %", number=round(100 * share))


def _text(x: float, y: float, text: str, anchor: str) -> Markup:
    return Markup('<text class="chart-tick" x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>').format(
        x, y, anchor, text
    )
