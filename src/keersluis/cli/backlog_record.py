"""`keersluis backlog backtest`: how good the forecast of a backlog has been."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from keersluis.cli.backlog_input import (
    Activity,
    Arrival,
    Case,
    Completion,
    Horizons,
    Level,
    Log,
    Season,
    Step,
    Time,
    account_of,
    grounds,
    grounds_told,
    horizons_of,
    progress,
    season_of,
)
from keersluis.cli.output import AsJson, emit, language
from keersluis.errors import Incorrect
from keersluis.words import Translator, translator


def add(app: typer.Typer) -> None:
    """Put these commands in the group."""
    app.command("backtest")(backtest)


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
    from keersluis.recovery.assumptions import of_record
    from keersluis.recovery.autoets import autoets

    horizons = horizons_of(horizon, level)
    account = account_of(log, step, case, activity, time, arrival, completion)
    period = season_of(account, season)
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
    scores = tests.backtest(account.past, period, horizons, level, at, peers, progress(len(at)))
    _ = translator(language())
    result = {
        "log": log.name,
        "steps": account.past.steps,
        "step": step,
        "level": level,
        "horizons": [_scored(h, len(at), scores[h]) for h in horizons],
        "peers_left_out": [] if ets else [_("AutoETS is left out: statsforecast is not installed here.")],
    } | grounds(account, of_record(account, period), _)
    emit(result, as_json, _compared(result, _))


def _scored(horizon: int, number: int, scores: dict[str, Any]) -> dict[str, Any]:
    told = {name: score.told() for name, score in scores.items()}
    ours = told.pop("ours")
    best = min(each["interval_score"] for each in told.values())
    return {"horizon": horizon, "origins": number, **ours, "peers": told, "best_peer_interval_score": best}


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
    return "\n".join([heading, *lines, *result["peers_left_out"], *grounds_told(result)])
