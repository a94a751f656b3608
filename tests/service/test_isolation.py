"""Months of darkness: a cut of more than a year with restarts in between, and what was signed meanwhile (P1, P5)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection

from keersluis import status
from keersluis.chain import Chain, load_chain
from keersluis.errors import Unavailable
from keersluis.exchange import _store, _store_isolated
from keersluis.exchange.batches import Parcel, decode
from keersluis.exchange.gates import GateOrder
from keersluis.exchange.growth import Tree, first_break
from keersluis.merkle import Frontier, consistency_proof, leaf_hash, root
from keersluis.service import Node, make_home, open_node
from keersluis.timeline import log
from keersluis.times import DAY, HOUR, MINUTE, ManualClock, format_instant, parse_instant

KIND = "prosecution-decision.serious"
START = parse_instant("2025-07-17T06:00:00+02:00")
DAYS = 400


class Town:
    """The prosecution service and the register on a virtual clock, with stores on disk; `up` is the line between."""

    def __init__(self, chain: Chain, home: Path) -> None:
        make_home(chain, home)
        self.chain, self.home, self.clock, self.up = chain, home, ManualClock(START), True
        self.parcels: list[Parcel] = []
        self.om, self.register = self._open("om"), self._open("justid")

    def _open(self, key: str) -> Node:
        return open_node(self.chain, key, self.home, self.clock, self, inline=True)

    def restart(self) -> None:
        self.close()
        self.om, self.register = self._open("om"), self._open("justid")

    def close(self) -> None:
        self.om.close()
        self.register.close()

    def send(self, peer: str, path: str, body: bytes) -> bytes:
        if not self.up or peer != "justid" or path != "/v0/uitwisseling/partijen":
            raise Unavailable("link.unreachable")
        self.parcels.append(decode(body, Parcel))
        return self.register.receive(body)

    def event(self, number: int, day: int = 0) -> bytes:
        om = self.chain.organisations["om"]
        return msgspec.json.encode(
            {
                "specversion": "1.0",
                "id": f"m-{number}",
                "source": f"urn:nld:oin:{om.oin}:systeem:test",
                "type": self.chain.ce_type(self.chain.kinds[KIND]),
                "occurred": format_instant(START + (day - 1) * DAY),
                "data": {"subject": f"skn:T{number % 50:07d}", "content": {"offence": "generated"}},
            }
        )

    def order(self, node: Node, state: str, direction: str) -> None:
        order = GateOrder(self.clock.now(), "*", direction, "*", state, "crisis team", "test")  # type: ignore[arg-type]
        node.order_gate([order])

    def day(self) -> None:
        self.clock.set(self.clock.now() + DAY)
        self.om.pump()

    def told(self, node: Node, kind: str) -> list[dict[str, object]]:
        with node.store.read() as tx:
            return [dict(each.body) for each in log.entries(tx, 0, 100_000) if each.kind == kind]


@pytest.fixture(scope="module")
def chain() -> Chain:
    return load_chain("nl-justice")


@pytest.fixture
def town(chain: Chain, tmp_path: Path) -> Iterator[Town]:
    made = Town(chain, tmp_path)
    yield made
    made.close()


def ids_of(node: Node) -> list[str]:
    with node.store.read() as tx:
        return [str(msgspec.json.decode(event)["id"]) for _origin, _n, event in _store.all_in_events(tx)]


def test_P1_a_cut_of_four_hundred_days_with_restarts_loses_doubles_and_disorders_nothing(town: Town) -> None:
    town.om.accept([town.event(n) for n in range(10)])
    town.om.pump()
    assert len(ids_of(town.register)) == 10
    town.order(town.om, "closed", "out")
    number = 10
    for day in range(1, DAYS + 1):
        if day == 200:  # from here on the line is dead as well, and the gate open
            town.up = False
            town.order(town.om, "open", "out")
        if day % 3 == 0:
            town.om.accept([town.event(number + n, day) for n in range(2)])
            number += 2
        if day % 97 == 0:
            town.restart()
        town.day()
    assert len(ids_of(town.register)) == 10
    again = town.om.accept([town.event(n, 3 * ((n - 10) // 2 + 1) if n >= 10 else 0) for n in range(number)])
    assert all(each.duplicate for each in again), "the same keys, more than a year later"
    with town.om.store.read() as tx:
        kept = _store_isolated.kept(tx)
    assert all(len(rows) <= DAYS + 2 for rows in kept.values()), "one a day and the newest, not one a heartbeat"
    town.restart()
    town.up = True
    for _ in range(3):
        town.clock.set(town.clock.now() + MINUTE)
        town.om.pump()
    assert ids_of(town.register) == [f"m-{n}" for n in range(number)], "each once, in order"
    (row,) = [each for each in status.of(town.om)["streams"] if each["kind"] == KIND]
    assert [(p["receipted"], p["backlog"]) for p in row["peers"]] == [(number, 0)]
    proved = [b for b in town.told(town.register, "isolation.verified") if str(b["origin"]).split("/")[1] == KIND]
    assert [body["checkpoints"] for body in proved] == [DAYS + 1]
    assert len(town.told(town.om, "promise.kept")) == DAYS
    with town.om.store.read() as tx:
        assert _store_isolated.kept(tx).get(row and 0, []) == []
    sent = [batch.isolated for parcel in town.parcels for batch in parcel.batches if batch.isolated]
    town.om.pump()
    assert [b.isolated for parcel in town.parcels for b in parcel.batches if b.isolated] == sent, "handed over once"


def cut_off(town: Town, days: int) -> None:
    """Four events before the cut; then each day one, while the gate is closed."""
    town.om.accept([town.event(n) for n in range(4)])
    town.om.pump()
    town.order(town.om, "closed", "out")
    for day in range(1, days + 1):
        town.om.accept([town.event(100 + day, day)])
        town.day()


def rewrite(tx: Connection, position: int, *, leaf: bool = True) -> None:
    """As somebody with the database and the key: an event is altered and the tree made to fit."""
    stream = next(row for row in _store.all_out_streams(tx) if row.kind == KIND)
    c = _store.out_events.c
    here = (c.stream == stream.stream, c.position == position)
    old = bytes(tx.execute(_store.out_events.select().where(*here)).one().bytes)
    new = old.replace(b"generated", b"rewritten")
    assert new != old
    tx.execute(_store.out_events.update().where(*here).values(bytes=new, leaf=leaf_hash(new)))
    leaves = list(_store.leaves(tx, stream.stream, 0, stream.size))
    _store.update_out_stream(tx, stream.stream, frontier=Frontier().extend(leaves).to_bytes())


def test_P5_attack_an_event_is_rewritten_while_the_source_is_isolated(town: Town) -> None:
    cut_off(town, 6)
    town.om.store.write(lambda tx: rewrite(tx, 7))  # the event of the third day
    town.day()
    town.order(town.om, "open", "out")
    sent = town.om.pump().sent["justid"]
    assert sent.refused == {KIND: "exchange.rewritten"}
    (found,) = status.of(town.register)["quarantine"]
    assert found["code"] == "exchange.rewritten"
    assert f"/{KIND}/1 events 7-7, signed at 2025-07-20" in found["place"], "the place and the day"
    assert "m-103" not in ids_of(town.register)


def test_P5_attack_the_evidence_of_isolation_is_altered_too(town: Town) -> None:
    """Without its key the attacker can only take it away, and the source's own log still tells what was signed."""
    cut_off(town, 3)
    town.om.store.write(lambda tx: rewrite(tx, 6))

    def forge(tx: Connection) -> None:
        c = _store_isolated.out_isolated.c
        for row in tx.execute(_store_isolated.out_isolated.select()).all():
            note = row.note.replace(row.note.split("\n")[2], "A" * 43 + "=")
            tx.execute(
                _store_isolated.out_isolated.update().where(c.stream == row.stream, c.day == row.day).values(note=note)
            )

    town.om.store.write(forge)
    town.order(town.om, "open", "out")
    assert town.om.pump().sent["justid"].refused[KIND] == "exchange.rewritten"


