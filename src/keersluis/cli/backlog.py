"""`keersluis backlog`: when a backlog will be gone, and how good that forecast has been on a real log."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from keersluis.cli.output import AsJson, emit, language
from keersluis.errors import Incorrect
from keersluis.words import Translator, translator

if TYPE_CHECKING:
    from keersluis.recovery.accounts import Account
    from keersluis.recovery.dates import Gone
    from keersluis.recovery.outlook import Forecaster

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)

YEAR_DAYS = 364
FAR = 26
"""Steps for which the size is told by the record itself when a date is asked."""

Log = Annotated[
    Path,
    typer.Argument(help="Event log (.xes, .csv, .parquet, also .gz), or CSV of date,arrivals,completions[,stock]."),
]
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


@app.command()
def forecast(
    log: Log,
    horizon: Horizons = None,
    level: Level = 0.8,
    normal: Annotated[int, typer.Option(help="The backlog is gone when this many are left.")] = 0,
    by: Annotated[str | None, typer.Option(help="Date by which it should be gone: tells what that takes.")] = None,
    step: Step = "7d",
    season: Season = None,
    case: Case = "",
    activity: Activity = "",
    time: Time = "",
    arrival: Arrival = None,
    completion: Completion = None,
    as_json: AsJson = False,
) -> None:
    """How large a backlog will be, when it will be gone (or that it will not), and what a date takes."""
    from keersluis.recovery.dates import gone
    from keersluis.recovery.outlook import Forecaster

    horizons = _horizons(horizon, level)
    account = _account(log, step, case, activity, time, arrival, completion)
    period = _season(account, season)
    forecaster = Forecaster(account.past, max(FAR, *horizons), period)
    t = account.past.steps - 1
    result = _sizes(account, forecaster, horizons, level) | _ending(account, gone(forecaster, t, normal))
    if by is not None:
        result["capacity"] = _capacity(account, by, normal, level)
    _ = translator(language())
    result |= _grounds(account, period, _)
    emit(result, as_json, _told(result, _))


@app.command()
def backtest(
    log: Log,
    horizon: Horizons = None,
    level: Level = 0.8,
    origins: Annotated[int, typer.Option(help="From how many moments of the past to look ahead, at most.")] = 200,
    step: Step = "7d",
    season: Season = None,
    case: Case = "",
    activity: Activity = "",
    time: Time = "",
    arrival: Arrival = None,
    completion: Completion = None,
    as_json: AsJson = False,
) -> None:
    """Hold the forecast against what came, from many moments of a real log, beside plain peers."""
    from keersluis.recovery import backtest as tests
    from keersluis.recovery.autoets import autoets

    horizons = _horizons(horizon, level)
    account = _account(log, step, case, activity, time, arrival, completion)
    period = _season(account, season)
    at = tests.origins(account.past.steps, max(horizons), origins)
    if not at:
        raise Incorrect(
            "backlog.too-little",
            expected=f"at least {max(horizons) + 10} steps, for a horizon of {max(horizons)}",
            got=f"{account.past.steps} steps",
            where=str(log),
        )
    ets = autoets(period)
    peers = tests.own_peers(period) | ({} if ets is None else {"autoets": ets})
    scores = tests.backtest(account.past, period, horizons, level, at, peers, _progress(len(at)))
    _ = translator(language())
    result = {
        "log": log.name,
        "steps": account.past.steps,
        "step": step,
        "level": level,
        "horizons": [_scored(h, len(at), scores[h]) for h in horizons],
        "peers_left_out": [] if ets else [_("AutoETS is left out: statsforecast is not installed here.")],
    } | _grounds(account, period, _)
    emit(result, as_json, _compared(result, _))


# -- reading -------------------------------------------------------------------------------------------------------


def _horizons(asked: list[int] | None, level: float) -> list[int]:
    horizons = sorted(set(asked or [4, 13]))
    if horizons[0] < 1 or horizons[-1] > 104:
        raise Incorrect("backlog.horizon", expected="a --horizon of 1 to 104 steps", got=str(horizons))
    if not 0.5 <= level <= 0.99:
        raise Incorrect("backlog.level", expected="a --level of 0.5 to 0.99", got=str(level))
    return horizons


def _account(
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


def _season(account: Account, asked: int | None) -> int:
    from keersluis.times import DAY

    season = asked if asked is not None else round(YEAR_DAYS * DAY / account.step)
    if asked is not None and asked < 2:
        raise Incorrect("backlog.season", expected="a --season of 2 steps or more", got=str(asked))
    return max(2, season)


def _progress(number: int) -> Callable[[int], None]:
    def told(done: int) -> None:
        if done % 10 == 0 and sys.stderr.isatty():
            print(f"\r{done} of {number} moments", end="" if done < number else "\n", file=sys.stderr, flush=True)

    return told


# -- results -------------------------------------------------------------------------------------------------------


def _day(account: Account, steps: int | None) -> str | None:
    """The last day of the step so many from the end of the account."""
    from keersluis.recovery.accounts import ZONE
    from keersluis.times import local

    return None if steps is None else local(account.end + steps * account.step - 1, ZONE).date().isoformat()


def _sizes(account: Account, forecaster: Forecaster, horizons: list[int], level: float) -> dict[str, Any]:
    t = account.past.steps - 1
    said, bounds = forecaster.at(t, (0.5,)), forecaster.interval(t, level).round(1).tolist()
    return {
        "as_of": _day(account, 0),
        "stock": int(account.past.stock[t]),
        "level": level,
        "steps": account.past.steps,
        "sizes": [
            {
                "horizon": h,
                "date": _day(account, h),
                "low": bounds[h - 1][0],
                "middle": round(float(said.quantiles[h - 1, 0]), 1),
                "high": bounds[h - 1][1],
                "errors": said.errors[h - 1],
            }
            for h in horizons
        ],
    }


def _ending(account: Account, end: Gone) -> dict[str, Any]:
    from keersluis.recovery.dates import rate
    from keersluis.times import DAY

    arrivals, departures = rate(account.past, account.past.steps - 1)
    weekly = 7 * DAY / account.step
    return {
        "gone": {
            "normal": end.normal,
            "never_at_this_rate": end.never,
            "date": _day(account, end.middle),
            "intervals": [
                {"level": level, "from": _day(account, first), "to": _day(account, last)}
                for level, first, last in end.intervals
            ],
            "growth_per_week": round(end.growth * weekly, 1),
            "arrivals_per_week": round(arrivals * weekly, 1),
            "departures_per_week": round(departures * weekly, 1),
        }
    }


def _capacity(account: Account, by: str, normal: int, level: float) -> dict[str, Any]:
    from keersluis.recovery.accounts import ZONE
    from keersluis.recovery.dates import ARRIVALS, capacity, rate
    from keersluis.times import DAY, day_of, parse_when

    try:
        date.fromisoformat(by)
    except ValueError:
        raise Incorrect("backlog.by", expected="--by with a date as 2026-03-31", got=repr(by)) from None
    steps = int((parse_when(by, ZONE).end + 1 - day_of(account.end - 1, ZONE).end) // account.step)
    if steps < 1:
        raise Incorrect("backlog.by", expected=f"a date at least one step after {_day(account, 0)}", got=by)
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


def _grounds(account: Account, season: int, _: Translator) -> dict[str, Any]:
    from keersluis.recovery.assumptions import assumed, left_out

    return {
        "assumptions": assumed(account, season, _),
        "left_out": [
            fault.told() | {"sentence": sentence}
            for fault, sentence in zip(account.left_out, left_out(account.left_out, _), strict=True)
        ],
    }


def _scored(horizon: int, number: int, scores: dict[str, Any]) -> dict[str, Any]:
    told = {name: score.told() for name, score in scores.items()}
    ours = told.pop("ours")
    best = min(each["interval_score"] for each in told.values())
    return {"horizon": horizon, "origins": number, **ours, "peers": told, "best_peer_interval_score": best}


# -- for people ----------------------------------------------------------------------------------------------------


def _told(result: dict[str, Any], _: Translator) -> str:
    lines = [_("On {day} there were {stock}.", day=result["as_of"], stock=result["stock"])]
    lines += [
        _(
            "On {day}: about {middle}, with probability {level} % from {low} to {high} ({errors} errors of its own).",
            day=each["date"],
            level=round(100 * result["level"]),
            errors=each["errors"],
            **{name: round(each[name]) for name in ("low", "middle", "high")},
        )
        for each in result["sizes"]
    ]
    return "\n".join([*lines, *_end_told(result, _), *_grounds_told(result, _)])


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


def _grounds_told(result: dict[str, Any], _: Translator) -> list[str]:
    return [*result["assumptions"], *(each["sentence"] for each in result["left_out"])]


def _compared(result: dict[str, Any], _: Translator) -> str:
    lines = []
    for each in result["horizons"]:
        lines.append(
            _("{horizon} steps ahead, from {origins} moments:", horizon=each["horizon"], origins=each["origins"])
        )
        lines += [
            f"  {name:<18} {row['coverage']:.3f}  {row['interval_score']:>12,.1f}  {row['negative_bounds']:>4}"
            for name, row in {"keersluis": each, **each["peers"]}.items()
        ]
    heading = _("method, coverage, interval score (lower is better), bounds below zero")
    return "\n".join([heading, *lines, *result["peers_left_out"], *_grounds_told(result, _)])
