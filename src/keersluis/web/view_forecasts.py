"""What the page of forecasts shows: each record with its figures and pictures, each kept forecast with what came.
Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from keersluis.recovery.forecast_views import came_true
from keersluis.times import parse_when
from keersluis.web.charts import Band, Chart, Line, figure
from keersluis.web.picture_reliability import reliability
from keersluis.web.scene import Scene

API = "/v0/prognoses"

SHOWN = 8
"""So many forecasts of each record stand on the page, the newest."""

DRAWN = 4
"""The steps ahead of the picture over time."""

LEVELS = (0.5, 0.8, 0.95)


@dataclass(frozen=True)
class Record:
    """One backlog of one organisation, by one method: cells are words already."""

    name: str
    organisation: str
    backlog: str
    method: str
    sentences: Sequence[str]
    coverage: Sequence[tuple[str, Sequence[str], str, str]]
    reliability: Markup
    shares: Sequence[tuple[str, str]]
    over_time: Markup
    forecasts: Sequence[Forecast]


@dataclass(frozen=True)
class Forecast:
    """One kept forecast: its heading, a sentence about the end, and rows of (date, what was said, what came, verdict,
    whether it held)."""

    heading: str
    end: str
    rows: Sequence[tuple[str, str, str, str, bool | None]]
    digest: str


def records(scene: Scene, answers: Mapping[str, Any]) -> list[Record]:
    """Of each organisation that answers, its records."""
    return [
        _record(scene, organisation, each, told, f"r{number}-{organisation}")
        for organisation, told in answers.items()
        for number, each in enumerate(told.get("records", ()), 1)
    ]


def says(scene: Scene, answers: Mapping[str, Any]) -> list[str]:
    """A few sentences for the page that leads to the others."""
    _ = scene._
    lines = []
    for told in answers.values():
        for each in told.get("records", ()):
            of = each["headline"]
            if of["number"]:
                lines.append(f"{title(scene, told, each['backlog'])}: {came_true(of, scene._)}")
    return lines[:5]


def title(scene: Scene, told: Mapping[str, Any], backlog: str) -> str:
    """The backlog's own title, where the node has one for it."""
    words = told.get("titles", {}).get(backlog)
    return scene._.pick(words) if words else backlog


def _record(scene: Scene, organisation: str, of: Mapping[str, Any], told: Mapping[str, Any], name: str) -> Record:
    _ = scene._
    own = [each for each in told["forecasts"] if (each["backlog"], each["method"]) == (of["backlog"], of["method"])]
    points = [(stated, share, number) for stated, share, number in of["reliability"]]
    return Record(
        name,
        scene.name(organisation),
        title(scene, told, of["backlog"]),
        _("simulated paths") if of["method"] == "paths" else _("the record of its own errors"),
        _sentences(scene, of),
        _coverage(scene, of["tallies"]),
        reliability(points, name, _),
        [(_percent(scene, stated), _percent(scene, share)) for stated, share, _number in points],
        _over_time(scene, own, name),
        [_forecast(scene, each) for each in own[:SHOWN]],
    )


def _sentences(scene: Scene, of: Mapping[str, Any]) -> list[str]:
    _ = scene._
    told = [came_true(of["headline"], scene._)]
    number = of["headline"]["number"]
    if number and of["headline"]["apart"] < number:
        told.append(_("Statements that overlap are no independent trials: chance plays a larger part than the count."))
    factors = [factor for factor in of["stretch"].values() if factor != 1.0]
    if factors:
        told.append(
            _(
                "For what earlier statements missed, the next intervals are made {factor} times as wide.",
                factor=_.join([_.number(round(factor, 2)) for factor in of["stretch"].values()]),
            )
        )
    return told


