"""A decider alone: a store, answers made by hand, and what the register says later put into its hands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
from sqlalchemy import Connection

from keersluis.chain import Chain, load_chain
from keersluis.context import Context
from keersluis.decisions import desk, staying
from keersluis.decisions.model import Change, Decision
from keersluis.exchange.envelope import Envelope, Received
from keersluis.identity import KeyRing
from keersluis.register.answers import Alternative, Answer, Mark, StatedFact
from keersluis.signing import Signer
from keersluis.storage import Store, open_store
from keersluis.timeline import log
from keersluis.times import DAY, HOUR, Instant, ManualClock, format_instant, parse_instant
from keersluis.watermarks import stream_origin

CHAIN = load_chain("nl-justice")
MOMENT = parse_instant("2025-08-03T12:00:00+02:00")
CUT = parse_instant("2025-07-17T06:00:00+02:00")
LATER = MOMENT + 60 * DAY

FIRST = "prosecution-decision.serious"
OM = ("prosecution-decision", "judgment", "disposal", "withdrawal", "correction")
KINDS = tuple(kind.path for path in OM for kind in CHAIN.under(path))


def marks(through: Instant, **but: Instant) -> dict[str, Instant]:
    """All kinds of the OM complete through one instant, but for some: `_` stands for `.`, and `__` for `-`."""
    return dict.fromkeys(KINDS, through) | {name.replace("__", "-").replace("_", "."): at for name, at in but.items()}


def stated(watermarks: Mapping[str, Instant], chain: Chain = CHAIN) -> list[Mark]:
    return [
        Mark(chain.organisations[chain.kinds[kind].source].oin, kind, format_instant(at))
        for kind, at in watermarks.items()
    ]


def fact(kind: str, occurred: str, id_: str | None = None, **content: Any) -> StatedFact:
    return StatedFact(id_ or f"{kind} {occurred}", "1" * 20, kind, occurred, None, None, content)


def alternative(kind: str, covers: str, through: Instant, *facts: StatedFact) -> Alternative:
    return Alternative(f"route {kind}", "1" * 20, kind, format_instant(through), covers, list(facts))


def answer(
    id_: str = "d1",
    *facts: StatedFact,
    watermarks: Mapping[str, Instant],
    moment: Instant = MOMENT,
    at: Instant = MOMENT,
    alternatives: Sequence[Alternative] = (),
    subject: str = "skn:1",
) -> Answer:
    return Answer(
        id_, CHAIN.register.oin, "asker", "vog", subject, format_instant(moment), format_instant(at), "provisional",
        list(facts), stated(watermarks), list(alternatives),
    )  # fmt: skip


@dataclass
class Decider:
    """An organisation of the chain that decides; every call is one transaction."""

    store: Store
    clock: ManualClock
    ctx: Context
    heard: int = field(default=0)

    def take(self, *answers: Answer, policy: str = "vog-standard", digest: str = "00") -> list[Decision]:
        requests = [
            {"id": each.id, "policy": policy, "subject": each.subject, "moment": each.moment} for each in answers
        ]
        now = self.clock.now()
        return self.store.write(lambda tx: desk.take(tx, self.ctx, requests, answers, digest, now))

    def hear(self, *bodies: Mapping[str, Any], told_at: Instant | None = None) -> desk.Ended:
        """Events of the register's stream, in one batch."""
        now = self.clock.now()
        events = [self._event(body, now if told_at is None else told_at) for body in bodies]
        return self.store.write(lambda tx: desk.apply(tx, self.ctx, events, now))

    def _event(self, body: Mapping[str, Any], at: Instant) -> Received:
        self.heard += 1
        chain = self.ctx.chain
        kind = chain.kinds[f"answer-end.{self.ctx.me.key}"]
        data = msgspec.Raw(msgspec.json.encode(body))
        envelope = Envelope(
            "1.0", str(self.heard), "urn", chain.ce_type(kind), format_instant(at), data, time=format_instant(at)
        )
        origin = stream_origin(chain.register.oin, kind.path)
        return Received(origin, kind, self.heard, msgspec.json.encode(envelope), envelope, (at, at), at)  # type: ignore[arg-type]

    def get(self, id_: str = "d1") -> Decision:
        with self.store.read() as tx:
            return desk.get_known(tx, self.ctx, id_)

    def history(self, id_: str = "d1") -> list[tuple[str, int, bool, str]]:
        with self.store.read() as tx:
            return [_short(change) for change in desk.history(tx, id_)]

    def counts(self) -> dict[str, int]:
        with self.store.read() as tx:
            return desk.counts(tx)

    def desk(self) -> list[dict[str, Any]]:
        with self.store.read() as tx:
            return desk.revisit_list(tx, self.ctx)

    def replay(self, id_: str = "d1") -> tuple[str, ...]:
        with self.store.read() as tx:
            return desk.replay_decision(tx, self.ctx, id_).differences

    def entries(self, kind: str) -> list[dict[str, Any]]:
        with self.store.read() as tx:
            return [entry.body for entry in log.entries(tx, limit=1000) if entry.kind == kind]


def _short(change: Change) -> tuple[str, int, bool, str]:
    return change.state, change.level, change.final, change.reason


def supplement(given: Answer, *late: StatedFact, anchor: str = "") -> dict[str, Any]:
    """The data of a supplement: the answer as it is now, and the facts that came late."""
    because = [{"id": each.id, "kind": each.kind, "occurred": each.occurred} for each in late]
    body: dict[str, Any] = {"what": "supplement", "answer": msgspec.to_builtins(given), "because": because}
    return body | ({"anchor": anchor} if anchor else {})


def complete(watermarks: Mapping[str, Instant], *settled: str) -> dict[str, Any]:
    """The data of a completeness statement."""
    return {"what": "completeness", "watermarks": msgspec.to_builtins(stated(watermarks)), "settled": list(settled)}


def gap(kind: str, since: Instant, *reopened: str) -> dict[str, Any]:
    """The data of a gap."""
    period = {"since": format_instant(since), "until": format_instant(since + DAY)}
    return {"what": "gap", "source": "1" * 20, "kind": kind, **period, "reopened": list(reopened)}


def open_decider(me: str = "justis", chain: Chain = CHAIN, url: str = "sqlite://", at: Instant = MOMENT) -> Decider:
    """A decider with an empty store."""

    def publish(_tx: Connection, kind: str, event_id: str, occurred: Instant, data: Mapping[str, Any]) -> None:
        raise AssertionError("a decider publishes nothing")

    organisation = chain.organisations[me]
    clock = ManualClock(at)
    signer = Signer.from_seed(organisation.oin, bytes(32))
    ctx = Context(chain, organisation, signer, KeyRing(), clock, publish, b"s" * 32)
    return Decider(open_store(url, [log.MIGRATIONS, desk.MIGRATIONS, staying.MIGRATIONS], inline=True), clock, ctx)


__all__ = ["CHAIN", "CUT", "DAY", "FIRST", "HOUR", "KINDS", "LATER", "MOMENT", "Decider", "alternative", "answer"]
__all__ += ["complete", "fact", "gap", "marks", "open_decider", "replace", "stated", "supplement"]
