"""`bench exchange`: ours end to end against NATS JetStream and a queue in PostgreSQL, in turns, in one run."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from keersluis.bench import _store_queue, nats, ours, postgres
from keersluis.bench.aims import Aim, aim, quantile, ratio

SIZE = 1024
"""Bytes of an event."""

Say = Callable[[str], None]


def run(number: int, rounds: int, singles: int, say: Say) -> dict[str, Any]:
    """Measure `rounds` times, `number` events each, ours and the peers in turn; `singles` events for the latency.

    Each begins with an empty store in each round. Figures are medians over the rounds, in events per second; latencies
    in milliseconds.
    """
    home = Path(tempfile.mkdtemp(prefix="keersluis-bench-"))
    told: dict[str, list[float]] = {}
    try:
        for n in range(rounds):
            say(f"round {n + 1} of {rounds}")
            told.setdefault("ours", []).append(_ours(home / f"ours-{n}", number, tls=False))
            told.setdefault("ours_over_tls", []).append(_ours(home / f"tls-{n}", number, tls=True))
            _peers(home / f"peers-{n}", number, told, say)
        say("latency of single events on an idle chain")
        with ours.pair(home / "idle") as nodes:
            ours.throughput(nodes, 0, number // 4, SIZE)
            single = ours.latencies(nodes, number // 4, singles, SIZE)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    return result({name: median(values) for name, values in told.items()}, single) | {
        "events": number,
        "rounds": rounds,
        "spread": {name: [round(min(values)), round(max(values))] for name, values in told.items()},
        "left_out": [why for why in (nats.why_not(), postgres.why_not()) if why],
    }


def _ours(home: Path, number: int, *, tls: bool) -> float:
    """One round of ours on new stores, a little warm; then each event is counted at the register."""
    warm = number // 4
    with ours.pair(home, tls=tls) as nodes:
        ours.throughput(nodes, 0, warm, SIZE)
        measured = ours.throughput(nodes, warm, number, SIZE)
        ours.exactly_once(nodes, warm + number)
    return measured


def _peers(home: Path, number: int, told: dict[str, list[float]], say: Say) -> None:
    if nats.why_not() is None:
        for name, always in (("nats_always", True), ("nats_default", False)):
            say(name.replace("_", " "))
            told.setdefault(name, []).append(nats.throughput(home / name, number, SIZE, always=always))
    if postgres.why_not() is None:
        say("postgresql queue")
        with postgres.cluster(durable=True) as url:
            told.setdefault("postgresql_queue", []).append(_store_queue.throughput(url, number, SIZE, nats.IN_FLIGHT))


def result(per_second: dict[str, float], single: list[float]) -> dict[str, Any]:
    """The figures with their aims."""
    mine = per_second["ours"]
    p50, p99 = round(quantile(single, 0.5), 2), round(quantile(single, 0.99), 2)
    always, default = (ratio(mine, per_second.get(name)) for name in ("nats_always", "nats_default"))
    aims: list[Aim] = [
        aim("ratio_always", always, ">=", 3.0),
        aim("ratio_default", default, ">=", 1.0),
        aim("latency_p50_ms", p50, "<=", 20.0),
    ]
    return {
        "ours_per_s": round(mine),
        **{
            f"{name}_per_s": round(per_second[name]) if name in per_second else None
            for name in ("ours_over_tls", "nats_always", "nats_default", "postgresql_queue")
        },
        "ratio_always": always,
        "ratio_default": default,
        "ratio_postgresql_queue": ratio(mine, per_second.get("postgresql_queue")),
        "latency_p50_ms": p50,
        "latency_p99_ms": p99,
        "aims": aims,
    }
