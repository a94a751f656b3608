"""A backlog, or several in a row, followed day by day along many simulated paths. Pure; the same seed, the same bytes.

No day is stepped through. With what comes and what can be done drawn for all days, the stock follows from two running
sums (D. V. Lindley, *The theory of queues with a single server*, 1952: a stock is the net input less its running
minimum below zero), so counts per path, class and day are made by whole arrays. Priority classes are served in turn
from what the class before left over; ages follow from counts too, as within a class what came first leaves first.
Organisations come in the order of who passes on to whom.

Every source of chance has a stream of its own, named by the seed, whose it is, what for, and the block of paths: the
result depends on neither threads nor the order of work, and a variant meets the same chances as what it is compared
with (common random numbers: A. M. Law, *Simulation Modeling and Analysis*, 5th ed. 2015, sec. 11.2). More capacity at
an organisation then never makes its own date later, on any path.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Literal, TypeAlias
from zlib import crc32

import numpy as np

from keersluis.errors import Incorrect
from keersluis.recovery.arrivals import Arrivals, Gate
from keersluis.recovery.calendar import Days, Flags
from keersluis.recovery.capacity import Capacity
from keersluis.recovery.dates import RUN, STAYS, lasting
from keersluis.recovery.history import Counts, Numbers
from keersluis.recovery.levels import Given, Learned, Level
from keersluis.recovery.network import order

BLOCK = 250
"""Paths that are drawn together: their arrays stay near the processor. Part of what a seed means."""

WEEK = 7

MOST_CELLS = 40_000_000
"""Organisations x days x paths that are kept at most."""

ARRIVE, WORK, GATE, SHARE = range(4)
"""What a stream of chance is for."""

Order: TypeAlias = Literal["oldest-first", "priority", "as-it-comes"]


@dataclass(frozen=True)
class Class:
    """Items with the same priority, of today's stock (`ages` in days, and `numbers` of that age) and of `share` of what
    comes. `work`: of the usual item. `deadline`: days after which an item is late."""

    key: str = ""
    share: float = 1.0
    ages: tuple[int, ...] = ()
    numbers: tuple[int, ...] = ()
    work: float = 1.0
    deadline: int | None = None

    @property
    def stock(self) -> int:
        return sum(self.numbers)

    def older(self, days: Counts) -> Counts:
        """How many of today's are more than each of so many days old."""
        ages, numbers = np.array(self.ages, np.int64), np.array(self.numbers, np.int64)
        return np.asarray(((ages[None, :] > days[:, None]) * numbers).sum(axis=1))


@dataclass(frozen=True)
class Organisation:
    """One backlog. `output`: items of the usual work that one does a day, or a capacity of 1 does; its level moves by
    steps of `output_step` days. `day_noise`: how much a day's output varies (standard deviation, as a share); None: as
    learned. `classes` in order of priority; under another order there is one."""

    key: str
    classes: tuple[Class, ...]
    capacity: Capacity
    output: Level
    arrivals: Arrivals | None = None
    normal: int = 0
    order: Order = "oldest-first"
    gates: tuple[Gate, ...] = ()
    output_step: int = WEEK
    day_noise: float | None = None

    @property
    def stock(self) -> int:
        return sum(each.stock for each in self.classes)


@dataclass(frozen=True)
class Passage:
    """`share` of what leaves `source` arrives at `target`, `delay` days later. `into`: as which class; "" is the class
    that it was. `doubt`: of the share (standard deviation, as a share of it)."""

    source: str
    target: str
    share: float = 1.0
    delay: int = 1
    into: str = ""
    doubt: float = 0.0


@dataclass(frozen=True)
class World:
    """Everything that a simulation rests on. The first day is the one after the last that is known."""

    days: Days
    organisations: tuple[Organisation, ...]
    passages: tuple[Passage, ...] = ()
    paths: int = 2000
    seed: int = 1

    def organisation(self, key: str) -> Organisation:
        return next(each for each in self.organisations if each.key == key)

    @property
    def whole(self) -> Days:
        """With the days that tell whether what is gone stays gone."""
        return Days(self.days.first, self.days.number + STAYS, self.days.holidays)


