"""A node that comes back from an old backup: it asks its partners before it sends, and gets its past back from them.

On top of the service, as functions that take the Node. The rules are in `exchange/epochs.py` and `restoration.py`.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import Any

import msgspec
from sqlalchemy import Connection

from keersluis.errors import KeersluisError, Unavailable
from keersluis.exchange import gatekeeper, renewal, restoration
from keersluis.exchange import stands as holding
from keersluis.exchange.epochs import GIVE_BACK, STANDS
from keersluis.exchange.outbox import Promised
from keersluis.exchange.restoration import Lost, TakenBack
from keersluis.exchange.stands import Heard
from keersluis.register import desk as register
from keersluis.service import Node
from keersluis.timeline import log

AWAIT_OTHERS = 3.0
"""Seconds, once after a start, in which the other receivers may say what they hold before one is sent anything: who
cannot be reached for months keeps nobody waiting."""


@dataclass
class Watch:
    """What the partners of one node said since it started. In memory on purpose: a backup is put back between a stop
    and a start, and what was confirmed before says nothing of the store that is there now."""

    node: Node
    confirmed: dict[str, set[str]] = field(default_factory=dict)
    heads: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _tried: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, peer: str) -> Heard:
        """Ask `peer`, and hold its answer against our streams. Raises KeersluisError: then nothing is confirmed."""
        node = self.node
        open_ = self.open_kinds(peer)
        if not open_:
            mend = "ask again when the gate opens"
            raise Unavailable("gate.closed", expected=f"an open gate to {peer}", got="closed for every kind", mend=mend)
        with node.store.read() as tx:
            question = holding.ask(tx, node.ctx, peer, node.clock.now(), open_)
        answer = node.link.send(peer, STANDS, question)
        heard = node.store.write(lambda tx: holding.hear(tx, node.ctx, peer, question, answer, node.clock.now()))
        self.confirmed[peer] = set(heard.kinds & open_)
        self.heads[peer] = heard.heads
        return heard

    def ask_others(self, peer: str) -> None:
        """Once after a start: whoever holds most of a stream must have had a chance to say so."""
        with self._lock:
            if self._tried:
                return
            self._tried = True
            others = [each for each in self.node.senders if each != peer and self.open_kinds(each)]
            threads = [threading.Thread(target=self._try, args=(each,), daemon=True) for each in others]
            for thread in threads:
                thread.start()
            deadline = monotonic() + AWAIT_OTHERS  # one for all: how many are far away makes no difference
            for thread in threads:
                thread.join(timeout=max(0.0, deadline - monotonic()))

    def _try(self, peer: str) -> None:
        try:
            self.ask(peer)
        except KeersluisError:
            return  # it is asked again before it is sent anything itself

    def open_kinds(self, peer: str) -> frozenset[str]:
        """What may go to `peer` now: through a closed gate nothing is asked either (P4)."""
        node = self.node
        kinds = [k.path for k in node.chain.kinds.values() if k.source == node.me.key and peer in k.receivers]
        with node.store.read() as tx:
            return frozenset(kinds) - gatekeeper.closed_kinds(tx, peer, "out", kinds, node.clock.now())


@dataclass
class PeerGuard:
    """The guard of one sender."""

    watch: Watch
    peer: str

    def certain(self, promises: Sequence[Promised]) -> tuple[list[Promised], dict[str, str]]:
        """Steps 7-9 are for streams of which this peer confirmed that it holds no more than we have."""
        sure = self.watch.confirmed.get(self.peer, set())
        open_ = self.watch.open_kinds(self.peer)
        unsure = open_ & {each.kind.path for each in promises} - sure
        code = ""
        if unsure:
            self.watch.ask_others(self.peer)
            code = self._asked()
            sure = self.watch.confirmed.get(self.peer, set())
        with self.watch.node.store.read() as tx:
            behind = {each.stream for each in restoration.lost(tx)}
        going = [each for each in promises if each.kind.path in sure and each.stream not in behind]
        held = dict.fromkeys(unsure - sure, code or "gate.closed")
        return going, held | {e.kind.path: "restore.behind" for e in promises if e.stream in behind}

    def _asked(self) -> str:
        try:
            self.watch.ask(self.peer)
        except KeersluisError as error:
            return error.code
        return ""

    def doubt(self, kind: str) -> None:
        """Ask again before more of this kind goes out."""
        self.watch.confirmed.get(self.peer, set()).discard(kind)


def guard(node: Node) -> Watch:
    """From now on `node` sends nothing before its partners said what they hold of its streams."""
    watch = Watch(node)
    for peer, sender in node.senders.items():
        sender.guard = PeerGuard(watch, peer)
    return watch


# -- what partners ask -------------------------------------------------------------------------------------------


def tell(node: Node, message: bytes, by: str | None = None) -> bytes:
    """A partner's signed question what we hold of its streams -> the signed answer. `by`: whose connection it is."""
    with node.store.read() as tx:
        return holding.stands(tx, node.ctx, message, node.clock.now(), by)


def give_back(node: Node, message: bytes, by: str | None = None) -> bytes:
    """A partner's signed request for its own events -> the signed events."""
    return node.store.write(lambda tx: holding.give_back(tx, node.ctx, message, node.clock.now(), by))


