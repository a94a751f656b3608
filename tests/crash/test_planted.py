"""Bugs planted in a node's process: the crash tests would find each of them, or they prove nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from crash.outside import compare
from crash.two_nodes import REGISTER, SOURCE, Publisher, TwoNodes, until
from keersluis.chain import load_chain

pytestmark = pytest.mark.xdist_group("crash")


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[TwoNodes]:
    made = TwoNodes(load_chain("nl-justice"), tmp_path / "run")
    made.plant(SOURCE, "acknowledges_before_the_commit")
    made.plant(REGISTER, "applies_in_a_transaction_of_its_own")
    made.start()
    yield made
    made.stop()


def one_death(nodes: TwoNodes, name: str, victim: str, place: str) -> list[str]:
    """Ten events around one death, sent once more where no acknowledgement came; what is lost of them."""
    publisher = Publisher(nodes, name, Random(1))
    nodes.deadly(victim, place, 1)
    events = publisher.make(10)
    acknowledged = publisher.publish(events)
    until(lambda: nodes.dead(victim))
    nodes.spared(victim)
    nodes.restart(victim)
    if not acknowledged:
        publisher.insist(events)
    nodes.drain()
    compared = compare(publisher.told, nodes.database(SOURCE), nodes.database(REGISTER))
    return sorted(each.split(":")[0] for each in compared.lost)


def test_P1_an_acknowledgement_before_the_commit_and_a_register_apart_from_its_position_are_found(
    nodes: TwoNodes,
) -> None:
    lost = one_death(nodes, "first", SOURCE, "step 4, before the commit")
    assert lost == ["receiver"] * 10 + ["register"] * 10 + ["source"] * 10
    lost = one_death(nodes, "second", REGISTER, "step 11, after the commit")
    assert len(lost) > 0
    assert set(lost) == {"register"}
