"""The page of backlogs: what waits where, until when it lasts, with burn-down and fan. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from markupsafe import Markup

from keersluis.recovery.backlog_words import age_label
from keersluis.times import DAY, Instant, parse_instant, parse_when
from keersluis.web.charts import Band, Bars, Chart, Level, Line, Moment, bar, figure
from keersluis.web.scene import Scene

PATH = "/herstel/achterstanden"
API, SAID = "/v0/achterstanden", "/v0/prognoses"

BANDS = ((95, 0.025, 0.975), (80, 0.1, 0.9), (50, 0.25, 0.75))

Told: TypeAlias = Mapping[str, Any]
Answers: TypeAlias = Mapping[str, Any]
"""Organisation -> what its node answered."""


def says(scene: Scene, given: Answers) -> Sequence[str]:
    """What holds the register back, and how many backlogs are above normal."""
    _, found = scene._, []
    for key, told in _own(given).items():
        if told.get("holding"):
            found.append(f"{scene.short(key)}: {told['holding'][f'sentence_{_.language}']}")
    above = [each for told in _own(given).values() for each in told["backlogs"] if each["stock"] > each["normal"]]
    never = [each for each in above if each["normal_again"]["middle"] is None]
    if above:
        found.append(
            _.plural("{count} backlog is above normal", "{count} backlogs are above normal", len(above))
            + _.plural("; {count} never ends at this rate.", "; {count} never end at this rate.", len(never))
        )
    elif _own(given):
        found.append(_("No backlog is above normal."))
    return found


def _own(given: Answers) -> dict[str, Told]:
    """What each organisation says of itself."""
    return {key: told for key, told in given.items() if told.get("organisation") == key and told.get("backlogs")}


# -- the list --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """One backlog of the list."""

    told: Told
    href: str
    title: str
    channel: str
    oldest: Markup
    until: str
    sentence: str
    terms: str
    drawing: Markup


@dataclass(frozen=True)
class House:
    """One organisation with its backlogs, worst first."""

    organisation: str
    holding: str
    rows: Sequence[Row]


def houses(scene: Scene, given: Answers, said: Answers) -> list[House]:
    """In the order of the chain; `said`: the kept forecasts of each."""
    found = []
    for key, told in _own(given).items():
        newest = _newest(said.get(key, {}).get("forecasts", ()))
        holding = told["holding"][f"sentence_{scene._.language}"] if told["holding"] else ""
        rows = [_row(scene, key, each, newest.get(each["key"])) for each in told["backlogs"]]
        found.append(House(key, holding, rows))
    return found


def _newest(forecasts: Sequence[Told]) -> dict[str, Told]:
    """The last forecast of each backlog; they come newest first."""
    return {each["backlog"]: each for each in reversed(list(forecasts))}


def _row(scene: Scene, organisation: str, told: Told, said: Told | None) -> Row:
    _ = scene._
    return Row(
        told,
        f"{PATH}/{organisation}/{told['key']}",
        _.pick(told["title"]),
        channel(scene, told["channel"]),
        scene.short_moment(told["oldest"]),
        _until(scene, told, said),
        told[f"lasts_{_.language}"],
        told[f"terms_{_.language}"],
        figure(_small(scene, told, said), _, small=True) if told["stock"] > told["normal"] else Markup(""),
    )


def channel(scene: Scene, key: str) -> str:
    _ = scene._
    words = {"digital": _("digital"), "paper": _("on paper"), "mail": _("by mail"), "calls": _("by telephone")}
    return words.get(key, key)


def process(scene: Scene, key: str) -> str:
    _ = scene._
    words = {
        "investigation": _("investigation"),
        "prosecution": _("prosecution"),
        "trial": _("trial"),
        "execution": _("execution"),
        "cross-cutting": _("all processes"),
    }
    return words.get(key, key)


def _until(scene: Scene, told: Told, said: Told | None) -> str:
    """A day: by the kept forecast where there is one, else by the present rate."""
    _, zone = scene._, scene.chain.timezone
    if told["stock"] <= told["normal"]:
        return _("normal")
    if said is not None:
        day = said["gone"]["date"]
        return _.day(parse_when(day, zone).start, zone) if day else _("never at this rate")
    middle = told["normal_again"]["middle"]
    return _.day(parse_instant(middle), zone) if middle else _("never at this rate")


def _small(scene: Scene, told: Told, said: Told | None) -> Chart:
    """The stock of late and, where there is a forecast, its middle and its interval of four in five."""
    _ = scene._
    past = [(parse_instant(at), float(stock)) for at, stock in told["recent"]]
    lines, bands = [Line(past, _("waiting"))], []
    if said is not None:
        ahead = _ahead(scene, said)
        lines.append(Line([(at, middle) for at, _low, middle, _high in ahead], _("expected"), "ahead"))
        bands.append(Band([(at, low, high) for at, low, _middle, high in ahead], _("80 of 100"), 80))
    return Chart(
        f"small-{told['key']}", _.pick(told["title"]), told[f"lasts_{_.language}"], scene.chain.timezone,
        lines, bands, levels=[Level(told["normal"], _("normal"))],
    )  # fmt: skip


def _ahead(scene: Scene, said: Told) -> list[tuple[Instant, float, float, float]]:
    """(at, low, middle, high) from the moment of the forecast on."""

    def end(day: str) -> Instant:
        return parse_when(day, scene.chain.timezone).end + 1

    now = float(said["stock"])
    return [(end(said["as_of"]), now, now, now)] + [
        (end(each["date"]), each["low"], each["middle"], each["high"]) for each in said["sizes"]
    ]


# -- one backlog -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fan:
    """The kept forecast, step by step: (day, middle, and the interval of each of BANDS)."""

    chart: Markup
    rows: Sequence[tuple[Any, ...]]
    sentence: str
    made: Markup


def burn_down(scene: Scene, told: Told, said: Told | None) -> Fan:
    """Past stock and, by the kept forecast, what is ahead; or by the present rate, and then without intervals."""
    _ = scene._
    past = [(parse_instant(each["until"]), float(each["stock"])) for each in told["steps"]]
    lines, bands, rows = [Line(past, _("waiting"))], [], []
    if said is not None and said.get("statement"):
        rows = _fan(said["statement"])
        lines.append(Line([(at, middle) for at, middle, _bands in rows], _("expected"), "ahead"))
        labels = {95: _("95 of 100"), 80: _("80 of 100"), 50: _("50 of 100")}
        for n, (level, _low, _high) in enumerate(BANDS):
            bands.append(Band([(at, *found[n]) for at, _middle, found in rows], labels[level], level))
    elif ahead := _at_this_rate(told):
        lines.append(Line(ahead, _("at the present rate"), "ahead"))
    chart = Chart(
        f"burn-{told['key']}", _.pick(told["title"]), told[f"lasts_{_.language}"], scene.chain.timezone,
        lines, bands, moments=_moments(scene, told), levels=_levels(scene, told),
    )  # fmt: skip
    return Fan(
        figure(chart, _),
        [_fan_row(scene, row) for row in rows[1:]],
        "" if said is None else _foreseen(scene, said),
        Markup("") if said is None else scene.short_moment(said["made"]),
    )


def _fan(statement: Told) -> list[tuple[Instant, float, list[tuple[float, float]]]]:
    """(at, middle, [(low, high) of each of BANDS]) from the moment of the forecast on."""
    levels, start = statement["levels"], parse_instant(statement["as_of"])
    now = float(statement["stock"])
    found = [(start, now, [(now, now)] * len(BANDS))]
    for n, row in enumerate(statement["quantiles"], 1):
        intervals = [(_quantile(levels, row, low), _quantile(levels, row, high)) for _level, low, high in BANDS]
        found.append((start + n * statement["step"], _quantile(levels, row, 0.5), intervals))
    return found


def _quantile(levels: Sequence[float], row: Sequence[float], at: float) -> float:
    """Between those that are stated, on a straight line."""
    if at <= levels[0]:
        return row[0]
    for n in range(1, len(levels)):
        if at <= levels[n]:
            share = (at - levels[n - 1]) / (levels[n] - levels[n - 1])
            return float(row[n - 1] + share * (row[n] - row[n - 1]))
    return row[-1]


def _fan_row(scene: Scene, row: tuple[Instant, float, list[tuple[float, float]]]) -> tuple[Any, ...]:
    _ = scene._
    at, middle, bands = row
    cells = [
        _("{low} to {high}", low=_.number(round(low)), high=_.number(round(high))) for low, high in reversed(bands)
    ]
    return (_.day(at - 1, scene.chain.timezone), _.number(round(middle)), *cells)


def _at_this_rate(told: Told) -> list[tuple[Instant, float]]:
    """A straight line to normal, or a quarter of a year on."""
    now, stock = parse_instant(told["as_of"]), float(told["stock"])
    growth = told["per_week"]["growth"] / 7
    if stock <= told["normal"] or not growth:
        return []
    days = min(91.0, (told["normal"] - stock) / growth if growth < 0 else 91.0)
    return [(now, stock), (now + round(days * DAY), stock + growth * days)]


def _moments(scene: Scene, told: Told) -> list[Moment]:
    """Now, and the first term that is still to pass."""
    _, zone = scene._, scene.chain.timezone
    now = parse_instant(told["as_of"])
    due = [
        parse_instant(each["oldest"]) + each["days"] * DAY
        for each in told["classes"]
        if each["days"] and each["oldest"]
    ]
    ahead = [Moment(at, _("oldest due {day}", day=_.axis_day(at, zone)), "deadline") for at in due if at > now]
    return [Moment(now, _("now")), *ahead[:1]]


def _levels(scene: Scene, told: Told) -> list[Level]:
    """Normal, and above what stock terms are missed: what goes within the shortest that most have."""
    _ = scene._
    found = [Level(told["normal"], _("normal ({count})", count=told["normal"]))]
    terms = [each for each in told["classes"] if each["days"] and each["stock"]]
    if terms and told["per_week"]["gone"] > 0:
        days = max(terms, key=lambda each: each["stock"])["days"]
        most = told["per_week"]["gone"] * days / 7
        label = _("above this a term of {days} days is missed ({count})", days=days, count=round(most))
        found.append(Level(most, label, "limit"))
    return found


def _foreseen(scene: Scene, said: Told) -> str:
    """What the kept forecast says of its end."""
    _, zone = scene._, scene.chain.timezone

    def day(text: str) -> str:
        return _.day(parse_when(text, zone).start, zone)

    gone = said["gone"]
    if not gone["date"]:
        return _("By the forecast it never ends at this rate.")
    told = _("By the forecast it is back to normal about {day}", day=day(gone["date"]))
    span = next((each for each in gone["intervals"] if each["level"] == 0.8), None)
    if span is None or not span["from"]:
        return f"{told}."
    last = day(span["to"]) if span["to"] else _("never")
    return told + _("; with a probability of 80 % between {first} and {last}.", first=day(span["from"]), last=last)


def in_and_out(scene: Scene, told: Told) -> tuple[Markup, list[tuple[str, ...]]]:
    """The bars of what came and went, and their table, newest first."""
    _ = scene._
    steps = told["steps"][-104:]
    spans = [(parse_instant(each["from"]), parse_instant(each["until"])) for each in steps]
    bars = [
        Bars([(*span, each["came"]) for span, each in zip(spans, steps, strict=True)], _("came"), "in"),
        Bars([(*span, each["gone"]) for span, each in zip(spans, steps, strict=True)], _("left"), "out"),
    ]
    week = told["per_week"]
    text = _("A week: {came} come, {gone} go.", came=_.number(week["came"]), gone=_.number(week["gone"]))
    chart = Chart(f"flow-{told['key']}", _("What came and what left"), text, scene.chain.timezone, bars=bars)
    rows = [
        (
            _.day(span[1] - 1, scene.chain.timezone),
            *(_.number(each[name]) for name in ("came", "gone", "stock")),
        )
        for span, each in reversed(list(zip(spans, steps, strict=True)))
    ]
    return figure(chart, _), rows[:60]


def ages(scene: Scene, told: Told) -> list[tuple[str, Markup, str]]:
    """(age, a bar, how many)."""
    most = max((each["count"] for each in told["ages"]), default=0)
    return [
        (age_label((each["from"], each["to"]), scene._), bar(each["count"], most), scene._.number(each["count"]))
        for each in told["ages"]
    ]


def classes(scene: Scene, told: Told) -> list[tuple[Any, ...]]:
    """(class, waiting, hours, term, past it, will be, source of the term)."""
    _ = scene._

    def count(value: int | None) -> str:
        return "–" if value is None else _.number(value)

    return [
        (
            _.pick(each["title"]),
            _.number(each["stock"]),
            _.number(each["hours"]),
            _.plural("{count} day", "{count} days", each["days"]) if each["days"] else "–",
            count(each["overdue"]),
            count(each["will_be_overdue"]),
            each["source"].get(_.language, ""),
        )
        for each in told["classes"]
    ]


def imports(scene: Scene, told: Told) -> list[tuple[Any, ...]]:
    """(when, until, came, left, who, why, digest, undone)."""
    _ = scene._
    return [
        (
            scene.short_moment(each["at"]),
            scene.short_moment(each["until"]),
            _.number(each["came"]),
            _.number(each["left"]),
            each["who"],
            each["why"],
            each["digest"][:12],
            scene.short_moment(each["undone"]) or "–",
        )
        for each in told["imports"]
    ]


def forms(organisation: str, told: Told) -> tuple[str, str] | None:
    """The addresses of the forms to import and to undo; None where it counts itself."""
    if told["counts"] != "import":
        return None
    base = f"/herstel/doen/{organisation}"
    return f"{base}/tellingen-importeren?backlog={told['key']}", f"{base}/import-ongedaan?backlog={told['key']}"
