"""`keersluis simulate`: seeded faults on the product's own code, held against the promises."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from keersluis.cli.output import AsJson, emit
from keersluis.errors import Incorrect

if TYPE_CHECKING:
    from keersluis.simulation.simulator import SeedReport


def command(
    seeds: Annotated[int, typer.Option(help="How many seeds.")] = 200,
    seed: Annotated[int, typer.Option(help="The first of them.")] = 0,
    workers: Annotated[int, typer.Option(help="Processes; default one for each core.")] = 0,
    as_json: AsJson = False,
) -> int:
    """Run seeded faults against the promises; a seed that breaks one is named, and repeats exactly."""
    from keersluis.simulation.simulator import run_many

    if seeds < 1 or seed < 0 or workers < 0:
        expected = "--seeds of 1 or more, --seed and --workers of 0 or more"
        raise Incorrect("simulate.seeds", expected=expected, got=f"{seeds}, {seed}, {workers}", where="simulate")
    started = time.monotonic()
    processes = min(seeds, workers or os.cpu_count() or 1)
    reports = list(_watched(run_many(range(seed, seed + seeds), processes), seeds, started))
    result = _result(reports, seeds, time.monotonic() - started)
    emit(result, as_json, _told(result))
    return 1 if result["violations"] else 0


def _watched(reports: Iterable[SeedReport], seeds: int, started: float) -> Iterator[SeedReport]:
    """Progress on standard error, with the time that is left."""
    live, said = sys.stderr.isatty(), started
    for done, report in enumerate(reports, 1):
        now = time.monotonic()
        if now - said > (0.5 if live else 10.0) and done < seeds:
            left = (now - started) / done * (seeds - done)
            line = f"{done} of {seeds} seeds, about {left:,.0f} s left"
            print(f"\r{line:<60}" if live else line, end="" if live else "\n", file=sys.stderr, flush=True)
            said = now
        yield report
    if live:
        print(file=sys.stderr)


def _result(reports: list[SeedReport], seeds: int, seconds: float) -> dict[str, Any]:
    injected: Counter[str] = sum((report.faults for report in reports), Counter())
    return {
        "seeds": seeds,
        "violations": [told for report in reports for told in report.told()],
        "faults_injected": dict(sorted(injected.items())),
        "events": sum(report.events for report in reports),
        "decisions": sum(report.decisions for report in reports),
        "seconds": round(seconds, 1),
    }


def _told(result: dict[str, Any]) -> str:
    injected = result["faults_injected"]
    lines = [
        f"{result['seeds']} seeds, {result['events']:,} events, {result['decisions']:,} decisions, "
        f"{sum(injected.values()):,} faults of {len(injected)} kinds"
    ]
    lines += [
        f"seed {v['seed']}: {v['promise']}: {v['sentence']}\n  repeat: {v['repeat']}" for v in result["violations"]
    ]
    return "\n".join([*lines, "a promise was broken" if result["violations"] else "every promise was kept"])
