"""Charts over time as SVG: lines, bands (a fan), bars, moments and levels on axes with dates and round numbers. Pure.

Make a `Chart` and give it to `figure(chart, _)`: that is a `<figure>` with a wide and a narrow drawing (the style sheet
shows one of them) and a legend. Beside it belongs a table with the same figures: a drawing alone tells nobody enough.
All words are given, in the reader's language; all moments are instants, all values counts (0 or more).

    Chart(
        name="om-paper",                      # unique on the page, letters and dashes
        title=_("Waiting, and ahead"),        # what it is: read out, with `text`, instead of the drawing
        text=_("From 1,312 to nothing ..."),  # what it shows, in a sentence
        zone=chain.timezone,
        bands=[Band(points, _("95 of 100"), 95), Band(..., 80), Band(..., 50)],   # (at, lower, upper) each
        lines=[Line(past, _("Waiting"), "past"), Line(ahead, _("Expected"), "ahead")],   # (at, value) each
        moments=[Moment(now, _("now"), "now"), Moment(due, _("deadline"), "deadline")],
        levels=[Level(40, _("normal"))],
    )

Lines are told apart by dashes and by a letter at their end, not by colour alone: styles `past` and `ahead` for one
account, `one` .. `five` for several side by side. Bars of style `in` stand on the axis, those of style `out` hang from
it. What is higher than `most` (by default: than all lines and the 80 % band, and a fifth more) is cut off at the top,
so that an interval without end does not flatten what is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from math import floor, log10
from typing import Literal, TypeAlias

from markupsafe import Markup

from keersluis.times import Instant
from keersluis.words import Translator

Point: TypeAlias = tuple[Instant, float]
_Scale: TypeAlias = Callable[[Instant], float]
Style: TypeAlias = Literal["past", "ahead", "one", "two", "three", "four", "five"]

LETTERS = {"one": "A", "two": "B", "three": "C", "four": "D", "five": "E"}

_SIZES = {"wide": (760, 300), "small": (480, 210), "narrow": (300, 230)}
_ROW, _BOTTOM = 17, 24
"""Heights in the drawing's units: of a row of labels above it, and of the dates below."""

_MICRO = 1_000_000


@dataclass(frozen=True)
class Line:
    """(at, value), in order of time."""

    points: Sequence[Point]
    label: str
    style: Style = "past"


@dataclass(frozen=True)
class Band:
    """(at, lower, upper), in order of time; `level` is its probability in percent: 50, 80 or 95."""

    points: Sequence[tuple[Instant, float, float]]
    label: str
    level: int = 80


@dataclass(frozen=True)
class Bars:
    """(from, until, value); `in` on the axis, `out` below it."""

    points: Sequence[tuple[Instant, Instant, float]]
    label: str
    style: Literal["in", "out"] = "in"


@dataclass(frozen=True)
class Moment:
    """A line from top to bottom with a label at its top."""

    at: Instant
    label: str
    style: Literal["now", "deadline"] = "now"


@dataclass(frozen=True)
class Level:
    """A line from side to side: a normal level, or one that should not be passed (`limit`)."""

    value: float
    label: str
    style: Literal["level", "limit"] = "level"


@dataclass(frozen=True)
class Chart:
    """What to draw; see the head of this module."""

    name: str
    title: str
    text: str
    zone: tzinfo
    lines: Sequence[Line] = ()
    bands: Sequence[Band] = ()
    bars: Sequence[Bars] = ()
    moments: Sequence[Moment] = ()
    levels: Sequence[Level] = ()
    most: float | None = None

    @property
    def empty(self) -> bool:
        """Nothing that could be drawn."""
        return _span(self) is None


def figure(chart: Chart, _: Translator, *, small: bool = False) -> Markup:
    """Both drawings and the legend; nothing at all where the chart has fewer than two moments. `small`: for where
    two stand beside each other."""
    if chart.empty:
        return Markup("")
    drawings = picture(chart, _, narrow=False, small=small) + picture(chart, _, narrow=True)
    return Markup('<figure class="chart-figure">{}{}</figure>').format(drawings, legend(chart))


