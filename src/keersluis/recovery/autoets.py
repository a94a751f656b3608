"""AutoETS of statsforecast as a peer, where that is installed; it is no dependency of the product."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from keersluis.recovery.history import Numbers
from keersluis.recovery.peers import Peer

LONGEST = 24
"""Exponential smoothing takes no longer season."""


def autoets(season: int) -> Peer | None:
    """None where statsforecast is not installed. A longer season is taken a quarter at a time."""
    if find_spec("statsforecast") is None:
        return None
    models: Any = import_module("statsforecast.models")
    period = season if season <= LONGEST else round(season / 4)
    period = period if period <= LONGEST else 1

    def told(stock: Numbers, ahead: int, level: float) -> tuple[Numbers, Numbers]:
        percent = round(100 * level)
        model = models.AutoETS(season_length=period if len(stock) > 2 * period else 1)
        said = model.forecast(y=stock, h=ahead, level=[percent])
        return said[f"lo-{percent}"], said[f"hi-{percent}"]

    return told
