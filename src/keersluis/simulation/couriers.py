"""Carries bundles and letters by hand between the simulator's nodes: made at one time, brought at others.

What is carried is what the product makes, byte for byte; pictures of letters are left out. A courier whose way a gate
bars comes again every hour.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from random import Random
from typing import Protocol

from sqlalchemy import Connection

from keersluis import carrying
from keersluis.errors import Incorrect, KeersluisError, Unavailable
from keersluis.exchange import posting
from keersluis.exchange.inbox import Refused
from keersluis.exchange.letterbox import Entered
from keersluis.exchange.letters import letter_id, unpack
from keersluis.exchange.outbox import Promised
from keersluis.exchange.packing import Packed, Wanted
from keersluis.exchange.posting import Posted
from keersluis.service import Node
from keersluis.simulation.faults import REGISTER, Carried
from keersluis.simulation.machine import Job, T, Time
from keersluis.simulation.watch import Watch
from keersluis.times import SECOND, Instant, parse_instant

MOST_LETTERS = 3

Streams = list[tuple[str, Instant]]
"""What something carried speaks of: kinds, and until when it promises them."""


class Run(Protocol):
    """What a courier needs of the run that it is in."""

    time: Time
    watch: Watch

    def call(self, key: str, what: str, job: Job[T], *expected: type[KeersluisError]) -> T | None: ...

    def note(self, key: str, *what: object) -> None: ...


@dataclass
class Errand:
    """One thing to be carried, and how far it is: `goods` once it is made, the times at which it is `left` to bring."""

    plan: Carried
    left: list[Instant]
    goods: list[bytes] = field(default_factory=list)
    streams: Streams = field(default_factory=list)
    brought: int = 0

    @property
    def by_letter(self) -> bool:
        return self.plan.fault.startswith("letter")

    def damaged(self, body: bytes) -> bytes:
        """As it was made, or the first time with a byte changed or a piece cut off, at a place that `variant` says."""
        if self.plan.fault != "bundle-damaged" or self.brought:
            return body
        at = len(body) * (self.plan.variant % 997) // 997
        if self.plan.variant % 3 == 0:
            return body[:at]
        return body[:at] + bytes([body[at] ^ (1 << self.plan.variant % 8)]) + body[at + 1 :]


class Couriers:
    """All errands of a run. Their chance is apart: a run in which nothing is carried stays as it is."""

    def __init__(self, run: Run, seed: int, plans: Sequence[Carried]) -> None:
        self.run, self.random = run, Random(f"{seed}/couriers")
        self.errands = [Errand(each, sorted(each.brought)) for each in plans]
        self._slots: dict[int, list[Callable[[], None]]] = {}

    def hour(self, slots: int) -> None:
        """Spread what is due in this hour over its `slots`."""
        self._slots.clear()
        now = self.run.time.now
        for errand in self.errands:
            if not errand.goods and errand.plan.made <= now:
                self._put(slots, partial(self._make, errand))
            if errand.left and errand.left[0] <= now:
                self._put(slots, partial(self._bring, errand))

    def _put(self, slots: int, job: Callable[[], None]) -> None:
        self._slots.setdefault(self.random.randrange(slots), []).append(job)

    def slot(self, number: int) -> None:
        """Do what was put in this slot."""
        for job in self._slots.pop(number, ()):
            self.run.time.go_on(self.random.randrange(SECOND, 20 * SECOND))
            job()

    # -- the source's side ---------------------------------------------------------------------------------------

    def _make(self, errand: Errand) -> None:
        plan, make = errand.plan, _letters if errand.by_letter else _bundle
        made = self.run.call(plan.source, "make what is carried", partial(make, errand))
        if made is None:
            return
        errand.goods, errand.streams = made
        link = "paper" if errand.by_letter else "bundle"
        self.run.watch.carries(plan.source, link, errand.streams, self.run.time.now)
        self.run.note(plan.source, "made", plan.fault, [kind for kind, _ in errand.streams], len(errand.goods))

    # -- the register's side -------------------------------------------------------------------------------------

    def _bring(self, errand: Errand) -> None:
        """What could be made is brought; whom a gate or a fallen node turned away comes again."""
        if not errand.goods:
            return
        self.run.watch.brings((kind for kind, _ in errand.streams), self.run.time.now)
        if self._enter(errand) if errand.by_letter else self._import(errand):
            errand.left.pop(0)
            errand.brought += 1
            self.run.watch.injected(errand.plan.fault)

    def _import(self, errand: Errand) -> bool:
        """Steps 10-12 for a bundle. One that was damaged takes no effect; one that was not is never refused."""
        (file,) = errand.goods
        body = errand.damaged(file)
        told = self.run.call(REGISTER, "take in a bundle", partial(_taken_in, body))
        if told is None:
            return False
        if body != file:
            self.run.note(REGISTER, "was brought a damaged bundle")
            if not isinstance(told, KeersluisError) and any(taken.events for taken in told):
                self.run.watch.violated("P1", f"a damaged bundle of {errand.plan.source} took effect")
            return True
        if isinstance(told, KeersluisError):
            self.run.watch.surprised("an intact bundle was refused", told)
            return True
        self.run.note(REGISTER, "took in a bundle", [(taken.done, taken.events) for taken in told])
        done = all(taken.done for taken in told)
        if done and errand.plan.variant % 2:
            self._confirm(errand.plan.source)
        return done

    def _confirm(self, source: str) -> None:
        """Steps 12 and 13 the same way back."""

        def confirm(node: Node) -> bytes:
            return _file(node, carrying.confirm(node, source, plain=True))

        file = self.run.call(REGISTER, "confirm by bundle", confirm, Incorrect)
        if file is not None:
            told = self.run.call(source, "take in receipts", partial(_taken_in, file))
            if isinstance(told, KeersluisError):
                self.run.watch.surprised("intact receipts were refused", told)

    def _enter(self, errand: Errand) -> bool:
        """Steps 10-12 for each letter. None that was not damaged is refused."""
        for packed in errand.goods:
            told = self.run.call(REGISTER, "enter a letter", partial(_entered, packed))
            if told is None:
                return False
            if isinstance(told, Refused):
                self.run.watch.surprised("an intact letter was refused", told.error)
            else:
                self.run.note(REGISTER, "entered", told.kind, told.position, told.outcome)
        return True


def _bundle(errand: Errand, node: Node) -> tuple[list[bytes], Streams]:
    """A bundle of all that the register has not receipted, or of one kind of it."""
    kinds = (errand.plan.kind,) if errand.plan.variant % 3 == 1 else ()
    packed = carrying.make(node, Wanted(REGISTER, kinds), plain=True)
    streams = [(each["kind"], parse_instant(each["complete_through"])) for each in packed.streams]
    return [_file(node, packed)], streams


def _file(node: Node, packed: Packed) -> bytes:
    return b"".join(carrying.part(node, packed.n, number) for number in range(1, packed.parts + 1))


def _taken_in(file: bytes, node: Node) -> list[carrying.Taken] | KeersluisError:
    """What became of it, or why it was refused. Raises Unavailable where it may be brought again."""
    try:
        return [carrying.take_in(node, n) for n in carrying.keep(node, BytesIO(file))]
    except Unavailable:
        raise
    except KeersluisError as error:
        return error


def _letters(errand: Errand, node: Node) -> tuple[list[bytes], Streams] | None:
    """Letters for some events of one kind, mostly of one that waits, and not always in their order. None: nothing does,
    and it is looked again in an hour."""
    variant = errand.plan.variant
    promises = node.store.write(node.prepare)
    with node.store.read() as tx:
        waiting = [(each, first) for each, first, _last in posting.waiting(tx, promises, REGISTER)]
        if not waiting and variant % 4 == 0:
            waiting = [(each, 1) for each in promises if each.kind.path == errand.plan.kind and each.size]
        if not waiting:
            return None
        promised, first = waiting[variant % len(waiting)]
        first += variant % (promised.size - first + 1)
        last = min(promised.size, first + MOST_LETTERS - 1)
        posted, _too_large = posting.prepare(tx, node.ctx, promised, first, last, REGISTER)
    node.store.write(partial(_post, node, promised, posted))
    goods = [each.packed for each in posted][:: -1 if variant % 2 else 1]
    if len(goods) > 1 and variant % 5 == 0:
        goods.pop()  # lost in the post
    return goods, [(promised.kind.path, posted[0].checkpoint.complete_through)]


def _post(node: Node, promised: Promised, posted: Sequence[Posted], tx: Connection) -> None:
    posting.post(tx, node.ctx, promised, posted, node.clock.now())


def _entered(packed: bytes, node: Node) -> Entered | Refused:
    return node.enter_letter(unpack(packed), letter_id(packed).hex()).result()
