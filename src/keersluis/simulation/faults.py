"""The fault list, and a plan of faults drawn from a seed: what goes wrong where, when and how often.

A plan is data. `simulator.py` carries it out and counts what was really injected: a fault planned for the fortieth
message of a link that carries thirty never happens.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from random import Random

from keersluis.simulation.world import END, HOURS, START, Act, World
from keersluis.times import DAY, HOUR, MINUTE, Instant

FAULTS: Mapping[str, str] = {
    "cut": "no message passes between two organisations for some time, and nobody orders a gate",
    "crash": "a node ends at a numbered step, or just after a commit, and comes back later",
    "duplicate": "a message arrives twice",
    "reorder": "a copy of a message arrives again after newer ones",
    "delay": "a message arrives hours after its sender gave it up",
    "slow": "a message or its answer is under way while everybody else goes on",
    "drop": "a message or its answer is lost",
    "corrupt": "bytes of a message or of its answer change on the way",
    "lose": "one event is taken out of a batch on the way",
    "clock-skew": "a node's clock differs from true time, within the chain's bound",
    "disk-full": "some commits of a node fail",
    "gate-moved": "an organisation closes, meters and opens gates",
    "gate-mid-batch": "a gate closes between step 8 and 9, or while the receiver applies",
    "late-heartbeat": "a source does not send for hours",
    "paper": "an act is entered late, and was registered as waiting",
    "promise-broken": "an act is entered after its time was promised, and nobody registered it",
    "lost-at-entry": "an act is counted by the system of record and does not reach the node for hours",
    "published-twice": "an event is published again, alone or among others",
    "key-reused": "other content is published under a known key",
    "bundle": "a bundle is carried to the register: late, twice, out of order with the wire, or never",
    "bundle-damaged": "a bundle arrives with bytes changed or cut off",
    "letter": "single events come by letter before, after or instead of the wire",
    "letter-repeated": "a letter is entered twice",
    "emergency-route": "a decision is covered by an emergency route, for some purposes and some time",
}

_OFTEN = {"clock-skew": 0.75, "gate-mid-batch": 0.5, "slow": 0.6}
"""Faults that many seeds have: clocks are never quite right, and what is subtle needs many tries."""

CARRIED = ("bundle", "bundle-damaged", "letter", "letter-repeated")
"""Faults of what is carried by hand."""

_APART = (*CARRIED, "emergency-route")
"""Drawn apart: a seed keeps the rest of its plan when this list grows."""

SPOILED = ("duplicate", "reorder", "delay", "slow", "drop", "corrupt", "lose")
"""Faults of single messages."""

SOURCES = ("police", "court", "bank")
DECIDERS = ("licensing", "childcare")
REGISTER = "register"
EVERYBODY = (*SOURCES, REGISTER, *DECIDERS)
LINKS = (*((source, REGISTER) for source in SOURCES), *((REGISTER, decider) for decider in DECIDERS))
QUESTIONS = tuple((decider, REGISTER) for decider in DECIDERS)
ALL_LINKS = (*LINKS, *QUESTIONS)

AFTER_COMMIT = 0
"""Stands for the step of a crash between a commit and whatever follows it."""

_STEPS = {
    "source": {AFTER_COMMIT: 50, 1: 8, 2: 8, 3: 8, 4: 8, 6: 8, 7: 50, 8: 40, 9: 20, 13: 30},
    "register": {AFTER_COMMIT: 160, 1: 20, 3: 20, 4: 20, 7: 30, 8: 25, 9: 20, 10: 110, 11: 110, 12: 40, 13: 20},
    "decider": {AFTER_COMMIT: 25, 10: 15, 11: 15, 12: 15},
}
"""By role: at which steps a node can crash, and about how often it comes by them in a run."""


@dataclass(frozen=True, slots=True)
class Cut:
    """The two organisations cannot reach each other; true times."""

    between: tuple[str, str]
    since: Instant
    until: Instant


@dataclass(frozen=True, slots=True)
class Crash:
    """The node ends the `nth` time that it comes by a step (from 1), and is back `hours` later."""

    node: str
    step: int
    nth: int
    hours: int


@dataclass(frozen=True, slots=True)
class Spoil:
    """What happens to the `nth` message of a link (from 1). `variant` chooses among the ways; `hours` for delays."""

    fault: str
    link: tuple[str, str]
    nth: int
    variant: int
    hours: int


@dataclass(frozen=True, slots=True)
class FullDisk:
    """From the `nth` commit of a node on, `count` commits fail."""

    node: str
    nth: int
    count: int


@dataclass(frozen=True, slots=True)
class Order:
    """A gate order of `node`, given at true time `at`."""

    node: str
    at: Instant
    peer: str
    direction: str
    kind: str
    state: str
    rate: float | None = None
    link: str = "*"


@dataclass(frozen=True, slots=True)
class MidBatch:
    """The order is given the `nth` time that its node comes by `step`; then two seconds pass."""

    step: int
    nth: int
    order: Order


@dataclass(frozen=True, slots=True)
class Skew:
    """From `at` on a node's clock is `offset` ahead of true time."""

    node: str
    at: Instant
    offset: int


