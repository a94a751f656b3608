"""Bundles between two real processes whose wire is closed, by the command line over their APIs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from keersluis.chain import copy_template, load_chain
from keersluis.cli.main import run
from keersluis.cli.target import RUN
from keersluis.simulation.conductor import Nodes
from keersluis.times import SystemClock, format_instant

pytestmark = pytest.mark.xdist_group("processes")

KIND = "prosecution-decision.serious"


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Nodes]:
    folder = copy_template("nl-justice", tmp_path / "chain")
    running = Nodes(load_chain(folder), folder / RUN, None, only=("om", "justid"))
    running.start()
    yield running
    running.stop()


def events(nodes: Nodes, last: int) -> bytes:
    om, kind = nodes.chain.organisations["om"], nodes.chain.kinds[KIND]
    happened = format_instant(SystemClock().now() - 1_000_000)
    told = [
        {
            "specversion": "1.0",
            "id": f"c-{number}",
            "source": f"urn:nld:oin:{om.oin}:systeem:test",
            "type": nodes.chain.ce_type(kind),
            "occurred": happened,
            "data": {"subject": f"skn:T{number:07d}", "content": {"offence": "generated"}},
        }
        for number in range(1, last + 1)
    ]
    return msgspec.json.encode(told)


def test_what_the_closed_wire_holds_back_is_carried_and_confirmed(
    nodes: Nodes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def bundle(organisation: str, *words: object) -> Any:
        capsys.readouterr()
        command = ["bundle", *map(str, words), "-o", organisation, "-d", str(tmp_path / "chain"), "--json"]
        assert run(command) == 0
        return json.loads(capsys.readouterr().out)

    for organisation in ("om", "justid"):
        closed = {"peer": "*", "richting": "*", "soort": "*", "stand": "closed", "wie": "test", "waarom": "test"}
        nodes.wire.send(organisation, "/v0/poorten", msgspec.json.encode(closed | {"verbinding": "wire"}))
    nodes.wire.send("om", "/v0/gebeurtenissen", events(nodes, 200))
    made = bundle("om", "export", tmp_path / "carried", "--to", "justid")
    (taken,) = bundle("justid", "import", tmp_path / "carried")
    assert (made["events"], taken["events"], taken["state"]) == (200, 200, "applied")
    assert [each["state"] for each in bundle("om", "list")["out"]] == ["made"]
    bundle("justid", "receipt", tmp_path / "receipt", "--to", "om")
    bundle("om", "import", tmp_path / "receipt")
    assert [each["state"] for each in bundle("om", "list")["out"]] == ["receipted"]
