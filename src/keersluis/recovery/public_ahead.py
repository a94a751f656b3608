"""What outsiders may read of what is expected: stages of a plan, and until when a backlog lasts. Pure.

Only of plans and backlogs that are marked public in the chain folder; who decided, and why, is never in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from keersluis.recovery.forecasts import Forecast
from keersluis.recovery.stock import Backlog
from keersluis.sections import LANGUAGES
from keersluis.times import Instant, parse_instant
from keersluis.words import Translator, translator

LEVEL = 0.8
"""The interval that is told: four in five."""


def of_plan(plan: Mapping[str, Any], zone: ZoneInfo) -> list[dict[str, Any]]:
    """From `plan_view.document` of a plan that stands: the stages that are still to come, each with its moment."""
    if not plan["public"]:
        return []
    found = []
    for stage in plan["stages"]:
        if stage["expected_end"] is not None and stage["state"] != "go":
            at, title = parse_instant(stage["expected_end"]), stage["title"]
            text = {each: _stage(translator(each), title, at, zone) for each in LANGUAGES}
            row = {"sort": "stage", "plan": plan["name"], "stage": stage["key"], "expected": stage["expected_end"]}
            found.append({**row, "text": text})
    return sorted(found, key=lambda row: parse_instant(row["expected"]))


def of_backlogs(backlogs: Sequence[Backlog], newest: Mapping[str, Forecast], zone: ZoneInfo) -> list[dict[str, Any]]:
    """`newest`: the last forecast of each backlog that has one."""
    return [
        {
            "sort": "backlog",
            "backlog": each.key,
            "stock": newest[each.key].stock,
            "text": {lang: _backlog(translator(lang), each, newest[each.key], zone) for lang in LANGUAGES},
        }
        for each in backlogs
        if each.public and each.key in newest and newest[each.key].stock > each.normal
    ]


def _stage(_: Translator, title: Mapping[str, str], at: Instant, zone: ZoneInfo) -> str:
    day = _.day(at, zone)
    return _("{stage}: expected {day}, if what is left takes as long as planned.", stage=_.pick(title), day=day)


def _backlog(_: Translator, backlog: Backlog, said: Forecast, zone: ZoneInfo) -> str:
    facts = {"title": _.pick(backlog.title), "stock": said.stock, "day": _.day(said.at(0) - 1, zone)}
    middle, (first, last) = said.gone.middle, _between(said)
    if middle is None:
        return _("{title}: {stock} waited at the end of {day}; at this rate they will not be worked off.", **facts)
    facts["until"] = _.day(said.at(middle) - 1, zone)
    if first is None or last is None:
        return _(
            "{title}: {stock} waited at the end of {day}; worked off about {until}, which is in much doubt.", **facts
        )
    facts |= {"first": _.day(said.at(first) - 1, zone), "last": _.day(said.at(last) - 1, zone)}
    return _(
        "{title}: {stock} waited at the end of {day}; worked off about {until}, "
        "in four of five cases from {first} to {last}.",
        **facts,
    )


def _between(said: Forecast) -> tuple[int | None, int | None]:
    return next(((first, last) for level, first, last in said.gone.intervals if level == LEVEL), (None, None))
