"""The simulator's network: carries bytes between machines at once, unless the plan says otherwise."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count

import msgspec

from keersluis.errors import Fault, KeersluisError
from keersluis.exchange.batches import Parcel, decode, encode
from keersluis.exchange.questions import QUESTIONS
from keersluis.exchange.wire import unreachable
from keersluis.simulation.faults import Plan, Spoil
from keersluis.simulation.machine import Crash, Machine, Time
from keersluis.simulation.watch import Message, Watch
from keersluis.times import HOUR, SECOND, Instant

HOP = SECOND // 50
"""The time that a message is on its way."""


@dataclass(frozen=True)
class Line:
    """The link of one machine: what its node sends through."""

    network: Network
    sender: str

    def send(self, peer: str, path: str, body: bytes) -> bytes:
        return self.network.send(Message(self.sender, peer, path, body))


class Network:
    """All links of a run. Faults of single messages count per direction of a link."""

    def __init__(self, plan: Plan, time: Time, watch: Watch) -> None:
        self.plan, self.time, self.watch = plan, time, watch
        self.machines: dict[str, Machine] = {}
        self.healthy = False
        self.meanwhile: Callable[[str], None] = lambda _sender: None
        self._slow = False
        self._spoils: Mapping[tuple[str, str, int], Spoil] = {(*s.link, s.nth): s for s in plan.spoils}
        self._sent: Counter[tuple[str, str]] = Counter()
        self._late: list[tuple[Instant, int, Message]] = []
        self._number = count()

    def send(self, message: Message) -> bytes:
        """A message on its way, and the answer on its way back."""
        self.watch.leaves(message, self.time.now)
        self.time.go_on(HOP)
        link = (message.sender, message.peer)
        self._sent[link] += 1
        if self._is_cut(link):
            self.watch.injected("cut")
            raise unreachable(message.peer, "no route")
        spoil = None if self.healthy else self._spoils.get((*link, self._sent[link]))
        if spoil is None:
            return self.deliver(message)
        self.watch.injected(spoil.fault)
        return _WAYS[spoil.fault](self, message, spoil)

    def deliver(self, message: Message) -> bytes:
        """The message arrives; whoever sent it learns what became of it."""
        machine = self.machines[message.peer]
        if machine.node is None:
            raise unreachable(message.peer, "connection refused")
        self.watch.arrives(message, self.time.now)
        try:
            answer = machine.node.answer if message.path == QUESTIONS else machine.node.receive
            response = answer(message.body)
        except Crash as crash:
            machine.fell(crash)
            raise unreachable(message.peer, "connection lost") from None
        except KeersluisError:
            raise  # an answer like any other: over HTTP it travels as a problem
        except Exception as error:
            self.watch.surprised(f"{message.peer} could not take what {message.sender} sent", error)
            raise Fault("http.500", expected="an answer", got=type(error).__name__) from error
        self.watch.answered(message, self.time.now)
        return response

    def late(self, until: Instant) -> list[Message]:
        """What was held up on the way and arrives now."""
        found = []
        while self._late and self._late[0][0] <= until:
            found.append(heapq.heappop(self._late)[2])
        return found

    def arrives_late(self, message: Message) -> None:
        """Nobody waits for the answer any more."""
        if not self._is_cut((message.sender, message.peer)):
            try:
                self.deliver(message)
            except KeersluisError:
                return

    def _is_cut(self, link: tuple[str, str]) -> bool:
        return not self.healthy and any(
            set(cut.between) == set(link) and cut.since <= self.time.now < cut.until for cut in self.plan.cuts
        )

    def _hold(self, message: Message, spoil: Spoil) -> None:
        heapq.heappush(self._late, (self.time.now + spoil.hours * HOUR, next(self._number), message))

    def _duplicate(self, message: Message, _spoil: Spoil) -> bytes:
        response = self.deliver(message)
        try:
            self.deliver(message)
        except KeersluisError:
            return response
        return response

    def _reorder(self, message: Message, spoil: Spoil) -> bytes:
        self._hold(message, spoil)
        return self.deliver(message)

    def _delay(self, message: Message, spoil: Spoil) -> bytes:
        self._hold(message, spoil)
        raise unreachable(message.peer, "no answer in time")

    def _slowly(self, message: Message, spoil: Spoil) -> bytes:
        """The others go on before it arrives, or before its answer does: that may then be overtaken by newer word."""
        if self._slow:
            return self.deliver(message)
        sender = self.machines[message.sender]
        waiting = sender.node
        self._slow = True
        try:
            if spoil.variant % 4 == 0:
                self.meanwhile(message.sender)
                response = self.deliver(message)
            else:
                response = self.deliver(message)
                self.meanwhile(message.sender)
        finally:
            self._slow = False
        if sender.node is not waiting:
            raise Crash(message.sender, 0)
        return response

    def _drop(self, message: Message, spoil: Spoil) -> bytes:
        if spoil.variant % 2:
            self.deliver(message)
        raise unreachable(message.peer, "no answer in time")

    def _corrupt(self, message: Message, spoil: Spoil) -> bytes:
        if spoil.variant == 0:
            return garbled(self.deliver(message), spoil.variant)
        return self.deliver(message.with_body(garbled(message.body, spoil.variant)))

    def _lose(self, message: Message, spoil: Spoil) -> bytes:
        if message.path == QUESTIONS:
            raise unreachable(message.peer, "no answer in time")
        return self.deliver(message.with_body(less(message.body, spoil.variant)))


_WAYS: Mapping[str, Callable[[Network, Message, Spoil], bytes]] = {
    "duplicate": Network._duplicate,
    "reorder": Network._reorder,
    "delay": Network._delay,
    "slow": Network._slowly,
    "drop": Network._drop,
    "corrupt": Network._corrupt,
    "lose": Network._lose,
}


def garbled(body: bytes, variant: int) -> bytes:
    """Changed bytes, at places that do not depend on what is random in a message (salts, hashes, signatures)."""
    if variant in (0, 1):
        return body[: len(body) // 2]
    for old, new in _CHANGES[variant]:
        if old in body:
            return body.replace(old, new, 1)
    return body[:1] + b"\xff" + body[2:]


_CHANGES: Mapping[int, tuple[tuple[bytes, bytes], ...]] = {
    2: ((b'"subject":"person:T', b'"subject":"person:U'), (b'"state":"settled"', b'"state":"Settled"')),
    3: ((b"entered-through 2025", b"entered-through 2026"), (b'"moment":"2025', b'"moment":"2024')),
    4: ((b"complete-through 2025", b"complete-through 2026"), (b'"purpose":"c', b'"purpose":"l')),
    5: ((b'"sequence":"0', b'"sequence":"1'),),
    6: ((b'"amount":1', b'"amount":2'), (b'"gravity":1', b'"gravity":5')),
    7: ((b'"occurred":"2025-03-2', b'"occurred":"2025-03-1'), (b'"what":"c', b'"what":"s')),
}


def less(body: bytes, variant: int) -> bytes:
    """A parcel of which one batch has lost an event, or changed the places of two."""
    try:
        batches = list(decode(body, Parcel).batches)
    except KeersluisError:
        return body
    for n, batch in enumerate(batches):
        events = list(batch.events)
        if len(events) > 1 and variant % 3 == 0:
            events[0], events[1] = events[1], events[0]
        elif events:
            del events[variant % len(events)]
        else:
            continue
        batches[n] = msgspec.structs.replace(batch, events=events)
        break
    return encode(Parcel(batches))
