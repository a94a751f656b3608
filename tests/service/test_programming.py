"""The few names that a programmer needs."""

from __future__ import annotations

from pathlib import Path

import pytest

import keersluis
from keersluis.chain import copy_template
from keersluis.errors import Incorrect, Unavailable


def event(number: int) -> dict[str, object]:
    return {
        "specversion": "1.0",
        "id": f"x-{number}",
        "source": "urn:nld:oin:00000099000000001000:systeem:test",
        "type": "nl.justitie.prosecution-decision.serious",
        "occurred": "2025-07-01T10:00:00+02:00",
        "data": {"subject": "skn:T0000001", "content": {"offence": "generated"}},
    }


def test_open_publish_ask(tmp_path: Path) -> None:
    folder = copy_template("nl-justice", tmp_path / "chain")
    om = keersluis.open_node(folder, "om")
    kind = om.chain.kinds["prosecution-decision.serious"]
    first = event(1) | {"source": f"urn:nld:oin:{om.me.oin}:systeem:test", "type": om.chain.ce_type(kind)}
    (accepted,) = keersluis.publish(om, [first])
    assert (accepted.position, accepted.duplicate) == (1, False)
    om.close()
    justid = keersluis.open_node(folder, "justid")
    answer = keersluis.ask(justid, "skn:T0000001", who="keeper", purpose="vog")
    assert (answer.facts, answer.state) == ([], "provisional")
    justid.close()
    justis = keersluis.open_node(folder, "justis")
    with pytest.raises(Unavailable):
        keersluis.decide(justis, [{"id": "d-1", "policy": "vog-standard", "subject": "skn:T0000001"}])
    justis.close()


def test_an_unknown_organisation_is_named_with_what_there_is(tmp_path: Path) -> None:
    folder = copy_template("nl-justice", tmp_path / "chain")
    with pytest.raises(Incorrect, match="om"):
        keersluis.open_node(folder, "nobody")


def test_there_is_nothing_else() -> None:
    with pytest.raises(AttributeError):
        _ = keersluis.nothing  # type: ignore[attr-defined]
