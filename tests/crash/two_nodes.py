"""A source and the register as processes that can be told where to die, and publishers who write down what they
hear."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import msgspec

from crash.outside import Compared, compare, receipted
from keersluis.chain import Chain
from keersluis.errors import KeersluisError
from keersluis.simulation.conductor import Nodes
from keersluis.times import HOUR, SystemClock, format_instant

SOURCE, REGISTER = "om", "justid"
KINDS = ("prosecution-decision.serious", "prosecution-decision.other", "judgment.sexual")
PATIENCE = 40.0
HERE = Path(__file__).resolve().parent


def until(condition: Callable[[], bool], what: str = "it did not come about", within: float = PATIENCE) -> None:
    """Wait for `condition`, not for a number of seconds."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


class TwoNodes(Nodes):
    """Real processes on the machine's clock, with real databases and HTTP on loopback.

    `databases`: URLs of a server, by organisation; default the SQLite file in each home.
    """

    def __init__(self, chain: Chain, home: Path, databases: dict[str, str] | None = None) -> None:
        super().__init__(chain, home, None, only=(SOURCE, REGISTER))
        self.urls = databases or {}
        for key, url in self.urls.items():
            (self.home / key / "database").write_text(url)

    def program(self, key: str) -> list[str]:
        return [sys.executable, str(HERE / "launcher.py"), str(self.home / key)]

    def database(self, key: str) -> Path | str:
        """Where the node of an organisation keeps its state."""
        return self.urls.get(key, self.home / key / "node.db")

    def deadly(self, key: str, place: str, nth: int) -> None:
        """The process of `key` dies at the nth passing of `place` from now on."""
        part = self.home / key / "deadly.part"
        part.write_text(f"{place} {nth}")
        part.replace(self.home / key / "deadly")

    def spared(self, key: str) -> None:
        """No place is deadly any more."""
        (self.home / key / "deadly").unlink(missing_ok=True)

    def plant(self, key: str, bug: str) -> None:
        """From its next start on the process has this bug."""
        (self.home / key / "planted").write_text(bug)

    def dead(self, key: str) -> bool:
        """Whether the process has ended."""
        return self.process(key).poll() is not None

    def drain(self, within: float = PATIENCE) -> None:
        """Send until every event is receipted."""
        source, register = self.database(SOURCE), self.database(REGISTER)

        def through() -> bool:
            self.wire.send(SOURCE, "/v0/uitwisseling/_verzend", b"")
            return receipted(source, register, REGISTER)

        until(through, "what waits does not drain", within)


class Publisher:
    """A system outside: sends events until they are acknowledged, the same again when it does not know, and keeps a
    record of its own of each id with the number that it was told."""

    def __init__(self, nodes: TwoNodes, name: str, random: Random) -> None:
        self.nodes, self.name, self.random = nodes, name, random
        self.told: dict[str, tuple[str, int]] = {}
        self.contradicted: list[str] = []
        self.made: list[bytes] = []
        self.refused: list[str] = []

    def make(self, number: int) -> list[bytes]:
        """New events, with one or two among them that were sent before."""
        fresh = [self._event() for _ in range(number)]
        self.made += fresh
        again = self.random.sample(self.made, min(len(self.made), self.random.randint(0, 2)))
        return list(dict.fromkeys([*fresh, *again]))

    def _event(self) -> bytes:
        chain, random = self.nodes.chain, self.random
        kind = chain.kinds[random.choice(KINDS)]
        occurred = format_instant(SystemClock().now() - random.randint(1, 48) * HOUR)
        content = {
            "offence": "generated",
            "maximum_months": random.randint(1, 96),
            "text": "x" * random.randint(0, 2000),
        }
        return msgspec.json.encode(
            {
                "specversion": "1.0",
                "id": f"{self.name}-{len(self.made)}-{random.getrandbits(40):010x}",
                "source": f"urn:nld:oin:{chain.organisations[SOURCE].oin}:systeem:{self.name}",
                "type": chain.ce_type(kind),
                "occurred": occurred[:10] if kind.resolution == "day" else occurred,
                "data": {"subject": f"skn:T{random.randint(1, 30):07d}", "content": content},
            }
        )

    def publish(self, events: Sequence[bytes]) -> bool:
        """One try. False: no acknowledgement came, and `refused` says why."""
        try:
            answer = self.nodes.wire.send(SOURCE, "/v0/gebeurtenissen", b"[" + b",".join(events) + b"]")
        except KeersluisError as error:
            self.refused.append(error.code)
            return False
        for told in msgspec.json.decode(answer)["accepted"]:
            number = (told["kind"], told["position"])
            if self.told.setdefault(told["id"], number) != number:
                self.contradicted.append(f"{told['id']}: {self.told[told['id']]}, then {number}")
        return True

    def insist(self, events: Sequence[bytes]) -> None:
        """The same events until they are acknowledged."""
        deadline = time.monotonic() + PATIENCE
        while not self.publish(events):
            assert time.monotonic() < deadline, "never acknowledged"
            time.sleep(0.05)

    def keep_on(self, stop: threading.Event) -> None:
        """Publish batches of all sizes until told to stop; the last is acknowledged too."""
        while not stop.is_set():
            self.insist(self.make(self.random.choice((1, 1, 3, 20))))
            stop.wait(self.random.random() * 0.05)


def record(publishers: Sequence[Publisher]) -> dict[str, tuple[str, int]]:
    """What all publishers together were told."""
    return {name: told for each in publishers for name, told in each.told.items()}


def laid_side_by_side(nodes: TwoNodes, publishers: Sequence[Publisher]) -> Compared:
    """The outside comparison of everything so far."""
    compared = compare(record(publishers), nodes.database(SOURCE), nodes.database(REGISTER))
    compared.other += [each for publisher in publishers for each in publisher.contradicted]
    return compared
