"""The three links together, on real nodes: whatever brings the events, in pieces, again, late or in any order, the
register ends as the wire alone makes it (P1, P2, P3)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from exchange_harness import KIND
from hypothesis import example, given, settings
from hypothesis import strategies as st
from links import LINKS, BundleLink, Ends, Link, WireLink, ends, fetched

from keersluis import carrying
from keersluis.exchange import bundles, inbox, letterbox, overview
from keersluis.exchange.envelope import Received
from keersluis.exchange.packing import Wanted
from keersluis.register import desk
from keersluis.service import Node
from keersluis.times import HOUR, SECOND, Instant, format_instant

KINDS = (KIND, "correction", "withdrawal", "disposal")
"""A record, and what corrects, withdraws and ends it: each a stream of its own: any may come before another."""

NOT_YET = {"exchange.gap", "bundle.gap", "bundle.incomplete"}
"""What a piece may be refused for here, and be right: its turn has not come, or the rest of it."""


@dataclass
class Life:
    """A source's life, with everything that ever left it: any piece may be delivered at any time, and again."""

    between: Ends
    links: Sequence[Link]
    told: dict[str, tuple[str, Instant]] = field(default_factory=dict)
    sizes: Counter[str] = field(default_factory=Counter)
    pieces: list[tuple[Link, Any]] = field(default_factory=list)
    handed: Counter[str] = field(default_factory=Counter)

    def accept(self, what: int, about: int, ago: int) -> None:
        """One event, of at most `ago` hours old: within the lag of its kind, so that it breaks no promise."""
        kind, name = KINDS[what], f"e-{len(self.told)}"
        occurred = self.between.clock.now() - ago * HOUR
        chain, number = self.between.chain, len(self.told)
        data = {"subject": f"skn:T{number % 2:07d}", "content": {"text": Random(number).randbytes(200).hex()}}
        if kind != KIND:
            data["refers_to"] = f"e-{about % (number + 2)}"  # also one that is still to come, or itself
        if about % 3 == 0:
            data |= {"valid_from": f"2025-06-{1 + about % 28:02d}", "valid_to": f"2025-08-{1 + about % 28:02d}"}
        told = {"specversion": "1.0", "id": name, "source": f"urn:nld:oin:{chain.organisations['om'].oin}:systeem:test"}
        told |= {"type": chain.ce_type(chain.kinds[kind]), "occurred": format_instant(occurred), "data": data}
        self.between.source.accept([msgspec.json.encode(told)])
        self.told[name] = (kind, occurred)
        self.sizes[kind] += 1

    def count(self) -> None:
        """What the source's own system of record says, where streams are counted."""
        now, kinds = self.between.clock.now(), self.between.chain.kinds.values()
        ours = [kind for kind in kinds if kind.source == "om" and kind.counts]
        self.between.source.state_counts([(kind.path, now, self.sizes[kind.path]) for kind in ours])

    def pack(self, link: int, what: int, first: int, length: int) -> None:
        """A range of a stream by one link; for a bundle at times all that waits, in parts. The last piece is delivered
        at once, the others when their turn comes in `deliver`, if ever."""
        kind, by = KINDS[what], self.links[link % len(self.links)]
        if isinstance(by, BundleLink) and first % 2:
            made = carrying.make(self.between.source, Wanted("justid"), part_size=bundles.SMALLEST_PART)
            parts = [carrying.part(self.between.source, made.n, number) for number in range(1, made.parts + 1)]
            self._keep(by, [fetched(self.between.source, made), *parts])
        elif size := self.sizes[kind]:
            start = 1 + first % size
            self._keep(by, by.pieces(by.pack(start, min(size, start + length), kind=kind)))

    def _keep(self, link: Link, pieces: Sequence[Any]) -> None:
        self.pieces += [(link, piece) for piece in pieces]
        self.deliver(-1, 1)

    def deliver(self, which: int, times: int) -> None:
        for _ in range(times if self.pieces else 0):
            link, piece = self.pieces[which % len(self.pieces)]
            refused = set(link.deliver(piece))
            assert refused <= (NOT_YET if link.ahead.refused else set()), (link.name, refused)

    def watch(self, node: Node) -> None:
        """Count what is handed to the register, since it would pass over a fact that it has."""
        apply = node._apply

        def counting(tx: Any, events: Sequence[Received], now: Instant) -> None:
            self.handed.update(event.envelope.id for event in events)
            apply(tx, events, now)

        node._apply = counting  # type: ignore[method-assign]

    def check(self) -> None:
        """What always holds: no event twice, no stream with a hole, no watermark past what is missing (P1, P2)."""
        here = set(facts(self.between.register))
        assert self.handed == Counter(here)
        with self.between.register.store.read() as tx:
            watermarks = inbox.watermarks(tx)
        for name, (kind, occurred) in self.told.items():
            assert name in here or watermarks.get(kind, 0) < occurred, f"{name} of {kind} is promised and not here"
        positions: dict[str, list[int]] = {}
        for origin, position, _ in self.between.stored():
            positions.setdefault(origin, []).append(position)
        for origin, found in positions.items():
            assert found == list(range(1, len(found) + 1)), origin


