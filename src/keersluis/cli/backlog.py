"""`keersluis backlog`: when a backlog will be gone, and how good that forecast has been."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from keersluis.cli import backlog_counts, backlog_paths, backlog_record, backlog_wait
from keersluis.cli.backlog_input import (
    Activity,
    Arrival,
    Case,
    Completion,
    Horizons,
    Level,
    MaybeLog,
    Season,
    Step,
    Time,
    account_of,
    grounds,
    grounds_told,
    horizons_of,
    season_of,
)
from keersluis.cli.backlog_paths import Paths, PlanFile, Seed
from keersluis.cli.output import AsJson, emit, language
from keersluis.cli.target import Directory, Target
from keersluis.errors import Incorrect
from keersluis.words import Translator, translator

if TYPE_CHECKING:
    from keersluis.recovery.accounts import Account
    from keersluis.recovery.forecasts import Forecast

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)


Organisation = Annotated[
    str, typer.Option("--organisation", "-o", help="The node of which LOG is a backlog, or that keeps what is said.")
]
Keep = Annotated[str, typer.Option(help="Keep it at the node of -o, as said of this backlog.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="A node's backlog: keep nothing.")]
Normal = Annotated[int | None, typer.Option(help="The backlog is gone when this many are left; of a log 0.", min=0)]
By = Annotated[str | None, typer.Option(help="Date by which it should be gone: tells what that takes (a log).")]


@app.command()
def forecast(
    log: MaybeLog = None,
    plan: PlanFile = None,
    horizon: Horizons = None,
    level: Level = 0.8,
    normal: Normal = None,
    by: By = None,
    step: Step = "7d",
    season: Season = None,
    case: Case = "",
    activity: Activity = "",
    time: Time = "",
    arrival: Arrival = None,
    completion: Completion = None,
    seed: Seed = None,
    paths: Paths = 0,
    organisation: Organisation = "",
    directory: Directory = Path(),
    keep: Keep = "",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """How large a backlog will be, when it will be gone (or that it will not), and what a date takes.

    LOG is a file or, with -o, the key of a backlog that the node counts itself: that forecast is kept and scored later,
    and is stretched by what earlier ones missed; --keep does so with a forecast of a file. With --plan it is told by
    simulated paths; the log is then read by days, and may be left out where the plan states all that is needed.
    """
    from keersluis.recovery.assumptions import of_record
    from keersluis.recovery.forecasts import FAR, by_record
    from keersluis.recovery.outlook import Forecaster
    from keersluis.times import SystemClock

    if plan is not None:
        by_day = "1d" if step == "7d" else step
        read = None if log is None else account_of(log, by_day, case, activity, time, arrival, completion)
        backlog_paths.forecast(plan, read, by, seed, paths, as_json)
        return
    if log is None:
        raise Incorrect("backlog.log", expected="an event log, periodic counts, or a --plan", got="nothing")
    horizons, _ = horizons_of(horizon, level), translator(language())
    if organisation and not keep:
        if by is not None:
            raise Incorrect("backlog.by", expected="--by with a log or a --plan", got=by, where=organisation)
        made = backlog_record.ask(Target(directory, organisation), str(log), normal, horizons, hold=not dry_run)
        emit(made, as_json, _told(made, _))
        return
    account = account_of(log, step, case, activity, time, arrival, completion)
    period = season_of(account, season)
    forecaster = Forecaster(account.past, max(FAR, *horizons), period)
    said = by_record(
        account, forecaster, keep or log.name, SystemClock().now(), normal or 0, of_record(account, period)
    )
    result: dict[str, Any] = {"steps": account.past.steps}
    if keep:
        said, result["kept"] = backlog_record.keep(Target(directory, organisation), said, account)
    errors = forecaster.at(account.past.steps - 1, (0.5,)).errors
    result |= _sizes(said, horizons, level, errors) | _ending(account, said)
    if by is not None:
        result["capacity"] = _capacity(account, said, by, said.normal, level)
    result |= grounds(account, said.assumptions, _)
    emit(result, as_json, _told(result, _))


# More commands of the group, a file each.
backlog_record.add(app)
backlog_counts.add(app)
backlog_paths.add(app)
backlog_wait.add(app)


# -- results


def _day(said: Forecast, steps: int | None) -> str | None:
    """The last day of the step so many on."""
    from keersluis.recovery.accounts import ZONE
    from keersluis.times import last_day

    return None if steps is None else last_day(said.at(steps), ZONE).isoformat()


def _sizes(said: Forecast, horizons: list[int], level: float, errors: tuple[int, ...]) -> dict[str, Any]:
    bounds = {h: said.interval(h, level) for h in horizons}
    return {
        "as_of": _day(said, 0),
        "stock": said.stock,
        "level": level,
        "sizes": [
            {
                "horizon": h,
                "date": _day(said, h),
                "low": round(bounds[h][0], 1),
                "middle": round(said.quantile(h, 0.5), 1),
                "high": round(bounds[h][1], 1),
                "errors": errors[h - 1],
            }
            for h in horizons
        ],
    }


def _ending(account: Account, said: Forecast) -> dict[str, Any]:
    from keersluis.recovery.dates import rate
    from keersluis.times import DAY

    arrivals, departures = rate(account.past, account.past.steps - 1)
    weekly = 7 * DAY / account.step
    return {
        "gone": {
            "normal": said.gone.normal,
            "never_at_this_rate": said.gone.never,
            "date": _day(said, said.gone.middle),
            "intervals": [
                {"level": level, "from": _day(said, first), "to": _day(said, last)}
                for level, first, last in said.gone.intervals
            ],
            "growth_per_week": round(said.gone.growth * weekly, 1),
            "arrivals_per_week": round(arrivals * weekly, 1),
            "departures_per_week": round(departures * weekly, 1),
        }
    }


def _capacity(account: Account, said: Forecast, by: str, normal: int, level: float) -> dict[str, Any]:
    from keersluis.recovery.accounts import ZONE
    from keersluis.recovery.dates import ARRIVALS, capacity, rate
    from keersluis.times import DAY, day_of, parse_when

    try:
        date.fromisoformat(by)
    except ValueError:
        raise Incorrect("backlog.by", expected="--by with a date as 2026-03-31", got=repr(by)) from None
    steps = int((parse_when(by, ZONE).end + 1 - day_of(account.end - 1, ZONE).end) // account.step)
    if steps < 1:
        raise Incorrect("backlog.by", expected=f"a date at least one step after {_day(said, 0)}", got=by)
    weekly, t = 7 * DAY / account.step, account.past.steps - 1
    middle, sure = (capacity(account.past, t, steps, normal, certainty) * weekly for certainty in (0.5, level))
    arrivals = rate(account.past, t, ARRIVALS)[0] * weekly
    return {
        "by": by,
        "per_week": round(middle, 1),
        "certainty": level,
        "per_week_certain": round(sure, 1),
        "arrivals_per_week": round(arrivals, 1),
    }


# -- for people


def _told(result: dict[str, Any], _: Translator) -> str:
    from keersluis.recovery.forecast_views import came_true

    lines = [_("On {day} there were {stock}.", day=result["as_of"], stock=result["stock"])]
    lines += [
        _(
            "On {day}: about {middle}, with probability {level} % from {low} to {high}.",
            day=each["date"],
            level=round(100 * result["level"]),
            **{name: round(each[name]) for name in ("low", "middle", "high")},
        )
        for each in result["sizes"]
    ]
    record = result.get("kept", result).get("record")
    lines += [came_true(record, _)] if record else []
    return "\n".join([*lines, *_end_told(result, _), *(grounds_told(result) if "assumptions" in result else [])])


def _end_told(result: dict[str, Any], _: Translator) -> list[str]:
    end, lines = result["gone"], []
    if end["never_at_this_rate"] and end["growth_per_week"] >= 0:
        lines.append(_("Never gone at this rate: it grows by {growth} a week.", growth=end["growth_per_week"]))
    elif end["never_at_this_rate"]:
        lines.append(_("Not gone as far as the forecast reaches, at this rate."))
    else:
        lines.append(_("Gone (at most {normal}) about {day}.", normal=end["normal"], day=end["date"]))
    lines += [
        _(
            "With probability {level} %: from {first} to {last}.",
            level=f"{100 * each['level']:.0f}",
            first=each["from"],
            last=each["to"] or _("never"),
        )
        for each in end["intervals"]
        if each["from"]
    ]
    if "capacity" in result:
        lines.append(
            _(
                "For {by}: {middle} a week must go; {certain} to be {level} % certain. "
                "That is if {came} a week come; now {now} go.",
                by=result["capacity"]["by"],
                middle=result["capacity"]["per_week"],
                certain=result["capacity"]["per_week_certain"],
                level=round(100 * result["capacity"]["certainty"]),
                now=end["departures_per_week"],
                came=result["capacity"]["arrivals_per_week"],
            )
        )
    return lines
