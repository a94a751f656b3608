"""What a programmer needs: open a node, publish, ask, decide. Offered as `keersluis.open_node` and so on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from keersluis import restoring
from keersluis.chain import load_chain
from keersluis.exchange.outbox import Accepted
from keersluis.exchange.wire import open_wire
from keersluis.service import Node, make_home
from keersluis.service import open_node as _open
from keersluis.times import SystemClock


def open_node(directory: str | Path, organisation: str, *, url: str | None = None) -> Node:
    """The node of `organisation` in a chain folder (see `keersluis new`), on its own store and the machine's clock.

    `url`: SQLAlchemy database URL; default an SQLite file in the folder. Links reach the peers that run under
    `keersluis up`. Close it with `.close()`. Raises Incorrect naming every fault of the folder.
    """
    chain = load_chain(directory)
    home = Path(directory) / "run"
    make_home(chain, home)
    node = _open(chain, organisation, home, SystemClock(), open_wire(chain, home, organisation), url=url)
    restoring.guard(node)
    return node


def publish(node: Node, events: Iterable[Mapping[str, Any]]) -> list[Accepted]:
    """Accept CloudEvents (without `time`, `sequence` and `salt`); returns when all are durable. All or nothing."""
    return node.accept([msgspec.json.encode(event) for event in events])


def ask(
    node: Node, subject: str, *, who: str, purpose: str, valid_at: str | None = None, known_at: str | None = None
) -> Any:
    """What the register holds of `subject`: facts, watermarks and moments together. The look-up is recorded first."""
    return node.look_up(subject, who, purpose, valid_at, known_at)


def decide(node: Node, requests: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Take decisions on answers of the register; a request has `id`, `policy`, `subject` and perhaps `moment`."""
    return node.decide(list(requests))
