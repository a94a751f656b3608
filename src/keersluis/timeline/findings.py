"""A list of findings that stays short: neighbours become one, and beyond a limit they are only counted. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from keersluis.timeline.model import Finding, What

MOST = 200
"""Findings kept of one log; a log that is wholly spoilt has no use for more."""

_SWALLOWS = {"timeline.entry-removed": "timeline.entry-moved"}
_HELD = 20 * MOST


class Findings:
    """Collects what is wrong with one log."""

    def __init__(self, log: str) -> None:
        self.log = log
        self._found: dict[str, list[Finding]] = {}
        self._held = 0
        self._dropped = 0

    def add(self, code: str, what: What = "log", first: int = 0, last: int | None = None, **facts: str) -> None:
        """Note a finding; one that adjoins or repeats the one before of its code and facts widens that."""
        finding = Finding(code, self.log, what, first, first if last is None else last, facts)
        row = self._found.setdefault(code, [])
        if row and _adjoin(row[-1], finding):
            row[-1] = _both(row[-1], finding)
        elif self._held < _HELD:
            self._held += 1
            row.append(finding)
        else:
            self._dropped += 1

    def covers(self, code: str, n: int) -> bool:
        """Whether a finding of this code names place `n`."""
        return any(finding.covers(n) for finding in self._found.get(code, ()))

    def result(self) -> tuple[tuple[Finding, ...], int]:
        """At most `MOST` findings by place, and how many more there are."""
        for lost, elsewhere in _SWALLOWS.items():
            moved = self._found.get(elsewhere, [])
            self._found[lost] = [part for finding in self._found.get(lost, []) for part in _without(finding, moved)]
        everything = [finding for row in self._found.values() for finding in _joined(row)]
        everything.sort(key=lambda finding: (finding.first, finding.last))
        return tuple(everything[:MOST]), max(0, len(everything) - MOST) + self._dropped


def _adjoin(one: Finding, other: Finding) -> bool:
    near = other.first <= one.last + 1 and one.first <= other.last + 1
    return near and one.what == other.what and one.what != "log" and one.facts == other.facts


def _both(one: Finding, other: Finding) -> Finding:
    return replace(one, first=min(one.first, other.first), last=max(one.last, other.last))


def _joined(found: Iterable[Finding]) -> list[Finding]:
    """The findings of one code, neighbours made one."""
    joined: list[Finding] = []
    for finding in sorted(found, key=lambda finding: (finding.what, finding.first)):
        if joined and _adjoin(joined[-1], finding):
            joined[-1] = _both(joined[-1], finding)
        else:
            joined.append(finding)
    return joined


def _without(finding: Finding, found: Iterable[Finding]) -> list[Finding]:
    """`finding` less the places that `found` names: what lies elsewhere was not removed."""
    parts = [finding]
    for other in found:
        parts = [rest for part in parts for rest in _cut(part, other)]
    return parts


def _cut(part: Finding, other: Finding) -> list[Finding]:
    if other.last < part.first or part.last < other.first:
        return [part]
    rest = [replace(part, last=other.first - 1), replace(part, first=other.last + 1)]
    return [each for each in rest if each.first <= each.last]
