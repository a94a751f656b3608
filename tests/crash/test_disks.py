"""P1 when the disk gives out: full, read-only, refusing every write. Real file systems, real processes.

A node goes on answering what it can, says what it cannot, loses nothing that it acknowledged, and goes on by itself.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

import msgspec
import pytest

from crash.disks import Disk, disk
from crash.outside import NOTHING_WRONG
from crash.two_nodes import REGISTER, SOURCE, Publisher, TwoNodes, laid_side_by_side, until
from keersluis.chain import load_chain
from keersluis.errors import Unavailable

pytestmark = pytest.mark.xdist_group("crash")

LOOK_UP = {"onderwerp": "skn:T0000001", "wie": "test", "doel": "vog"}


@dataclass
class Life:
    """A chain whose nodes have a disk each, and everything that was published in it."""

    nodes: TwoNodes
    disks: dict[str, Disk]
    publishers: list[Publisher] = field(default_factory=list)

    def publisher(self) -> Publisher:
        """A further system that publishes."""
        number = len(self.publishers)
        self.publishers.append(Publisher(self.nodes, f"system-{number}", Random(number)))
        return self.publishers[-1]

    def nothing_wrong(self) -> None:
        """Deliver what waits, and compare from outside."""
        self.nodes.drain()
        assert laid_side_by_side(self.nodes, self.publishers).numbers() == NOTHING_WRONG


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    home = tmp_path_factory.mktemp("disks") / "run"
    with disk(home / SOURCE, 5) as one, disk(home / REGISTER, 5) as other:
        nodes = TwoNodes(load_chain("nl-justice"), home)
        nodes.start()
        yield Life(nodes, {SOURCE: one, REGISTER: other})
        nodes.stop()


def cannot_write(victim: str, publisher: Publisher) -> bool:
    """Whether the node refuses what must be durable before it answers, an event or a look-up, because of its disk."""
    if victim == SOURCE:
        return not publisher.publish(publisher.make(1)) and publisher.refused[-1] == "storage.cannot-write"
    try:
        publisher.nodes.wire.send(REGISTER, "/v0/personen/_zoek", msgspec.json.encode(LOOK_UP))
    except Unavailable as error:
        return error.code == "storage.cannot-write"
    return False


@pytest.mark.parametrize("victim", [SOURCE, REGISTER])
def test_P1_a_disk_that_refuses_every_write_and_then_takes_them_again_needs_no_restart(life: Life, victim: str) -> None:
    publisher = life.publisher()
    publisher.insist(publisher.make(20))
    life.nodes.drain()
    process = life.nodes.process(victim).pid
    before = resource.prlimit(process, resource.RLIMIT_FSIZE)
    resource.prlimit(process, resource.RLIMIT_FSIZE, (0, before[1]))
    assert cannot_write(victim, publisher)
    late = publisher.make(20)
    assert publisher.publish(late) is (victim == REGISTER)
    resource.prlimit(process, resource.RLIMIT_FSIZE, before)
    publisher.insist(late)
    life.nothing_wrong()


@pytest.mark.parametrize("victim", [SOURCE, REGISTER])
def test_P1_a_node_on_a_read_only_disk_does_not_start_says_so_and_loses_nothing(life: Life, victim: str) -> None:
    publisher = life.publisher()
    publisher.insist(publisher.make(20))
    life.nodes.kill(victim)
    life.disks[victim].read_only()
    command = [sys.executable, "-m", "keersluis.node", str(life.nodes.chain.folder), victim, str(life.nodes.home)]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert told.returncode == 1
    assert "storage.cannot-write" in told.stderr.splitlines()[-1]
    with pytest.raises(Unavailable):
        life.nodes.restart(victim)
    life.disks[victim].writable()
    life.nodes.restart(victim)
    publisher.insist(publisher.make(20))
    life.nothing_wrong()


@pytest.mark.parametrize("victim", [SOURCE, REGISTER])
def test_P1_a_full_disk_refuses_keeps_what_was_acknowledged_and_goes_on_when_there_is_room(
    life: Life, victim: str
) -> None:
    nodes, publisher = life.nodes, life.publisher()
    life.disks[victim].room(2)
    until(
        lambda: not publisher.publish(publisher.make(50)) or cannot_write(victim, publisher), "the disk never gets full"
    )
    until(lambda: cannot_write(victim, publisher))
    nodes.wire.get(victim, "/v0/stand")
    if victim == REGISTER:
        publisher.insist(publisher.make(10))  # the source goes on by itself
    nodes.kill(victim)
    life.disks[victim].room(64)
    nodes.restart(victim)
    publisher.insist(publisher.made)
    assert set(publisher.refused) <= {"storage.cannot-write", "link.unreachable"}
    life.nothing_wrong()
