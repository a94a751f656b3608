"""Ciw on a model of the benchmark: one node with priority classes; stock and gate in the gaps between arrivals."""

from __future__ import annotations

from importlib.util import find_spec
from random import expovariate
from typing import Any

from keersluis.bench.queue_model import RATE, SERVERS, Kind, Model, Outcome
from keersluis.bench.queue_ours import Map

NEVER = 1e9
"""An arrival beyond the end: Ciw cannot do without a next event."""


def why_not() -> str | None:
    return None if find_spec("ciw") else "Ciw is left out: it is not installed here."


def run(model: Model, replications: int, seed: int, over: Map = map) -> Outcome:
    told = list(over(one, [model] * replications, range(seed, seed + replications)))
    return Outcome([items for items, _ in told], [waits for _, waits in told])


def one(model: Model, seed: int) -> tuple[list[float], list[float]]:
    """One replication: by class, items and the sum of waits."""
    import ciw

    ciw.seed(seed)
    names = [str(k) for k in range(len(model.kinds))]
    network = ciw.create_network(
        arrival_distributions={name: [_arrivals(each, model)] for name, each in zip(names, model.kinds, strict=True)},
        service_distributions={name: [ciw.dists.Exponential(RATE)] for name in names},
        number_of_servers=[SERVERS],
        priority_classes={name: k for k, name in enumerate(names)},
    )
    simulation = ciw.Simulation(network)
    simulation.simulate_until_max_time(NEVER / 2)
    items, waits = [0.0] * len(names), [0.0] * len(names)
    for record in simulation.get_all_records():
        if record.arrival_date >= model.since:
            items[int(record.customer_class)] += 1
            waits[int(record.customer_class)] += record.waiting_time
    return items, waits


def _arrivals(kind: Kind, model: Model) -> Any:
    import ciw

    class Arrivals(ciw.dists.Distribution):  # type: ignore[misc, unused-ignore]
        def __init__(self) -> None:
            self.stock, self.came, self.released = kind.stock, 0.0, 0.0

        def sample(self, t: float | None = None, ind: Any = None) -> float:
            if self.stock:
                self.stock -= 1
            else:
                self.came += expovariate(kind.rate)
            if self.came > model.until:
                return NEVER
            gap = max(self.came, kind.opens) - self.released
            self.released += gap
            return gap

    return Arrivals()
