"""Sends our streams to one peer: steps 7 (gate), 8 (checkpoint), 9 (offer) and 13 (receipt)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol

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
from keersluis.exchange.outbox import EMPTY, Promised
from keersluis.merkle import Frontier
from keersluis.signing import sign_note
from keersluis.storage import Store
from keersluis.timeline import log
from keersluis.times import Instant
from keersluis.watermarks import NOTHING_PROMISED, Checkpoint, partial_promise


class Link(Protocol):
    """Carries bytes to a peer and its answer back. Raises Unavailable when the peer cannot be reached."""

    def send(self, peer: str, path: str, body: bytes) -> bytes: ...


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
    """What one call towards one peer came to; `refused` gives the error code per kind that did not get through."""

    events: int = 0
    batches: int = 0
    refused: dict[str, str] = field(default_factory=dict)


class Sender:
    """Drains all streams of ours towards one peer, in the chain's drain order."""

    def __init__(self, store: Store, ctx: Context, link: Link, peer: str) -> None:
        self.store, self.ctx, self.link, self.peer = store, ctx, link, peer
        self.limit: dict[str, int] = {}

    def send_all(self, promises: Sequence[Promised], *, heartbeat: bool) -> Sent:
        """Offer what waits, a batch of each stream in one parcel a round, until nothing is left or the peer refuses.

        With `heartbeat`, a stream that has nothing new is offered once all the same: nothing happened.
        """
        sent = Sent()
        left = [p for p in promises if self.peer in p.kind.receivers]
        while left:
            offers = self._offers(left, heartbeat, sent)
            if not offers:
                break
            try:
                if not (offers := self._announced(offers, sent)):
                    break
                outcomes = self._deliver(offers)
            except KeersluisError as error:
                sent.refused |= {offer.kind: error.code for offer in offers}
                break
            left = self._settle(offers, outcomes, sent)
            heartbeat = False
        return sent

    def _offers(self, left: Sequence[Promised], heartbeat: bool, sent: Sent) -> list[Offer]:
        """Steps 7 and 8 for each stream whose gate lets it through."""
        offers: list[Offer] = []
        room = BATCH_BYTES
        with self.store.read() as tx:
            newest = log.head(tx) if heartbeat else None
            witness = newest.note if newest else None
            rows = {row.stream: row for row in _store.out_peers_of(tx, self.peer)}
            for promised in left:
                if room <= 0:
                    break
                try:
                    offer = self._offer(tx, promised, rows.get(promised.stream), room, heartbeat)
                except Unavailable as error:
                    sent.refused[promised.kind.path] = error.code
                    continue
                if offer is not None:
                    offers.append(offer)
                    room -= offer.size
        if offers and witness:
            first = msgspec.structs.replace(offers[0].batch, timeline=witness)
            offers[0] = replace(offers[0], batch=first)
        return offers

    def _offer(self, tx: Connection, promised: Promised, row: Any, room: int, heartbeat: bool) -> Offer | None:
        """Steps 7 and 8: what may go now, under its own checkpoint."""
        kind = promised.kind.path
        allowed = gatekeeper.allowance(tx, self.peer, "out", kind, self.ctx.clock.now())
        self.ctx.step(7)
        told = Frontier.from_bytes(row.frontier) if row else EMPTY
        most = min(BATCH_EVENTS, allowed.events, self.limit.pop(kind, BATCH_EVENTS))
        waits = most and told.size < promised.size
        events = _within(_store.tail(tx, promised.stream, told.size, promised.size, most), room) if waits else []
        if not events and not heartbeat:
            return None
        checkpoint = self._checkpoint(tx, promised, told, events, row.promised if row else NOTHING_PROMISED)
        note = sign_note(checkpoint.text(), self.ctx.signer)
        self.ctx.step(8)
        raws = [msgspec.Raw(bytes(event.bytes)) for event in events]
        # a count of everything says nothing of a part of it
        more = checkpoint.size < promised.size
        counts = None if more else promised.counts
        batch = Batch(note, told.size + 1, raws, counts, None, more)
        return Offer(promised, told.size, batch, sum(len(event.bytes) for event in events))

    def _checkpoint(
        self, tx: Connection, promised: Promised, told: Frontier, events: Sequence[Any], before: Instant
    ) -> Checkpoint:
        """Step 8: over all that was entered, or over the part that goes now."""
        last = told.size + len(events)
        if last == promised.size:
            whole = promised.frontier.root()
            return Checkpoint(promised.origin, last, whole, promised.entered_through, promised.complete_through)
        rest = _store.oldest_after(tx, promised.stream, last)
        through = partial_promise(promised.complete_through, rest.occurred, before)
        root = told.extend(bytes(event.leaf) for event in events).root()
        return Checkpoint(promised.origin, last, root, rest.source_time - 1, through)

    def _announced(self, offers: Sequence[Offer], sent: Sent) -> list[Offer]:
        """Step 9, just before it leaves: what a gate that closed since step 7 holds back stays here (P4)."""
        if any(offer.batch.events for offer in offers):
            self.store.write(lambda tx: self._note_offers(tx, offers))
        self.ctx.step(9)
        with self.store.read() as tx:
            shut = gatekeeper.closed_kinds(tx, self.peer, "out", [offer.kind for offer in offers])
        sent.refused |= dict.fromkeys(sorted(shut), "gate.closed")
        return [offer for offer in offers if offer.kind not in shut]

    def _deliver(self, offers: Sequence[Offer]) -> list[Outcome]:
        """Step 9: one request, one outcome for each batch."""
        body = self.link.send(self.peer, BATCHES, encode(Parcel([offer.batch for offer in offers])))
        outcomes = decode(body, Outcomes).outcomes
        if len(outcomes) != len(offers):
            raise Fault("link.outcomes", expected=f"{len(offers)} outcomes", got=str(len(outcomes)))
        return outcomes

    def _note_offers(self, tx: Connection, offers: Sequence[Offer]) -> None:
        now = self.ctx.clock.now()
        for offer in offers:
            if count := len(offer.batch.events):
                gatekeeper.take(tx, self.peer, "out", offer.kind, count, now)
                body = {
                    "origin": offer.promised.origin,
                    "to": self.peer,
                    "from": offer.after + 1,
                    "through": offer.after + count,
                }
                log.append(tx, at=now, room="exchange", kind="batch.offered", body=body)

    def _settle(self, offers: Sequence[Offer], outcomes: Sequence[Outcome], sent: Sent) -> list[Promised]:
        """Step 13 for each receipt; returns the streams of which more waits."""
        left = []
        receipts = []
        for offer, outcome in zip(offers, outcomes, strict=True):
            if outcome.receipt is not None:
                receipts.append((offer, outcome.receipt))
            elif self._refused(offer, outcome.problem or {}, sent):
                left.append(offer.promised)
        for offer, reached in self.store.write(partial(self._receipted, receipts)) if receipts else []:
            if isinstance(reached, KeersluisError):
                sent.refused[offer.kind] = reached.code
                continue
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
            except Untrusted as error:
                told.append((offer, error))
                continue
            inbox.witness(tx, self.ctx, receipt.timeline, now)
            rows.append(row)
            told.append((offer, int(row["size"])))
            if offer.batch.events:
                body = {"origin": offer.promised.origin, "by": self.peer, "size": row["size"]}
                log.append(tx, at=now, room="exchange", kind="batch.receipted", body=body)
        outbox.store_receipts(tx, rows)
        return told

    def _refused(self, offer: Offer, problem: Mapping[str, Any], sent: Sent) -> bool:
        """The peer did not apply the batch; True where another offer may help now."""
        code = str(problem.get("code", "link.refused"))
        if code == "exchange.gap":
            return self._rewind(offer, problem.get("next"), sent)
        allowed = problem.get("allowed")
        if code == "gate.metered" and isinstance(allowed, int) and allowed > 0:
            self.limit[offer.kind] = allowed
            return True
        sent.refused[offer.kind] = code
        return False

    def _rewind(self, offer: Offer, wanted: object, sent: Sent) -> bool:
        """The peer misses events before these: offer those first. It may only ask for older ones."""
        if not isinstance(wanted, int) or not 1 <= wanted <= offer.after:
            sent.refused[offer.kind] = "exchange.gap"
            return False
        now = self.ctx.clock.now()
        self.store.write(lambda tx: outbox.rewind(tx, offer.promised, self.peer, wanted - 1, now))
        return True


def _within(events: Sequence[Any], room: int) -> Sequence[Any]:
    """As many events as fit in `room` bytes, at least one."""
    total = 0
    for number, event in enumerate(events):
        total += len(event.bytes)
        if total > room and number:
            return events[:number]
    return events
