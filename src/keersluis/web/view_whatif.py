"""What the page of variants shows: the form, the dates side by side, and how the backlogs would fall. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from markupsafe import Markup

from keersluis.times import Instant, parse_when
from keersluis.web import charts
from keersluis.web.scene import Scene

PATH = "/herstel/achterstanden/wat-als"
PLANS = "/v0/achterstanden/_wat-als"

PATHS = 500
"""Paths of a comparison on the page: so few that nobody waits for long."""

STYLES: tuple[charts.Style, ...] = ("one", "two", "three", "four", "five")

UNSURE = 0.1
"""From this share of paths beyond the forecast on, a change is told as the least that it is."""


@dataclass(frozen=True)
class Choice:
    """One backlog of which a plan speaks: `value` stands in the form."""

    organisation: str
    backlog: str
    label: str
    variants: Sequence[tuple[str, str]]

    @property
    def value(self) -> str:
        return f"{self.organisation}/{self.backlog}"


def choices(scene: Scene, told: Mapping[str, Any]) -> list[Choice]:
    """Every backlog with a plan, of every node that answers `PLANS`."""
    pick = scene._.pick
    return [
        Choice(
            organisation,
            each["backlog"],
            f"{scene.short(organisation)}: {pick(each['of'])}",
            [(one["key"], pick(one["title"])) for one in each["variants"]],
        )
        for organisation, answer in told.items()
        for each in answer.get("plans", [])
    ]


def chosen(found: Sequence[Choice], value: str | None) -> Choice | None:
    """The one asked for, else the first."""
    return next((each for each in found if each.value == value), found[0] if found else None)


def address(choice: Choice, variants: Sequence[str], language: str) -> str:
    """Where the node says it."""
    known = [key for key, _title in choice.variants]
    asked = [("variant", each) for each in dict.fromkeys(variants) if each in known]
    query = urlencode([*asked, ("paden", PATHS), ("taal", language)])
    return f"/v0/achterstanden/{quote(choice.backlog, safe='')}/wat-als?{query}"


@dataclass(frozen=True)
class Row:
    """One variant at one organisation, in words."""

    letter: str
    title: str
    gone: str
    between: str
    change: str
    changes: str
    share: str


@dataclass(frozen=True)
class Part:
    """One organisation, or all together."""

    name: str
    title: str
    sentences: Sequence[str]
    rows: Sequence[Row]
    chart: Markup
    weeks: Sequence[tuple[str, Sequence[str]]]


def parts(scene: Scene, told: Mapping[str, Any]) -> list[Part]:
    """Of the answer of a node: each organisation in the row, then all together."""
    return [_part(scene, told, place) for place in range(len(told["organisations"]))]


def _part(scene: Scene, told: Mapping[str, Any], place: int) -> Part:
    of = told["organisations"][place]
    variants = [each | each["organisations"][place] for each in told["variants"]]
    charted = variants[: len(STYLES)]
    weeks = _seen(charted)
    return Part(
        of["key"] or "all",
        of["title"] if of["key"] else scene._("All together"),
        _sentences(scene, told, variants),
        [_row(scene, n, each) for n, each in enumerate(variants)],
        _chart(scene, told, of, charted, weeks) if weeks else Markup(""),
        _weeks(scene, told, charted, weeks),
    )


# -- words


def day(scene: Scene, text: str | None) -> str:
    """A date as people there write it."""
    if text is None:
        return scene._("not within the forecast")
    return scene._.day(_instant(scene, text), scene.chain.timezone)


def _instant(scene: Scene, text: str) -> Instant:
    return parse_when(text, scene.chain.timezone).start


def _sentences(scene: Scene, told: Mapping[str, Any], variants: Sequence[Mapping[str, Any]]) -> list[str]:
    _ = scene._
    first, *others = variants
    gone = first["gone"]
    if gone["date"] is None:
        said = [_("As planned it is not gone by the end of the forecast.")]
    elif gone["date"] == told["as_of"]:
        return [_("There is no backlog here now.")]
    else:
        said = [_("As planned it is gone about {day}.", day=day(scene, gone["date"]))]
    better = min(others, key=lambda each: each["change"]["days"], default=None)
    if better is None:
        return said
    if better["change"]["days"] < 0:
        said.append(_("Most is gained by: {variant} ({change}).", variant=better["title"], change=days(scene, better)))
    else:
        said.append(_("None of these variants brings that day forward."))
    return said


def days(scene: Scene, variant: Mapping[str, Any]) -> str:
    """How much sooner or later."""
    change = variant["change"]
    text = _days(scene, change["days"])
    return scene._("at least {days}", days=text) if change["beyond"] > UNSURE and change["days"] else text


def _days(scene: Scene, number: int) -> str:
    if not number:
        return scene._("no change")
    if number < 0:
        return scene._.plural("{count} day sooner", "{count} days sooner", -number)
    return scene._.plural("{count} day later", "{count} days later", number)


def _row(scene: Scene, n: int, variant: Mapping[str, Any]) -> Row:
    _ = scene._
    gone = variant["gone"]
    level = gone["intervals"][1]
    between = _("{first} to {last}", first=day(scene, level["from"]), last=day(scene, level["to"]))
    letter = charts.LETTERS[STYLES[n]] if n < len(STYLES) else ""
    if "change" not in variant:
        return Row(letter, variant["title"], day(scene, gone["date"]), between, "–", "–", "–")
    change = variant["change"]
    level = change["intervals"][1]
    changes = "–"
    if level["from"] or level["to"]:
        changes = _("{first} to {last}", first=_days(scene, level["from"]), last=_days(scene, level["to"]))
    share = f"{round(100 * change['sooner'])} %"
    return Row(letter, variant["title"], day(scene, gone["date"]), between, days(scene, variant), changes, share)


# -- pictures


def _points(scene: Scene, told: Mapping[str, Any], middle: Sequence[float]) -> list[charts.Point]:
    start = _instant(scene, told["as_of"])
    week = 7 * 86_400 * 1_000_000
    return [(start + week * (n + 1), value) for n, value in enumerate(middle)]


def _chart(
    scene: Scene, told: Mapping[str, Any], of: Mapping[str, Any], variants: Sequence[Mapping[str, Any]], weeks: int
) -> Markup:
    _ = scene._
    lines = [
        charts.Line(_points(scene, told, each["middle"][:weeks]), each["title"], style)
        for style, each in zip(STYLES, variants, strict=False)
    ]
    chart = charts.Chart(
        name=f"what-if-{of['key']}",
        title=_("{title}: how many wait, by variant", title=of["title"]),
        text=" ".join(_sentences(scene, told, variants)),
        zone=scene.chain.timezone,
        lines=lines,
    )
    return charts.figure(chart, _)


def _seen(variants: Sequence[Mapping[str, Any]]) -> int:
    """Weeks that are drawn: until little is left in any variant, and a little longer; none where nothing ever waits."""
    middles = [each.get("middle", []) for each in variants]
    most = max((value for each in middles for value in each), default=0.0)
    last = max((n for each in middles for n, value in enumerate(each) if value > 0.02 * most), default=-1)
    return min(last + 5, len(middles[0])) if most else 0


def _weeks(
    scene: Scene, told: Mapping[str, Any], variants: Sequence[Mapping[str, Any]], weeks: int
) -> list[tuple[str, Sequence[str]]]:
    """The same figures, every fourth week."""
    zone, _ = scene.chain.timezone, scene._
    points = _points(scene, told, variants[0].get("middle", [])[:weeks])
    return [
        (_.day(at, zone), [_.number(round(each["middle"][n])) for each in variants])
        for n, (at, _value) in enumerate(points)
        if n % 4 == 3
    ]
