"""A register alone: the shipped chain's, with a store, and what it publishes kept in a list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import Connection

from keersluis.chain import Chain, load_chain
from keersluis.context import Context
from keersluis.exchange import outbox
from keersluis.exchange.envelope import Envelope, Received
from keersluis.identity import KeyRing
from keersluis.register import desk, doubts
from keersluis.register.answers import Answer, Question
from keersluis.register.desk import Applied
from keersluis.signing import Signer
from keersluis.storage import Store, open_store
from keersluis.timeline import log
from keersluis.times import DAY, HOUR, Instant, ManualClock, format_instant, parse_instant, parse_when
from keersluis.watermarks import stream_origin

CHAIN = load_chain("nl-justice")
TZ = CHAIN.timezone
START = parse_instant("2025-07-01T00:00:00+02:00")
SERIOUS = "prosecution-decision.serious"
JUDGMENT = "judgment.serious"
DISPOSAL = "disposal"
WITHDRAWAL = "withdrawal"
CORRECTION = "correction"
POLICE = "police-data.serious"
NEEDS = (SERIOUS, DISPOSAL, WITHDRAWAL, CORRECTION)


@dataclass
class Sent:
    """One event that the register put in its outbox."""

    kind: str
    id: str
    occurred: Instant
    data: Mapping[str, Any]


def event(
    kind: str,
    id_: str,
    subject: str,
    occurred: str,
    *,
    position: int = 1,
    content: Mapping[str, Any] | None = None,
    chain: Chain = CHAIN,
    **more: str,
) -> Received:
    """A received event as the inbox hands it over. `more`: valid_from, valid_to, refers_to."""
    leaf = chain.kinds[kind]
    oin = chain.organisations[leaf.source].oin
    data = msgspec.Raw(msgspec.json.encode({"subject": subject, "content": content or {}, **more}))
    envelope = Envelope("1.0", id_, f"urn:nld:oin:{oin}:systeem:test", chain.ce_type(leaf), occurred, data)
    when = parse_when(occurred, chain.timezone)
    return Received(stream_origin(oin, kind), leaf, position, b"", envelope, when, when.end)


@dataclass
class Desk:
    """The register of the chain at work; every call is one transaction."""

    store: Store
    clock: ManualClock
    ctx: Context
    sent: list[Sent] = field(default_factory=list)

    def apply(self, *events: Received, now: Instant | None = None) -> Applied:
        at = self.clock.now() if now is None else now
        return self.store.write(lambda tx: desk.apply(tx, self.ctx, events, at))

    def moved(self, watermarks: Mapping[str, Instant]) -> int:
        return self.store.write(lambda tx: desk.watermarks_moved(tx, self.ctx, watermarks, self.clock.now()))

    def complete(self, through: Instant, but: Mapping[str, Instant] | None = None) -> int:
        """All streams are complete through one instant, but for some."""
        marks = {kind.path: through for kind in CHAIN.kinds.values() if "justid" in kind.receivers}
        return self.moved(marks | dict(but or {}))

    def ask(
        self, *questions: Question, asker: str = "justis", watermarks: Mapping[str, Instant] | None = None
    ) -> list[Answer]:
        now, marks = self.clock.now(), watermarks or {}
        return self.store.write(lambda tx: desk.answer(tx, self.ctx, asker, questions, marks, now))

    def look_up(
        self, subject: str, *, purpose: str = "vog", valid_at: Instant | None = None, known_at: Instant | None = None
    ) -> Answer:
        now = self.clock.now()
        return self.store.write(
            lambda tx: desk.look_up(tx, self.ctx, subject, "desk 3", purpose, valid_at, known_at, now)
        )

    def supplements(self) -> list[Mapping[str, Any]]:
        return [sent.data for sent in self.sent if sent.data["what"] == "supplement"]

    def completeness(self) -> list[Mapping[str, Any]]:
        return [sent.data for sent in self.sent if sent.data["what"] == "completeness"]

    def counts(self) -> dict[str, int]:
        with self.store.read() as tx:
            return desk.counts(tx)


def open_desk(url: str = "sqlite://", chain: Chain = CHAIN, at: Instant = START + 20 * DAY) -> Desk:
    """A register with an empty store."""
    me = chain.register
    clock = ManualClock(at)
    sent: list[Sent] = []

    def publish(tx: Connection, kind: str, event_id: str, occurred: Instant, data: Mapping[str, Any]) -> None:
        assert tx.in_transaction()
        msgspec.json.encode(data)
        sent.append(Sent(kind, event_id, occurred, data))

    ctx = Context(chain, me, Signer.from_seed(me.oin, bytes(32)), KeyRing(), clock, publish, b"s" * 32)
    store = open_store(url, [log.MIGRATIONS, outbox.MIGRATIONS, desk.MIGRATIONS, doubts.MIGRATIONS], inline=True)
    return Desk(store, clock, ctx, sent)


def question(
    id_: str = "q1",
    subject: str = "skn:1",
    *,
    moment: Instant = START + 20 * DAY,
    needs: Sequence[str] = NEEDS,
    purpose: str = "vog",
    standing: bool = False,
) -> Question:
    """A question of a decider."""
    return Question(id_, purpose, "vog-standard", subject, format_instant(moment), tuple(needs), standing)


__all__ = [
    "CHAIN",
    "CORRECTION",
    "DAY",
    "DISPOSAL",
    "HOUR",
    "JUDGMENT",
    "NEEDS",
    "POLICE",
    "SERIOUS",
    "START",
    "TZ",
    "WITHDRAWAL",
    "Desk",
    "Sent",
    "event",
    "open_desk",
    "question",
]