def picture(chart: Chart, _: Translator, *, narrow: bool, small: bool = False) -> Markup:
    """One drawing, with its title and text for who does not see it."""
    frame = _Frame.of(chart, _, "narrow" if narrow else "small" if small else "wide")
    parts = [
        *_grid(chart, frame, _),
        *(_band(each, frame) for each in sorted(chart.bands, key=lambda each: -each.level)),
        *(_bars(each, frame) for each in chart.bars),
        *_levels(chart, frame),
        *(_line(each, frame) for each in chart.lines),
        *_letters(chart, frame),
        *_moments(chart, frame),
    ]
    return Markup(
        '<svg class="chart chart--{size}" viewBox="0 0 {width} {height}" role="img" aria-labelledby="{id}-t {id}-d">'
        '<title id="{id}-t">{title}</title><desc id="{id}-d">{text}</desc>{parts}</svg>'
    ).format(
        size="narrow" if narrow else "wide",
        width=frame.width,
        height=frame.height,
        id=f"{chart.name}-{'narrow' if narrow else 'wide'}",
        title=chart.title,
        text=chart.text,
        parts=Markup("").join(parts),
    )


def legend(chart: Chart) -> Markup:
    """What each line, band and bar is, with a sample of it; nothing where there is only one."""
    samples = [(_sample_line(each.style), each.label) for each in chart.lines]
    samples += [(_sample_box(f"chart-band chart-band--{each.level}"), each.label) for each in chart.bands]
    samples += [(_sample_box(f"chart-bar chart-bar--{each.style}"), each.label) for each in chart.bars]
    samples += [(_sample_line(each.style), each.label) for each in chart.levels]
    if len(samples) < 2:
        return Markup("")
    items = Markup("").join(Markup("<li>{} {}</li>").format(sample, label) for sample, label in samples)
    return Markup('<ul class="legend chart-legend" role="list">{}</ul>').format(items)


def bar(value: float, of: float) -> Markup:
    """A bar for a cell of a table, as long as `value` is of `of`; the number stands beside it."""
    width = 0.0 if of <= 0 else max(0.0, min(80.0, 80 * value / of))
    return Markup(
        '<svg class="bar" viewBox="0 0 80 9" preserveAspectRatio="none" aria-hidden="true" focusable="false">'
        '<rect class="bar__bed" width="80" height="9"/><rect class="bar__fill" width="{w:.1f}" height="9"/></svg>'
    ).format(w=width)


# -- scales ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Frame:
    """Where the drawing lies within its margins, and what its axes span."""

    width: int
    height: int
    left: float
    right: float
    top: float
    bottom: float
    first: Instant
    last: Instant
    low: float
    high: float

    @classmethod
    def of(cls, chart: Chart, _: Translator, size: str) -> _Frame:
        width, height = _SIZES[size]
        first, last = _span(chart) or (0, 1)
        low, high = _reach(chart)
        longest = max(len(_.number(abs(_whole(tick)))) for tick in round_numbers(low, high, 4))
        right = width - (16 if any(each.style in LETTERS for each in chart.lines) else 6)
        left = 10 + 7.2 * longest
        rows = max(_rows(chart, lambda at: left + (at - first) * (right - left) / (last - first), right), default=-1)
        return cls(width, height, left, right, 10 + _ROW * (rows + 1), height - _BOTTOM, first, last, low, high)

    def x(self, at: Instant) -> float:
        at = min(max(at, self.first), self.last)
        return self.left + (at - self.first) * (self.right - self.left) / (self.last - self.first)

    def y(self, value: float) -> float:
        """What does not fit is cut off."""
        value = min(max(value, self.low), self.high)
        return self.bottom - (value - self.low) * (self.bottom - self.top) / (self.high - self.low)


def _span(chart: Chart) -> tuple[Instant, Instant] | None:
    """The first and last moment of what has values; moments alone do not stretch a chart, save a deadline."""
    found = [at for line in chart.lines for at, _value in line.points]
    found += [at for band in chart.bands for at, *_values in band.points]
    found += [at for bars in chart.bars for start, end, _value in bars.points for at in (start, end)]
    found += [each.at for each in chart.moments] if found else []
    return (min(found), max(found)) if found and min(found) < max(found) else None


