"""A plan as a picture: stages over time, planned and actual, what waits for what, the critical path. Pure; gives SVG.

A stage is a row: its title and state above, an open bar for what was planned and a filled one for what happened. States
have a shape and a word, the critical path has a thick line and a word, so that nothing is told by colour alone. Two
drawings are made, a wide one and a narrow one; the style sheet shows one of them. The table beside it has the moments.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from textwrap import wrap
from typing import Any

from markupsafe import Markup

from keersluis.recovery.plans import PHASES
from keersluis.times import DAY, Instant, parse_instant
from keersluis.web import view_plan as view
from keersluis.web.charts import round_dates
from keersluis.web.scene import Scene

Told = Mapping[str, Any]

_WIDE, _NARROW = 760, 320
_LINE, _BARS, _GAP, _PHASE, _TOP, _BOTTOM = 17, 22, 12, 26, 8, 30
"""Heights: a line of text, both bars, the room below a row, the name of a phase, and the edges."""

SHAPES = {
    "go": "M{l} {m}L{a} {b}L{r} {t}",
    "waits": "M{x} {t}A5 5 0 1 0 {x} {b}A5 5 0 1 0 {x} {t}Z",
    "ready": "M{x} {t}L{r} {m}L{x} {b}L{l} {m}Z",
    "fell": "M{l} {t}H{r}L{x} {b}Z",
    "rolled-back": "M{r} {t}L{l} {m}L{r} {b}Z",
    "no-go": "M{l} {t}L{r} {b}M{r} {t}L{l} {b}",
}
"""By state: a tick, a ring, a diamond, a triangle down, a triangle back, a cross."""


@dataclass(frozen=True)
class _Row:
    """Where a stage stands: `top` of its text, `bar` of its bars."""

    stage: Told
    lines: Sequence[str]
    top: int
    bar: int


@dataclass(frozen=True)
class _Frame:
    scene: Scene
    width: int
    height: int
    first: Instant
    last: Instant
    rows: Sequence[_Row]
    phases: Sequence[tuple[str, int]]

    def x(self, at: Instant) -> float:
        """Within the drawing's edges."""
        part = (at - self.first) / (self.last - self.first)
        return round(10 + (self.width - 20) * min(1.0, max(0.0, part)), 1)


def plan_svg(scene: Scene, plan: Told, name: str, *, narrow: bool) -> Markup:
    """One drawing; `name` is unique on the page."""
    frame = _frame(scene, plan, narrow)
    parts = [*_dates(frame, narrow), *_arrows(frame, plan), *_now(frame, plan)]
    parts += [_phase(text, y) for text, y in frame.phases]
    parts += [part for row in frame.rows for part in _stage(frame, row, plan)]
    return Markup(
        '<svg class="plan-picture plan-picture--{size}" viewBox="0 0 {width} {height}" role="img"'
        ' aria-labelledby="{id}-t {id}-d"><title id="{id}-t">{title}</title><desc id="{id}-d">{text}</desc>'
        "{parts}</svg>"
    ).format(
        size="narrow" if narrow else "wide",
        width=frame.width,
        height=frame.height,
        id=f"{name}-{'narrow' if narrow else 'wide'}",
        title=scene._("Stages over time, planned and actual"),
        text=described(scene, plan),
        parts=Markup("").join(parts),
    )


def described(scene: Scene, plan: Told) -> str:
    """What the picture shows, in words."""
    _ = scene._
    path = _.join(f"“{_title(scene, plan, key)}”" for key in plan["critical_path"])
    told = [f"{view.title(scene, stage)}: {view.state(scene, stage)}." for stage in plan["stages"]]
    return " ".join([*told, _("The critical path: {path}.", path=path)])


def legend(scene: Scene) -> list[tuple[Markup, str]]:
    """Each sample with its word."""
    _ = scene._
    bars = [
        (Markup('<rect class="plan-planned" x="1" y="5" width="30" height="6"/>'), _("planned")),
        (
            Markup('<rect class="plan-planned plan-planned--critical" x="1" y="5" width="30" height="6"/>'),
            _("critical path"),
        ),
        (Markup('<rect class="plan-actual" x="1" y="4" width="30" height="8"/>'), _("actual")),
    ]
    named = {
        "waits": _("still waits"),
        "ready": _("ready for go"),
        "go": _("go stands"),
        "no-go": _("no-go"),
        "fell": _("go fell"),
        "rolled-back": _("rolled back"),
    }
    return bars + [(_shape(key, 16, 8), word) for key, word in named.items()]


# -- where things stand ----------------------------------------------------------------------------------------------


def _frame(scene: Scene, plan: Told, narrow: bool) -> _Frame:
    width, y = (_NARROW if narrow else _WIDE), _TOP
    rows: list[_Row] = []
    phases: list[tuple[str, int]] = []
    for key in PHASES:
        stages = [stage for stage in plan["stages"] if stage["phase"] == key]
        if stages:
            phases.append((view.phase(scene, stages[0]), y + 16))
            y += _PHASE
        for stage in stages:
            lines = _lines(scene, stage, narrow)
            bar = y + _LINE * len(lines)
            rows.append(_Row(stage, lines, y, bar))
            y = bar + _BARS + _GAP
    first, last = _span(scene, plan)
    return _Frame(scene, width, y + _BOTTOM, first, last, rows, phases)


