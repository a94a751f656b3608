"""`keersluis bench`: figures against peers measured in the same run, with their aims."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import msgspec
import typer

from keersluis.cli.output import AsJson, emit
from keersluis.errors import Incorrect

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.callback()
def _group() -> None:
    """Figures against peers measured in the same run, with their aims. Compare ratios, not absolutes."""


@app.command("exchange")
def exchange(
    events: Annotated[int, typer.Option(help="Events in each round.")] = 20_000,
    rounds: Annotated[int, typer.Option(help="Rounds; figures are medians.")] = 3,
    singles: Annotated[int, typer.Option(help="Single events for the latency.")] = 200,
    as_json: AsJson = False,
) -> None:
    """Durable publish to applied and receipted at another node, against NATS JetStream and a PostgreSQL queue."""
    from keersluis.bench.exchange import run

    if min(events, rounds, singles) < 1 or events < 1000:
        expected = "--events of 1,000 or more, --rounds and --singles of 1 or more"
        raise Incorrect("bench.size", expected=expected, got=f"{events}, {rounds}, {singles}", where="bench exchange")
    _tell(run(events, rounds, singles, _say), as_json)


@app.command("plan")
def plan(
    plans: Annotated[int, typer.Option(help="Small plans to hold against CP-SAT.")] = 21,
    peer_seconds: Annotated[float, typer.Option(help="Seconds for CP-SAT on 2,000 services; 0: not.")] = 0.0,
    as_json: AsJson = False,
) -> None:
    """The order of small plans against CP-SAT of OR-Tools, and of 2,000 services against the clock."""
    from keersluis.bench.plan import run

    if plans < 1 or not 0 <= peer_seconds <= 3600:
        expected = "--plans of 1 or more, --peer-seconds from 0 to 3600"
        raise Incorrect("bench.size", expected=expected, got=f"{plans}, {peer_seconds}", where="bench plan")
    _tell(run(plans, peer_seconds, _say), as_json)


@app.command("forecast")
def forecast(
    paths: Annotated[int, typer.Option(help="Paths of ours in each turn; peers get their share.")] = 4096,
    rounds: Annotated[int, typer.Option(help="Rounds; figures are medians.")] = 5,
    forecast_paths: Annotated[int, typer.Option(help="Paths of the forecast of five organisations.")] = 2000,
    as_json: AsJson = False,
) -> None:
    """Items served a second in the queue of a phased return, against Cimba, SimPy and Ciw; and a large forecast."""
    from keersluis.bench.forecast import run

    if min(paths, rounds, forecast_paths) < 1:
        got = f"{paths}, {rounds}, {forecast_paths}"
        expected = "--paths, --rounds and --forecast-paths of 1 or more"
        raise Incorrect("bench.size", expected=expected, got=got, where="bench forecast")
    _tell(run(paths, rounds, forecast_paths, _say), as_json)


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


def _tell(result: dict[str, Any], as_json: bool) -> None:
    told = msgspec.to_builtins(result)
    figures = [f"{name:<28} {value}" for name, value in told.items() if name != "aims"]
    aims = [
        f"{'holds' if each['holds'] else 'FALLS SHORT':<12} {each['name']} {each['value']} "
        f"(aim {each['direction']} {each['target']})"
        for each in told["aims"]
    ]
    emit(told, as_json, "\n".join([*figures, *aims]))
