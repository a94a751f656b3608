"""`bench forecast`: the queue of a phased return in ours, Cimba, SimPy and Ciw, in turns, in one run; and a forecast.

Each is first held against what is known exactly (M/M/c), and the peers against ours in the queue of the return: a speed
counts only for those that simulate the same thing. Ours and the Python peers are given all processors by processes;
Cimba takes them by itself.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from statistics import median
from typing import Any

from keersluis.bench import queue_cimba, queue_ciw, queue_ours, queue_simpy
from keersluis.bench.aims import Aim, aim, ratio
from keersluis.bench.queue_model import (
    PLAIN,
    RATE,
    RETURN,
    SERVERS,
    STEADY,
    Model,
    Outcome,
    agrees,
    alike,
    cobham_waits,
    erlang_wait,
    error,
)  # fmt: skip
from keersluis.bench.queue_world import world
from keersluis.recovery.paths import simulate

Say = Callable[[str], None]
Simulate = Callable[[int, int], Outcome]
"""From replications and seed."""

MODELS = {"mm5": PLAIN, "return": RETURN}
PEERS = {"cimba": queue_cimba, "simpy": queue_simpy, "ciw": queue_ciw}
ORGANISATIONS, ITEMS = 5, 100_000


@dataclass
class Measured:
    """Of one contender on one model."""

    per_second: list[float] = field(default_factory=list)
    outcome: Outcome = Outcome([], [])  # noqa: RUF009 - it is frozen

    def turn(self, simulate: Simulate, replications: int, seed: int) -> None:
        start = time.perf_counter()
        outcome = simulate(replications, seed)
        self.per_second.append(outcome.number / (time.perf_counter() - start))
        self.outcome = self.outcome.joined(outcome)


Told = dict[str, dict[str, Measured]]
"""By contender, by model."""


def run(paths: int, rounds: int, forecast_paths: int, say: Say) -> dict[str, Any]:
    """Measure `rounds` times, ours and the peers in turn, on `paths` paths for ours and a number for each peer that
    takes it about as long. Figures are medians over the rounds, in items per second."""
    workers = os.cpu_count() or 1
    with ProcessPoolExecutor(workers, multiprocessing.get_context("fork")) as pool:
        over = partial(pool.map, chunksize=1)
        sizes = {"ours": paths} | _sizes(paths, workers)
        contenders = _contenders(over)
        for simulate in contenders.values():  # starts the processes, and has Cimba compile
            for model in MODELS.values():
                simulate(model)(workers, 1)
        told: Told = {name: {model: Measured() for model in MODELS} for name in contenders}
        for n in range(rounds):
            say(f"round {n + 1} of {rounds}")
            for name, simulate in contenders.items():
                for key, measured in told[name].items():
                    measured.turn(simulate(MODELS[key]), sizes[name], 1000 * (n + 1))
        say("priorities against the exact answer")
        steady = queue_ours.run(STEADY, paths, 1, over)
    seconds = forecast_seconds(forecast_paths, say)
    return result(told, steady, seconds) | {
        "processors": workers,
        "paths": paths,
        "rounds": rounds,
        "left_out": [why for peer in PEERS.values() if (why := peer.why_not())],
    }


def _sizes(paths: int, workers: int) -> dict[str, int]:
    """Replications of each peer in one turn."""
    cimba = max(20, paths // 16)
    slow = workers * max(1, paths // 2000)
    return {"cimba_events": cimba, "cimba_processes": cimba, "simpy": slow, "ciw": slow}


def _contenders(over: queue_ours.Map) -> dict[str, Callable[[Model], Simulate]]:
    """In the order in which they take their turns. Cimba comes after the processes have been started."""
    found: dict[str, Callable[[Model], Simulate]] = {
        "ours": lambda model: lambda number, seed: queue_ours.run(model, number, seed, over)
    }
    if queue_ciw.why_not() is None:
        found["ciw"] = lambda model: lambda number, seed: queue_ciw.run(model, number, seed, over)
    if queue_simpy.why_not() is None:
        found["simpy"] = lambda model: lambda number, seed: queue_simpy.run(model, number, seed, over)
    if queue_cimba.why_not() is None:
        for style in queue_cimba.STYLES:
            found[f"cimba_{style}"] = partial(_cimba, style)
    return found


def _cimba(style: str, model: Model) -> Simulate:
    return lambda number, seed: queue_cimba.run(model, style, number, seed)


def forecast_seconds(paths: int, say: Say) -> float:
    """A forecast of five organisations in a row, 10^5 items in stock at each; every item is accounted for."""
    say(f"a forecast of {ORGANISATIONS} organisations of {ITEMS:,} items on {paths:,} paths")
    asked = world(ORGANISATIONS, ITEMS, paths)
    start = time.perf_counter()
    told = simulate(asked)
    seconds = time.perf_counter() - start
    for each in asked.organisations:
        track = told.tracks[each.key]
        if (each.stock + track.came - track.left != track.stock[-1]).any():
            raise RuntimeError(f"{each.key}: what came less what left is not what is there")
    return seconds


def result(told: Told, steady: Outcome, seconds: float) -> dict[str, Any]:
    """The figures with their aims."""
    exact = erlang_wait(PLAIN.rate)
    figures = _speeds(told) | _checks(told, steady, exact)
    ratios = {
        f"ratio_{peer}{tail}": _ratio(told, peer, model, exact)
        for model, tail in (("return", ""), ("mm5", "_mm5"))
        for peer in PEERS
    }
    aims: list[Aim] = [
        aim("mmc_error", figures["mmc_error"], "<=", 0.01),
        aim("cobham_error", figures["cobham_error"], "<=", 0.01),
        *(aim(f"ratio_cimba{tail}", ratios[f"ratio_cimba{tail}"], ">=", 1.0) for tail in ("", "_mm5")),
        *(aim(f"ratio_ciw{tail}", ratios[f"ratio_ciw{tail}"], ">=", 50.0) for tail in ("", "_mm5")),
        aim("forecast_seconds", round(seconds, 2), "<=", 10.0),
    ]
    return figures | ratios | {"forecast_seconds": round(seconds, 2), "aims": aims}


def _speeds(told: Told) -> dict[str, Any]:
    names = ("ours", "cimba_events", "cimba_processes", "simpy", "ciw")
    return {
        f"{name}_{model}_per_s": round(median(told[name][model].per_second)) if name in told else None
        for model in MODELS
        for name in names
    }


def _checks(told: Told, steady: Outcome, exact: float) -> dict[str, Any]:
    """What the waits are, and how far from the exact ones; beside each its standard error."""
    cobham = cobham_waits([each.rate for each in STEADY.kinds], SERVERS, RATE)
    return {
        "mmc_exact": round(exact, 5),
        "mmc_error": round(error(told["ours"]["mm5"].outcome, exact), 5),
        "cobham_error": round(max(error(steady, each, k) for k, each in enumerate(cobham)), 5),
        "mmc_waits": {name: [round(x, 4) for x in each["mm5"].outcome.wait()] for name, each in told.items()},
        "return_waits": {
            name: [[round(x, 4) for x in each["return"].outcome.wait(k)] for k in range(len(RETURN.kinds))]
            for name, each in told.items()
        },
        "simulates_the_same": {name: _same(told, name, exact) for name in told},
    }


def _same(told: Told, name: str, exact: float) -> bool:
    """Whether it agrees with the exact M/M/5, and with ours in each class of the queue of the return."""
    ours, theirs = told["ours"]["return"].outcome, told[name]["return"].outcome
    return agrees(told[name]["mm5"].outcome, exact) and all(alike(ours, theirs, k) for k in range(len(RETURN.kinds)))


def _ratio(told: Told, peer: str, model: str, exact: float) -> float | None:
    """Ours to the fastest style of this peer that simulates the same; None where there is none."""
    names = [name for name in told if name.startswith(peer) and _same(told, name, exact)]
    if not names or not _same(told, "ours", exact):
        return None
    return ratio(median(told["ours"][model].per_second), max(median(told[name][model].per_second) for name in names))
