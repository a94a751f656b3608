"""The sending threads on the machine's clock, where heartbeats are hours apart: nothing may wait for the next one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from keersluis import status
from keersluis.chain import Chain, load_chain
from keersluis.errors import Unavailable
from keersluis.exchange.gates import GateOrder
from keersluis.exchange.wire import Wire
from keersluis.service import Node, make_home, open_node
from keersluis.timeline import log
from keersluis.times import SECOND, SystemClock, format_instant
from keersluis.worker import Worker

KIND, OTHER = "prosecution-decision.serious", "prosecution-decision.other"


class Hall:
    """The prosecution service at work beside the register; `before` and `fault` may spoil what travels."""

    def __init__(self, chain: Chain, home: Path) -> None:
        make_home(chain, home)
        self.home = home
        self.clock = SystemClock()
        self.om = open_node(chain, "om", home, self.clock, self)
        self.register = open_node(chain, "justid", home, self.clock, self)
        self.worker = Worker(self.om)
        self.before: list[Callable[[], None]] = []
        self.fault: Exception | None = None
        self.calls = 0
        self.stuck: threading.Event | None = None
        self.aborted = 0

    def abort(self, peer: str = "*") -> int:
        """As `Wire.abort`: the request that is under way ends."""
        self.aborted += 1
        if self.stuck:
            self.stuck.set()
        return 1

    def send(self, peer: str, _path: str, body: bytes) -> bytes:
        self.calls += 1
        if self.stuck:
            assert self.stuck.wait(20)
            raise Unavailable("link.unreachable")
        if self.fault:
            raise self.fault
        if self.before:
            self.before.pop()()
        return self.register.receive(body)

    def publish(self, *numbers: int, kind: str = KIND) -> None:
        leaf = self.om.chain.kinds[kind]
        shared = {
            "specversion": "1.0",
            "source": f"urn:nld:oin:{self.om.me.oin}:systeem:test",
            "type": self.om.chain.ce_type(leaf),
            "occurred": format_instant(self.clock.now() - 1_000_000),
            "data": {"subject": "skn:T0000001", "content": {"offence": "generated"}},
        }
        self.om.accept([msgspec.json.encode(shared | {"id": f"w-{n}"}) for n in numbers])

    def order(self, node: Node, state: str, direction: str, kind: str = "*", rate: float | None = None) -> None:
        order = GateOrder(self.clock.now(), "*", direction, kind, state, "crisis team", "test", rate)  # type: ignore[arg-type]
        node.order_gate([order])

    def arrived(self, kind: str = KIND) -> int:
        return next(int(row["size"]) for row in status.of(self.register)["watermarks"] if row["kind"] == kind)

    def within(self, seconds: float, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "it did not come about"
            time.sleep(0.02)


@pytest.fixture
def hall(tmp_path: Path) -> Iterator[Hall]:
    made = Hall(load_chain("nl-justice"), tmp_path)
    made.worker.start()
    made.within(5, lambda: made.calls > 0)
    yield made
    made.worker.stop()
    made.om.close()
    made.register.close()


def test_what_is_accepted_while_a_round_is_under_way_goes_at_once(hall: Hall) -> None:
    hall.before.append(lambda: hall.publish(2))
    hall.publish(1)
    hall.within(5, lambda: hall.arrived() == 2)


def test_a_meter_lets_the_rest_through_as_tokens_come(hall: Hall) -> None:
    hall.order(hall.om, "metered", "out", rate=4.0)
    hall.publish(*range(12))
    hall.within(10, lambda: hall.arrived() == 12)


def test_a_waiting_backlog_behind_a_meter_keeps_nobody_busy(hall: Hall) -> None:
    hall.order(hall.om, "metered", "out", rate=0.01)
    hall.publish(*range(20))
    time.sleep(1)
    before = hall.calls
    time.sleep(3)
    assert hall.calls - before <= 6


def test_one_closed_kind_does_not_slow_the_others_down(hall: Hall) -> None:
    hall.order(hall.register, "closed", "in", KIND)
    hall.publish(1)
    time.sleep(4)  # long enough to be tried in vain a few times
    hall.publish(2, kind=OTHER)
    hall.within(1, lambda: hall.arrived(OTHER) == 1)
    hall.order(hall.register, "open", "in", KIND)
    hall.within(6, lambda: hall.arrived() == 1)


@pytest.mark.parametrize("fault", [Unavailable("link.unreachable"), TypeError("a bug of ours")])
def test_whatever_goes_wrong_sending_begins_again_within_five_seconds(hall: Hall, fault: Exception) -> None:
    hall.fault = fault
    hall.publish(1)
    time.sleep(2)
    hall.fault = None
    hall.within(6, lambda: hall.arrived() == 1)


def test_a_gate_of_ours_that_opens_lets_through_what_waits(hall: Hall) -> None:
    hall.order(hall.om, "closed", "out")
    hall.publish(1)
    time.sleep(2)
    assert hall.arrived() == 0
    hall.order(hall.om, "open", "out")
    hall.within(6, lambda: hall.arrived() == 1)


def test_a_source_that_has_nothing_to_send_promises_all_the_same(hall: Hall) -> None:
    hall.worker.heartbeat = 0.3
    hall.publish(1)  # wakes it: from now on the heartbeat counts
    hall.within(5, lambda: hall.arrived() == 1)
    before = hall.register.store.write(lambda _tx: hall.calls)
    hall.within(5, lambda: hall.calls >= before + 3)


@pytest.mark.parametrize("process", ["the same", "another"])
def test_P4_an_order_that_closes_ends_what_is_under_way_within_a_second(hall: Hall, process: str) -> None:
    hall.stuck = threading.Event()
    calls = hall.calls
    hall.publish(1)
    hall.within(5, lambda: hall.calls > calls)
    if process == "the same":
        hall.order(hall.om, "closed", "out")
    else:  # the command on the store, of a node whose web hangs
        other = open_node(hall.om.chain, "om", hall.home, hall.clock, Wire({}), inline=True)
        hall.order(other, "closed", "out")
        other.close()
    assert hall.stuck.wait(1.0)
    time.sleep(0.5)
    calls = hall.calls
    time.sleep(1.5)
    assert hall.calls == calls, "nothing is tried any more"
    hall.stuck = None
    hall.order(hall.om, "open", "out")
    hall.within(6, lambda: hall.arrived() == 1)


def test_P4_orders_given_beforehand_close_and_open_by_the_clock(hall: Hall) -> None:
    now = hall.clock.now()
    for state, later in (("closed", 1), ("open", 4)):
        order = GateOrder(now, "*", "out", "*", state, "crisis team", "test", starts=now + later * SECOND)  # type: ignore[arg-type]
        hall.om.order_gate([order])
    time.sleep(1.6)
    hall.publish(1)
    time.sleep(1)
    assert hall.arrived() == 0
    hall.within(7, lambda: hall.arrived() == 1)
    with hall.om.store.read() as tx:
        kinds = [entry.kind for entry in log.entries(tx, 0, 1000)]
    assert kinds.count("gate.took-effect") == 2