def _reach(chart: Chart) -> tuple[float, float]:
    """The lowest and highest value that the axis shows."""
    up = [value for line in chart.lines for _at, value in line.points] + [each.value for each in chart.levels]
    up += [upper for band in chart.bands if band.level <= 80 for _at, _lower, upper in band.points]
    up += [value for bars in chart.bars if bars.style == "in" for *_span, value in bars.points]
    down = [value for bars in chart.bars if bars.style == "out" for *_span, value in bars.points]
    far = [upper for band in chart.bands if band.level > 80 for _at, _lower, upper in band.points]
    highest = max(up, default=1.0)
    top = chart.most if chart.most is not None else min(max([highest, *far]), 1.2 * highest)
    low, high = -max(down, default=0.0), max(top, 0.0)
    ticks = round_numbers(low, high if high > low else low + 1, 4)
    return 1.04 * low, max(1.04 * high if down else high, 1.0 if down else ticks[-1])


def round_numbers(low: float, high: float, most: int) -> list[float]:
    """Round numbers from at or below `low` to at or above `high`, zero among them where it lies between; about `most`.

    They are whole: counts have no halves.
    """
    raw = max((high - low) / most, 1e-9)
    size = 10.0 ** floor(log10(raw))
    step = max(1.0, next(factor * size for factor in (1, 2, 2.5, 5, 10) if factor * size >= raw - 1e-9))
    if step == 2.5:
        step = 5.0
    start, end = floor(low / step + 1e-9), -floor(-high / step + 1e-9)
    return [number * step for number in range(start, max(end, start + 1) + 1)]


def round_dates(first: Instant, last: Instant, zone: tzinfo, most: int) -> list[tuple[Instant, bool]]:
    """(midnight, whether it begins a month): days, weeks (Mondays), months, quarters or years; at most `most`."""
    start = datetime.fromtimestamp(first / _MICRO, zone).replace(hour=0, minute=0, second=0, microsecond=0)
    end = datetime.fromtimestamp(last / _MICRO, zone)
    for days in (1, 7, 14):
        day = start + timedelta(days=(-start.weekday()) % 7 if days > 1 else 0)
        number = (end - day).days // days + 1
        if number <= most:
            found = [day + timedelta(days=days * n) for n in range(max(0, number))]
            return [(_instant(each), False) for each in found if first <= _instant(each) <= last]
    for months in (1, 2, 3, 6, 12, 24, 60, 120):
        found = list(_months(start, end, months))
        if len(found) <= most:
            break
    return [(_instant(each), True) for each in found if first <= _instant(each) <= last]


