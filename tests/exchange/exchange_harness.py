"""Two organisations of the shipped chain with only the exchange between them: real stores, no network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache

import msgspec
from sqlalchemy import Connection

from keersluis.chain import Chain, load_chain
from keersluis.context import Context
from keersluis.errors import KeersluisError
from keersluis.exchange import inbox, intake, lagging, loose, outbox, succession, tallying
from keersluis.exchange.batches import Outcome, Outcomes, Parcel, Receipt, decode, encode
from keersluis.exchange.envelope import Received
from keersluis.exchange.outbox import Accepted
from keersluis.exchange.sender import Sender, Sent
from keersluis.identity import KeyRing
from keersluis.signing import Signer
from keersluis.storage import Store, open_store
from keersluis.timeline import log
from keersluis.times import Instant, ManualClock, format_instant, parse_instant

START = parse_instant("2025-07-01T00:00:00+02:00")
KIND = "prosecution-decision.serious"


@cache
def shipped() -> Chain:
    """The shipped chain, read once."""
    return load_chain("nl-justice")


@dataclass
class Side:
    """One organisation: its store, its context, and what its rooms were given."""

    ctx: Context
    store: Store
    clock: ManualClock
    applied: list[Received] = field(default_factory=list)

    def accept(self, events: Sequence[bytes]) -> list[Accepted]:
        return self.store.write(lambda tx: outbox.accept(tx, self.ctx, events, self.clock.now()))

    def handle(self, _tx: Connection, events: Sequence[Received], _now: Instant) -> None:
        self.applied += events

    def receive(self, body: bytes) -> bytes:
        outcomes = []
        for batch in decode(body, Parcel).batches:
            try:
                result = self.store.write(
                    lambda tx, batch=batch: inbox.receive(tx, self.ctx, batch, self.handle, self.clock.now())
                )
            except KeersluisError as error:
                outcomes.append(Outcome(problem=error.problem()))
                continue
            if isinstance(result, Receipt):
                outcomes.append(Outcome(receipt=result))
            else:
                outcomes.append(Outcome(problem=result.error.problem()))
        return encode(Outcomes(outcomes))

    def watermark(self, kind: str = KIND) -> Instant:
        with self.store.read() as tx:
            return inbox.watermarks(tx).get(kind, 0)


@dataclass
class Loopback:
    """A link that hands bytes to the other side; `spoil` may change or refuse them on the way."""

    to: Side
    sent: list[bytes] = field(default_factory=list)

    def send(self, _peer: str, _path: str, body: bytes) -> bytes:
        self.sent.append(body)
        return self.to.receive(self.spoil(body))

    def spoil(self, body: bytes) -> bytes:
        return body


@dataclass
class Pair:
    """A source and the register, sharing one virtual clock."""

    source: Side
    register: Side
    link: Loopback
    sender: Sender

    def pump(self, *, heartbeat: bool = True) -> Sent:
        promises = self.source.store.write(
            lambda tx: outbox.make_promises(tx, self.source.ctx, self.source.clock.now())
        )
        return self.sender.send_all(promises, heartbeat=heartbeat)

    def go_on(self, microseconds: int) -> None:
        self.source.clock.set(self.source.clock.now() + microseconds)


def event(number: int, occurred: Instant | str, *, kind: str = KIND, chain: Chain | None = None) -> bytes:
    """One publisher's event of the prosecution service, about a generated person."""
    chain = chain or shipped()
    me = chain.organisations[chain.kinds[kind].source]
    return msgspec.json.encode(
        {
            "specversion": "1.0",
            "id": f"e-{number}",
            "source": f"urn:nld:oin:{me.oin}:systeem:test",
            "type": chain.ce_type(chain.kinds[kind]),
            "occurred": occurred if isinstance(occurred, str) else format_instant(occurred),
            "data": {"subject": f"skn:T{number % 50:07d}", "content": {"offence": "generated"}},
        }
    )


def make_pair(*, url: str = "sqlite://", counted: bool = False) -> Pair:
    """`counted`: the kinds' counts flag; without it the source states no counts."""
    chain = shipped()
    kinds = {path: replace(kind, counts=counted) for path, kind in chain.kinds.items()}
    chain = replace(chain, kinds=kinds)
    clock = ManualClock(START)
    signers = {each.key: Signer.from_seed(each.oin, bytes([n + 1]) * 32) for n, each in enumerate(chain.nodes)}
    ring = KeyRing()
    for signer in signers.values():
        ring.add(signer.name, signer.public)
    source = _side(chain, "om", signers["om"], ring, clock, url)
    register = _side(chain, "justid", signers["justid"], ring, clock, "sqlite://")
    link = Loopback(register)
    return Pair(source, register, link, Sender(source.store, source.ctx, link, "justid"))


def _side(chain: Chain, key: str, signer: Signer, ring: KeyRing, clock: ManualClock, url: str) -> Side:
    rooms = [log.MIGRATIONS, outbox.MIGRATIONS, succession.MIGRATIONS, lagging.MIGRATIONS, intake.MIGRATIONS]
    rooms.append(tallying.MIGRATIONS)
    store = open_store(url, [*rooms, loose.MIGRATIONS], inline=True)
    store.before_commit.append(lambda tx: log.seal(tx, signer, clock.now()))
    ctx = Context(chain, chain.organisations[key], signer, ring, clock, lambda *_: None, b"s" * 32)
    return Side(ctx, store, clock)