@dataclass(frozen=True, slots=True)
class Silence:
    """A source does not send between two true times."""

    node: str
    since: Instant
    until: Instant


@dataclass(frozen=True, slots=True)
class Entry:
    """How an act is entered. `recorded`: when the system of record has it; `published`: when the node is told;
    `waiting`: when it was registered as not yet entered."""

    fault: str
    recorded: Instant
    published: Instant
    waiting: Instant | None = None


@dataclass(frozen=True, slots=True)
class Again:
    """The act is published once more, with `other` content or the same."""

    act: str
    at: Instant
    other: bool


@dataclass(frozen=True, slots=True)
class Carried:
    """A bundle, or some letters, of a source for the register: `made` at one true time and brought at none, one or two
    others. `variant` chooses what is in it, all or one `kind`, and how it is damaged."""

    fault: str
    source: str
    kind: str
    made: Instant
    brought: tuple[Instant, ...]
    variant: int


@dataclass(frozen=True)
class Plan:
    """All that goes wrong in one run. `batch_events`: the most events in a batch, few so that many are needed."""

    cuts: tuple[Cut, ...] = ()
    crashes: tuple[Crash, ...] = ()
    spoils: tuple[Spoil, ...] = ()
    disks: tuple[FullDisk, ...] = ()
    orders: tuple[Order, ...] = ()
    mid_batch: tuple[MidBatch, ...] = ()
    skews: tuple[Skew, ...] = ()
    silences: tuple[Silence, ...] = ()
    entries: Mapping[str, Entry] = field(default_factory=dict)
    again: tuple[Again, ...] = ()
    carried: tuple[Carried, ...] = ()
    batch_events: int = 1000


NOTHING = Plan()
"""The chain that was never cut."""


def draw(seed: int, world: World) -> Plan:
    """The plan of a seed: a few faults, some or half of the list; what is subtle shows where little else goes wrong."""
    random = Random(f"{seed}/faults")
    part = random.choice((0.12, 0.3, 0.55))
    drawn = [fault for fault in FAULTS if fault not in _APART]
    chosen = {fault for fault in drawn if random.random() < max(part, _OFTEN.get(fault, 0.0))}
    some = {fault: random.randrange(1, 4) if fault in chosen else 0 for fault in drawn}
    plan = Plan(
        cuts=tuple(_cut(random) for _ in range(some["cut"])),
        crashes=tuple(_crash(random) for _ in range(some["crash"] * 3)),
        spoils=tuple(_spoil(random, fault) for fault in SPOILED for _ in range(some[fault] * 2)),
        disks=tuple(_full_disk(random) for _ in range(some["disk-full"])),
        orders=tuple(order for _ in range(some["gate-moved"]) for order in _orders(random)),
        mid_batch=tuple(_mid_batch(random) for _ in range(some["gate-mid-batch"])),
        skews=_skews(random, world.chain.skew) if some["clock-skew"] else (),
        silences=tuple(_silence(random) for _ in range(some["late-heartbeat"])),
        entries=_entries(random, world, some),
        again=tuple(_again(random, world, some)),
        batch_events=random.choice((1, 2, 4, 1000)),
    )
    return _with_carried(Random(f"{seed}/carried"), plan)