def _coverage(scene: Scene, tallies: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[str], str, str]]:
    """Rows of (horizon, cell for each level, how many do not overlap, interval score of 80 %)."""
    _ = scene._
    rows = []
    for horizon in dict.fromkeys(each["horizon"] for each in tallies):
        by_level = {each["level"]: each for each in tallies if each["horizon"] == horizon}
        one = by_level[0.8]
        label = _("the end") if horizon is None else _.plural("{count} step", "{count} steps", horizon)
        score = "" if one["interval_score"] is None else _.number(round(one["interval_score"]))
        cells = [
            _(
                "{held} of {number} ({percent} %)",
                held=by_level[level]["held"],
                number=by_level[level]["number"],
                percent=round(100 * by_level[level]["coverage"]),
            )
            for level in LEVELS
        ]
        rows.append((label, cells, _.number(one["apart"]), score))
    return rows


def _percent(scene: Scene, share: float) -> str:
    return scene._("{number} %", number=scene._.number(round(100 * share, 1)))


def _over_time(scene: Scene, kept: Sequence[Mapping[str, Any]], name: str) -> Markup:
    """What was said some steps ahead, and what came, by the day that was spoken of."""
    _, zone = scene._, scene.chain.timezone
    sizes = [size for each in reversed(kept) for size in each["sizes"] if size["horizon"] == DRAWN]
    dated = sorted((parse_when(size["date"], zone).end, size) for size in sizes) if len(sizes) > 1 else []
    dated = [(at, size) for n, (at, size) in enumerate(dated) if n == 0 or at > dated[n - 1][0]]
    came = [(at, float(size["actual"])) for at, size in dated if size["actual"] is not None]
    chart = Chart(
        name=f"{name}-time",
        title=_("What was said {steps} steps ahead, and what came", steps=DRAWN),
        text=_("The band should hold about four in five of the sizes that came."),
        zone=zone,
        bands=[Band([(at, size["low"], size["high"]) for at, size in dated], _("80 % of probability"), 80)],
        lines=[
            Line([(at, size["middle"]) for at, size in dated], _("said"), "ahead"),
            *([Line(came, _("what came"), "past")] if came else []),
        ],
    )
    return figure(chart, _)


def _forecast(scene: Scene, each: Mapping[str, Any]) -> Forecast:
    _ = scene._
    heading = _(
        "Number {n}, of {day}: {stock} waited", n=each["n"], day=_day(scene, each["as_of"]), stock=each["stock"]
    )
    return Forecast(heading, _end(scene, each["gone"]), [_row(scene, size) for size in each["sizes"]], each["digest"])


def _row(scene: Scene, size: Mapping[str, Any]) -> tuple[str, str, str, str, bool | None]:
    _ = scene._
    said = _("{low} to {high}", low=round(size["low"]), high=round(size["high"]))
    if size["held"] is None:
        return _day(scene, size["date"]), said, "", _("not known yet"), None
    came = _.number(size["actual"])
    if size["corrected"] is not None:
        came = _("{size}, corrected later to {corrected}", size=size["actual"], corrected=size["corrected"])
    return _day(scene, size["date"]), said, came, _("came true") if size["held"] else _("missed"), size["held"]


def _end(scene: Scene, gone: Mapping[str, Any]) -> str:
    _ = scene._
    if gone["never_at_this_rate"]:
        told = _("Never gone at this rate, it said.")
    else:
        first, last = next((each["from"], each["to"]) for each in gone["intervals"] if each["level"] == 0.8)
        told = _(
            "Gone about {day}, it said; with probability 80 % from {first} to {last}.",
            day=_day(scene, gone["date"]),
            first=_day(scene, first) if first else _("never"),
            last=_day(scene, last) if last else _("never"),
        )
    if gone["held"] is None:
        return told
    if gone["came"]:
        verdict = _("It was gone on {day}: that came true.") if gone["held"] else _("It was gone on {day}: missed.")
        return f"{told} {verdict.format(day=_day(scene, gone['came']))}"
    return f"{told} " + _("It was not gone by then: missed.")


def _day(scene: Scene, day: str) -> str:
    return scene._.day(parse_when(day, scene.chain.timezone).start, scene.chain.timezone)
