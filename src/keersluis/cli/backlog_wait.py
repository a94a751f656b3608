"""`keersluis backlog wait`: when what comes in now is begun, by priority class."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from keersluis.cli.output import AsJson, emit, language
from keersluis.errors import Incorrect
from keersluis.words import Translator, translator

if TYPE_CHECKING:
    from keersluis.recovery.waits import Desk


def add(app: typer.Typer) -> None:
    """Put these commands in the group."""
    app.command("wait")(wait)


def wait(
    desk: Annotated[Path, typer.Argument(help="TOML of a desk: its people, hours and classes (docs/waits.md).")],
    level: Annotated[float, typer.Option(help="Probability of the interval, between 0.5 and 0.99.")] = 0.8,
    paths: Annotated[int, typer.Option(help="Simulated paths, 100 to 20,000.")] = 2000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same answer.")] = 1,
    as_json: AsJson = False,
) -> None:
    """When an item that comes in now is begun, by priority class: each item served by itself, on many paths."""
    from keersluis.recovery.waitfiles import load_desk
    from keersluis.recovery.waits import told, waits

    if not 0.5 <= level <= 0.99:
        raise Incorrect("backlog.level", expected="a --level of 0.5 to 0.99", got=str(level))
    if not 100 <= paths <= 20_000 or seed < 0:
        expected = "100 to 20,000 --paths and a --seed of 0 or more"
        raise Incorrect("wait.paths", expected=expected, got=f"{paths}, {seed}")
    asked = load_desk(desk)
    _ = translator(language())
    result = {
        "as_of": asked.first.isoformat(),
        "people": asked.people,
        "weeks": asked.weeks,
        "level": level,
        "paths": paths,
        "seed": seed,
        "classes": told(asked, waits(asked, level, paths, seed)),
        "assumptions": assumed(asked, _),
    }
    emit(result, as_json, _told(result, _))


def assumed(desk: Desk, _: Translator) -> list[str]:
    """What the answer takes for granted, in sentences."""
    return [
        _(
            "From {day} {people} people work on this {hours} hours a day, Monday to Friday, less the holidays named.",
            day=desk.first.isoformat(),
            people=desk.people,
            hours=desk.hours,
        ),
        _("What has been begun is finished first; within a class what came first is begun first."),
        _("New items come at random, as many as stated; what a gate holds is there when it opens."),
        _("The numbers stated are true: no doubt about them is part of the interval."),
    ]


def _told(result: dict[str, Any], _: Translator) -> str:
    lines = [line for each in result["classes"] for line in _class_told(each, result, _)]
    return "\n".join([*lines, *result["assumptions"]])


def _class_told(each: dict[str, Any], result: dict[str, Any], _: Translator) -> list[str]:
    title, begun, weeks = each["title"][language()], each["begun"], result["weeks"]
    if begun["middle"] is None:
        lines = [_("{title}: what comes in now is probably not begun within {weeks} weeks.", title=title, weeks=weeks)]
    else:
        lines = [_("{title}: what comes in now is begun about {day}.", title=title, day=begun["middle"])]
    if begun["from"]:
        lines.append(
            _(
                "With probability {level} %: from {first} to {last}.",
                level=f"{100 * result['level']:.0f}",
                first=begun["from"],
                last=begun["to"] or _("after {weeks} weeks", weeks=weeks),
            )
        )
    if not each["kept_up"]:
        lines.append(
            _(
                "Not kept up with: with the classes before it, {load} % of what the people can do comes in.",
                load=round(100 * each["load"]),
            )
        )
    return lines