def _months(start: datetime, end: datetime, apart: int) -> Iterable[datetime]:
    number = -(-(start.year * 12 + start.month - 1) // apart) * apart
    while (at := start.replace(year=number // 12, month=number % 12 + 1, day=1)) <= end:
        yield at
        number += apart


def _instant(moment: datetime) -> Instant:
    return round(moment.timestamp()) * _MICRO


def _whole(value: float) -> int:
    return round(value)


# -- parts -----------------------------------------------------------------------------------------------------------


def _grid(chart: Chart, frame: _Frame, _: Translator) -> Iterable[Markup]:
    """The axes: values with lines across, dates with ticks below."""
    for value in round_numbers(frame.low, frame.high, 4):
        if frame.low - 1e-9 <= value <= frame.high + 1e-9:
            y = frame.y(value)
            css = "chart-zero" if value == 0 else "chart-grid"
            yield _path(css, f"M{frame.left:.1f} {y:.1f}H{frame.right:.1f}")
            yield _text(frame.left - 6, y + 4.5, _.number(abs(_whole(value))), "chart-tick", "end")
    taken = -1e9
    for at, month in round_dates(frame.first, frame.last, chart.zone, max(4, frame.width // 84)):
        x, label = frame.x(at), _.axis_month(at, chart.zone) if month else _.axis_day(at, chart.zone)
        yield _path("chart-grid", f"M{x:.1f} {frame.bottom:.1f}v5")
        half = 3.6 * len(label)
        middle = min(max(x, half), frame.width - half)
        if middle - half > taken:
            yield _text(middle, frame.height - 5, label, "chart-tick", "middle")
            taken = middle + half + 6


def _band(band: Band, frame: _Frame) -> Markup:
    if len(band.points) < 2:
        return Markup("")
    there = [(frame.x(at), frame.y(upper)) for at, _lower, upper in band.points]
    back = [(frame.x(at), frame.y(lower)) for at, lower, _upper in reversed(band.points)]
    return _path(f"chart-band chart-band--{band.level}", f"M{_points(there + back)}Z")


def _line(line: Line, frame: _Frame) -> Markup:
    if not line.points:
        return Markup("")
    points = [(frame.x(at), frame.y(value)) for at, value in line.points]
    return _path(f"chart-line chart-line--{line.style}", f"M{_points(points)}")


def _bars(bars: Bars, frame: _Frame) -> Markup:
    """One path for all of them; each a little less wide than its period."""
    zero, way = frame.y(0), 1 if bars.style == "in" else -1
    found = []
    for start, end, value in bars.points:
        x0, x1 = frame.x(start), frame.x(end)
        gap = min(1.0, (x1 - x0) / 5)
        found.append(f"M{x0 + gap / 2:.1f} {zero:.1f}V{frame.y(way * value):.1f}H{x1 - gap / 2:.1f}V{zero:.1f}Z")
    return _path(f"chart-bar chart-bar--{bars.style}", "".join(found))


def _levels(chart: Chart, frame: _Frame) -> Iterable[Markup]:
    for each in chart.levels:
        yield _path(
            f"chart-line chart-line--{each.style}", f"M{frame.left:.1f} {frame.y(each.value):.1f}H{frame.right:.1f}"
        )


def _letters(chart: Chart, frame: _Frame) -> Iterable[Markup]:
    """At the end of each of several lines, moved apart where they would lie on each other."""
    ends = [
        (frame.y(line.points[-1][1]), frame.x(line.points[-1][0]), line.style)
        for line in chart.lines
        if line.style in LETTERS and line.points
    ]
    above = 1e9
    for y, x, style in sorted(ends, reverse=True):
        above = min(y, above - 12)
        yield _text(x + 4, above + 4, LETTERS[style], f"chart-letter chart-letter--{style}", "start")


def _moments(chart: Chart, frame: _Frame) -> Iterable[Markup]:
    rows = _rows(chart, frame.x, frame.right)
    for each, row in zip(chart.moments, rows, strict=True):
        x, top = frame.x(each.at), 17 + _ROW * row
        yield _path(f"chart-moment chart-moment--{each.style}", f"M{x:.1f} {top:.1f}V{frame.bottom:.1f}")
    for each, row in zip(chart.moments, rows, strict=True):
        x, top = frame.x(each.at), 13 + _ROW * row
        half = 3.6 * len(each.label)
        middle = min(max(x, half + 1), frame.width - half - 1)
        yield _text(middle, top, each.label, f"chart-label chart-label--{each.style}", "middle")


def _rows(chart: Chart, x: _Scale, right: float) -> list[int]:
    """In which row above the drawing the label of each moment stands, so that none lies on another."""
    taken: list[list[tuple[float, float]]] = []
    found = []
    for each in chart.moments:
        half = 3.6 * len(each.label) + 4
        middle = min(max(x(each.at), half), right - half)
        reach = (middle - half, middle + half)
        free = (n for n, row in enumerate(taken) if all(reach[1] < a or b < reach[0] for a, b in row))
        row = next(free, len(taken))
        taken += [[]] if row == len(taken) else []
        taken[row].append(reach)
        found.append(row)
    return found


def _points(points: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f} {y:.1f}" for x, y in points)


def _path(css: str, d: str) -> Markup:
    return Markup('<path class="{}" d="{}"/>').format(css, d)


def _text(x: float, y: float, text: str, css: str, anchor: str) -> Markup:
    return Markup('<text class="{}" x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>').format(css, x, y, anchor, text)


def _sample_line(style: str) -> Markup:
    letter = LETTERS.get(style, "")
    end = _text(34, 12, letter, f"chart-letter chart-letter--{style}", "start") if letter else Markup("")
    line = _path(f"chart-line chart-line--{style}", f"M1 8H{32 if letter else 43}")
    return _sample(line + end)


def _sample_box(css: str) -> Markup:
    return _sample(_path(css, "M1 2H43V14H1Z"))


def _sample(parts: Markup) -> Markup:
    return Markup('<svg class="sample" viewBox="0 0 44 16" aria-hidden="true" focusable="false">{}</svg>').format(parts)
