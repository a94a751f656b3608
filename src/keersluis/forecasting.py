"""Forecasts of a node's backlogs: made, kept, scored. On top of the service, as functions that take the Node.

Every statement that a node makes about one of its backlogs is kept: those that somebody asks for, and one that the node
makes by itself whenever another step of a backlog has passed, so that the record has no gaps that somebody chose.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from typing import Any

from keersluis import counting
from keersluis.errors import Incorrect, KeersluisError
from keersluis.recovery import backlogs, recording
from keersluis.recovery.accounts import enough
from keersluis.recovery.assumptions import of_record
from keersluis.recovery.forecast_views import SPOKEN, records, sentence_of, told
from keersluis.recovery.forecasts import FAR, Forecast, by_record
from keersluis.recovery.outlook import Forecaster
from keersluis.recovery.verification import HORIZONS, Kept, Stocks, stocks
from keersluis.repeating import Repeating
from keersluis.service import Node
from keersluis.times import DAY, Instant

logger = logging.getLogger(__name__)

YEAR = 364 * DAY
"""A season: whole weeks."""

LOOK = 60.0
"""Seconds between two looks whether a step of a backlog has passed."""

MOST = 500
"""So many forecasts are told of at once, the newest."""


def make(
    node: Node, backlog: str, normal: int | None = None, horizons: Sequence[int] = (), *, hold: bool = True
) -> dict[str, Any]:
    """Forecast a backlog of this node, by the record of the forecast's own errors, and keep it (unless not `hold`).

    `normal`: at how many it counts as gone; by default the backlog's own. Raises Incorrect `backlog.unknown`,
    `backlog.too-little`.
    """
    level = backlogs.known(node.ctx, backlog).normal if normal is None else normal
    account = enough(counting.account(node, backlog), backlog)
    season = max(2, round(YEAR / account.step))
    forecaster = Forecaster(account.past, max(FAR, *horizons, 1), season)
    said = by_record(account, forecaster, backlog, node.clock.now(), level, of_record(account, season))
    if hold:
        return keep(node, said, stocks(account), horizons)
    return told(Kept(0, said), node.chain.timezone, sorted({*HORIZONS, *horizons})) | {"statement": said.document()}


def round_of(node: Node, tried: dict[str, Instant]) -> int:
    """Forecast each backlog of which a step has passed since it was last forecast, or `tried` (which is kept up to
    date); what came is scored with that. Returns how many were made."""
    with node.store.read() as tx:
        latest = recording.latest(tx)
    made, now = 0, node.clock.now()
    for each in backlogs.own(node.ctx):
        if now < max(latest.get(each.key, 0), tried.get(each.key, 0)) + each.step:
            continue
        tried[each.key] = now - now % each.step
        try:
            make(node, each.key)
            made += 1
        except Incorrect as error:
            logger.info("no forecast of %s: %s", each.key, error)
        except KeersluisError as error:
            logger.warning("no forecast of %s: %s", each.key, error)
    return made


def foreteller(node: Node) -> Repeating:
    """Forecasts the node's backlogs as their steps pass, as long as the node runs."""
    return Repeating("forecasting the backlogs", LOOK, partial(round_of, node, {}))


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
        "titles": {each.key: dict(each.title) for each in backlogs.own(node.ctx)},
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
