"""Sends our streams to one peer: steps 7 (gate), 8 (checkpoint), 9 (offer) and 13 (receipt)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol, TypeAlias, runtime_checkable

import msgspec
from sqlalchemy import Connection

from keersluis.context import Context
from keersluis.errors import Fault, KeersluisError, Unavailable, Untrusted
from keersluis.exchange import (
    _store,
    _store_backlog,
    _store_epochs,
    _store_isolated,
    gatekeeper,
    inbox,
    isolation,
    outbox,
)
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
    within,
)
from keersluis.exchange.drain import DrainOrder, Waits
from keersluis.exchange.gatekeeper import Allowed
from keersluis.exchange.gates import ALL
from keersluis.exchange.outbox import EMPTY, Promised
from keersluis.exchange.pace import Mark
from keersluis.merkle import Frontier
from keersluis.signing import sign_note
from keersluis.storage import Store
from keersluis.timeline import log
from keersluis.times import Instant
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

RENEWED = 5
"""Every so many rounds of one call, the promises are made anew."""

Renew: TypeAlias = Callable[[], Sequence[Promised]]


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


@dataclass(frozen=True, slots=True)
class _Stand:
    """How far the peer was `told` of a stream, what it `heard` promised of it, and what our gate allows."""

    promised: Promised
    told: Frontier
    heard: Instant
    allowed: Allowed

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
    of which the peer wanted older events; `heard`: the streams of which it receipted something."""

    sent: Sent
    quiet: set[int]
    asked_again: set[str] = field(default_factory=set)
    heard: set[int] = field(default_factory=set)


