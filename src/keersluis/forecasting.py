"""Forecasts of a node's backlogs: made, kept, scored. On top of the service, as functions that take the Node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keersluis.errors import Incorrect
from keersluis.recovery import recording
from keersluis.recovery.forecast_views import SPOKEN, records, sentence_of, told
from keersluis.recovery.forecasts import Forecast
from keersluis.recovery.verification import HORIZONS, Kept, Stocks
from keersluis.service import Node

MOST = 500
"""So many forecasts are told of at once, the newest."""


def keep(node: Node, said: Forecast, known: Stocks, horizons: Sequence[int] = ()) -> dict[str, Any]:
    """Keep what was said of a backlog, from an account whose sizes are `known`: what these tell of earlier forecasts is
    scored first, and this one is stretched by their record. The same said again is kept once.

    Returns the forecast as kept with `statement` (its JSON) and `record`, the sentence about those before it.
    """
    if known.end != said.as_of or known.at(said.as_of) != said.stock:
        expected = "sizes up to the moment as of which the forecast speaks"
        raise Incorrect("forecast.other-account", expected=expected, got=f"{len(known.sizes)} that end otherwise")
    kept = node.store.write(lambda tx: recording.keep(tx, said, known, node.clock.now()))
    with node.store.read() as tx:
        before = [each for each in recording.record(tx, said.backlog) if each.n < kept.n]
    same = [each for each in before if each.forecast.method == said.method]
    shown = sorted({*HORIZONS, *horizons})
    return told(kept, node.chain.timezone, shown) | {
        "statement": kept.forecast.document(),
        "record": sentence_of(same),
    }


def listed(node: Node, backlog: str | None = None) -> dict[str, Any]:
    """Kept forecasts, newest first, and the record of each backlog and method. Raises Untrusted `forecast.altered`."""
    whole = _record(node, backlog)
    newest = sorted(whole, key=lambda each: -each.n)[:MOST]
    return {
        "forecasts": [told(each, node.chain.timezone) for each in newest],
        "number": len(whole),
        "records": records(whole),
        "spoken": list(SPOKEN),
    }


def one(node: Node, n: int) -> dict[str, Any]:
    """One kept forecast in full: each step, its statement and what came. Raises Incorrect `forecast.unknown`."""
    found = next((each for each in _record(node, None) if each.n == n), None)
    if found is None:
        raise Incorrect("forecast.unknown", expected="the number of a kept forecast", got=str(n))
    every = range(1, found.forecast.ahead + 1)
    return told(found, node.chain.timezone, every) | {"statement": found.forecast.document()}


def _record(node: Node, backlog: str | None) -> list[Kept]:
    with node.store.read() as tx:
        return recording.record(tx, backlog)
