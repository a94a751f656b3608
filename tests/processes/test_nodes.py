"""Nodes as real processes over real HTTP on the machine's clock: what survives, what stays closed, what is refused."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from keersluis.chain import Chain, load_chain
from keersluis.errors import Incorrect, KeersluisError, Unavailable, Untrusted
from keersluis.exchange.wire import Wire, open_wire
from keersluis.identity import KeyRing
from keersluis.simulation.compare import look
from keersluis.simulation.conductor import Nodes
from keersluis.timeline.verify import verify_path
from keersluis.times import SystemClock, format_instant

pytestmark = pytest.mark.xdist_group("processes")

KIND = "prosecution-decision.serious"
PATIENCE = 40.0


@pytest.fixture(scope="module")
def chain() -> Chain:
    return load_chain("nl-justice")


@pytest.fixture
def nodes(chain: Chain, tmp_path: Path) -> Iterator[Nodes]:
    """The prosecution service, the register and one decider, each a process of its own."""
    running = Nodes(chain, tmp_path / "run", None, only=("om", "justid", "justis"))
    running.start()
    yield running
    running.stop()


def event(chain: Chain, number: int, *, subject: str = "skn:T0000001") -> bytes:
    om = chain.organisations["om"]
    return msgspec.json.encode(
        {
            "specversion": "1.0",
            "id": f"p-{number}",
            "source": f"urn:nld:oin:{om.oin}:systeem:test",
            "type": chain.ce_type(chain.kinds[KIND]),
            "occurred": format_instant(SystemClock().now() - 1_000_000),
            "data": {"subject": subject, "content": {"offence": "generated", "maximum_months": 96}},
        }
    )


def publish(nodes: Nodes, numbers: range) -> None:
    body = b"[" + b",".join(event(nodes.chain, n) for n in numbers) + b"]"
    nodes.wire.send("om", "/v0/gebeurtenissen", body)


def stand(nodes: Nodes, key: str) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.json.decode(nodes.wire.get(key, "/v0/stand"))
    return told


def arrived(nodes: Nodes) -> int:
    try:
        told = stand(nodes, "justid")
    except Unavailable:
        return -1
    return next(int(row["size"]) for row in told["watermarks"] if row["kind"] == KIND)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)


def order(nodes: Nodes, organisation: str, state: str, direction: str = "*") -> None:
    body = {"peer": "*", "richting": direction, "soort": "*", "stand": state, "wie": "test", "waarom": "test"}
    nodes.wire.send(organisation, "/v0/poorten", msgspec.json.encode(body))


def test_P1_kill_9_of_receiver_and_sender_loses_and_doubles_nothing(nodes: Nodes) -> None:
    stop = threading.Event()
    told: list[int] = []

    def keep_publishing() -> None:
        number = 0
        while not stop.is_set():
            try:
                publish(nodes, range(number, number + 10))
            except KeersluisError:
                time.sleep(0.05)  # not acknowledged: the same events again
                continue
            told.extend(range(number, number + 10))
            number += 10

    publisher = threading.Thread(target=keep_publishing)
    publisher.start()
    for victim in ("justid", "om", "justid"):
        until(lambda: len(told) >= 50)
        time.sleep(0.5)
        nodes.kill(victim)
        nodes.restart(victim)
    stop.set()
    publisher.join()
    until(lambda: arrived(nodes) == len(told))
    nodes.stop()
    seen = look(nodes.chain, nodes.home)
    assert seen.applied.total() == len(told)
    assert set(seen.applied.values()) == {1}
    assert seen.out_of_order == 0
    assert {key.split()[1] for key in seen.applied} == {f"p-{number}" for number in told}
    assert verify_path(nodes.home).good, "P5: the log is whole after every crash"


@pytest.mark.parametrize("side", ["om", "justid"])
def test_P4_closed_is_closed_also_after_a_restart(nodes: Nodes, side: str) -> None:
    publish(nodes, range(5))
    until(lambda: arrived(nodes) == 5)
    order(nodes, side, "closed")
    time.sleep(1.0)  # P4 allows one second
    publish(nodes, range(5, 10))
    nodes.kill(side)
    nodes.restart(side)
    time.sleep(2.0)
    assert arrived(nodes) == 5
    order(nodes, side, "open")
    until(lambda: arrived(nodes) == 10)


def test_P4_a_closed_gate_stops_questions_and_answers_too(nodes: Nodes) -> None:
    asked = [{"id": "q-1", "policy": "vog-standard", "subject": "skn:T0000001"}]
    order(nodes, "justid", "closed")
    with pytest.raises(Unavailable) as refused:
        nodes.wire.send("justis", "/v0/beslissingen", msgspec.json.encode(asked))
    assert refused.value.code == "gate.closed"
    order(nodes, "justid", "open")
    taken = msgspec.json.decode(nodes.wire.send("justis", "/v0/beslissingen", msgspec.json.encode(asked)))
    assert taken["decisions"][0]["state"] == "provisional"


def test_P2_a_late_fact_comes_to_the_desk_with_its_reason(nodes: Nodes) -> None:
    asked = [{"id": "q-1", "policy": "vog-standard", "subject": "skn:T0000001"}]
    nodes.wire.send("justis", "/v0/beslissingen", msgspec.json.encode(asked))
    body = msgspec.json.decode(event(nodes.chain, 1)) | {"id": "late-1"}
    body["occurred"] = format_instant(SystemClock().now() - 3_600_000_000)
    nodes.wire.send("om", "/v0/gebeurtenissen", msgspec.json.encode(body))
    until(lambda: stand(nodes, "justis")["decisions"]["revisit"] == 1)
    (revisit,) = stand(nodes, "justis")["revisits"]
    assert revisit["because_en"]
    assert revisit["because_nl"] != revisit["because_en"]


def test_what_is_not_a_question_is_400_with_problem_json_at_the_door_for_peers(nodes: Nodes) -> None:
    order(nodes, "justid", "closed", "in")
    wire = open_wire(nodes.chain, nodes.home, "justis")
    with pytest.raises(Incorrect) as refused:
        wire.send("justid", "/v0/vragen", b"{}")
    wire.close()
    assert refused.value.code == "exchange.unreadable"


def test_nobody_is_a_peer_without_a_certificate(nodes: Nodes) -> None:
    """The port for this machine takes no word of another organisation; the door takes no command."""
    here = httpx.post(nodes.addresses["justid"] + "/v0/uitwisseling/partijen", content=b'{"batches": []}')
    assert (here.status_code, here.json()["code"]) == (403, "link.no-certificate")
    assert here.headers["content-type"].startswith("application/problem+json")
    with pytest.raises(httpx.HTTPError):
        httpx.post(nodes.peers["justid"] + "/v0/uitwisseling/partijen", content=b'{"batches": []}', verify=False)
    wire = open_wire(nodes.chain, nodes.home, "om")
    with pytest.raises(KeersluisError) as refused:
        wire.send("justid", "/v0/poorten", b"{}")
    wire.close()
    assert refused.value.code == "door.unknown"


def test_a_certificate_speaks_for_its_own_organisation_alone(nodes: Nodes) -> None:
    """A good certificate of one member, and a connection meant for another."""
    wire = open_wire(nodes.chain, nodes.home, "om")
    ours = Wire(
        {"justis": nodes.peers["justid"]}, tls=wire.tls, oins={"justis": nodes.chain.organisations["justis"].oin}
    )
    with pytest.raises(Untrusted) as refused:
        ours.send("justis", "/v0/vragen", b"{}")
    ours.close()
    wire.close()
    assert refused.value.code == "link.other-organisation"


def test_bad_input_is_a_problem_with_all_faults_and_changes_nothing(nodes: Nodes) -> None:
    address = nodes.addresses["om"] + "/v0/gebeurtenissen"
    bad = b"[" + event(nodes.chain, 1) + b',{"id":1},' + event(nodes.chain, 2).replace(b"1.0", b"0.3") + b"]"
    answer = httpx.post(address, content=bad)
    assert answer.status_code == 400
    assert len(answer.json()["faults"]) == 2
    assert httpx.post(address, content=b"not json").status_code == 400
    assert httpx.post(address, content=b"[" + event(nodes.chain, 1) + b"]").status_code == 200
    again = httpx.post(address, content=event(nodes.chain, 1).replace(b"T0000001", b"T0000002"))
    assert again.status_code == 409
    assert again.json()["code"] == "exchange.key-reused"


def test_an_open_key_file_is_refused_at_start(chain: Chain, tmp_path: Path) -> None:
    running = Nodes(chain, tmp_path / "run", None, only=("om",))
    key = next((tmp_path / "run" / "om").glob("*.key"))
    os.chmod(key, 0o644)
    with pytest.raises(Unavailable) as refused:
        running.start()
    assert "chmod 600" in refused.value.got


def test_the_ring_holds_a_key_of_each_node(nodes: Nodes) -> None:
    ring = KeyRing.load(nodes.home / "keys.json")
    assert all(ring.keys(each.oin) for each in nodes.chain.nodes)


def test_a_node_ends_when_it_is_told_to(nodes: Nodes) -> None:
    process = nodes.process("justis")
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(timeout=20) == 0


def test_nodes_end_with_the_process_that_started_them(chain: Chain, tmp_path: Path) -> None:
    script = (
        "import os, sys, time; from pathlib import Path; from keersluis.chain import load_chain;"
        "from keersluis.simulation.conductor import Nodes;"
        f"nodes = Nodes(load_chain('nl-justice'), Path({str(tmp_path / 'run')!r}), None, only=('om',)); nodes.start();"
        "print(nodes.process('om').pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    until(lambda: not Path(f"/proc/{child}").exists() or "zombie" in Path(f"/proc/{child}/status").read_text())
