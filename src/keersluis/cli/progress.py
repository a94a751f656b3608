"""Progress of long work on standard error: where it is, how fast, how long still."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

from keersluis.times import Instant, format_instant

if TYPE_CHECKING:
    from keersluis.simulation.conductor import Played
    from keersluis.simulation.feed import Feed

EVERY = 0.5


class Steps:
    """Progress of a feed that is played twice, uncut and cut."""

    def __init__(self, feed: Feed) -> None:
        self.feed, self.started, self.last = feed, time.monotonic(), 0.0
        self.live = sys.stderr.isatty()

    def report(self, variant: str, at: Instant, played: Played) -> None:
        """Told after each tick; writes at most twice a second (every ten seconds where nobody watches)."""
        now = time.monotonic()
        if now - self.last < (EVERY if self.live else 20 * EVERY):
            return
        self.last = now
        share = (at - self.feed.start) / max(1, self.feed.end - self.feed.start)
        done = min(1.0, max(0.001, share)) / 2 + (0.5 if variant == "cut" else 0.0)
        left = (now - self.started) * (1 - done) / done
        line = (
            f"{'with the cut' if variant == 'cut' else 'never cut':12} {format_instant(at)[:10]} "
            f"{played.published:,} events, {played.asked:,} questions, {done:4.0%}, about {left:,.0f} s left"
        )
        print(f"\r{line:<100}" if self.live else line, end="" if self.live else "\n", file=sys.stderr, flush=True)

    def __enter__(self) -> Steps:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        if self.live:
            print(file=sys.stderr)
