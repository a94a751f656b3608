"""`bench plan`: the order of small plans against CP-SAT's, and of 2,000 services against the clock."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from time import perf_counter, process_time
from typing import Any

from keersluis.bench import cpsat
from keersluis.bench.aims import aim, quantile
from keersluis.bench.made_plans import Plan, made_plan
from keersluis.recovery.schedule import broken, propose

SERVICES, DEPENDENCIES, TEAMS = 2000, 2.5, 8
"""A large plan: services, needs of each on average, teams."""

WINDOWS = (60, 400, 2000)
"""How far back a service's needs lie, at most: deep plans and broad ones."""

PATIENCE = 20.0
"""Seconds for CP-SAT on a small plan."""

Say = Callable[[str], None]


def run(plans: int, peer_seconds: float, say: Say) -> dict[str, Any]:
    """`plans` small plans of 8 to 20 stages, and a large one of each sort; CP-SAT gets `peer_seconds` on one of those.

    Times are of the wall; `cpu_…` of this process alone. A gap is a part of the cost.
    """
    small = [_small(seed, say) for seed in range(plans)]
    large = [_large(window, say) for window in WINDOWS]
    peer = _peer(peer_seconds, say) if peer_seconds > 0 else None
    return _result(small, large, peer)


def _small(seed: int, say: Say) -> dict[str, Any]:
    number = 8 + 2 * (seed % 7)
    say(f"small plan {seed + 1}: {number} stages")
    tasks, capacity = made_plan(seed, number, waiting=number // 2)
    begin = perf_counter()
    found = propose(tasks, capacity)
    told = {"seconds": perf_counter() - begin, "proven": found.proven, "peer_gap": None, "peer_seconds": None}
    faults = broken(tasks, capacity, found.start)
    if faults:
        raise AssertionError(f"plan {seed}: {faults}")
    if cpsat.why_not() is None:
        begin = perf_counter()
        peer = cpsat.solved(tasks, capacity, PATIENCE)
        told["peer_seconds"] = perf_counter() - begin
        if peer.cost is not None and peer.proven:
            told["peer_gap"] = (found.cost - peer.cost) / peer.cost if peer.cost else float(found.cost)
    return told


def _large(window: int, say: Say) -> dict[str, Any]:
    say(f"{SERVICES} services, needs up to {window} back")
    tasks, capacity = _services(window)
    begin, busy = perf_counter(), process_time()
    found = propose(tasks, capacity)
    seconds, cpu = perf_counter() - begin, process_time() - busy
    faults = broken(tasks, capacity, found.start)
    if faults:
        raise AssertionError(f"{SERVICES} services: {faults[:3]}")
    dependencies = sum(len(task.needs) for task in tasks if task.duration or task.teams)
    return {
        "window": window,
        "seconds": round(seconds, 2),
        "cpu_seconds": round(cpu, 2),
        "dependencies": dependencies,
        "cost": found.cost,
        "gap_to_bound": round(found.gap, 3),
    }


def _services(window: int) -> Plan:
    return made_plan(1, SERVICES, waiting=SERVICES // 4, teams=TEAMS, window=window, density=DEPENDENCIES)


def _peer(seconds: float, say: Say) -> dict[str, Any] | None:
    """CP-SAT on the last of the large plans, with two workers."""
    if cpsat.why_not() is not None:
        return None
    say(f"CP-SAT on {SERVICES} services, {seconds:.0f} s")
    found = cpsat.solved(*_services(WINDOWS[-1]), seconds, workers=2)
    return {"seconds": seconds, "cost": found.cost, "bound": found.bound}


def _result(small: list[dict[str, Any]], large: list[dict[str, Any]], peer: dict[str, Any] | None) -> dict[str, Any]:
    seconds = [each["seconds"] for each in small]
    gaps = [each["peer_gap"] for each in small if each["peer_gap"] is not None]
    theirs = [each["peer_seconds"] for each in small if each["peer_seconds"] is not None]
    proven = sum(each["proven"] for each in small) / len(small)
    worst = max(each["seconds"] for each in large)
    return {
        "small_plans": len(small),
        "small_proven": round(proven, 3),
        "small_seconds_median": round(median(seconds), 3),
        "small_seconds_p90": round(quantile(seconds, 0.9), 3),
        "cpsat_seconds_median": round(median(theirs), 3) if theirs else None,
        "cpsat_compared": len(gaps),
        "large": large,
        "cpsat_large": peer,
        "left_out": [why for why in (cpsat.why_not(),) if why],
        "aims": [
            aim("seconds_2000_services", worst, "<=", 5.0),
            aim("gap_to_cpsat_small", round(max(gaps), 6) if gaps else None, "<=", 0.0),
            aim("small_proven", round(proven, 3), ">=", 0.95),
        ],
    }
