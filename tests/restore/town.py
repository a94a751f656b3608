"""Nodes on files of their own, so that one can be put back from a copy: a source, two receivers, a decider."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from keersluis import reserving, restoring
from keersluis.chain import Chain, load_chain
from keersluis.errors import Unavailable
from keersluis.exchange import _store, inbox, outbox
from keersluis.exchange.epochs import GIVE_BACK, STANDS
from keersluis.exchange.questions import QUESTIONS
from keersluis.exchange.reaffirmation import REAFFIRM
from keersluis.exchange.sender import BATCHES, Sent
from keersluis.register import desk as register
from keersluis.service import Node, make_home, open_node
from keersluis.times import HOUR, Instant, ManualClock, format_instant, parse_instant

START = parse_instant("2025-07-01T12:00:00+02:00")
KIND = "prosecution-decision.serious"
KEYS = ("om", "politie", "justid", "justis")


@dataclass
class Town:
    """The nodes, one clock, and a network that can be cut, or spoilt by `spoil` (path, answer) -> answer."""

    chain: Chain
    home: Path
    clock: ManualClock
    nodes: dict[str, Node] = field(default_factory=dict)
    down: set[str] = field(default_factory=set)
    sent: list[tuple[str, str, bytes]] = field(default_factory=list)

    def send(self, peer: str, path: str, body: bytes) -> bytes:
        self.sent.append((peer, path, body))
        if peer in self.down or peer not in self.nodes:
            raise Unavailable("link.unreachable", expected=f"an answer of {peer}")
        node = self.nodes[peer]
        answers = {
            BATCHES: node.receive,
            QUESTIONS: node.answer,
            STANDS: lambda message: restoring.tell(node, message),
            GIVE_BACK: lambda message: restoring.give_back(node, message),
            REAFFIRM: lambda message: msgspec.json.encode(
                reserving.reaffirmed(node, msgspec.json.decode(message, type=reserving.Statement).verklaring)
            ),
        }
        return self.spoil(peer, path, answers[path](body))

    def spoil(self, _peer: str, _path: str, answer: bytes) -> bytes:
        return answer

    def open(self, key: str) -> Node:
        """Start a node, as its process does."""
        node = open_node(self.chain, key, self.home, self.clock, self, inline=True)
        restoring.guard(node)
        self.nodes[key] = node
        return node

    def database(self, key: str) -> Path:
        return self.home / key / "node.db"

    def back_up(self, key: str) -> Path:
        """A copy of the node's database, as it is now."""
        copy = self.home / f"{key}-{len(list(self.home.glob('*.backup')))}.backup"
        with sqlite3.connect(self.database(key)) as connection:
            connection.execute("VACUUM INTO ?", (str(copy),))
        connection.close()
        return copy

    def put_back(self, key: str, copy: Path) -> Node:
        """The disaster: the node starts again on an old copy."""
        self.nodes.pop(key).close()
        database = self.database(key)
        for suffix in ("-wal", "-shm"):
            database.with_name(database.name + suffix).unlink(missing_ok=True)
        database.write_bytes(copy.read_bytes())
        return self.open(key)

    def publish(self, numbers: Sequence[int], **more: Any) -> None:
        now = self.clock.now()
        self.nodes["om"].accept([event(self.chain, n, now - HOUR * 100 - n, **more) for n in numbers])

    def pump(self, key: str = "om", hours: int = 1) -> dict[str, Sent]:
        self.clock.set(self.clock.now() + hours * HOUR)
        return self.nodes[key].pump().sent

    def held_by(self, key: str, kind: str = KIND) -> list[str]:
        """The ids of what a receiver holds of a kind, all epochs together, in order."""
        with self.nodes[key].store.read() as tx:
            events = [(origin, msgspec.json.decode(data)) for origin, _n, data in inbox.stored(tx)]
        return [told["id"] for origin, told in events if origin.split("/")[1] == kind]

    def facts(self, key: str) -> list[Any]:
        with self.nodes[key].store.read() as tx:
            return list(register.contents(tx))

    def watermark(self, key: str, kind: str = KIND) -> Instant:
        with self.nodes[key].store.read() as tx:
            return inbox.watermarks(tx).get(kind, 0)

    def own(self, kind: str = KIND) -> Any:
        with self.nodes["om"].store.read() as tx:
            return _store.out_stream(tx, kind)

    def own_ids(self, kind: str = KIND) -> list[str]:
        row = self.own(kind)
        with self.nodes["om"].store.read() as tx:
            tail = _store.tail(tx, row.stream, 0, row.size, 10_000)
        return [msgspec.json.decode(bytes(each.bytes))["id"] for each in tail]

    def accepted(self) -> int:
        with self.nodes["om"].store.read() as tx:
            return outbox.accepted(tx)

    def close(self) -> None:
        for node in self.nodes.values():
            node.close()


def event(chain: Chain, number: int, occurred: Instant, *, kind: str = KIND, offence: str = "generated") -> bytes:
    leaf = chain.kinds[kind]
    return msgspec.json.encode(
        {
            "specversion": "1.0",
            "id": f"e-{number}",
            "source": f"urn:nld:oin:{chain.organisations[leaf.source].oin}:systeem:test",
            "type": chain.ce_type(leaf),
            "occurred": format_instant(START - HOUR * 24 + number),
            "data": {"subject": f"skn:T{number % 7:07d}", "content": {"offence": offence, "maximum_months": 96}},
        }
    )


def make_town(home: Path, *, counted: bool = False) -> Town:
    chain = load_chain("nl-justice")
    kinds = {path: replace(kind, counts=counted and path == KIND) for path, kind in chain.kinds.items()}
    kinds[KIND] = replace(kinds[KIND], receivers=("justid", "politie"))
    chain = replace(chain, kinds=kinds)
    home.mkdir(parents=True, exist_ok=True)
    make_home(chain, home)
    town = Town(chain, home, ManualClock(START))
    for key in KEYS:
        town.open(key)
    return town