def _with_carried(random: Random, plan: Plan) -> Plan:
    """In two seeds of five something is carried by hand, mostly while a link is cut or the wire is closed for it."""
    if random.random() < 0.6:
        return plan
    carried, orders = [], []
    for _ in range(random.randrange(1, 4)):
        source = random.choice(SOURCES)
        since, until = _dark(random, plan, source)
        made = until - random.randrange(max(HOUR, (until - since) // 2))  # by then something waits
        brought = [made + random.choice((0, 0, HOUR, random.randrange(20 * HOUR)))]
        fault = random.choice(("bundle", *CARRIED))
        if fault == "letter-repeated" or random.random() < 0.3:
            brought.append(brought[0] + random.randrange(12 * HOUR))
        elif random.random() < 0.15:
            brought.clear()
        kind = random.choice(_LEAVES[source])
        carried.append(Carried(fault, source, kind, made, tuple(brought), random.randrange(1 << 16)))
        if random.random() < 0.85:
            orders += _link_orders(random, source, fault, since, until)
    return replace(plan, carried=tuple(carried), orders=(*plan.orders, *orders))


def _dark(random: Random, plan: Plan, source: str) -> tuple[Instant, Instant]:
    """A period in which the wire of a source is cut, or any other."""
    cuts = [(cut.since, cut.until) for cut in plan.cuts if source in cut.between]
    return random.choice(cuts) if cuts and random.random() < 0.7 else _between(random, 2, 30)


def _link_orders(random: Random, source: str, fault: str, since: Instant, until: Instant) -> list[Order]:
    """The wire is closed and what is carried goes through; or the other way round; or nothing passes at all."""
    by = "paper" if fault.startswith("letter") else "bundle"
    link = random.choice(("wire", "wire", "wire", "wire", by, "*"))
    node, peer, direction = random.choice(((source, REGISTER, "out"), (REGISTER, source, "in")))
    orders = [Order(node, since, peer, direction, random.choice(("*", source)), "closed", link=link)]
    if random.random() < 0.5:
        orders.append(Order(node, until + random.randrange(12 * HOUR), peer, direction, "*", "open", link=link))
    return orders


def _between(random: Random, least: int, most: int) -> tuple[Instant, Instant]:
    """A period in the run, of `least` to `most` hours."""
    since = START + random.randrange(HOURS * HOUR)
    return since, min(END, since + random.randrange(least * HOUR, most * HOUR))


def _cut(random: Random) -> Cut:
    since, until = _between(random, 2, 30)
    return Cut(random.choice(LINKS), since, until)


def _crash(random: Random) -> Crash:
    node = random.choice(EVERYBODY)
    steps = _STEPS["source" if node in SOURCES else "decider" if node in DECIDERS else "register"]
    step = random.choice(list(steps))
    hours = random.choice((0, 0, 1, 2, 5, 12))
    return Crash(node, step, random.randrange(1, steps[step] + 1), hours)


def _spoil(random: Random, fault: str) -> Spoil:
    link = random.choice(ALL_LINKS)
    if fault == "slow" and random.random() < 0.7:
        link = random.choice(QUESTIONS)
    nth = random.randrange(1, 7 if link in QUESTIONS else 20)
    return Spoil(fault, link, nth, random.randrange(8), random.randrange(1, 20))


def _full_disk(random: Random) -> FullDisk:
    return FullDisk(random.choice(EVERYBODY), random.randrange(2, 60), random.randrange(1, 12))


def _gate(random: Random) -> tuple[str, str, str, str]:
    """(node, peer, direction, kind) of a gate on either side of a link."""
    source, receiver = random.choice(LINKS)
    if receiver == REGISTER:
        kind = random.choice(("*", "*", source, *_LEAVES[source]))
        if random.random() < 0.5:
            return source, random.choice((REGISTER, "*")), "out", kind
        return REGISTER, random.choice((source, source, "*")), "in", kind
    kind = random.choice(("*", "*", "answer-end", f"answer-end.{receiver}", "question", "answer"))
    node, peer = random.choice(((REGISTER, receiver), (receiver, REGISTER), (receiver, "*")))
    return node, peer, random.choice(("in", "out")), kind


_LEAVES = {
    "police": ("police.report", "police.dropped"),
    "court": ("court.conviction", "court.reversal"),
    "bank": ("bank.debt", "bank.payment", "bank.correction"),
}


def _orders(random: Random) -> list[Order]:
    """Closed, perhaps metered, and open again; now and then it stays as it is until the drain."""
    node, peer, direction, kind = _gate(random)
    since, until = _between(random, 1, 30)
    orders = []
    if random.random() < 0.7:
        orders.append(Order(node, since, peer, direction, kind, "closed"))
        since = until
        until += random.randrange(20 * HOUR)
    if not orders or random.random() < 0.7:
        orders.append(Order(node, since, peer, direction, kind, "metered", random.choice((0.0001, 0.0003, 0.02, 1.0))))
    if random.random() < 0.7:
        orders.append(Order(node, until, peer, direction, kind, "open"))
    return orders


def _mid_batch(random: Random) -> MidBatch:
    if random.random() < 0.5:
        source = random.choice(SOURCES)
        step, nth = random.choice(((8, random.randrange(1, 40)), (9, random.randrange(1, 16))))
        return MidBatch(step, nth, Order(source, 0, REGISTER, "out", random.choice(("*", source)), "closed"))
    step, nth = random.choice((10, 11)), random.randrange(1, 110)
    source = random.choice(SOURCES)
    return MidBatch(step, nth, Order(REGISTER, 0, source, "in", random.choice(("*", source)), "closed"))


def _skews(random: Random, bound: int) -> tuple[Skew, ...]:
    """Every clock, true time's among them, stays within a window as wide as the bound."""
    low = random.choice((0, 0, -bound, -random.randrange(bound + 1)))
    found = []
    for node in EVERYBODY:
        for at in (START, START + random.randrange(HOURS * HOUR))[: random.choice((1, 1, 2))]:
            offset = random.choice((low, low + bound, low + bound, random.randrange(low, low + bound + 1)))
            found.append(Skew(node, at, offset))
    return tuple(found)


def _silence(random: Random) -> Silence:
    since, until = _between(random, 4, 20)
    return Silence(random.choice(SOURCES), since, until)


def _entries(random: Random, world: World, some: Mapping[str, int]) -> dict[str, Entry]:
    """Acts that are entered otherwise than at once. Those of before the chain began were entered before it."""
    acts = [act for act in world.acts if act.happened > START]
    random.shuffle(acts)
    entries = {}
    for fault, most in (("promise-broken", 2), ("lost-at-entry", 2), ("paper", 3)):
        for act in [act for act in acts if _fits(world, act, fault)][: some[fault] * most]:
            acts.remove(act)
            entries[act.id] = _entry(random, world, act, fault)
    return entries


def _fits(world: World, act: Act, fault: str) -> bool:
    """To lose an act at its entry needs somebody who counts; to break a promise, time to make it first."""
    kind = world.chain.kinds[act.kind]
    if fault == "lost-at-entry":
        return kind.counts
    return fault == "paper" or act.when.end + kind.lag < END - 3 * HOUR


def _entry(random: Random, world: World, act: Act, fault: str) -> Entry:
    promised = act.when.end + world.chain.kinds[act.kind].lag
    if fault == "promise-broken":
        late = promised + random.randrange(HOUR, 8 * HOUR)
        return Entry(fault, late, late)
    late = min(promised + random.randrange(HOUR, 30 * HOUR), END + 8 * HOUR)
    if fault == "paper":
        return Entry(fault, late, late, waiting=act.entered)
    return Entry(fault, act.entered, late)


def _again(random: Random, world: World, some: Mapping[str, int]) -> list[Again]:
    found = []
    for fault, other in (("published-twice", False), ("key-reused", True)):
        for _ in range(some[fault] * 2):
            act = random.choice(world.acts)
            at = act.entered + random.choice((0, MINUTE, random.randrange(2 * DAY)))
            found.append(Again(act.id, min(at, END), other))
    return found
