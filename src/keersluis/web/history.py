"""How the counts of decisions moved: a bounded list of samples that thins itself out. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keersluis.times import parse_instant
from keersluis.web.scene import Status
from keersluis.web.views import FIGURES


class Samples:
    """At most `most` samples over any length of time. When full, every other one goes, and the pace is halved."""

    def __init__(self, most: int = 240) -> None:
        self._most = most
        self._apart = 0
        self._kept: list[dict[str, Any]] = []

    def add(self, statuses: Sequence[Status]) -> None:
        """Take the counts of all nodes together at the latest moment that they give."""
        if not statuses:
            return
        at = max((status["now"] for status in statuses), key=parse_instant)
        sample = {"at": at} | {figure: sum(status["decisions"][figure] for status in statuses) for figure in FIGURES}
        if len(self._kept) > 1 and parse_instant(at) - parse_instant(self._kept[-2]["at"]) <= self._apart:
            self._kept[-1] = sample  # the last one is always the present
            return
        self._kept.append(sample)
        if len(self._kept) > self._most:
            self._kept = [*self._kept[:-1:2], self._kept[-1]]
            span = parse_instant(at) - parse_instant(self._kept[0]["at"])
            self._apart = 2 * span // self._most

    def samples(self) -> list[dict[str, Any]]:
        """{"at", provisional, revisit, held, settled}, oldest first."""
        return list(self._kept)
