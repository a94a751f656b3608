"""Sends our streams to one peer: steps 7 (gate), 8 (checkpoint), 9 (offer) and 13 (receipt)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol, runtime_checkable

import msgspec
from sqlalchemy import Connection

from keersluis.context import Context
from keersluis.errors import Fault, KeersluisError, Unavailable, Untrusted
from keersluis.exchange import _store, gatekeeper, inbox, outbox
from keersluis.exchange.batches import (
    BATCH_BYTES,
    BATCH_EVENTS,
    Batch,
    Outcome,
    Outcomes,
    Parcel,
    Receipt,
    decode,
    encode,
)
from keersluis.exchange.gatekeeper import Allowed
from keersluis.exchange.gates import ALL, GateOrder
from keersluis.exchange.outbox import EMPTY, Promised
from keersluis.merkle import Frontier
from keersluis.signing import sign_note
from keersluis.storage import Store
from keersluis.timeline import log
from keersluis.watermarks import NOTHING_PROMISED


class Link(Protocol):
    """Carries bytes to a peer and its answer back. Raises Unavailable when the peer cannot be reached."""

    def send(self, peer: str, path: str, body: bytes) -> bytes: ...


@runtime_checkable
class Abortable(Protocol):
    """A link whose requests under way can be ended: they raise Unavailable, and no body arrives whole."""

    def abort(self, peer: str = ALL) -> int: ...


def cut(link: Link, peers: Iterable[str]) -> None:
    """A gate to these peers closed: what is on its way does not go on (P4)."""
    if isinstance(link, Abortable):
        for peer in peers:
            link.abort(peer)


class Guard(Protocol):
    """Knows whether our streams are what this peer already holds of them: a backup put back may have fewer events."""

    def certain(self, promises: Sequence[Promised]) -> tuple[list[Promised], dict[str, str]]:
        """Those of which something may be sent; the error code for each kind of the others."""
        ...

    def doubt(self, kind: str) -> None:
        """What the peer answered does not fit: it is asked again before more of this kind is sent."""
        ...


DOUBTFUL = frozenset({"receipt.ahead", "receipt.other-stream", "exchange.forked", "exchange.epoch"})
"""Refusals after which a node may be behind its own past."""


BATCHES = "/v0/uitwisseling/partijen"


@dataclass(frozen=True, slots=True)
class Offer:
    """Step 9: a batch on its way; `after` is how far the peer was, `size` the bytes of its events."""

    promised: Promised
    after: int
    batch: Batch
    size: int

    @property
    def kind(self) -> str:
        return self.promised.kind.path


@dataclass
class Sent:
    """What one call towards one peer came to; `refused` gives the error code per kind that did not get through.
    `reached` False: the peer did not answer."""

    events: int = 0
    batches: int = 0
    reached: bool = True
    refused: dict[str, str] = field(default_factory=dict)


@dataclass
class _Call:
    """One call of `send_all`. `quiet`: the streams to be offered also where nothing is new; `asked_again`: the kinds
    of which the peer wanted older events. Of the round under way: the `room` in the parcel, tokens `taken` by meter."""

    sent: Sent
    quiet: set[int]
    asked_again: set[str] = field(default_factory=set)
    room: int = BATCH_BYTES
    taken: Counter[GateOrder] = field(default_factory=Counter)
    taken_bytes: Counter[GateOrder] = field(default_factory=Counter)


class Sender:
    """Drains all streams of ours towards one peer, in the chain's drain order with ageing. May be called from several
    threads at once.

    To a peer that did not answer, or that closed its gate, no events are offered until it takes an empty batch; a
    promise that a closed gate held back is said as soon as one of these opens.
    """

    def __init__(self, store: Store, ctx: Context, link: Link, peer: str) -> None:
        self.store, self.ctx, self.link, self.peer = store, ctx, link, peer
        self.most = BATCH_EVENTS
        self.limit: dict[str, int] = {}
        self.shut: set[str] = set()
        self.unsaid: set[str] = set()
        self.passed_over: Counter[str] = Counter()
        self.guard: Guard | None = None

    def send_all(self, promises: Sequence[Promised], *, heartbeat: bool) -> Sent:
        """Offer what waits, a batch of each stream in one parcel a round, until nothing is left or the peer refuses.

        With `heartbeat`, a stream that has nothing new is offered once all the same: nothing happened.
        """
        left = [p for p in promises if self.peer in p.kind.receivers]
        held: dict[str, str] = {}
        if self.guard is not None:
            left, held = self.guard.certain(left)
        sent = Sent(reached="link.unreachable" not in held.values(), refused=held)
        call = _Call(sent, {p.stream for p in left} if heartbeat else set())
        while left:
            offers, later = self._offers(left, call)
            if not offers:
                break
            try:
                if not (offers := self._announced(offers, call.sent)):
                    break
                outcomes = self._deliver(offers)
            except KeersluisError as error:
                self._unanswered(offers, error, call.sent)
                break
            call.quiet -= {offer.promised.stream for offer in offers}
            left = later + self._settle(offers, outcomes, call)
        for kind, code in call.sent.refused.items():
            if self.guard is not None and code in DOUBTFUL:
                self.guard.doubt(kind)
        return call.sent

    def _unanswered(self, offers: Sequence[Offer], error: KeersluisError, sent: Sent) -> None:
        sent.reached = False
        sent.refused |= {offer.kind: error.code for offer in offers}
        self.shut |= {offer.kind for offer in offers}

    def _offers(self, left: Sequence[Promised], call: _Call) -> tuple[list[Offer], list[Promised]]:
        """Steps 7 and 8 for each stream whose gate lets it through; then the streams for which there is no room."""
        offers: list[Offer] = []
        later: list[Promised] = []
        call.room = BATCH_BYTES
        call.taken.clear()
        call.taken_bytes.clear()
        with self.store.read() as tx:
            newest = log.head(tx) if call.quiet else None
            rows = {row.stream: row for row in _store.out_peers_of(tx, self.peer)}
            for promised in sorted(left, key=self._turn):
                if call.room <= 0:
                    later.append(promised)
                    continue
                try:
                    offer = self._offer(tx, promised, rows.get(promised.stream), call)
                except Unavailable as error:
                    call.sent.refused[promised.kind.path] = error.code
                    if promised.stream in call.quiet:
                        self.unsaid.add(promised.kind.path)
                    continue
                if offer is not None:
                    offers.append(offer)
        if offers and newest:
            first = msgspec.structs.replace(offers[0].batch, timeline=newest.note)
            offers[0] = replace(offers[0], batch=first)
        return offers, later

    def _turn(self, promised: Promised) -> int:
        """The drain order with ageing: who was passed over moves up, so that no kind starves behind a meter."""
        return promised.kind.drain - self.passed_over[promised.kind.path]

    def _may_go(self, tx: Connection, promised: Promised, behind: int, call: _Call) -> tuple[int, Allowed]:
        """Step 7: how many of the events that the peer is `behind` may go now, and what the meter says. Raises
        Unavailable `gate.closed`."""
        kind = promised.kind.path
        allowed = gatekeeper.allowance(tx, self.peer, "out", kind, self.ctx.clock.now())
        if not behind or kind in self.shut:
            return 0, allowed
        free = allowed.events - (call.taken[allowed.meter] if allowed.meter else 0)
        most = min(self.most, free, behind, self.limit.pop(kind, self.most))
        if most <= 0 or self._bytes_left(allowed, call) <= 0:
            call.sent.refused[kind] = "gate.metered"
            self.passed_over[kind] += 1
            return 0, allowed
        self.passed_over.pop(kind, None)
        return most, allowed

    @staticmethod
    def _bytes_left(allowed: Allowed, call: _Call) -> int:
        return allowed.size - (call.taken_bytes[allowed.meter] if allowed.meter else 0)

    def _offer(self, tx: Connection, promised: Promised, row: Any, call: _Call) -> Offer | None:
        """Steps 7 and 8: what may go now, under its own checkpoint."""
        told = Frontier.from_bytes(row.frontier) if row else EMPTY
        behind = promised.size - told.size
        if behind < 0:
            return None  # the peer was told more meanwhile, by another call
        most, allowed = self._may_go(tx, promised, behind, call)
        self.ctx.step(7)
        tail = _store.tail(tx, promised.stream, told.size, promised.size, most) if most else ()
        events = _within(tail, call.room)
        if allowed.meter:
            events = _metered(events, self._bytes_left(allowed, call))
            if tail and not events:
                call.sent.refused[promised.kind.path] = "gate.metered"
                self.passed_over[promised.kind.path] += 1
        knocks = promised.kind.path in self.shut | self.unsaid
        if not (events or knocks or promised.stream in call.quiet):
            return None
        before = row.promised if row else NOTHING_PROMISED
        checkpoint = outbox.checkpoint(tx, promised, told, [bytes(event.leaf) for event in events], before)
        note = sign_note(checkpoint.text(), self.ctx.signer)
        self.ctx.step(8)
        raws = [msgspec.Raw(bytes(event.bytes)) for event in events]
        declared = promised.declared if not told.size else None
        # a count of everything says nothing of a part of it
        more = checkpoint.size < promised.size
        counts = None if more else promised.counts
        offer = Offer(
            promised, told.size, Batch(note, told.size + 1, raws, counts, None, more, declared), sum(map(len, raws))
        )
        call.room -= offer.size
        if allowed.meter:
            call.taken[allowed.meter] += len(raws)
            call.taken_bytes[allowed.meter] += offer.size
        return offer

    def _announced(self, offers: Sequence[Offer], sent: Sent) -> list[Offer]:
        """Step 9, just before it leaves: what a gate that closed since step 7 holds back stays here (P4)."""
        if any(offer.batch.events for offer in offers):
            held = self.store.write(lambda tx: self._note_offers(tx, offers))
            sent.refused |= held
            offers = [offer for offer in offers if offer.kind not in held]
        self.ctx.step(9)
        with self.store.read() as tx:
            kinds = [offer.kind for offer in offers]
            shut = gatekeeper.closed_kinds(tx, self.peer, "out", kinds, self.ctx.clock.now())
        sent.refused |= dict.fromkeys(sorted(shut), "gate.closed")
        return [offer for offer in offers if offer.kind not in shut]

    def _deliver(self, offers: Sequence[Offer]) -> list[Outcome]:
        """Step 9: one request, one outcome for each batch."""
        body = self.link.send(self.peer, BATCHES, encode(Parcel([offer.batch for offer in offers])))
        outcomes = decode(body, Outcomes).outcomes
        if len(outcomes) != len(offers):
            raise Fault("link.outcomes", expected=f"{len(offers)} outcomes", got=str(len(outcomes)))
        return outcomes

    def _note_offers(self, tx: Connection, offers: Sequence[Offer]) -> dict[str, str]:
        """Takes the tokens of what goes. Returns the code for each kind that may not go after all: a gate moved since
        step 7, or another call took its tokens."""
        now = self.ctx.clock.now()
        held: dict[str, str] = {}
        for offer in offers:
            if not (count := len(offer.batch.events)):
                continue
            try:
                gatekeeper.admit(tx, self.peer, "out", offer.kind, count, now, "wire", offer.size)
            except Unavailable as error:
                held[offer.kind] = error.code
                continue
            place = {"from": offer.after + 1, "through": offer.after + count}
            body = {"origin": offer.promised.origin, "to": self.peer, **place}
            log.append(tx, at=now, room="exchange", kind="batch.offered", body=body)
        return held

    def _settle(self, offers: Sequence[Offer], outcomes: Sequence[Outcome], call: _Call) -> list[Promised]:
        """Step 13 for each receipt; returns the streams of which more waits."""
        left = []
        receipts = []
        for offer, outcome in zip(offers, outcomes, strict=True):
            if outcome.receipt is not None:
                receipts.append((offer, outcome.receipt))
            elif self._refused(offer, outcome.problem or {}, call):
                left.append(offer.promised)
        sent = call.sent
        for offer, reached in self.store.write(partial(self._receipted, receipts)) if receipts else []:
            if isinstance(reached, KeersluisError):
                sent.refused[offer.kind] = reached.code
                continue
            self.shut.discard(offer.kind)
            self.unsaid.discard(offer.kind)
            sent.events += len(offer.batch.events)
            sent.batches += 1
            if reached < offer.promised.size:
                left.append(offer.promised)
        return left

    def _receipted(
        self, receipts: Sequence[tuple[Offer, Receipt]], tx: Connection
    ) -> list[tuple[Offer, int | KeersluisError]]:
        """Step 13: each receipt verified; those that hold are stored together."""
        now = self.ctx.clock.now()
        told: list[tuple[Offer, int | KeersluisError]] = []
        rows = []
        for offer, receipt in receipts:
            try:
                row = outbox.receipted(tx, self.ctx, self.peer, offer.promised, receipt, now)
                _check_reach(offer, row["size"])
            except Untrusted as error:
                told.append((offer, error))
                continue
            inbox.witness(tx, self.ctx, receipt.timeline, now)
            rows.append(row)
            told.append((offer, int(row["size"])))
            if offer.batch.events:
                body = {"origin": offer.promised.origin, "by": self.peer, "size": row["size"]}
                log.append(tx, at=now, room="exchange", kind="batch.receipted", body=body)
        outbox.store_receipts(tx, self.peer, rows)
        return told

    def _refused(self, offer: Offer, problem: Mapping[str, Any], call: _Call) -> bool:
        """The peer did not apply the batch; True where another offer may help now."""
        code = str(problem.get("code", "link.refused"))
        if code == "exchange.gap":
            return self._rewind(offer, problem.get("next"), call)
        allowed = problem.get("allowed")
        if code == "gate.metered" and isinstance(allowed, int) and 0 < allowed < len(offer.batch.events):
            self.limit[offer.kind] = allowed
            return True
        if code == "gate.closed":
            self.shut.add(offer.kind)
        call.sent.refused[offer.kind] = code
        return False

    def _rewind(self, offer: Offer, wanted: object, call: _Call) -> bool:
        """The peer misses events before these: offer those first. It may only ask for older ones, once in a call."""
        if offer.kind in call.asked_again or not isinstance(wanted, int) or not 1 <= wanted <= offer.after:
            call.sent.refused[offer.kind] = "exchange.gap"
            return False
        call.asked_again.add(offer.kind)
        now = self.ctx.clock.now()
        self.store.write(lambda tx: outbox.rewind(tx, offer.promised, self.peer, wanted - 1, now))
        return True


def _check_reach(offer: Offer, reached: int) -> None:
    """A receipt is about what was offered: an older one, shown again, moves nothing."""
    if reached < (offered := offer.after + len(offer.batch.events)):
        expected = f"a receipt for {offered} events of {offer.promised.origin}"
        raise Untrusted("receipt.behind", expected=expected, got=f"one for {reached}")


def _within(events: Sequence[Any], room: int) -> Sequence[Any]:
    """As many events as fit in `room` bytes, at least one."""
    total = 0
    for number, event in enumerate(events):
        total += len(event.bytes)
        if total > room and number:
            return events[:number]
    return events


def _metered(events: Sequence[Any], tokens: int) -> Sequence[Any]:
    """As many events as have tokens for their bytes."""
    total = 0
    for number, event in enumerate(events):
        total += len(event.bytes)
        if total > tokens:
            return events[:number]
    return events