def facts(node: Node) -> list[str]:
    with node.store.read() as tx:
        return [fact[0] for fact in desk.contents(tx)]


def end_of(node: Node) -> tuple[Any, ...]:
    """All that must be equal: facts with their valid time, events, watermarks; nothing loose, set apart or broken."""
    with node.store.read() as tx:
        loose = letterbox.lists(tx, 1)["loose"]
        faults = (overview.quarantine(tx), overview.breaches(tx))
        content = sorted(desk.contents(tx), key=lambda fact: fact[0])
        return content, sorted(inbox.stored(tx)), inbox.watermarks(tx), loose, faults


@contextmanager
def lives(home: Path, counted: bool) -> Iterator[Life]:
    with pytest.MonkeyPatch.context() as patch, ends(home, counted=counted) as between:
        patch.setattr(bundles, "SMALLEST_PART", 2700)  # so that some events make several parts
        life = Life(between, [link(between) for link in LINKS])
        life.watch(between.register)
        yield life


def by_wire_alone(life: Life, home: Path) -> tuple[Any, ...]:
    """How a new register ends that gets the same streams by wire, all at once."""
    with ends(home, counted=life.between.chain.kinds[KIND].counts) as other:
        mixed, life.between.nodes["justid"] = life.between.register, other.register
        wire = WireLink(life.between)
        for kind in life.between.chain.kinds.values():
            if kind.source == "om":
                assert wire.deliver(wire.pack(1, life.sizes[kind.path], kind=kind.path)) == []
        life.between.nodes["justid"] = mixed
        return end_of(other.register)


NUMBER, KIND_OF = st.integers(0, 30), st.sampled_from([0, 0, 0, 1, 2, 3])
ACCEPT = st.tuples(st.just("accept"), KIND_OF, NUMBER, st.integers(0, 11))
STEP = st.one_of(
    ACCEPT,
    *[st.tuples(st.just("pack"), NUMBER, KIND_OF, NUMBER, st.integers(0, 4))] * 2,
    *[st.tuples(st.just("deliver"), NUMBER, st.integers(1, 2))] * 2,
    st.tuples(st.just("send"), NUMBER),
    st.tuples(st.just("wait"), st.integers(1, 40)),
)
STEPS = st.builds(list.__add__, st.lists(ACCEPT, min_size=2, max_size=5), st.lists(STEP, min_size=4, max_size=20))

OVERTAKEN = [*[("accept", 0, 1, 0)] * 3, ("wait", 20), ("pack", 2, 0, 2, 0)]
"""A letter about the third event, and what comes then: it must be the first two, by letter, wire or bundle."""


@given(STEPS, st.booleans())
@example([*OVERTAKEN, ("pack", 0, 0, 0, 2)], True)
@example([*OVERTAKEN, ("pack", 1, 0, 0, 2)], False)
@example([*OVERTAKEN, ("pack", 2, 0, 1, 0), ("pack", 2, 0, 0, 0)], True)
@settings(max_examples=10)
def test_P3_any_interleaving_of_the_links_ends_as_the_wire_alone(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[Any, ...]], counted: bool
) -> None:
    folder = tmp_path_factory.mktemp("lives")
    with lives(folder / "home", counted) as life:
        between = life.between
        for what, *numbers in steps:
            life.count()
            if what == "wait":
                between.clock.set(between.clock.now() + numbers[0] * HOUR)
            elif what == "send":
                link = life.links[numbers[0] % len(life.links)]
                refused = link.send()
                assert refused == [], (link.name, refused)
            else:
                getattr(life, what)(*numbers)
            between.clock.set(between.clock.now() + SECOND)
            life.check()
        life.count()
        assert life.links[0].send() == []
        ended = end_of(between.register)
        assert sorted(facts(between.register)) == sorted(life.told)
        assert life.handed == Counter(list(life.told))
        assert ended[-2:] == (0, ([], []))
        assert ended == by_wire_alone(life, folder / "other")
