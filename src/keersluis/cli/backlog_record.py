"""`keersluis backlog record` and `backtest`: how good forecasts of a backlog were, as kept and on a log."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlencode

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
from keersluis.cli.target import Directory, Target, Whose
from keersluis.errors import Incorrect
from keersluis.words import Translator, translator

if TYPE_CHECKING:
    from keersluis.recovery.accounts import Account
    from keersluis.recovery.forecasts import Forecast


SHOWN = 20
"""So many forecasts are listed for people, the newest."""


def add(app: typer.Typer) -> None:
    """Put these commands in the group."""
    app.command("record")(record)
    app.command("backtest")(backtest)


def record(
    organisation: Whose,
    key: Annotated[str, typer.Argument(help="Only of this backlog.")] = "",
    directory: Directory = Path(),
    as_json: AsJson = False,
) -> None:
    """Every forecast that a node kept, what came, and how often such statements came true."""
    from keersluis import forecasting

    path = "/v0/prognoses" + (f"?{urlencode({'achterstand': key})}" if key else "")
    found = Target(directory, organisation).ask(path, None, lambda node: forecasting.listed(node, key or None))
    _ = translator(language())
    lines = [line for each in found["records"] for line in _recorded(each, _)]
    lines += [_kept_line(each, _) for each in found["forecasts"][:SHOWN]]
    emit(found, as_json, "\n".join(lines) or _("No forecast was kept."))


def ask(target: Target, key: str, normal: int | None, horizons: list[int], *, hold: bool) -> dict[str, Any]:
    """A forecast of a backlog that the node counts, kept there."""
    from keersluis import forecasting

    order = {"achterstand": key, "normaal": normal, "horizonnen": horizons, "bewaar": hold}
    made = target.ask("/v0/prognoses", order, lambda node: forecasting.make(node, key, normal, horizons, hold=hold))
    return dict(made)


def keep(target: Target, said: Forecast, account: Account) -> tuple[Forecast, dict[str, Any]]:
    """Keep at a node what was said of a log there: (the forecast as kept, what the node tells of it)."""
    import msgspec

    from keersluis import forecasting
    from keersluis.recovery.forecasts import decode
    from keersluis.recovery.verification import stocks
    from keersluis.times import format_instant

    order = {
        "prognose": said.document(),
        "van": format_instant(account.start),
        "stap": account.step // 1_000_000,
        "aantallen": account.past.stock.tolist(),
    }
    kept = target.ask("/v0/prognoses/_bewaar", order, lambda node: forecasting.keep(node, said, stocks(account)))
    return decode(msgspec.json.encode(kept["statement"])), {"n": kept["n"], "record": kept["record"]}


def _recorded(of: dict[str, Any], _: Translator) -> list[str]:
    from keersluis.recovery.forecast_views import came_true

    lines = [f"{of['backlog']} ({of['method']})", "  " + came_true(of["headline"], _)]
    heading = _("steps ahead, probability, came true of, do not overlap, interval score")
    end = _("end")
    rows = [
        f"  {each['horizon'] or end!s:>5}  {each['level']:.0%}  {each['held']:>4} / {each['number']:<4}"
        f"  {each['apart']:>4}  {'' if each['interval_score'] is None else format(each['interval_score'], ',.1f'):>12}"
        for each in of["tallies"]
    ]
    return [*lines, *(["  " + heading, *rows] if rows else [])]


def _kept_line(each: dict[str, Any], _: Translator) -> str:
    known = [size for size in each["sizes"] if size["held"] is not None]
    right = sum(size["held"] for size in known)
    end = _("never at this rate") if each["gone"]["never_at_this_rate"] else each["gone"]["date"]
    return _(
        "{n}: {backlog} on {day}: {stock}, gone {end}; {right} of {known} known sizes held.",
        n=each["n"],
        backlog=each["backlog"],
        day=each["as_of"],
        stock=each["stock"],
        end=end,
        right=right,
        known=len(known),
    )


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
        "horizons": [_scored(h, at, level, scores[h]) for h in horizons],
        "peers_left_out": [] if ets else [_("AutoETS is left out: statsforecast is not installed here.")],
    } | grounds(account, of_record(account, period), _)
    emit(result, as_json, _compared(result, _))


def _scored(horizon: int, at: list[int], level: float, scores: dict[str, Any]) -> dict[str, Any]:
    """`apart`: how many looks ahead do not overlap; `chance`: the standard error of coverage with so many."""
    from keersluis.recovery.verification import apart

    told = {name: score.told() for name, score in scores.items()}
    ours = told.pop("ours")
    best = min(told, key=lambda name: told[name]["interval_score"])
    alone = apart((t, t + horizon) for t in at)
    return {
        "horizon": horizon,
        "origins": len(at),
        "apart": alone,
        "chance": round((level * (1 - level) / alone) ** 0.5, 4),
        **ours,
        "peers": told,
        "best_peer": best,
        "best_peer_interval_score": told[best]["interval_score"],
    }


def _compared(result: dict[str, Any], _: Translator) -> str:
    lines = []
    for each in result["horizons"]:
        lines.append(
            _(
                "{horizon} steps ahead, from {origins} moments of which {apart} do not overlap (chance in coverage: "
                "{chance}):",
                horizon=each["horizon"],
                origins=each["origins"],
                apart=each["apart"],
                chance=f"{each['chance']:.3f}",
            )
        )
        lines += [
            f"  {name:<18} {row['coverage']:.3f}  {row['interval_score']:>12,.1f}  {row['negative_bounds']:>4}"
            for name, row in {"keersluis": each, **each["peers"]}.items()
        ]
    heading = _("method, coverage, interval score (lower is better), bounds below zero")
    return "\n".join([heading, *lines, *result["peers_left_out"], *grounds_told(result)])
