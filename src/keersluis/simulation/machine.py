"""A machine of the simulator: a disk that stays, a clock that may differ, and a node that may end at any step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import cache
from typing import Any, TypeVar

from sqlalchemy import Connection

from keersluis.chain import Chain
from keersluis.decisions import desk as decisions
from keersluis.exchange import inbox
from keersluis.exchange.batches import Batch, Receipt
from keersluis.exchange.envelope import Received
from keersluis.exchange.gates import GateOrder, Way
from keersluis.exchange.inbox import Refused
from keersluis.exchange.letterbox import Entered
from keersluis.exchange.letters import Letter
from keersluis.exchange.sender import Link
from keersluis.identity import KeyRing
from keersluis.service import Node
from keersluis.signing import Signer
from keersluis.simulation._store_disk import Disk
from keersluis.simulation.faults import AFTER_COMMIT, DECIDERS, REGISTER, MidBatch, Order, Plan
from keersluis.simulation.watch import Applied, Receipted, Watch, entered_of, kind_of
from keersluis.simulation.world import START
from keersluis.times import HOUR, SECOND, Instant, ManualClock

T = TypeVar("T")

STALL = 2 * SECOND
"""How long everything stands still after a gate was moved in the middle of a batch."""


class Crash(BaseException):
    """The process ends here: no code of the product may catch this, nothing that is not committed stays."""

    def __init__(self, node: str, hours: int) -> None:
        super().__init__(node)
        self.node, self.hours = node, hours


class Time:
    """True time, and the clocks that follow it, each with its own offset."""

    def __init__(self) -> None:
        self.now: Instant = START
        self.machines: dict[str, Machine] = {}

    def set(self, at: Instant) -> None:
        self.now = max(self.now, at)
        for machine in self.machines.values():
            machine.clock.set(self.now + machine.offset)

    def go_on(self, microseconds: int) -> None:
        self.set(self.now + microseconds)


class ObservedNode(Node):
    """The product's node; what it applies and receipts is noted with the transaction in which it does so."""

    disk: Disk
    by: Way = "wire"

    def take(self, batch: Batch, link: Way, tx: Connection) -> Receipt | Refused:
        self.by = link
        result = super().take(batch, link, tx)
        if isinstance(result, Receipt):
            self.disk.note(Receipted(kind_of(batch), entered_of(batch), link))
        return result

    def enter_letter(self, letter: Letter, letter_id: str) -> Future[Entered | Refused]:
        self.by = "paper"
        return super().enter_letter(letter, letter_id)

    def _apply(self, tx: Connection, events: Sequence[Received], now: Instant) -> None:
        super()._apply(tx, events, now)
        for each in events:
            self.disk.note(Applied(each.origin, each.kind.path, each.position, each.envelope.id, self.by))


class Machine:
    """One organisation's machine. `node` is None while it is down, until true time `back`."""

    def __init__(self, key: str, chain: Chain, plan: Plan, time: Time, watch: Watch, link: Link) -> None:
        self.key, self.chain, self.time, self.watch, self.link = key, chain, time, watch, link
        self.disk = Disk(
            lambda noted: watch.committed(key, noted), lambda: watch.injected("disk-full"), self._after_a_commit
        )
        for full in plan.disks:
            if full.node == key:
                self.disk.full |= set(range(full.nth, full.nth + full.count))
        self.clock, self.offset = ManualClock(START), 0
        self.crashes = {(crash.step, crash.nth): crash.hours for crash in plan.crashes if crash.node == key}
        self.mid_batch = {(each.step, each.nth): each for each in plan.mid_batch if each.order.node == key}
        self.batch_events = plan.batch_events
        self.node: Node | None = None
        self.back: Instant = START
        self._settled = 0
        self._steps: Counter[int] = Counter()
        self._after_commit: list[Order] = []
        self.start()

    def start(self) -> None:
        """A new process finds what was committed."""
        me = self.chain.organisations[self.key]
        signers, ring = _identities(self.chain.name, *(each.oin for each in self.chain.nodes))
        store = self.disk.store()
        secret = self.key.encode().ljust(32, b".")
        node = ObservedNode(self.chain, me, store, signers[me.oin], ring, self.clock, self.link, secret)
        node.disk = self.disk
        node.ctx.step = self._step
        for sender in node.senders.values():
            sender.most = self.batch_events
        self.node = node

    def fell(self, crash: Crash) -> None:
        """The process is gone; somebody starts it again later."""
        self.node = None
        self._after_commit.clear()
        self.back = self.time.now + crash.hours * HOUR
        self.watch.injected("crash")

    def order(self, order: Order) -> None:
        """Move a gate; from its return on the order stands, and is held against what crosses."""
        if self.node is None:
            return
        who = "crisis team" if order.state != "open" else "link manager"
        gate: tuple[Any, Any, Any, Any] = (order.peer, order.direction, order.kind, order.state)
        move = GateOrder(self.clock.now(), *gate, who, "simulated", order.rate, link=order.link)
        self.node.order_gate([move])
        self.watch.moved(order, self.time.now)

    def close(self) -> None:
        self.disk.close()

    def _step(self, step: int) -> None:
        """The hook at DESIGN.md's steps: crash here, or let somebody move a gate just now."""
        self._steps[step] += 1
        place = (step, self._steps[step])
        if place in self.crashes:
            raise Crash(self.key, self.crashes.pop(place))
        moved = self.mid_batch.pop(place, None)
        if moved is not None:
            self._move_now(moved)

    def _move_now(self, moved: MidBatch) -> None:
        """Between two transactions the order stands at once; within one it waits for the commit, as any writer does."""
        self.watch.injected("gate-mid-batch")
        if moved.step in (10, 11):
            self._after_commit.append(moved.order)
            return
        self.order(moved.order)
        if moved.step == 8:
            self.time.go_on(STALL)

    def _after_a_commit(self) -> None:
        """What can be seen from outside as soon as a transaction is durable; then what waited for its end."""
        news = self.watch.news_of_streams() if self.key == REGISTER else []
        if self.node is not None and (news or self.key in DECIDERS):
            with self.node.store.read() as tx:
                self._look(tx, news)
        waiting, self._after_commit = self._after_commit, []
        for order in waiting:
            self.order(order)
            self.time.go_on(STALL)
        self._steps[AFTER_COMMIT] += 1
        place = (AFTER_COMMIT, self._steps[AFTER_COMMIT])
        if place in self.crashes:
            raise Crash(self.key, self.crashes.pop(place))

    def _look(self, tx: Connection, news: Sequence[str]) -> None:
        if self.key == REGISTER:
            marks = inbox.watermarks(tx)
            for kind in news:
                self.watch.claims(kind, marks.get(kind, 0))
        else:
            changes = list(decisions.ever_settled(tx))[self._settled :]
            self._settled += len(changes)
            self.watch.settled(self.key, [(change.decision, change.level) for change in changes])


@cache
def _identities(_chain: str, *oins: str) -> tuple[dict[str, Signer], KeyRing]:
    """The same keys in every run: they protect nothing here."""
    signers = {oin: Signer.from_seed(oin, bytes([n + 1]) * 32) for n, oin in enumerate(oins)}
    ring = KeyRing()
    for signer in signers.values():
        ring.add(signer.name, signer.public)
    return signers, ring


Job = Callable[[Node], T]
"""What somebody wants a node to do."""
