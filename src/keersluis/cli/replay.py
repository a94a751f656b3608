"""`keersluis replay`: a real event log through a chain with a cut, and through the same chain uncut."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from keersluis.cli.output import AsJson, emit
from keersluis.cli.progress import Steps
from keersluis.errors import Incorrect


def command(
    log: Annotated[Path, typer.Argument(help="Event log: .xes, .xes.gz, .csv or .parquet.")],
    map_: Annotated[str, typer.Option("--map", help="A shipped map (road-fines, permits) or a TOML file.")],
    cut: Annotated[str, typer.Option(help="The cut: FROM..TO, two dates.")],
    seed: Annotated[int, typer.Option(help="Seed of questions and paper.")] = 1,
    speed: Annotated[str, typer.Option(help="Only max: as fast as it goes.")] = "max",
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave out events without a readable time.")] = False,
    as_json: AsJson = False,
) -> None:
    """Send a real event log through a chain with a cut, and compare."""
    from keersluis.cli.results import told
    from keersluis.simulation.maps import load_map
    from keersluis.simulation.replay_feed import replay_feed
    from keersluis.simulation.trial import trial

    if speed != "max":
        raise Incorrect("cli.usage", expected="--speed max", got=speed, where="replay --speed")
    feed = replay_feed(log, load_map(map_), cut, seed, skip_bad=skip_bad, progress=_reading)
    with tempfile.TemporaryDirectory(prefix="keersluis-replay-") as home, Steps(feed) as steps:
        result = trial(feed, Path(home), steps.report)
    emit(result, as_json, told(result))


def _reading(events: int) -> None:
    print(f"reading the log: {events:,} events", file=sys.stderr)
