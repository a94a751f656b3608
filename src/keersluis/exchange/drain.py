"""The drain order: how the room of one parcel is divided over the streams that wait for a peer. Pure.

Within a stream the order is the sequence, always; a class of priority is a leaf kind (docs/decisions). Among streams:

1. **Ageing.** A stream that got nothing in as many rounds as streams wait goes before all others, with an equal share.
2. **Live.** Streams of which little waits share a quarter of the room before the backlogs, so that what happens now is
   not blocked behind what happened then.
3. **Gravest first.** The rest goes in the chain's drain order; each round in which a stream got nothing moves it up.

The bound that follows: of k streams that wait, and whose meters let something through, each gets something within
`rounds(k)` rounds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

LIVE = 100
"""Of a live stream at most so many events wait."""

RESERVED = 4
"""One part in so many of the room, and of a meter's tokens, is for live streams first."""

NO_BOUND = 1 << 60


@dataclass(frozen=True, slots=True)
class Waits:
    """One stream of which `events` wait for the peer; `drain` is its place in the chain's order, the gravest lowest.

    Streams with the same `meter` share its `tokens` (events) and `size` (bytes).
    """

    stream: int
    drain: int
    kind: str
    events: int
    meter: Hashable | None = None
    tokens: int = NO_BOUND
    size: int = NO_BOUND


Take: TypeAlias = Callable[[Waits, int, int], tuple[int, int]]
"""Takes of a stream at most so many events of at most so many bytes, and says how many of how many bytes it took. One
event may be larger than the room that is left, but not larger than what its meter allows."""


def rounds(streams: int) -> int:
    """Within so many rounds each of so many streams gets something."""
    return 2 * streams


@dataclass
class DrainOrder:
    """Divides rounds towards one peer, and remembers who was passed over how often."""

    passed: Counter[int] = field(default_factory=Counter)

    def divide(self, waiting: Iterable[Waits], room: int, most: int, take: Take) -> None:
        """One round: `room` bytes in a parcel, `most` events of each stream; `take` is called for each in its turn."""
        ranked = sorted(waiting, key=lambda each: (each.drain, each.kind))
        division = _Round(ranked, room, most, take)
        overdue = [each for each in ranked if self.passed[each.stream] >= len(ranked)]
        for each in sorted(overdue, key=lambda each: -self.passed[each.stream]):
            division.give(each, room // len(ranked))
        division.reserve()
        for each in ranked:
            if each.events <= LIVE:
                division.give(each, NO_BOUND, reserved=True)
        turns = {each.stream: rank - self.passed[each.stream] for rank, each in enumerate(ranked)}
        for each in sorted(ranked, key=lambda each: turns[each.stream]):
            division.give(each, NO_BOUND)
        self.passed = Counter(
            {each.stream: self.passed[each.stream] + 1 for each in ranked if not division.taken[each.stream]}
        )


class _Round:
    """What is left of the room and of each meter's tokens in one round."""

    def __init__(self, ranked: Sequence[Waits], room: int, most: int, take: Take) -> None:
        self.room, self.most, self.take = room, most, take
        self.tokens = {each.meter: each.tokens for each in ranked}
        self.size = {each.meter: each.size for each in ranked}
        self.taken: Counter[int] = Counter()
        self.kept_room = 0
        self.kept: dict[Hashable | None, int] = {}

    def reserve(self) -> None:
        """From here on, so much is for live streams."""
        self.kept_room = max(0, self.room) // RESERVED
        self.kept = {meter: tokens // RESERVED for meter, tokens in self.tokens.items()}

    def give(self, each: Waits, share: int, *, reserved: bool = False) -> None:
        """The stream's turn, unless it had one in which it took something."""
        meter = each.meter
        room = min(self.room, share, self.kept_room if reserved else share)
        tokens = self._of_meter(each, self.tokens)
        if reserved and meter is not None:
            tokens = min(tokens, self.kept[meter])
        events = min(self.most, each.events, tokens)
        size = self._of_meter(each, self.size)
        if self.taken[each.stream] or self.room <= 0 or min(room, events, size) <= 0:
            return
        count, used = self.take(each, events, min(room, size))
        self.taken[each.stream] += count
        self.room -= used
        if meter is not None:
            self.tokens[meter] -= count
            self.size[meter] -= used
        if reserved:
            self.kept_room -= used
            self.kept[meter] = self.kept.get(meter, 0) - count

    @staticmethod
    def _of_meter(each: Waits, left: dict[Hashable | None, int]) -> int:
        return NO_BOUND if each.meter is None else left[each.meter]