def test_P5_what_was_shown_on_the_return_binds_what_comes_after_it(town: Town) -> None:
    cut_off(town, 5)
    town.order(town.register, "closed", "in")
    town.order(town.om, "open", "out")
    town.om.pump()
    town.om.senders["justid"].most = 1
    town.order(town.register, "open", "in")

    class Stops(Exception):
        pass

    def after_the_first_word(_step: int) -> None:
        if town.told(town.register, "isolation.verified") and len(ids_of(town.register)) < 9:
            raise Stops

    town.om.ctx.step = lambda step: after_the_first_word(step) if step == 13 else None
    with pytest.raises(Stops):
        town.om.pump()
    town.om.ctx.step = lambda _step: None
    town.om.store.write(lambda tx: rewrite(tx, 9))
    town.om.store.write(lambda tx: tx.execute(_store_isolated.out_isolated.delete()))
    sent = town.om.pump().sent["justid"]
    assert sent.refused[KIND] == "exchange.rewritten"
    assert "m-105" not in ids_of(town.register)


def test_P5_an_honest_return_is_verified_and_said(town: Town) -> None:
    cut_off(town, 3)
    town.order(town.om, "open", "out")
    town.om.pump()
    assert len(ids_of(town.register)) == 7
    bodies = {str(b["origin"]).split("/")[1]: b for b in town.told(town.register, "isolation.verified")}
    assert bodies[KIND]["checkpoints"] == 4
    with town.register.store.read() as tx:
        streams = {row.kind: row.stream for row in _store.all_in_streams(tx)}
        assert list(_store_isolated.pins(tx, streams[KIND], 1 << 40)) == []
    town.clock.set(town.clock.now() + HOUR)
    town.om.pump()
    assert len(town.told(town.register, "isolation.verified")) == len(bodies)


@given(st.integers(1, 70), st.data())
def test_growth_proves_what_the_plain_proofs_prove(size: int, data: st.DataObject) -> None:
    leaves = [leaf_hash(bytes([n])) for n in range(size)]
    new = data.draw(st.integers(0, size))
    old = data.draw(st.integers(0, new))
    tree = Tree(leaves)
    assert tree.root(new) == root(leaves[:new])
    assert tree.proof(old, new) == consistency_proof(leaves, old, new)
    base = data.draw(st.integers(0, old))
    later = Tree(leaves[base:], Frontier().extend(leaves[:base]))
    assert (later.size, later.root(new), later.proof(old, new)) == (size, tree.root(new), tree.proof(old, new))
    assert all(later.inclusion(n) == tree.inclusion(n) for n in range(base, size))
    states = [(old, root(leaves[:old])), (new, root(leaves[:new]))]
    assert first_break(states, [tree.proof(old, new)]) is None
    if old:
        other = [leaf_hash(b"other"), *leaves[1:]]
        assert first_break([(old, root(other[:old])), states[1]], [tree.proof(old, new)]) == 0
