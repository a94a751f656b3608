"""Bodies of entries about the return: services, backlogs, forecasts; each with a part of what it is told as."""

from __future__ import annotations

from typing import Any

_SERVICE = {"title": {"nl": "Post", "en": "Mail"}, "organisation": "om", "who": "head of IT", "why": "as ordered"}
_MADE = {
    "forecast": 3,
    "backlog": "om-paper",
    "stock": 1312,
    "gone": "2025-11-02T23:00:00Z",
    "gone_from": "2025-10-05T22:00:00Z",
    "gone_until": "2025-12-21T23:00:00Z",
}
_IMPORTED = {
    "who": "office",
    "backlog": "om-calls",
    "until": "2025-09-28T22:00:00Z",
    "came": 40,
    "left": 12,
    "why": "Week 39",
}

RETURN: list[tuple[str, dict[str, Any], str]] = [
    ("service.state", _SERVICE | {"state": "down"}, "“Mail” of"),
    ("forecast.made", _MADE, "gone about 3 November 00:00; with probability 80 % from 6 October"),
    ("forecast.made", _MADE | {"gone_until": None}, "or never"),
    (
        "forecast.made",
        _MADE | {"gone": None},
        "Forecast 3: backlog om-paper, now 1,312, will not be gone at this rate.",
    ),
    ("forecast.scored", {"backlog": "om-paper", "count": 5, "held": 4}, "5 statements about backlog om-paper could"),
    ("forecast.corrected", {"backlog": "om-paper", "count": 1}, "1 size of backlog om-paper is told otherwise now"),
    ("backlog.imported", _IMPORTED, "office imported counts of the backlog om-calls"),
    ("backlog.undone", _IMPORTED, "office undid the last import of the backlog om-calls: 40 came, 12 left. Week 39"),
]
