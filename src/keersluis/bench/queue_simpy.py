"""SimPy on a model of the benchmark: a priority store that servers take from, which costs fewer events than a process
for each item."""

from __future__ import annotations

from collections.abc import Generator
from importlib.util import find_spec
from random import Random
from typing import Any

from keersluis.bench.queue_model import RATE, SERVERS, Kind, Model, Outcome
from keersluis.bench.queue_ours import Map


def why_not() -> str | None:
    return None if find_spec("simpy") else "SimPy is left out: it is not installed here."


def run(model: Model, replications: int, seed: int, over: Map = map) -> Outcome:
    told = list(over(one, [model] * replications, range(seed, seed + replications)))
    return Outcome([items for items, _ in told], [waits for _, waits in told])


def one(model: Model, seed: int) -> tuple[list[float], list[float]]:
    """One replication: by class, items and the sum of waits."""
    import simpy

    draw, clock = Random(seed).expovariate, simpy.Environment()
    queue: Any = simpy.PriorityStore(clock) if len(model.kinds) > 1 else simpy.Store(clock)
    items, waits = [0.0] * len(model.kinds), [0.0] * len(model.kinds)

    def arrivals(k: int, kind: Kind) -> Generator[Any, Any, Any]:
        came, held = draw(kind.rate), kind.stock
        while came <= kind.opens:
            came, held = came + draw(kind.rate), held + 1
        yield clock.timeout(kind.opens)
        for _ in range(held):
            queue.put((k, kind.opens))
        while came <= model.until:
            yield clock.timeout(came - clock.now)
            queue.put((k, came))
            came += draw(kind.rate)

    def server() -> Generator[Any, Any, Any]:
        while True:
            of, came = yield queue.get()
            if came >= model.since:
                items[of] += 1
                waits[of] += clock.now - came
            yield clock.timeout(draw(RATE))

    for k, kind in enumerate(model.kinds):
        clock.process(arrivals(k, kind))
    for _ in range(SERVERS):
        clock.process(server())
    clock.run()
    return items, waits
