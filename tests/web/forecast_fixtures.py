"""What a node may answer about its forecasts: of a walk of which the half was foretold by somebody too sure."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any
from zoneinfo import ZoneInfo

from keersluis.recovery.dates import Gone
from keersluis.recovery.forecast_views import records, told
from keersluis.recovery.forecasts import STATED, Forecast
from keersluis.recovery.verification import ENDING, Kept
from keersluis.times import DAY, parse_instant

START = parse_instant("2025-07-18T00:00:00+02:00")
SIZES = [1312 - 11 * n + (37 * n * n) % 89 for n in range(60)]


def prognoses(zone: ZoneInfo) -> dict[str, Any]:
    """GET /v0/prognoses."""
    whole = [_kept(n, method) for n in range(1, 31) for method in ("record", "paths")]
    newest = sorted(whole, key=lambda each: -each.n)
    return {
        "forecasts": [told(each, zone) for each in newest],
        "number": len(whole),
        "records": records(whole),
        "spoken": [4, 13],
        "titles": {"om-paper": {"nl": "Handelingen op papier", "en": "Acts on paper"}},
    }


def _kept(n: int, method: Any) -> Kept:
    at, stock = START + n * DAY, SIZES[n]
    units = [NormalDist().inv_cdf(level) for level in STATED]
    rows = tuple(tuple(max(0.0, stock - 9.0 * h + 14 * h**0.5 * unit) for unit in units) for h in range(1, 27))
    ends = ((0.5, 70, 120), (0.8, 60, None), (0.95, None, None)) if n % 2 else ((0.5, 2, 3), (0.8, 2, 5), (0.95, 1, 9))
    said = Forecast(
        "om-paper", at + 60, at, DAY, stock, 20, method, STATED, rows, Gone(20, ends[0][1], ends, -9.0), (), (), ""
    )
    actual = {h: SIZES[n + h] for h in range(1, 27) if n + h <= 30}
    missed = {ENDING: -1} if n % 2 == 0 and n <= 20 else {}
    return Kept(2 * n - (method == "record"), said, actual | missed, {4: 900} if n == 22 else {})