@dataclass(frozen=True)
class Flow:
    """Of one organisation in one block, by class: `came` and `left` [day, path], `stock` at the end of each day; and
    what of all classes could have been done, in items of the usual work."""

    came: list[Counts]
    left: list[Counts]
    stock: list[Counts]
    could: Numbers


@dataclass
class Track:
    """Of one organisation on all paths: `stock[day, path]` at the end of each day (with `STAYS` days more), `came` and
    `left` altogether, `done`: days until nothing of today's is left, `gone`: days until the backlog is (both: more than
    there are days, if not in time), `back`: whether it came back after that. By week, means over the paths: `arrivals`,
    `capacity`, `older[days]` (waiting longer than so many days, at the end of the week) and `late` (beyond the deadline
    of their class)."""

    stock: Counts
    came: Counts
    left: Counts
    done: Counts
    gone: Counts
    back: Flags
    arrivals: Numbers
    capacity: Numbers
    older: dict[int, Numbers] = field(default_factory=dict)
    late: Numbers | None = None

    @property
    def means(self) -> list[Numbers]:
        return [self.arrivals, self.capacity, *self.older.values(), *([] if self.late is None else [self.late])]


@dataclass(frozen=True)
class Simulated:
    """What became of a world: a track for each organisation."""

    world: World
    tracks: Mapping[str, Track]

    @property
    def never(self) -> int:
        """Stands for a day that lies beyond the simulation."""
        return self.world.days.number + 1


AGES = (28, 91, 182, 364)
"""Days beyond which items are told apart."""