# -- what people do ----------------------------------------------------------------------------------------------


def check(node: Node) -> dict[str, Any]:
    """Ask every receiver now. `answers`: "" for each that answered, else the code for which it did not."""
    return _checked(node, Watch(node))


def _checked(node: Node, watch: Watch) -> dict[str, Any]:
    answers = {}
    for peer in node.senders:
        try:
            watch.ask(peer)
            answers[peer] = ""
        except KeersluisError as error:
            answers[peer] = error.code
    return {"answers": answers} | state(node)


def state(node: Node) -> dict[str, Any]:
    """What of a restore is unfinished, and which epochs there are."""
    with node.store.read() as tx:
        return restoration.state(tx)


def take_back(node: Node, who: str, why: str) -> dict[str, Any]:
    """Ask every receiver, and take back what the furthest of them holds of each stream that is behind.

    Goes on after an interruption where it was; a second time there is nothing left to do. Also says in the timeline
    which of its own heads this node lost. Returns {"taken", "refused", "answers", "behind", "conflicts", …}.
    """
    watch = Watch(node)
    answers = _checked(node, watch)["answers"]
    with node.store.read() as tx:
        gone = restoration.lost(tx)
    declare_restored(node, watch, who, why)  # first: from then on partners see heads of the next epoch
    taken: list[TakenBack] = []
    refused: list[dict[str, Any]] = []
    for each in gone:
        if each.stream in {back.stream for back in gone if back.kind in {done.kind for done in taken}}:
            continue  # the furthest partner that could be reached gave it back
        try:
            taken.append(_take(node, each, who, why))
        except KeersluisError as error:
            refused.append({"kind": each.kind, "peer": each.peer} | error.problem())
    return {"answers": answers, "taken": msgspec.to_builtins(taken), "refused": refused} | state(node)


def _take(node: Node, gone: Lost, who: str, why: str) -> TakenBack:
    """Fetch what is lost, part by part, each part durable; then verify and apply the whole at once."""
    while True:
        with node.store.read() as tx:
            question, after = restoration.want(tx, node.ctx, gone, node.clock.now())
            gatekeeper.allowance(tx, gone.peer, "out", gone.kind, node.clock.now())  # our own gates count too (P4)
            gatekeeper.allowance(tx, gone.peer, "in", gone.kind, node.clock.now())
        if after >= gone.size:
            break
        answer = node.link.send(gone.peer, GIVE_BACK, question)
        node.store.write(partial(_keep, node, gone, question, answer, after))
    try:
        return node.store.write(
            lambda tx: restoration.take_back(tx, node.ctx, gone, who, why, node.clock.now(), partial(_resume, node))
        )
    except KeersluisError as error:
        if error.code == "restore.altered":  # what was put aside is of no use: the next one begins anew
            node.store.write(lambda tx: restoration.forget_returned(tx, gone))
        raise


def _keep(node: Node, gone: Lost, question: bytes, answer: bytes, after: int, tx: Connection) -> int:
    return restoration.keep_returned(tx, node.ctx, gone, question, answer, after, node.clock.now())


def _resume(node: Node, tx: Connection, kind: str, size: int) -> None:
    """The register numbers the ends of its answers itself: it goes on after what came back."""
    if "register" in node.me.roles:
        register.resume(tx, kind, size)


def new_epoch(node: Node, kind: str, who: str, why: str, *, even_so: bool = False) -> dict[str, Any]:
    """What is lost cannot be had back: the stream goes on in a new epoch, which says so. Returns {"origin", …}."""
    watch = Watch(node)
    answers = _checked(node, watch)["answers"]
    declare_restored(node, watch, who, why)
    origin = node.store.write(
        lambda tx: renewal.open_epoch(tx, node.ctx, kind, who, why, node.clock.now(), partial(_resume, node), even_so)
    )
    return {"origin": origin, "answers": answers} | state(node)


def declare_restored(node: Node, watch: Watch, who: str, why: str) -> int:
    """Say in the own timeline which heads of it partners keep and this log lost; 0 when there are none."""
    seen = [(peer, note) for peer, notes in sorted(watch.heads.items()) for note in notes]
    return node.store.write(lambda tx: _declare(node, tx, seen, who, why))


def _declare(node: Node, tx: Connection, seen: Sequence[tuple[str, str]], who: str, why: str) -> int:
    sound = [(peer, note) for peer, note in seen if holding.is_own_head(note, node.ctx)]
    return log.restored(tx, node.ctx.signer, node.clock.now(), sound, who, why) if sound else 0


def confirm(node: Node, kinds: Collection[str], who: str, why: str) -> dict[str, Any]:
    """Somebody checked in the system of record that everything is here again: these kinds (all, when none is named)
    promise again. Returns {"confirmed": kinds, …}."""
    freed = node.store.write(lambda tx: restoration.confirm(tx, kinds, who, why, node.clock.now()))
    return {"confirmed": freed} | state(node)


def solve_conflict(node: Node, kind: str, event_id: str, who: str, why: str) -> bool:
    """An event whose key had been used before is dealt with. False: it lay on no desk."""
    return node.store.write(lambda tx: restoration.solve_conflict(tx, kind, event_id, who, why, node.clock.now()))
