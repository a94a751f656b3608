"""One organisation's node: opens the store and wires the rooms. The only wiring."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection

from keersluis.chain import Chain, Kind, Organisation
from keersluis.context import Context
from keersluis.decisions import desk as decisions
from keersluis.decisions import staying
from keersluis.errors import Fault, Incorrect, KeersluisError, Untrusted
from keersluis.exchange import (
    gaps,
    gatekeeper,
    inbox,
    isolation,
    keys,
    lagging,
    outbox,
    questions,
    succession,
    tallying,
)
from keersluis.exchange import intake as entry
from keersluis.exchange.batches import Batch, Outcome, Outcomes, Parcel, Receipt, decode, encode, own_word, owner_of
from keersluis.exchange.envelope import Received
from keersluis.exchange.gates import GateOrder, Way
from keersluis.exchange.letterbox import Entered, enter
from keersluis.exchange.letters import Letter
from keersluis.exchange.loose import MIGRATIONS as LETTERS
from keersluis.exchange.outbox import Accepted
from keersluis.exchange.sender import Link, Sender, Sent, cut
from keersluis.exchange.unpacking import MIGRATIONS as BUNDLES
from keersluis.identity import KeyRing, KeysAt, generate_key, key_path, load_key
from keersluis.keysuccession import Succession
from keersluis.recovery import backlogs, plan_acts, plan_guard, recordbook, recording, service_states
from keersluis.register import desk as register
from keersluis.register import doubts, intake
from keersluis.register.answers import Answer, Question
from keersluis.sealing import NO_SEALS, RECIPIENTS_FILE, Seals, make_identity, read_recipients, write_recipients
from keersluis.signing import Signer
from keersluis.storage import Store, open_store
from keersluis.timeline import log
from keersluis.times import Clock, Instant, parse_instant

_log = logging.getLogger(__name__)


@dataclass
class Pumped:
    """What one round of sending came to, per peer."""

    sent: dict[str, Sent] = field(default_factory=dict)

    @property
    def events(self) -> int:
        return sum(sent.events for sent in self.sent.values())


class Node:
    """An organisation at work. Every method is synchronous, may be called from any thread, and returns when what it
    says is durable."""

    def __init__(
        self,
        chain: Chain,
        me: Organisation,
        store: Store,
        signer: Signer,
        keyring: KeyRing,
        clock: Clock,
        link: Link,
        secret: bytes,
    ) -> None:
        self.chain, self.me, self.store, self.clock, self.link = chain, me, store, clock, link
        self.seals: Seals = NO_SEALS
        self.ctx = Context(chain, me, signer, keyring, clock, self._publish, secret)
        self.ctx.guard = partial(plan_guard.guard, self.ctx)
        self._heard = questions.Heard(clock.now(), chain.skew)
        self.policies = decisions.policies_for(decisions.policies_of(chain), me.key)
        self._unsaid = "register" in me.roles  # watermarks may have moved of which the askers were not told
        store.before_commit += [partial(plan_guard.before_commit, self.ctx), self._seal]
        peers = {r for kind in chain.kinds.values() if kind.source == me.key for r in kind.receivers}
        self.senders = {peer: Sender(store, self.ctx, link, peer) for peer in sorted(peers)}

    def _seal(self, tx: Connection) -> None:
        """One signed head over the entries of each commit (P5)."""
        log.seal(tx, self.ctx.signer, self.clock.now())

    # -- the source's side -------------------------------------------------------------------------------------

    def accept(self, events: Sequence[bytes]) -> list[Accepted]:
        """Steps 1-6: returns when all `events` are durable; all or nothing."""
        accepted = self.store.write(lambda tx: outbox.accept(tx, self.ctx, events, self.clock.now(), self._check))
        self.ctx.step(6)
        return accepted

    def _check(self, data: msgspec.Raw, kind: Kind) -> None:
        """Step 2 for the payload: what the register could not read is refused where it can still be mended."""
        if kind.action != "answer":
            intake.check(data, kind, self.chain.timezone)

    def register_waiting(self, items: Sequence[tuple[str, str, str, str]]) -> int:
        """Acts known to wait for entry: (kind, event id, occurred, channel)."""
        return self.store.write(lambda tx: entry.register_waiting(tx, self.ctx, items, self.clock.now()))

    def state_counts(self, stated: Sequence[tuple[str, Instant, int]]) -> None:
        """What the organisation's own system of record counts: (kind, through source time, how many)."""
        self.store.write(lambda tx: outbox.state_counts(tx, self.ctx, stated))

    def pump(self, *, heartbeat: bool = True, peers: Sequence[str] | None = None) -> Pumped:
        """Steps 7-13 towards `peers` (all by default): say what became complete, promise, offer, take receipts."""
        renew = partial(self.store.write, self.prepare)
        promises, pumped = renew(), Pumped()
        for peer in self.senders if peers is None else peers:
            pumped.sent[peer] = self.senders[peer].send_all(promises, heartbeat=heartbeat, renew=renew)
        unheard = {each.stream: each for peer in pumped.sent for each in self.senders[peer].unheard}
        if heartbeat and unheard:
            self.store.write(lambda tx: isolation.keep(tx, self.ctx, unheard.values(), self.clock.now()))
        return pumped

    def waits_for(self, peer: str, besides: Collection[str] = ()) -> bool:
        """Whether something that may cross waits for `peer`, of other kinds than `besides`, or is yet to be said."""
        if self._unsaid:
            return True
        with self.store.read() as tx:
            return outbox.waits(tx, self.ctx, peer, besides)

    def prepare(self, tx: Connection) -> list[outbox.Promised]:
        """Steps before 7: say what became complete, and promise, in the writer."""
        self._unsaid = False
        gatekeeper.note_effects(tx, self.clock.now())
        if "register" in self.me.roles:
            self._missing(tx)
            register.watermarks_moved(tx, self.ctx, inbox.watermarks(tx), self.clock.now())
        return outbox.make_promises(tx, self.ctx, self.clock.now())

    def _publish(self, tx: Connection, kind: str, event_id: str, occurred: Instant, data: Mapping[str, Any]) -> None:
        event = outbox.own_event(self.ctx, kind, event_id, occurred, data)
        outbox.accept(tx, self.ctx, [event], self.clock.now())

    # -- the receiver's side -----------------------------------------------------------------------------------

    def receive(self, body: bytes, by: str | None = None) -> bytes:
        """Steps 10-12: a peer's parcel -> an outcome for each batch. `by`: the OIN of whose connection it came over.

        Raises Incorrect when it cannot be read, Forbidden `link.not-its-own` when there are streams of others in it.
        """
        batches = decode(body, Parcel).batches
        for batch in batches:
            own_word(owner_of(batch), by)
        futures = [self.store.submit(partial(self.take, batch, "wire")) for batch in batches]
        outcomes = [_outcome(future) for future in futures]
        self.ctx.step(12)
        return encode(Outcomes(outcomes))

    def take(self, batch: Batch, link: Way, tx: Connection) -> Receipt | inbox.Refused:
        """Steps 10-12 for one batch, in the writer, by whichever link it came."""
        self._unsaid = "register" in self.me.roles  # in the writer, as `prepare` is: no word falls between the two
        result = inbox.receive(tx, self.ctx, batch, self._apply, self.clock.now(), link)
        self._missing(tx)
        return result

    def _missing(self, tx: Connection) -> None:
        """What sources said is missing from their streams, or is there after all, is told to the register."""
        if "register" in self.me.roles:
            now = self.clock.now()
            reopen, fill = partial(register.reopen, tx, self.ctx), partial(register.fill, tx, self.ctx)
            gaps.tell(tx, partial(reopen, now=now), partial(fill, now=now))

    def enter_letter(self, letter: Letter, letter_id: str) -> Future[Entered | inbox.Refused]:
        """Steps 10-12 for a letter that was read: the future is resolved when what it says is durable."""

        def entering(tx: Connection) -> Entered | inbox.Refused:
            self._unsaid = "register" in self.me.roles  # as in `_receive`
            return enter(tx, self.ctx, letter, letter_id, self._apply, self.clock.now())

        return self.store.submit(entering)

    def _apply(self, tx: Connection, events: Sequence[Received], now: Instant) -> None:
        """Step 11's handler: facts go to the register, ends of answers to the decisions that rest on them."""
        if not events:
            return
        if events[0].kind.action == "answer":
            decisions.apply(tx, self.ctx, events, now)
        else:
            register.apply(tx, self.ctx, events, now)

    # -- questions, answers, decisions -------------------------------------------------------------------------

    def answer(self, message: bytes, by: str | None = None) -> bytes:
        """A decider's signed questions -> the signed answers, owed their end. Look-ups are durable before it leaves.

        `by` as for `receive`: nobody asks in another's name, also not with a message that it overheard.
        """
        oin, payload = self._heard.questions(message, self._keys(), self.clock.now(), by)
        asker = self.chain.organisation_by_oin(oin)
        try:
            asked = msgspec.json.decode(payload, type=list[Question])
        except msgspec.MsgspecError as error:
            raise Incorrect("question.unreadable", expected="a list of questions", got=str(error)) from None
        answers = self.store.write(lambda tx: self._answers(tx, asker.key, asked))
        return questions.sign(answers, "answers", self.ctx.signer)

    def _answers(self, tx: Connection, asker: str, asked: Sequence[Question]) -> list[Answer]:
        now = self.clock.now()
        gatekeeper.admit(tx, asker, "in", "question", len(asked), now)
        gatekeeper.admit(tx, asker, "out", "answer", len(asked), now)
        return register.answer(tx, self.ctx, asker, asked, inbox.watermarks(tx), now)

    def decide(self, requests: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Take decisions on answers of the register: asks, evaluates, stores. Idempotent by the requests' ids.

        Raises Incorrect naming every fault, Unavailable when the register cannot be asked: then nothing is decided
        and nothing is stored.
        """
        asked = decisions.questions_for(self.chain, self.policies, requests, self.clock.now())
        requests = [{**request, "moment": each.moment} for request, each in zip(requests, asked, strict=True)]
        peer = self.chain.register
        self.store.write(partial(self._asking, peer.key, len(asked)))
        question = questions.ask(asked, self.ctx.signer, self.clock.now(), secrets.token_hex(12))
        message = self.link.send(peer.key, questions.QUESTIONS, question)
        oin, payload = questions.opened(message, "answers", self._keys())
        if oin != peer.oin:
            raise Untrusted("answer.not-from-register", expected=f"a signature of {peer.oin}", got=oin)
        answers = msgspec.json.decode(payload, type=list[msgspec.Raw])
        taken = self.store.write(partial(self._decided, requests, answers, questions.digest(message)))
        return [decision.document(self.policies[decision.policy]) for decision in taken]

    def _asking(self, peer: str, number: int, tx: Connection) -> None:
        now = self.clock.now()
        gatekeeper.admit(tx, peer, "out", "question", number, now)
        gatekeeper.admit(tx, peer, "in", "answer", number, now)

    def _decided(
        self, requests: Sequence[Mapping[str, Any]], answers: Sequence[msgspec.Raw], digest: str, tx: Connection
    ) -> list[decisions.Decision]:
        now = self.clock.now()
        gatekeeper.allowance(tx, self.chain.register.key, "in", "answer", now)  # closed meanwhile: nothing crosses (P4)
        return decisions.take(tx, self.ctx, requests, answers, digest, now)

    def decision(self, decision: str) -> dict[str, Any]:
        """One decision, what it rests on, and what became of it. Raises Incorrect `decisions.unknown`."""
        with self.store.read() as tx:
            found = decisions.get_known(tx, self.ctx, decision)
            return found.document(self.policies[found.policy]) | {"basis": decisions.basis_of(tx, decision)}

    def decision_counts(self) -> dict[str, int]:
        """How many decisions are in which state."""
        with self.store.read() as tx:
            return decisions.counts(tx)

    def revisits(self, limit: int) -> list[dict[str, Any]]:
        """What lies on the desk, worst first."""
        with self.store.read() as tx:
            return decisions.revisit_list(tx, self.ctx, limit)

    def close_revisit(self, decision: str, who: str, why: str, *, undo: bool = False) -> dict[str, Any]:
        """A revisit has been dealt with (or, with `undo`, had not been)."""
        act = decisions.undo_close if undo else decisions.close_revisit
        found = self.store.write(lambda tx: act(tx, self.ctx, decision, who, why, self.clock.now()))
        return found.document(self.policies[found.policy])

    def declare_gap(self, kind: str, since: Instant, until: Instant) -> int:
        """Acts of a past period turn out to be missing: what was settled on it is open again. Returns how many."""
        return self.store.write(lambda tx: register.reopen(tx, self.ctx, kind, since, until, self.clock.now()))

    def fill_gap(self, kind: str, since: Instant, until: Instant) -> bool:
        """What was missing has come. False: no such gap was open."""
        return self.store.write(lambda tx: register.fill(tx, self.ctx, kind, since, until, self.clock.now()))

    def look_up(self, subject: str, who: str, purpose: str, valid_at: str | None, known_at: str | None) -> Any:
        """What the register holds of one person, recorded before it is read; the moments are RFC 3339."""
        at = [None if text is None else parse_instant(text) for text in (valid_at, known_at)]
        return self.store.write(
            lambda tx: register.look_up(tx, self.ctx, subject, who, purpose, at[0], at[1], self.clock.now())
        )

    def _keys(self) -> KeysAt:
        """Whose word counts now: not that of a key that was rotated or revoked."""
        return self.ctx.keyring.at(self.clock.now())

    # -- gates -------------------------------------------------------------------------------------------------

    def order_gate(self, orders: Sequence[GateOrder]) -> list[GateOrder]:
        """Move gates; from the return on the orders stand, and what was on its way to a closed gate is cut off (P4).
        Returns those that changed something, as stored."""
        moves = self.store.write(lambda tx: self._move(tx, orders))
        moved = [each for each in moves if each is not None]
        cut(self.link, {each.peer for each in moved if each.cuts})
        return moved

    def _move(self, tx: Connection, orders: Sequence[GateOrder]) -> list[GateOrder | None]:
        self._unsaid = "register" in self.me.roles  # a gate may end an emergency route, which the askers are told
        return [gatekeeper.move(tx, self.ctx, order) for order in orders]

    def close(self) -> None:
        """Finish what is under way and close the store."""
        self.store.close()


def _outcome(future: Future[Receipt | inbox.Refused]) -> Outcome:
    """A receipt, or the problem for which a batch was not applied."""
    try:
        result = future.result()
    except KeersluisError as error:
        return Outcome(problem=error.problem())
    except Exception:  # noqa: BLE001, one batch that nobody foresaw holds up no other stream
        _log.exception("a batch could not be received")
        fault = Fault("exchange.fault", expected="a batch that can be received", got="a fault here, which is recorded")
        return Outcome(problem=fault.problem())
    return Outcome(receipt=result) if isinstance(result, Receipt) else Outcome(problem=result.error.problem())


def open_node(
    chain: Chain,
    organisation: str,
    home: Path,
    clock: Clock,
    link: Link,
    *,
    url: str | None = None,
    inline: bool = False,
) -> Node:
    """Open the node of `organisation` in the working directory `home` (see `make_home`).

    `url`: SQLAlchemy database URL; default an SQLite file in the home. Raises Incorrect `service.unknown-organisation`.
    """
    me = chain.organisations.get(organisation)
    if me is None or not me.node:
        expected = ", ".join(each.key for each in chain.nodes)
        raise Incorrect("service.unknown-organisation", expected=f"one of {expected}", got=repr(organisation))
    keyring = KeyRing.follow(home / "keys.json")
    signer = Succession(home / organisation, me.oin, keyring, clock.now)
    secret = (home / organisation / "secret").read_bytes()
    store = open_store(url or f"sqlite:///{home / organisation / 'node.db'}", MIGRATIONS, inline=inline)
    node = Node(chain, me, store, signer, keyring, clock, link, secret)
    node.seals = Seals.load(home, home / organisation, me.oin)
    return node


MIGRATIONS = [
    log.MIGRATIONS,
    outbox.MIGRATIONS,
    BUNDLES,
    LETTERS,
    lagging.MIGRATIONS,
    entry.MIGRATIONS,
    keys.MIGRATIONS,
    tallying.MIGRATIONS,
    register.MIGRATIONS,
    decisions.MIGRATIONS,
    staying.MIGRATIONS,
    succession.MIGRATIONS,
    doubts.MIGRATIONS,
    service_states.MIGRATIONS,
    recording.MIGRATIONS,
    backlogs.MIGRATIONS,
    plan_acts.MIGRATIONS,
    recordbook.MIGRATIONS,
]


def make_home(chain: Chain, home: Path) -> None:
    """Make a working directory: keys to sign and to unseal for each node, the public ones of all, a secret each.

    Nothing is overwritten: called again it adds what is missing, after a crash or for an organisation that is new.
    """
    home.mkdir(parents=True, exist_ok=True)
    path = home / "keys.json"
    ring = KeyRing.load(path) if path.exists() else KeyRing()
    new = [me for me in chain.nodes if not ring.keys(me.oin)]
    for me in new:
        made = key_path(home / me.key, me.oin).exists()
        signer = load_key(home / me.key, me.oin) if made else generate_key(home / me.key, me.oin)
        _make_secret(home / me.key / "secret")
        ring.add(me.oin, signer.public)
    if new:
        ring.save(path)
    sealed_to = read_recipients(home / RECIPIENTS_FILE)
    if missing := [me for me in chain.nodes if me.oin not in sealed_to]:
        sealed_to |= {me.oin: make_identity(home / me.key, me.oin) for me in missing}
        write_recipients(home / RECIPIENTS_FILE, sealed_to)


def _make_secret(path: Path) -> None:
    """32 random bytes in a file of mode 600, whole or not at all."""
    if not path.exists():
        part = path.with_name(".secret.part")
        part.unlink(missing_ok=True)
        part.touch(mode=0o600)
        part.write_bytes(secrets.token_bytes(32))
        part.replace(path)