def simulate(world: World, threads: int = 2, progress: Callable[[int], None] = lambda done: None) -> Simulated:
    """Follow all paths. Raises Incorrect `forecast.too-large` and those of `network.order`."""
    cells = world.whole.number * world.paths * len(world.organisations)
    if cells > MOST_CELLS:
        expected = f"at most {MOST_CELLS:,} organisations x days x paths"
        raise Incorrect("forecast.too-large", expected=expected, got=f"{cells:,}", mend="fewer paths, or a near end")
    sequence = in_order(world)
    tracks = {each.key: _empty(world, each) for each in sequence}
    blocks = range(-(-world.paths // BLOCK))

    def one(block: int) -> list[list[Numbers]]:
        found = flows(world, block, sequence)
        return [_note(world, each, found[each.key], block, tracks[each.key]) for each in sequence]

    with ThreadPoolExecutor(max(1, threads)) as pool:
        for done, sums in enumerate(pool.map(one, blocks), 1):
            for track, weekly in zip(tracks.values(), sums, strict=True):
                for total, each in zip(track.means, weekly, strict=True):
                    total += each / world.paths
            progress(min(done * BLOCK, world.paths))
    return Simulated(world, tracks)


def in_order(world: World) -> list[Organisation]:
    """Whoever passes on before whom it passes on to."""
    graph: dict[str, list[str]] = {each.key: [] for each in world.organisations}
    for passage in world.passages:
        graph[passage.target].append(passage.source)
    return [world.organisation(key) for key in order(graph)]


def chance(world: World, block: int, whose: str, purpose: int) -> np.random.Generator:
    seeds = np.random.SeedSequence(world.seed, spawn_key=(crc32(whose.encode()), purpose, block))
    return np.random.Generator(np.random.SFC64(seeds))


def flows(world: World, block: int, sequence: list[Organisation]) -> dict[str, Flow]:
    """What comes, leaves and waits in one block of paths, by organisation."""
    found: dict[str, Flow] = {}
    for each in sequence:
        found[each.key] = serve(each, coming(world, block, each, found), *able(world, block, each), world.whole)
    return found


def coming(world: World, block: int, at: Organisation, before: Mapping[str, Flow]) -> list[Counts]:
    """[day, path] by class: from outside, through gates, and from those before it."""
    days, number = world.whole, BLOCK
    shares = tuple(each.share for each in at.classes)
    if at.arrivals is None:
        came = [np.zeros((days.number, number), np.int64) for _ in at.classes]
    else:
        came = at.arrivals.draw(chance(world, block, at.key, ARRIVE), days, number, shares)
    place = {each.key: n for n, each in enumerate(at.classes)}
    for gate in at.gates:
        rng = chance(world, block, f"{at.key}/{gate.name}", GATE)
        came[place.get(gate.of, 0)] += gate.draw(rng, days, number)
    for passage in world.passages:
        if passage.target == at.key:
            _pass_on(world, block, passage, before[passage.source], place, came)
    return came


def _pass_on(
    world: World, block: int, passage: Passage, flow: Flow, place: Mapping[str, int], came: list[Counts]
) -> None:
    """Whole items, and never more than left: the share of all that left so far, rounded down from a random start."""
    rng = chance(world, block, f"{passage.source}/{passage.target}", SHARE)
    share, dice = np.minimum(Given(passage.share, passage.doubt).draw(rng, BLOCK, 1)[0][0], 1.0), rng.random(BLOCK)
    classes = world.organisation(passage.source).classes
    kept = world.whole.number - passage.delay
    for each, left in zip(classes, flow.left, strict=True):
        if kept > 0:
            exact = passage.share == 1 and not passage.doubt
            through = left if exact else _part(left, share, dice)
            came[place.get(passage.into or each.key, 0)][passage.delay :] += through[:kept]


def _part(left: Counts, share: Numbers, dice: Numbers) -> Counts:
    sent = np.floor(np.cumsum(left, axis=0) * share + dice)
    return np.diff(sent, axis=0, prepend=0.0).astype(np.int64)


def able(world: World, block: int, at: Organisation) -> tuple[Numbers, Numbers]:
    """([day, path] what can be done, in items of the usual work; [day, path] chances with which a part is rounded)."""
    rng, days = chance(world, block, at.key, WORK), world.whole
    people = at.capacity.people(days)
    step = at.output_step
    levels, noise = at.output.draw(rng, BLOCK, -(-days.number // step))
    dice, moves = rng.random((days.number, BLOCK)), rng.standard_normal((days.number, BLOCK))
    if at.day_noise is not None:
        spread: Numbers | float = float(np.sqrt(np.log1p(at.day_noise**2)))
    else:
        working = step * float((people > 0).mean()) if isinstance(at.output, Learned) else 1.0
        relative = noise * max(working, 1.0) / np.maximum(levels[0], 1e-9) ** 2
        spread = np.sqrt(np.log1p(np.minimum(relative, 4.0)))
    moves *= spread
    moves -= np.square(spread) / 2
    np.exp(moves, out=moves)
    moves *= np.repeat(levels, step, axis=0)[: days.number]
    moves *= people[:, None]
    return moves, dice


def serve(at: Organisation, came: list[Counts], capacity: Numbers, dice: Numbers, days: Days) -> Flow:
    """Work what waits off, class by class."""
    rest = np.floor(capacity + dice)
    stocks, lefts = [], []
    for each, arrived in zip(at.classes, came, strict=True):
        work = at.capacity.work(days, each.key) * each.work
        usual = bool((work == 1).all())
        could = rest if usual else np.floor(rest / work[:, None] + dice)
        stock = _stock(each.stock, arrived, could.astype(np.int64))
        left = arrived - np.diff(stock, axis=0, prepend=each.stock)
        rest = rest - left if usual else np.maximum(rest - left * work[:, None], 0.0)
        stocks.append(stock)
        lefts.append(left)
    return Flow(came, lefts, stocks, np.floor(capacity + dice))


def _stock(start: int, came: Counts, could: Counts) -> Counts:
    """Lindley's recursion for all days at once."""
    net = np.cumsum(came - could, axis=0)
    net += start
    lowest = np.minimum.accumulate(net, axis=0)
    np.minimum(lowest, 0, out=lowest)
    net -= lowest
    return net


# -- what is noted of each path


def _empty(world: World, at: Organisation) -> Track:
    days, n = world.whole.number, world.paths
    weeks = world.days.number // WEEK
    came, left, done, gone_ = (np.zeros(n, np.int64) for _ in range(4))
    older = {} if at.order == "as-it-comes" else {age: np.zeros(weeks) for age in AGES}
    late = np.zeros(weeks) if older and any(each.deadline is not None for each in at.classes) else None
    stock = np.zeros((days, n), np.int64)
    back = np.zeros(n, bool)
    return Track(stock, came, left, done, gone_, back, np.zeros(weeks), np.zeros(weeks), older, late)


def _note(world: World, at: Organisation, flow: Flow, block: int, track: Track) -> list[Numbers]:
    """Fill in the track of these paths; returns the sums over them of its `means`."""
    here = slice(block * BLOCK, min((block + 1) * BLOCK, world.paths))
    own = slice(0, here.stop - here.start)
    stock, came = np.sum(flow.stock, axis=0)[:, own], np.sum(flow.came, axis=0)[:, own]
    track.stock[:, here] = stock
    track.came[here] = came.sum(axis=0)
    track.left[here] = sum(each.sum(axis=0) for each in flow.left)[own]
    track.gone[here], track.back[here] = ended(world, at, stock)
    track.done[here] = _done(world, at, flow)[own]
    sums = [_weekly(world, came.sum(axis=1)), _weekly(world, flow.could[:, own].sum(axis=1))]
    if track.older:
        waited = [_Waited(world, *each) for each in zip(at.classes, flow.came, flow.left, strict=True)]
        sums += [_waiting(waited, own, [age] * len(waited)) for age in track.older]
        sums += [] if track.late is None else [_waiting(waited, own, [each.deadline for each in at.classes])]
    return sums


def _weekly(world: World, daily: Counts | Numbers) -> Numbers:
    weeks = world.days.number // WEEK
    return np.asarray(daily[: weeks * WEEK].reshape(weeks, WEEK).sum(axis=1, dtype=float))


def _waiting(waited: Sequence[_Waited], own: slice, ages: Sequence[int | None]) -> Numbers:
    """[week]: over the classes with an age, how many wait longer, summed over the paths."""
    total = np.zeros(len(waited[0].left))
    for each, age in zip(waited, ages, strict=True):
        if age is not None:
            total += each.older(age)[:, own].sum(axis=1)
    return total


def gone(world: World, at: Organisation, stock: Counts) -> Counts:
    """[path]: days until it is gone; see `ended`."""
    return ended(world, at, stock)[0]


def ended(world: World, at: Organisation, stock: Counts) -> tuple[Counts, Flags]:
    """([path] days until it is gone, [path] whether it is back later than `STAYS` days after that).

    Gone is the end of the first working day with at most `normal`, if through `STAYS` days after it is so on most
    working days of any `RUN` days: a backlog that only touches its normal level, or falls to it while the next wave is
    under way, is not gone, and one bad day does not bring it back. 0: it is not there now.
    """
    working = np.concatenate([[True], at.capacity.people(world.whole) > 0])
    if working.sum() < 2:
        working[:] = True
    below = np.concatenate([np.full((1, stock.shape[1]), at.stock <= at.normal), stock <= at.normal])
    return lasting(below, RUN, STAYS, world.days.number, working)


def _done(world: World, at: Organisation, flow: Flow) -> Counts:
    """[path]: days until nothing is left of what is there today."""
    days = world.days.number
    last = np.zeros(flow.stock[0].shape[1], np.int64)
    for each, stock, left in zip(at.classes, flow.stock, flow.left, strict=True):
        if not each.stock:
            continue
        if at.order == "as-it-comes":
            stays = stock / np.maximum(stock + left, 1)
            done = np.cumprod(stays, axis=0) * each.stock < 0.5
        else:
            done = np.cumsum(left, axis=0) >= each.stock
        done = done[:days]
        last = np.maximum(last, np.where(done.any(axis=0), done.argmax(axis=0) + 1, days + 1))
    return last


class _Waited:
    """How long those of one class wait, at the end of each week: what came first has left first."""

    def __init__(self, world: World, at: Class, came: Counts, left: Counts) -> None:
        self.at, self.came = at, np.cumsum(came, axis=0)
        self.days = np.arange(WEEK - 1, world.days.number, WEEK)
        self.left = np.cumsum(left, axis=0)[self.days]

    def older(self, age: int) -> Counts:
        """[week, path]: how many wait longer than `age` days."""
        before = self.days - age - 1
        came = np.where((before >= 0)[:, None], self.came[np.maximum(before, 0)], 0)
        return np.asarray(np.maximum(self.at.older(age - self.days - 1)[:, None] + came - self.left, 0))
