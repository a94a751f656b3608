"""Keys changed by command while real nodes run, and while they do not."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from keersluis.chain import load_chain
from keersluis.cli.main import run
from keersluis.simulation.conductor import Nodes
from keersluis.timeline.verify import verify_path
from keersluis.times import SECOND, SystemClock, format_instant

pytestmark = pytest.mark.xdist_group("processes")

KIND = "prosecution-decision.serious"
ORDER = ("--who", "clerk", "--why", "yearly", "--json")


@pytest.fixture
def nodes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Nodes]:
    folder = tmp_path / "here"
    assert run(["new", str(folder)]) == 0
    capsys.readouterr()
    running = Nodes(load_chain(folder), folder / "run", None, only=("om", "justid"))
    running.start()
    yield running
    running.stop()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 40
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)


def publish(nodes: Nodes, number: int) -> None:
    om = nodes.chain.organisations["om"]
    told = {
        "specversion": "1.0",
        "id": f"k-{number}",
        "source": f"urn:nld:oin:{om.oin}:systeem:test",
        "type": nodes.chain.ce_type(nodes.chain.kinds[KIND]),
        "occurred": format_instant(SystemClock().now() - SECOND),
        "data": {"subject": "skn:T0000001", "content": {"offence": "generated", "maximum_months": 96}},
    }
    nodes.wire.send("om", "/v0/gebeurtenissen", msgspec.json.encode(told))


def arrived(nodes: Nodes) -> int:
    told = msgspec.json.decode(nodes.wire.get("justid", "/v0/stand"))
    return next(int(row["size"]) for row in told["watermarks"] if row["kind"] == KIND)


def kinds(nodes: Nodes, key: str) -> set[str]:
    told = msgspec.json.decode(nodes.wire.get(key, "/v0/tijdlijn?aantal=1000"))
    return {entry["kind"] for entry in told["entries"]}


def test_P1_P5_rotate_by_command_at_running_nodes(nodes: Nodes, capsys: pytest.CaptureFixture[str]) -> None:
    home = str(nodes.home.parent)

    def command(*words: str) -> Any:
        assert run(["keys", *words, "-d", home, "-o", "om"]) == 0
        return json.loads(capsys.readouterr().out)

    publish(nodes, 1)
    until(lambda: arrived(nodes) == 1)
    command("rotate", *ORDER, "--from", format_instant(SystemClock().now() + SECOND))
    publish(nodes, 2)
    until(lambda: "key.rotated" in kinds(nodes, "justid"))
    publish(nodes, 3)
    until(lambda: arrived(nodes) == 3)
    oin = nodes.chain.organisations["om"].oin

    def states() -> list[str]:
        return [each["state"] for each in command("list", "--json")["keys"] if each["oin"] == oin]

    until(lambda: states() == ["ended", "in force"])
    assert command("certificate", "--json")["oin"] == oin
    nodes.stop()
    assert states() == ["ended", "in force"]
    assert verify_path(nodes.home).good
