"""What the backlog commands ask for, and the account that they read."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from keersluis.errors import Incorrect
from keersluis.words import Translator

if TYPE_CHECKING:
    from keersluis.recovery.accounts import Account
    from keersluis.recovery.forecasts import Assumption

YEAR_DAYS = 364

_LOG = typer.Argument(help="Event log (.xes, .csv, .parquet, also .gz), or CSV of date,arrivals,completions[,stock].")
Log = Annotated[Path, _LOG]
MaybeLog = Annotated[Path | None, _LOG]
Case = Annotated[str, typer.Option(help="Column of the case; by default a usual name.")]
Activity = Annotated[str, typer.Option(help="Column of the activity; by default a usual name.")]
Time = Annotated[str, typer.Option(help="Column of the time; by default a usual name.")]
Arrival = Annotated[
    list[str] | None, typer.Option("--arrival", help="Activity with which a case arrives; default its first event.")
]
Completion = Annotated[
    list[str] | None,
    typer.Option("--completion", help="Activity that completes it; of several the first; default its last event."),
]
Step = Annotated[str, typer.Option(help="Length of a step, as 7d or 1d.")]
Horizons = Annotated[list[int] | None, typer.Option("--horizon", help="Steps ahead; may be given more than once.")]
Level = Annotated[float, typer.Option(help="Probability of the interval, between 0.5 and 0.99.")]
Season = Annotated[int | None, typer.Option(help="Steps in a season; default a year.")]


def horizons_of(asked: list[int] | None, level: float) -> list[int]:
    horizons = sorted(set(asked or [4, 13]))
    if horizons[0] < 1 or horizons[-1] > 104:
        raise Incorrect("backlog.horizon", expected="a --horizon of 1 to 104 steps", got=str(horizons))
    if not 0.5 <= level <= 0.99:
        raise Incorrect("backlog.level", expected="a --level of 0.5 to 0.99", got=str(level))
    return horizons


def account_of(
    log: Path,
    step: str,
    case: str,
    activity: str,
    time: str,
    arrival: list[str] | None,
    completion: list[str] | None,
) -> Account:
    from keersluis.recovery.accounts import Wanted, read_account
    from keersluis.times import HOUR, parse_duration

    length = parse_duration(step)
    if length < HOUR:
        raise Incorrect("backlog.step", expected="a --step of at least 1h", got=step)
    return read_account(log, Wanted(length, case, activity, time, tuple(arrival or ()), tuple(completion or ())))


def season_of(account: Account, asked: int | None) -> int:
    from keersluis.times import DAY

    season = asked if asked is not None else round(YEAR_DAYS * DAY / account.step)
    if asked is not None and asked < 2:
        raise Incorrect("backlog.season", expected="a --season of 2 steps or more", got=str(asked))
    return max(2, season)


def progress(number: int) -> Callable[[int], None]:
    def told(done: int) -> None:
        if done % 10 == 0 and sys.stderr.isatty():
            print(f"\r{done} of {number} moments", end="" if done < number else "\n", file=sys.stderr, flush=True)

    return told


# -- what it rests on, for people


def grounds(account: Account, assumptions: tuple[Assumption, ...], _: Translator) -> dict[str, Any]:
    """What was taken for granted and what was left out, as sentences."""
    from keersluis.recovery.assumptions import left_out, worded

    return {
        "assumptions": worded(assumptions, _),
        "left_out": [
            fault.told() | {"sentence": sentence}
            for fault, sentence in zip(account.left_out, left_out(account.left_out, _), strict=True)
        ],
    }


def grounds_told(result: dict[str, Any]) -> list[str]:
    """The same as lines."""
    return [*result["assumptions"], *(each["sentence"] for each in result["left_out"])]
