"""P1 on real processes: `kill -9` of sender and receiver between each pair of the steps 4-13, and at any moment.

After each round everything is delivered, and the outside comparison must find nothing lost, doubled or out of order.
A round is drawn from its seed, and the seed stands in the test's name: `pytest "…[seed-17]"` repeats it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from crash.outside import NOTHING_WRONG
from crash.torn import tear
from crash.two_nodes import REGISTER, SOURCE, Publisher, TwoNodes, laid_side_by_side, until
from keersluis.chain import load_chain
from keersluis.timeline.verify import verify_path

pytestmark = pytest.mark.xdist_group("crash")


@dataclass(frozen=True)
class Point:
    """Who dies, and where. `torn`: the last commit, of which nobody was told, did not reach the disk whole."""

    victim: str
    place: str
    torn: bool = False


ANY_MOMENT = "any moment"

POINTS = {
    "committed, not acknowledged": Point(SOURCE, "step 4, after the commit"),
    "applied and committed, no receipt": Point(REGISTER, "step 11, after the commit"),
    "noted, not sent": Point(SOURCE, "step 9"),
    "in the register, position not moved": Point(REGISTER, "in the register"),
    "accept torn": Point(SOURCE, "step 4, after the commit", torn=True),
    "apply torn": Point(REGISTER, "step 11, after the commit", torn=True),
    "sealed, not committed": Point(SOURCE, "step 4, before the commit"),
    "receipt made, not sent": Point(REGISTER, "step 12"),
    "answered, answer not read": Point(SOURCE, "answered"),
    "arrived, not read": Point(REGISTER, "arrived"),
    "leaf in the tree": Point(SOURCE, "step 4"),
    "verified, not applied": Point(REGISTER, "step 10"),
    "acknowledgement not sent": Point(SOURCE, "step 6"),
    "position moved, not sealed": Point(REGISTER, "step 11"),
    "through the gate": Point(SOURCE, "step 7"),
    "apply sealed, not committed": Point(REGISTER, "step 11, before the commit"),
    "checkpoint signed": Point(SOURCE, "step 8"),
    "receipt verified, not stored": Point(SOURCE, "step 13"),
    "receipt stored, not committed": Point(SOURCE, "step 13, before the commit"),
    "receipt committed": Point(SOURCE, "step 13, after the commit"),
    "numbered, no leaf": Point(SOURCE, "step 3"),
    "receipt torn": Point(SOURCE, "step 13, after the commit", torn=True),
    "source at any moment": Point(SOURCE, ANY_MOMENT),
    "register at any moment": Point(REGISTER, ANY_MOMENT),
}

SHORT, LONG = 10, 100


class Rounds:
    """One chain that lives through all rounds, so that later ones hold earlier ones to their word."""

    def __init__(self, nodes: TwoNodes) -> None:
        self.nodes = nodes
        self.publishers: list[Publisher] = []

    def play(self, point: Point, random: Random) -> None:
        """Publish, die at the point, come back, deliver."""
        number = len(self.publishers)
        mine = [Publisher(self.nodes, f"system-{number + n}", Random(random.random())) for n in range(2)]
        self.publishers += mine
        stop = threading.Event()
        threads = [threading.Thread(target=each.keep_on, args=(stop,)) for each in mine]
        for thread in threads:
            thread.start()
        try:
            self._die(point, random)
            if point.torn:
                tear(self.nodes.home / point.victim / "node.db-wal", random)
            self.nodes.restart(point.victim)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        self.nodes.drain()

    def _die(self, point: Point, random: Random) -> None:
        if point.place == ANY_MOMENT:
            threading.Event().wait(0.1 + random.random() * 0.4)
            self.nodes.kill(point.victim)
            return
        self.nodes.deadly(point.victim, point.place, random.randint(1, 4))
        until(lambda: self.nodes.dead(point.victim), f"{point.victim} never passed {point.place}")
        assert self.nodes.process(point.victim).returncode == -9
        self.nodes.spared(point.victim)


@pytest.fixture(scope="module")
def rounds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rounds]:
    """Two nodes, started once: each round restarts only what died."""
    nodes = TwoNodes(load_chain("nl-justice"), Path(tmp_path_factory.mktemp("crash")) / "run")
    nodes.start()
    played = Rounds(nodes)
    yield played
    nodes.stop()
    verified = verify_path(nodes.home)
    assert verified.good, f"P5: the log is whole after every crash: {verified}"


def _round(rounds: Rounds, seed: int) -> None:
    name = list(POINTS)[seed % len(POINTS)]
    rounds.play(POINTS[name], Random(seed))
    compared = laid_side_by_side(rounds.nodes, rounds.publishers)
    assert compared.numbers() == NOTHING_WRONG, f"seed {seed}, {name}: {compared}"


@pytest.mark.parametrize("seed", range(SHORT), ids="seed-{}".format)
def test_P1_kill_9_between_two_steps_loses_doubles_and_disorders_nothing(rounds: Rounds, seed: int) -> None:
    _round(rounds, seed)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(SHORT, LONG), ids="seed-{}".format)
def test_P1_a_hundred_rounds_of_kill_9(rounds: Rounds, seed: int) -> None:
    _round(rounds, seed)


@pytest.mark.long
@pytest.mark.postgres
def test_P1_kill_9_on_postgresql(new_postgresql: Callable[[], str], tmp_path: Path) -> None:
    """Once at every point but the torn ones: the server is not killed, and its log is its own."""
    databases = {SOURCE: new_postgresql(), REGISTER: new_postgresql()}
    nodes = TwoNodes(load_chain("nl-justice"), tmp_path / "run", databases)
    nodes.start()
    try:
        played = Rounds(nodes)
        for seed, point in enumerate(POINTS.values()):
            if not point.torn:
                _round(played, seed)
    finally:
        nodes.stop()


def test_every_pair_of_steps_from_4_to_13_has_a_deadly_point() -> None:
    assert len({(each.victim, each.place) for each in POINTS.values()}) >= 12
