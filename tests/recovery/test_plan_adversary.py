"""Whatever is ordered, undone, called off or waited for, in whatever order: without a go a listed gate never opens.

What happens to the gates is looked at from outside after every act, and as time goes by, by the rules of gates alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from homes import fresh_home
from keersluis import moves, planning
from keersluis.chain import Chain
from keersluis.errors import KeersluisError
from keersluis.exchange import gatekeeper
from keersluis.exchange.gates import GateOrder, Scope, standing
from keersluis.exchange.wire import Wire
from keersluis.recovery.plan_evidence import Shown
from keersluis.service import Node, open_node
from keersluis.times import HOUR, ManualClock
from recovery.plan_harness import PLAN, START, by, chain_with

LISTED = {
    "first": [
        ("justid", "out", kind, way) for kind in ("judgment.serious", "judgment.other") for way in ("wire", "paper")
    ],
    "second": [("justid", "out", "disposal", "wire"), ("ind", "in", "answer", "wire"), ("justid", "in", "x", "bundle")],
}
"""Some single gates of each stage."""

PEERS, KINDS = ("*", "justid", "ind"), ("*", "judgment", "judgment.serious", "disposal", "withdrawal")
SCOPES = st.tuples(st.sampled_from(PEERS), st.sampled_from(("in", "out")), st.sampled_from(KINDS))
STATES = st.sampled_from((("closed", None), ("open", None), ("metered", 1.0), ("metered", 5.0)))
LATER = st.sampled_from((0, 0, 0, 5, 13, 29))
WINDOWS = st.sampled_from((None, None, None, ("22:00-06:00", "closed"), ("08:00-20:00", "open")))
LINKS = st.sampled_from(("*", "*", "wire", "paper"))

ACTS = st.one_of(
    st.tuples(st.just("order"), SCOPES, STATES, LATER, WINDOWS, LINKS),
    st.tuples(st.just("order"), SCOPES, STATES, LATER, WINDOWS, LINKS),
    st.tuples(st.just("undo"), SCOPES, LINKS),
    st.tuples(st.just("call-off"), st.integers(1, 12)),
    st.tuples(st.just("wait"), st.integers(1, 20)),
    st.tuples(st.just("go"), st.sampled_from(("first", "second"))),
    st.tuples(st.just("fall"), st.sampled_from(("first", "second"))),
    st.tuples(st.just("roll-back"), st.sampled_from(("first", "second")), st.booleans()),
)


@lru_cache
def place() -> tuple[Chain, Path]:
    folder = Path(mkdtemp(prefix="keersluis-adversary-"))
    fresh_home(folder / "home", "om")
    return chain_with(folder / "chain", back=PLAN), folder / "home"


@contextmanager
def opened(clock: ManualClock) -> Iterator[Node]:
    chain, home = place()
    node = open_node(chain, "om", home, clock, Wire({}), url="sqlite://", inline=True)
    try:
        yield node
    finally:
        node.close()


def level(node: Node, gate: tuple[str, ...]) -> tuple[float, ...]:
    with node.store.read() as tx:
        order = standing(gatekeeper.orders_at(tx, node.clock.now()), *gate)  # type: ignore[arg-type]
    if order.state == "metered":
        return tuple(float("inf") if rate is None else rate for rate in (order.rate, order.byte_rate))
    return (0.0, 0.0) if order.state == "closed" else (float("inf"), float("inf"))


def look(node: Node) -> dict[tuple[str, ...], tuple[float, ...]]:
    return {gate: level(node, gate) for gates in LISTED.values() for gate in gates}


def goes(node: Node) -> set[str]:
    return {each["key"] for each in planning.shown(node, "back")["stages"] if each["state"] == "go"}


def order(node: Node, act: Any) -> list[GateOrder]:
    _what, (peer, direction, kind), (state, rate), later, window, link = act
    now = node.clock.now()
    told: dict[str, Any] = {"rate": rate, "link": link, "starts": now + later * HOUR if later else None}
    if window is not None and window[1] != state:
        told |= {"window": window[0], "outside": window[1]}
    return [GateOrder(now, peer, direction, kind, state, f"w{node.clock.now()}", "y", **told)]


def do(node: Node, clock: ManualClock, act: Any) -> None:
    match act:
        case ("order", *_rest):
            node.order_gate(order(node, act))
        case ("undo", (peer, direction, kind), link):
            scope = Scope(peer, direction, kind, link)
            moves.undo(node, [(scope, GateOrder(clock.now(), peer, direction, kind, "open", "w", "y", link=link))])
        case ("call-off", number):
            moves.call_off(node, number, "w", "y")
        case ("go", stage):
            if stage == "first":
                shown = Shown("patched", note="seen")
                planning.show_evidence(node, "back", stage, shown, by("forensics"))
            for role in ("manager", "ciso"):
                planning.vote(node, "back", stage, by(role), go=True)
        case ("fall", stage):
            number = planning.vote(node, "back", stage, by("manager"), go=False)["number"]
            planning.withdraw_no_go(node, "back", number, by("manager"))
        case ("roll-back", stage, too):
            planning.roll_back(node, "back", stage, by("ciso"), dependents=too)


def wait(node: Node, clock: ManualClock, hours: int) -> None:
    """An hour at a time: what the clock does is seen between the acts too."""
    for _hour in range(hours):
        before, standing_goes = look(node), goes(node)
        clock.set(clock.now() + HOUR)
        hold_against(node, before, standing_goes)


def hold_against(node: Node, before: Any, stood: set[str]) -> None:
    after = look(node)
    for stage, gates in LISTED.items():
        if stage not in stood:
            for gate in gates:
                assert all(new <= old for new, old in zip(after[gate], before[gate], strict=True)), (stage, gate)


@settings(max_examples=60)
@given(st.lists(ACTS, min_size=1, max_size=10), st.booleans())
def test_a_listed_gate_never_opens_without_a_go(acts: list[Any], begins_closed: bool) -> None:
    clock = ManualClock(START)
    with opened(clock) as node:
        if begins_closed:
            node.order_gate([GateOrder(START, "*", each, "*", "closed", "c", "y") for each in ("in", "out")])  # type: ignore[arg-type]
        clock.set(START + HOUR)
        planning.adopt(node, "back", by("manager", "board"))
        for act in acts:
            before, stood = look(node), goes(node)
            try:
                do(node, clock, act)
            except KeersluisError:
                assert look(node) == before
            if act[0] == "wait":
                wait(node, clock, act[1])
            else:
                hold_against(node, before, stood & goes(node) if act[0] != "go" else goes(node))
        wait(node, clock, 30)


@given(st.lists(ACTS.filter(lambda act: act[0] in ("order", "wait", "undo")), max_size=8), SCOPES)
@settings(max_examples=30)
def test_closing_is_always_possible(acts: list[Any], scope: tuple[str, str, str]) -> None:
    clock = ManualClock(START)
    with opened(clock) as node:
        planning.adopt(node, "back", by("manager", "board"))
        for act in acts:
            try:
                do(node, clock, act)
            except KeersluisError:
                continue
        node.order_gate([GateOrder(clock.now(), *scope, "closed", "crisis", "now")])  # type: ignore[arg-type]
        covers = Scope(*scope, "*")  # type: ignore[arg-type]
        for gate, found in look(node).items():
            if Scope(*gate).within(covers):  # type: ignore[arg-type]
                assert found == (0.0, 0.0)
