"""A node of the prosecution service with a small plan of its own, on a clock that the test turns."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from homes import fresh_home
from keersluis import planning
from keersluis.chain import SHIPPED, Chain, load_chain
from keersluis.exchange import gatekeeper
from keersluis.exchange.gates import GateOrder, standing
from keersluis.exchange.wire import Wire
from keersluis.recovery.plan_desk import By
from keersluis.recovery.plan_evidence import Shown
from keersluis.service import Node, open_node
from keersluis.timeline import log
from keersluis.times import DAY, ManualClock, parse_instant

START = parse_instant("2025-07-20T08:00:00Z")

PLAN = """
title = { nl = "Terug", en = "Back" }
organisation = "om"

[roles.manager]
title = { nl = "m", en = "m" }
go = true
[roles.ciso]
title = { nl = "c", en = "c" }
go = true
[roles.owner]
title = { nl = "o", en = "o" }
go = true
sign = true
[roles.forensics]
title = { nl = "f", en = "f" }
sign = true

[stages.first]
title = { nl = "1", en = "1" }
phase = "trial"
start = 2025-07-20
end = 2025-07-25
[[stages.first.gates]]
peer = "justid"
direction = "out"
kind = "judgment"
[stages.first.criteria.patched]
title = { nl = "p", en = "p" }
sort = "patched"
sign = ["forensics", "owner"]

[stages.second]
title = { nl = "2", en = "2" }
phase = "execution"
start = 2025-07-25
end = 2025-07-31
depends_on = ["first"]
[[stages.second.gates]]
peer = "justid"
direction = "out"
kind = "disposal"
[[stages.second.gates]]
peer = "*"
direction = "in"
kind = "*"

[stages.third]
title = { nl = "3", en = "3" }
phase = "cross-cutting"
start = 2025-07-31
end = 2025-08-05
depends_on = ["second"]
"""


def chain_with(folder: Path, **plans: str) -> Chain:
    """A copy of the shipped chain with these plans alone."""
    shutil.copytree(SHIPPED / "nl-justice", folder)
    shutil.rmtree(folder / "plans")
    (folder / "plans").mkdir()
    for name, text in plans.items():
        (folder / "plans" / f"{name}.toml").write_text(text)
    return load_chain(folder)


class Office:
    """The node, and what its people do. Everything was closed three days ago."""

    def __init__(self, folder: Path, **plans: str) -> None:
        self.chain = chain_with(folder / "chain", **(plans or {"back": PLAN}))
        self.home = folder / "home"
        fresh_home(self.home, "om")
        self.clock = ManualClock(START)
        self.node = self._open()
        self.node.order_gate([self.order("closed", direction=each) for each in ("in", "out")])
        self.clock.set(START + 3 * DAY)

    def _open(self) -> Node:
        return open_node(self.chain, "om", self.home, self.clock, Wire({}), inline=True)

    def restart(self) -> None:
        self.node.close()
        self.node = self._open()

    def order(self, state: str, peer: str = "*", direction: str = "out", kind: str = "*", **rest: Any) -> GateOrder:
        rest.setdefault("who", "crisis team")
        return GateOrder(self.clock.now(), peer, direction, kind, state, why="because", **rest)  # type: ignore[arg-type]

    def move(
        self, state: str, peer: str = "*", direction: str = "out", kind: str = "*", **rest: Any
    ) -> list[GateOrder]:
        return self.node.order_gate([self.order(state, peer, direction, kind, **rest)])

    def state(self, kind: str = "judgment.serious", direction: str = "out", peer: str = "justid") -> str:
        with self.node.store.read() as tx:
            orders = gatekeeper.orders_at(tx, self.clock.now())
        return standing(orders, peer, direction, kind).state  # type: ignore[arg-type]

    def entries(self, kind: str) -> list[Any]:
        with self.node.store.read() as tx:
            return [each for each in log.entries(tx, 0, 10_000) if each.kind == kind]

    def size(self) -> int:
        with self.node.store.read() as tx:
            return log.size(tx)

    def adopt(self, name: str = "back", **rest: Any) -> Any:
        return planning.adopt(self.node, name, by("manager", "board"), **rest)

    def note(self, stage: str = "first", criterion: str = "patched", role: str = "forensics", **rest: Any) -> int:
        shown = Shown(criterion, **({"note": "it was looked at"} | rest))
        return int(planning.show_evidence(self.node, "back", stage, shown, by(role))["number"])

    def vote(self, stage: str, role: str, who: str = "", *, go: bool = True) -> Any:
        return planning.vote(self.node, "back", stage, by(role, who), go=go)

    def go(self, stage: str) -> None:
        """Two votes, in the two roles that record nothing."""
        for role in ("manager", "ciso"):
            self.vote(stage, role)

    def stage(self, key: str) -> Any:
        return next(each for each in planning.shown(self.node, "back")["stages"] if each["key"] == key)


def by(role: str, who: str = "", why: str = "because", key: str | None = None) -> By:
    return By(who or f"the {role}", role, why, key)