class Sender:
    """Drains all streams of ours towards one peer, in the drain order (`drain`). May be called from several threads at
    once.

    To a peer that did not answer, or that closed its gate, no events are offered until it takes an empty batch; a
    promise that a closed gate held back is said as soon as one of these opens. `unheard`: the streams of which the peer
    did not answer to the last heartbeat.
    """

    def __init__(self, store: Store, ctx: Context, link: Link, peer: str) -> None:
        self.store, self.ctx, self.link, self.peer = store, ctx, link, peer
        self.most = BATCH_EVENTS
        self.limit: dict[str, int] = {}
        self.shut: set[str] = set()
        self.unsaid: set[str] = set()
        self.order = DrainOrder()
        self.guard: Guard | None = None
        self.unheard: list[Promised] = []

    def send_all(self, promises: Sequence[Promised], *, heartbeat: bool, renew: Renew | None = None) -> Sent:
        """Offer what waits, a batch of each stream in one parcel a round, until nothing is left or the peer refuses.

        With `heartbeat`, a stream that has nothing new is offered once all the same: nothing happened. `renew` gives
        the promises anew every few rounds, so that what is accepted during a long backlog does not wait for its end.
        """
        left, held = self._certain(promises)
        sent = Sent(reached="link.unreachable" not in held.values(), refused=dict(held))
        call = _Call(sent, {p.stream for p in left} if heartbeat else set())
        rounds = 0
        while left:
            rounds += 1
            if renew and rounds % RENEWED == 0:
                left = [each for each in self._certain(renew())[0] if each.kind.path not in call.sent.refused]
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
            call.heard |= {offer.promised.stream for offer, each in zip(offers, outcomes, strict=True) if each.receipt}
            left = later + self._settle(offers, outcomes, call)
        if heartbeat:
            ours = [each for each in promises if self.peer in each.kind.receivers]
            self.unheard = [each for each in ours if each.stream not in call.heard and _sure(held, each)]
        for kind, code in call.sent.refused.items():
            if self.guard is not None and code in DOUBTFUL:
                self.guard.doubt(kind)
        return call.sent

    def _certain(self, promises: Sequence[Promised]) -> tuple[list[Promised], dict[str, str]]:
        """The streams for this peer, and those of which the guard has doubts, with its code."""
        ours = [each for each in promises if self.peer in each.kind.receivers]
        return (ours, {}) if self.guard is None else self.guard.certain(ours)

    def _unanswered(self, offers: Sequence[Offer], error: KeersluisError, sent: Sent) -> None:
        sent.reached = False
        sent.refused |= {offer.kind: error.code for offer in offers}
        self.shut |= {offer.kind for offer in offers}

    def _offers(self, left: Sequence[Promised], call: _Call) -> tuple[list[Offer], list[Promised]]:
        """Steps 7 and 8 for each stream whose gate lets it through; then those that got nothing in this round."""
        offers: dict[int, Offer] = {}
        with self.store.read() as tx:
            # a log that came back from a backup says so before it shows a head: else it looks rewritten (P5)
            newest = log.head(tx) if call.quiet and not _store_epochs.behind_streams(tx) else None
            kept = _store_isolated.kept(tx)
            stands = self._stands(tx, left, call)

            def take(waits: Waits, events: int, size: int) -> tuple[int, int]:
                if (offer := self._offer(tx, stands[waits.stream], call, events, size)) is None:
                    return 0, 0
                offers[waits.stream] = self._proved(tx, offer, stands[waits.stream].told, kept)
                return len(offer.batch.events), offer.size

            waiting = [self._waits(stand) for stand in stands.values() if self._behind(stand)]
            self.order.divide(waiting, BATCH_BYTES, self.most, take)
            for stream, stand in stands.items():
                if stream not in offers and (offer := self._offer(tx, stand, call, 0, 0)):
                    offers[stream] = self._proved(tx, offer, stand.told, kept)
        unserved = [
            stands[each.stream] for each in waiting if each.stream not in offers or not offers[each.stream].size
        ]
        later = self._later(unserved, offers, call)
        ordered = [offers[each.stream] for each in left if each.stream in offers]
        if ordered and newest:
            ordered[0] = replace(ordered[0], batch=msgspec.structs.replace(ordered[0].batch, timeline=newest.note))
        return ordered, later

    def _stands(self, tx: Connection, left: Sequence[Promised], call: _Call) -> dict[int, _Stand]:
        """How far the peer is with each stream, and what our gate says; streams behind a closed one are refused."""
        rows = {row.stream: row for row in _store.out_peers_of(tx, self.peer)}
        now = self.ctx.clock.now()
        stands = {}
        for promised in left:
            kind, row = promised.kind.path, rows.get(promised.stream)
            told = Frontier.from_bytes(row.frontier) if row else EMPTY
            try:
                allowed = gatekeeper.allowance(tx, self.peer, "out", kind, now)
            except Unavailable as error:
                call.sent.refused[kind] = error.code
                if promised.stream in call.quiet:
                    self.unsaid.add(kind)
                continue
            if promised.size >= told.size:  # else the peer was told more meanwhile, by another call
                stands[promised.stream] = _Stand(promised, told, row.promised if row else NOTHING_PROMISED, allowed)
        return stands

    def _proved(self, tx: Connection, offer: Offer, told: Frontier, kept: Mapping[int, Sequence[Any]]) -> Offer:
        """The first word after a cut carries the proof that nothing was rewritten meanwhile (P5)."""
        stream = offer.promised
        if stream.stream not in kept:
            return offer
        rows = [row for row in _store.out_peers_of(tx, self.peer) if row.stream == stream.stream and row.receipt]
        since = max((row.at for row in rows), default=0)
        isolated = isolation.hand_over(tx, self.ctx, stream, told, kept[stream.stream], since)
        return replace(offer, batch=msgspec.structs.replace(offer.batch, isolated=isolated))

    def _behind(self, stand: _Stand) -> int:
        """How many events may be offered: none to a peer that shut its gate."""
        return 0 if stand.kind in self.shut else stand.promised.size - stand.told.size

    def _waits(self, stand: _Stand) -> Waits:
        events = min(self._behind(stand), self.limit.pop(stand.kind, self.most))
        allowed, drain = stand.allowed, stand.promised.kind.drain
        return Waits(stand.promised.stream, drain, stand.kind, events, allowed.meter, allowed.events, allowed.size)

    @staticmethod
    def _later(unserved: Iterable[_Stand], offers: Mapping[int, Offer], call: _Call) -> list[Promised]:
        """Streams that wait and got nothing: the next round has room for them, where their meter lets through."""
        later = []
        for stand in unserved:
            if stand.allowed.meter:
                call.sent.refused[stand.kind] = "gate.metered"
            if min(stand.allowed.events, stand.allowed.size) > 0 and stand.promised.stream not in offers:
                later.append(stand.promised)
        return later

    def _offer(self, tx: Connection, stand: _Stand, call: _Call, most: int, room: int) -> Offer | None:
        """Steps 7 and 8: what may go now, under its own checkpoint; None when there is nothing to say."""
        promised, told = stand.promised, stand.told
        self.ctx.step(7)
        tail = _store.tail(tx, promised.stream, told.size, promised.size, most) if most else ()
        events = within(tail, room, least=0 if stand.allowed.meter else 1)
        says = stand.kind in self.shut | self.unsaid or promised.stream in call.quiet
        if not events and (most or not says):
            return None
        checkpoint = outbox.checkpoint(tx, promised, told, [bytes(event.leaf) for event in events], stand.heard)
        note = sign_note(checkpoint.text(), self.ctx.signer)
        self.ctx.step(8)
        raws = [msgspec.Raw(bytes(event.bytes)) for event in events]
        declared = promised.declared if not told.size else None
        # a count of everything says nothing of a part of it
        more = checkpoint.size < promised.size
        counts = None if more else promised.counts
        batch = Batch(note, told.size + 1, raws, counts, None, more, declared, gaps=promised.gaps)
        return Offer(promised, told.size, batch, sum(map(len, raws)))

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
        paces: dict[int, Mark] = {}
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
                paces[offer.promised.stream] = Mark(now, int(row["size"]), offer.promised.size)
                body = {"origin": offer.promised.origin, "by": self.peer, "size": row["size"]}
                log.append(tx, at=now, room="exchange", kind="batch.receipted", body=body)
        outbox.store_receipts(tx, self.peer, rows)
        _store_backlog.keep_paces(tx, self.peer, paces)
        isolation.handed_over(tx, [offer.promised for offer, _receipt in receipts])
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


def _sure(held: Mapping[str, str], stream: Promised) -> bool:
    """Nothing says that this node forgot events of the stream: only the peer could not be asked."""
    return held.get(stream.kind.path, "link.unreachable") == "link.unreachable"


def _check_reach(offer: Offer, reached: int) -> None:
    """A receipt is about what was offered: an older one, shown again, moves nothing."""
    if reached < (offered := offer.after + len(offer.batch.events)):
        expected = f"a receipt for {offered} events of {offer.promised.origin}"
        raise Untrusted("receipt.behind", expected=expected, got=f"one for {reached}")
