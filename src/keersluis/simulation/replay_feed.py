"""A real event log as a feed: the same acts and questions with a cut, and as if there had been none.

Acts keep their event time and are entered at the end of their tick. The kinds' lag is longer than that
(`maps` sees to it), so the sources' promises of completeness are true (P2), with paper as the one exception that
they know of: an act on paper is registered as waiting at the moment at which it would have been entered.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from keersluis.chain import Chain
from keersluis.errors import Incorrect
from keersluis.eventlogs import BadRows, read_log
from keersluis.simulation.acts import Acts, EventWriter, Numbers, acts_of, event_id, subject_of
from keersluis.simulation.feed import Ask, Counts, GateOrder, Item, Publish, Waiting
from keersluis.simulation.maps import LogMap
from keersluis.times import DAY, Instant, day_of, format_instant, local, parse_when

MOST_TICKS = 5000
"""More, and the log most likely has a time that is a typing error."""

ASKED_ABOUT = 365 * DAY
ASKED_AHEAD = 14 * DAY
"""A question at t is about somebody with an act from a year before t to a fortnight after it, as far as there is."""


class Window(NamedTuple):
    """The cut: closed at `start`, open again at `end`."""

    start: Instant
    end: Instant


def parse_window(text: str, zone: ZoneInfo) -> Window:
    """``FROM..TO``, days or RFC 3339 times; a day stands for its first moment in `zone`.

    Raises Incorrect `replay.bad-cut`.
    """
    expected = "FROM..TO as 2004-08-01..2004-10-10, FROM before TO"
    begin, dots, end = text.partition("..")
    try:
        window = Window(parse_when(begin.strip(), zone).start, parse_when(end.strip(), zone).start)
    except Incorrect:
        raise Incorrect("replay.bad-cut", expected=expected, got=repr(text), where="--cut") from None
    if not dots or window.start >= window.end:
        raise Incorrect("replay.bad-cut", expected=expected, got=repr(text), where="--cut")
    return window


def replay_feed(
    log: str | Path,
    log_map: LogMap,
    cut: str | Window,
    seed: int = 0,
    *,
    skip_bad: bool = False,
    progress: Callable[[int], None] = lambda events: None,
) -> ReplayFeed:
    """Read the whole log; `progress` hears now and then how many of its events were read.

    Raises Incorrect as `read_acts` and `parse_window` do, `replay.cut-outside` when the log has no acts in the time
    of the cut, and `replay.too-long`.
    """
    window = parse_window(cut, log_map.chain.timezone) if isinstance(cut, str) else cut
    feed = ReplayFeed(log_map, read_acts(Path(log), log_map, skip_bad=skip_bad, progress=progress), window, seed)
    _check(feed, str(log))
    return feed


def read_acts(
    path: Path, log_map: LogMap, *, skip_bad: bool = False, progress: Callable[[int], None] = lambda events: None
) -> Acts:
    """All acts of the log at `path`.

    Raises Incorrect as `read_log` does, and `log.unknown-activities`, `log.empty` and, unless `skip_bad`,
    `log.bad-events`.
    """
    bad = BadRows()
    try:
        acts = acts_of(read_log(path, log_map.columns, log_map.zone, bad), log_map, bad, progress)
    except Incorrect as error:
        error.where = error.where or str(path)
        raise
    if not skip_bad:
        bad.stop(path)
    if not len(acts):
        raise Incorrect("log.empty", expected="at least one event that the map knows", got="none", where=str(path))
    acts.skipped = bad.number
    return acts


def _check(feed: ReplayFeed, where: str) -> None:
    first, last = int(feed.acts.starts().min()), int(feed.acts.ends().max())
    span = f"acts from {_day(first, feed)} to {_day(last, feed)}"
    if feed.window.end <= first or feed.window.start > last:
        expected = f"a cut within the log, which has {span}"
        raise Incorrect("replay.cut-outside", expected=expected, got=feed.cut, where="--cut")
    number = (feed.end - feed.start) // feed.tick
    if number > MOST_TICKS:
        got = f"{number} ({span}; cut {feed.cut})"
        mend = "mend the times that are wrong, or choose a longer tick in the map"
        raise Incorrect("replay.too-long", expected=f"at most {MOST_TICKS} ticks", got=got, mend=mend, where=where)


def _day(instant: Instant, feed: ReplayFeed) -> str:
    return local(instant, feed.chain.timezone).date().isoformat()


@dataclass(frozen=True)
class ReplayFeed:
    """See `feed.Feed`. Whether an act lies on paper, and for how long, depends on the seed and the act alone."""

    log_map: LogMap
    acts: Acts
    window: Window
    seed: int

    @property
    def chain(self) -> Chain:
        return self.log_map.chain

    @property
    def tick(self) -> int:
        return self.log_map.tick

    @property
    def total_events(self) -> int:
        return len(self.acts)

    @property
    def cut(self) -> str:
        """The window in words of `--cut`."""
        return f"{format_instant(self.window.start)}..{format_instant(self.window.end)}"

    @cached_property
    def start(self) -> Instant:
        """The first moment of the day of the first act."""
        return day_of(int(self.acts.starts().min()), self.chain.timezone).start

    @cached_property
    def end(self) -> Instant:
        """The end of the tick in which the last thing happens, cut or not; settling goes on after it.

        Where sources state counts they go on doing so until the last act is covered: a promise reaches no further.
        """
        last = max(int(self._entered.max()), max(self._late.values(), default=0), self.window.end)
        if self.log_map.counts:
            lag = max(kind.lag for kind in self.chain.kinds.values())
            last += lag + self.log_map.counts + self.chain.skew + 2 * DAY
        return self._tick_end(last)

    @property
    def skipped(self) -> int:
        """How many faulty events of the log were left out."""
        return self.acts.skipped

    @property
    def on_paper(self) -> int:
        """How many acts are entered late because they lie on paper in the cut."""
        return len(self._late)

    def items(self, cut: bool) -> Iterator[Item]:
        """All items, in order of `at`; at the same moment gates move first, then acts are entered, then asked."""
        entered, order = self._order(cut)
        others: list[list[Item]] = [list(self._counts(entered)), list(self._asks())]
        before: list[Item] = []
        if cut:
            before = sorted([*self._gates(), *self._waiting()], key=lambda item: item.at)
        yield from heapq.merge(before, self._published(entered, order), *others, key=lambda item: item.at)

    def _tick_end(self, instant: Instant) -> Instant:
        return self.start - (self.start - instant) // self.tick * self.tick

    @cached_property
    def _entered(self) -> Numbers:
        """When each act is entered if nothing is wrong: the end of the tick that its last moment falls in."""
        return self.start - (self.start - self.acts.ends()) // self.tick * self.tick

    @cached_property
    def _late(self) -> dict[int, Instant]:
        """Acts that lie on paper, and when each is entered: always a tick or more later than usual."""
        cut, acts = self.log_map.cut, self.acts
        sources = [number for number, kind in enumerate(acts.kinds) if kind.source == cut.organisation]
        inside = (acts.starts() >= self.window.start) & (acts.starts() < self.window.end)
        inside &= np.isin(np.frombuffer(acts.kind, dtype=np.uint16), sources)
        late: dict[int, Instant] = {}
        for act in np.flatnonzero(inside).tolist():
            share, delay = self._draws(act)
            if share < cut.paper:
                after = self._tick_end(acts.end[act] + int(delay * cut.entered_within))
                late[act] = max(after, int(self._entered[act]) + self.tick)
        return late

    def _draws(self, act: int) -> tuple[float, float]:
        digest = blake2b(f"{self.seed}/{event_id(act)}".encode(), digest_size=16).digest()
        return int.from_bytes(digest[:8], "big") / 2**64, int.from_bytes(digest[8:], "big") / 2**64

    def _order(self, cut: bool) -> tuple[Numbers, Numbers]:
        """When each act is entered, and the acts in that order; within a tick by event time, then as in the log."""
        entered = self._entered
        if cut and self._late:
            entered = entered.copy()
            entered[list(self._late)] = list(self._late.values())
        return entered, np.lexsort((self.acts.starts(), entered))

    def _published(self, entered: Numbers, order: Numbers) -> Iterator[Item]:
        write, kind = EventWriter(self.acts, self.log_map), self.acts.kind
        sources = [each.source for each in self.acts.kinds]
        for block in np.array_split(order, max(1, len(order) // 4096)):
            for act, at in zip(block.tolist(), entered[block].tolist(), strict=True):
                yield Publish(at, sources[kind[act]], write(act))

    def _waiting(self) -> Iterator[Item]:
        write, cut = EventWriter(self.acts, self.log_map), self.log_map.cut
        for act in self._late:
            path = self.acts.kinds[self.acts.kind[act]].path
            usual = int(self._entered[act])
            yield Waiting(usual, cut.organisation, path, event_id(act), write.occurred(act), cut.channel)

    def _counts(self, entered: Numbers) -> Iterator[Item]:
        """Every so many ticks: how many acts of each kind, seen in the log or not, have been entered."""
        step = self.log_map.counts // self.tick * self.tick
        counted = [kind for kind in self.chain.kinds.values() if kind.counts]
        if not step or not counted:
            return
        moments = np.arange(self.start, self.end + 1, step)
        numbers = {kind.path: np.zeros(len(moments), dtype=np.int64) for kind in counted}
        which = np.frombuffer(self.acts.kind, dtype=np.uint16)
        for number, kind in enumerate(self.acts.kinds):
            numbers[kind.path] = np.searchsorted(np.sort(entered[which == number]), moments, side="right")
        for place, at in enumerate(moments.tolist()):
            for kind in counted:
                yield Counts(at, kind.source, kind.path, at, int(numbers[kind.path][place]))

    def _gates(self) -> Iterator[Item]:
        cut = self.log_map.cut
        begin = max(self.window.start, self.start)
        yield self._gate_order(begin, "closed", cut.why, format_instant(self.window.end))
        yield self._gate_order(self.window.end, "open", "The end of the replayed cut", None)

    def _gate_order(self, at: Instant, state: str, why: str, until: str | None) -> GateOrder:
        return GateOrder(
            at=at,
            organisation=self.log_map.cut.organisation,
            peer="*",
            direction="*",
            kind="*",
            state=state,
            rate=None,
            who="replay",
            why=why,
            until=until,
            evidence=f"--cut {self.cut}",
        )

    def _asks(self) -> Iterator[Item]:
        rule = self.log_map.questions
        chance = random.Random(f"questions {self.seed}")
        order = np.argsort(self.acts.starts(), kind="stable")
        starts = self.acts.starts()[order]
        for number, moment in enumerate(self._moments(chance), 1):
            act = int(order[_somewhere(starts, moment, chance)])
            request = {
                "id": f"question-{number:06d}",
                "policy": rule.policy,
                "subject": subject_of(self.acts, self.log_map, act),
                "moment": format_instant(moment),
            }
            yield Ask(moment, rule.organisation, request)

    def _moments(self, chance: random.Random) -> list[Instant]:
        """When questions are asked: some in the cut, the others at any time of the log; whole seconds."""
        rule, last = self.log_map.questions, int(self.acts.ends().max())
        in_cut = round(rule.number * rule.in_cut)
        spans = [(max(self.window.start, self.start), min(self.window.end, last))] * in_cut
        spans += [(self.start, last)] * (rule.number - in_cut)
        moments = [start + int(chance.random() * (end - start)) for start, end in spans]
        return sorted(moment - moment % 1_000_000 for moment in moments)


def _somewhere(starts: Numbers, moment: Instant, chance: random.Random) -> int:
    """The place of an act around `moment`; of any act when there is none."""
    first, after = np.searchsorted(starts, [moment - ASKED_ABOUT, moment + ASKED_AHEAD]).tolist()
    if first >= after:
        first, after = 0, len(starts)
    return int(first + chance.random() * (after - first))
