"""The same world through the same chain twice, cut and never cut, and the comparison from outside."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from keersluis.simulation.compare import Seen, Verdict, compare, look
from keersluis.simulation.conductor import Nodes, Played, Player
from keersluis.simulation.feed import Feed
from keersluis.times import Instant

Report = Callable[[str, Instant, Played], None]
"""Told after each tick: which variant ("uncut" or "cut"), the virtual moment, how far it is."""


@dataclass(frozen=True)
class Run:
    """One variant as it went, and as it was found afterwards."""

    seen: Seen
    played: Played
    provisional_peak: int
    peak_rss_mib: float


def trial(feed: Feed, home: Path, report: Report) -> dict[str, Any]:
    """Play `feed` uncut and cut, each on nodes of its own in `home`, and compare. Returns the JSON of the contract.

    `seconds` and `events_per_second` are of the cut run; `uncut` and `total_seconds` tell of the other. `lost`,
    `duplicated` and `falsely_settled` come from comparing databases.
    """
    uncut = run(feed, home / "uncut", cut=False, report=report)
    cut = run(feed, home / "cut", cut=True, report=report)
    return summary(feed, cut, uncut, compare(cut.seen, uncut.seen))


def run(feed: Feed, home: Path, *, cut: bool, report: Report) -> Run:
    """Play one variant to its end and look at what is stored."""
    shutil.rmtree(home, ignore_errors=True)
    nodes = Nodes(feed.chain, home, feed.start)
    nodes.start()
    peak = 0
    try:
        player = Player(nodes, feed, cut=cut)
        while player.step():
            peak = max(peak, _provisional(nodes))
            report("cut" if cut else "uncut", player.now, player.played)
    finally:
        nodes.stop()
    return Run(look(feed.chain, home), player.played, peak, nodes.peak_rss_mib())


def _provisional(nodes: Nodes) -> int:
    deciders = [each.key for each in nodes.chain.nodes if "decider" in each.roles]
    told = [msgspec.json.decode(nodes.wire.get(key, "/v0/beslissingen/_aantallen")) for key in deciders]
    return sum(counts["provisional"] for counts in told)


def summary(feed: Feed, cut: Run, uncut: Run, verdict: Verdict) -> dict[str, Any]:
    """The result as one JSON object."""
    seen = cut.seen
    return {
        "chain": feed.chain.name,
        "events": feed.total_events,
        "accepted": seen.accepted,
        "applied": seen.applied.total(),
        "lost": verdict.lost,
        "duplicated": verdict.duplicated,
        "decisions": len(seen.outcomes),
        "settled": seen.counts["settled"],
        "provisional": seen.counts["provisional"] + seen.counts["held"],
        "provisional_peak": cut.provisional_peak,
        "revisit": seen.counts["revisit"],
        "held": seen.counts["held"],
        "falsely_settled": verdict.falsely_settled,
        "converged": verdict.converged,
        "differences": list(verdict.differences),
        "events_per_second": round(seen.applied.total() / cut.played.seconds, 1) if cut.played.seconds else 0.0,
        "peak_rss_mib": round(max(cut.peak_rss_mib, uncut.peak_rss_mib), 1),
        "seconds": round(cut.played.seconds, 1),
        "total_seconds": round(cut.played.seconds + uncut.played.seconds, 1),
        "uncut": {
            "applied": uncut.seen.applied.total(),
            "decisions": len(uncut.seen.outcomes),
            "revisit": uncut.seen.counts["revisit"],
            "provisional_peak": uncut.provisional_peak,
            "seconds": round(uncut.played.seconds, 1),
        },
        "requests": cut.played.requested,
        "refused": [*(f"never cut: {each}" for each in uncut.played.refused), *cut.played.refused],
        "watermarks": seen.watermarks,
    }
