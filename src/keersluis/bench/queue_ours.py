"""Ours: `recovery.queues` on a model of the benchmark, its chunks of paths spread over processes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from keersluis.bench.queue_model import RATE, SERVERS, Model, Outcome
from keersluis.recovery.draws import Exponential
from keersluis.recovery.queues import Asked, ItemClass, Queue, simulate

Map = Callable[..., Iterable[Any]]


def queue(model: Model) -> Queue:
    service = Exponential(1 / RATE)
    classes = [ItemClass(service, Exponential(1 / each.rate), each.stock, each.opens) for each in model.kinds]
    return Queue(tuple(classes), (0.0,) * SERVERS, model.until)


def run(model: Model, paths: int, seed: int, over: Map = map) -> Outcome:
    result = simulate(queue(model), paths, seed, Asked(since=model.since), over)
    return Outcome(result.items.T.tolist(), result.waits.T.tolist())
