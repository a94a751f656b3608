"""Sentences for entries about forecasts that are kept and scored. Pure. `texts` gives them what they tell of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keersluis.timeline.texts import _Told

Telling = Callable[["_Told"], str]


def _made(told: _Told) -> str:
    facts = {"backlog": told.text("backlog"), "stock": told.number("stock"), "number": told.number("forecast")}
    _ = told._
    if told.body["gone"] is None:
        return _("Forecast {number}: backlog {backlog}, now {stock}, will not be gone at this rate.", **facts)
    facts["gone"] = told.moment("gone")
    if told.body["gone_from"] and told.body["gone_until"]:
        facts |= {"first": told.moment("gone_from"), "last": told.moment("gone_until")}
        return _(
            "Forecast {number}: backlog {backlog}, now {stock}, gone about {gone}; with probability 80 % from {first} "
            "to {last}.",
            **facts,
        )
    return _("Forecast {number}: backlog {backlog}, now {stock}, gone about {gone}, or never.", **facts)


def _scored(told: _Told) -> str:
    return told._.plural(
        "{count} statement about backlog {backlog} could be scored; of 80 %, {held} held.",
        "{count} statements about backlog {backlog} could be scored; of 80 %, {held} held.",
        told.count("count", "actuals"),
        backlog=told.text("backlog"),
        held=told.number("held"),
    )


def _corrected(told: _Told) -> str:
    return told._.plural(
        "{count} size of backlog {backlog} is told otherwise now; what was known first goes on counting.",
        "{count} sizes of backlog {backlog} are told otherwise now; what was known first goes on counting.",
        told.count("count", "corrections"),
        backlog=told.text("backlog"),
    )


NOTABLE = frozenset({"forecast.made", "forecast.corrected"})
"""The kinds that people want to know of."""

SENTENCES: Mapping[str, Telling] = {
    "forecast.made": _made,
    "forecast.scored": _scored,
    "forecast.corrected": _corrected,
}