def _lines(scene: Scene, stage: Told, narrow: bool) -> list[str]:
    """The title, and its state in words; on a small screen below each other."""
    marks = [view.state(scene, stage)]
    marks += [scene._("critical path")] if stage["critical"] else []
    marks += [late] if (late := view.late(scene, stage)) else []
    title, state = view.title(scene, stage), ", ".join(marks)
    return [*wrap(title, 40), state] if narrow else [f"{title} ({state})"]


def _moments(stage: Told) -> list[Instant]:
    texts = [stage["planned"]["start"], stage["planned"]["end"], stage["expected_end"], *stage["actual"].values()]
    return [parse_instant(each) for each in texts if each]


def _span(scene: Scene, plan: Told) -> tuple[Instant, Instant]:
    known = [at for stage in plan["stages"] for at in _moments(stage)]
    if plan["state"] == "adopted":
        known.append(scene.now)
    first, last = min(known), max(known)
    edge = max(DAY, (last - first) // 40)
    return first - edge, last + edge


# -- what is drawn ---------------------------------------------------------------------------------------------------


def _dates(frame: _Frame, narrow: bool) -> Iterable[Markup]:
    zone, _ = frame.scene.chain.timezone, frame.scene._
    bottom = frame.height - _BOTTOM + 4
    for at, _first in round_dates(frame.first, frame.last, zone, 3 if narrow else 6):
        x = frame.x(at)
        text = _.day(at, zone).rsplit(" ", 1)[0]
        yield Markup('<path class="plan-grid" d="M{x} {top}V{bottom}"/>').format(x=x, top=_TOP, bottom=bottom)
        anchor = "start" if x < 40 else "end" if x > frame.width - 40 else "middle"
        yield Markup('<text class="plan-date" x="{x}" y="{y}" text-anchor="{anchor}">{text}</text>').format(
            x=x, y=bottom + 16, anchor=anchor, text=text
        )


def _now(frame: _Frame, plan: Told) -> Iterable[Markup]:
    at = frame.scene.now
    if plan["state"] == "adopted" and frame.first <= at <= frame.last:
        x = frame.x(at)
        yield Markup('<path class="plan-now" d="M{x} {top}V{bottom}"/>').format(
            x=x, top=_TOP, bottom=frame.height - _BOTTOM + 4
        )
        anchor = "end" if x > frame.width / 2 else "start"
        yield Markup('<text class="plan-word" x="{x}" y="{y}" text-anchor="{anchor}">{text}</text>').format(
            x=x + (-4 if anchor == "end" else 4), y=_TOP + 8, anchor=anchor, text=frame.scene._("now")
        )


def _phase(text: str, y: int) -> Markup:
    return Markup('<text class="plan-phase" x="10" y="{y}">{text}</text>').format(y=y, text=text)


def _stage(frame: _Frame, row: _Row, plan: Told) -> Iterable[Markup]:
    stage = row.stage
    start, end = (frame.x(parse_instant(stage["planned"][name])) for name in ("start", "end"))
    yield _shape(view.mark(stage), 17, row.top + 9)
    for n, line in enumerate(row.lines):
        yield Markup('<text class="plan-title" x="28" y="{y}">{line}</text>').format(
            y=row.top + 13 + _LINE * n, line=line
        )
    css = "plan-planned plan-planned--critical" if stage["critical"] else "plan-planned"
    yield Markup('<rect class="{css}" x="{x}" y="{y}" width="{w}" height="6"/>').format(
        css=css, x=start, y=row.bar + 4, w=max(3, round(end - start, 1))
    )
    yield from _actual(frame, row, plan)


def _actual(frame: _Frame, row: _Row, plan: Told) -> Iterable[Markup]:
    actual = row.stage["actual"]
    if not actual["begun"]:
        return
    begun = frame.x(parse_instant(actual["begun"]))
    ends = actual["go"] or (frame.scene.latest if plan["state"] == "adopted" else actual["begun"])
    end = frame.x(parse_instant(ends))
    css = "plan-actual" if actual["go"] else "plan-actual plan-actual--running"
    yield Markup('<rect class="{css}" x="{x}" y="{y}" width="{w}" height="8"/>').format(
        css=css, x=begun, y=row.bar + 13, w=max(3, round(end - begun, 1))
    )


def _arrows(frame: _Frame, plan: Told) -> Iterable[Markup]:
    """From the planned end of a stage to the planned start of one that depends on it."""
    rows = {row.stage["key"]: row for row in frame.rows}
    path = plan["critical_path"]
    pairs = set(pairwise(path))
    for row in frame.rows:
        for key in row.stage["depends_on"]:
            before = rows[key]
            x, y = frame.x(parse_instant(before.stage["planned"]["end"])), before.bar + 7
            to, at = frame.x(parse_instant(row.stage["planned"]["start"])), row.bar + 7
            tip = at - 4 if at > y else at + 4
            head = -4 if at > y else 4
            css = "plan-arrow plan-arrow--critical" if (key, row.stage["key"]) in pairs else "plan-arrow"
            yield Markup('<path class="{css}" d="M{x} {y}H{to}V{tip}m-3 {head}l3 {back}l3 {head}"/>').format(
                css=css, x=x, y=y, to=to + 2, tip=tip, head=head, back=-head
            )


def _shape(key: str, x: float, y: float) -> Markup:
    path = SHAPES[key].format(x=x, m=y, l=x - 5, r=x + 5, t=y - 5, b=y + 5, a=x - 1)
    return Markup('<path class="plan-mark plan-mark--{key}" d="{path}"/>').format(key=key, path=path)


def _title(scene: Scene, plan: Told, key: str) -> str:
    return next(view.title(scene, stage) for stage in plan["stages"] if stage["key"] == key)
