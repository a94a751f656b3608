"""Our side of `bench exchange`: a source and a register as processes of their own, a publisher outside both.

An event counts when the source has stored the register's receipt for it: accepted durable, signed, sent over HTTP,
verified, applied durable, co-signed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from keersluis.bench._store_watch import Watch
from keersluis.chain import Chain, load_chain
from keersluis.errors import Fault
from keersluis.simulation.conductor import Nodes
from keersluis.times import SystemClock, format_instant

SOURCE, RECEIVER, KIND = "politie", "justid", "police-data.serious"
PUBLISH = "/v0/gebeurtenissen"
AT_ONCE = 500
"""Events in one publishing request."""

PUBLISHERS = 2
"""Requests under way at once."""

PATIENCE = 120.0
"""Seconds within which everything must be receipted."""


@contextmanager
def pair(home: Path, *, tls: bool = False) -> Iterator[Nodes]:
    """A source and the register, running; without TLS by default, as the peers are measured."""
    nodes = Nodes(load_chain("nl-justice"), home, None, only=(SOURCE, RECEIVER), tls=tls)
    nodes.start()
    try:
        yield nodes
    finally:
        nodes.stop()


def events(chain: Chain, numbers: range, size: int) -> list[bytes]:
    """Events of `size` bytes as a publisher hands them in, about generated persons."""
    shared = {
        "specversion": "1.0",
        "source": f"urn:nld:oin:{chain.organisations[SOURCE].oin}:systeem:bench",
        "type": chain.ce_type(chain.kinds[KIND]),
        "occurred": format_instant(SystemClock().now() - 3_600_000_000),
        "datacontenttype": "application/json",
    }
    made = []
    for n in numbers:
        content = {"offence": "generated", "maximum_months": 96, "text": ""}
        event = shared | {"id": f"bench-{n:09d}", "data": {"subject": f"skn:T{n % 5000:07d}", "content": content}}
        content["text"] = "x" * max(0, size - len(msgspec.json.encode(event)))
        made.append(msgspec.json.encode(event))
    return made


def throughput(nodes: Nodes, first: int, number: int, size: int) -> float:
    """Events per second from the first publishing request until the last receipt is stored at the source."""
    made = events(nodes.chain, range(first, first + number), size)
    bodies = [b"[" + b",".join(made[i : i + AT_ONCE]) + b"]" for i in range(0, number, AT_ONCE)]
    watch = Watch(nodes.home / SOURCE / "node.db")
    try:
        aimed = watch.receipted(KIND) + number
        threads = [
            threading.Thread(target=_publish, args=(nodes, bodies[n::PUBLISHERS]), daemon=True)
            for n in range(PUBLISHERS)
        ]
        started = time.monotonic()
        for thread in threads:
            thread.start()
        _until(watch, aimed, 0.005)
        return number / (time.monotonic() - started)
    finally:
        watch.close()


def _publish(nodes: Nodes, bodies: Sequence[bytes]) -> None:
    for body in bodies:
        nodes.wire.send(SOURCE, PUBLISH, body)


def latencies(nodes: Nodes, first: int, number: int, size: int) -> list[float]:
    """Milliseconds from handing in one event, on an idle chain, until its receipt is stored at the source."""
    watch = Watch(nodes.home / SOURCE / "node.db")
    try:
        told = []
        for n, event in enumerate(events(nodes.chain, range(first, first + number), size)):
            time.sleep(0.05 + 0.013 * (n % 4))  # idle again, and out of step with any timer
            aimed = watch.receipted(KIND) + 1
            started = time.monotonic()
            nodes.wire.send(SOURCE, PUBLISH, event)
            _until(watch, aimed, 0.001)
            told.append((time.monotonic() - started) * 1000)
        return told
    finally:
        watch.close()


def _until(watch: Watch, aimed: int, pause: float) -> None:
    deadline = time.monotonic() + PATIENCE
    while (got := watch.receipted(KIND)) < aimed:
        if time.monotonic() > deadline:
            raise Fault("bench.stuck", expected=f"{aimed} events receipted within {PATIENCE:.0f} s", got=str(got))
        time.sleep(pause)


def exactly_once(nodes: Nodes, number: int) -> None:
    """Holds the register's database against what was published. Raises Fault `bench.not-once`."""
    watch = Watch(nodes.home / RECEIVER / "node.db")
    rows, numbers = watch.applied(KIND)
    watch.close()
    if rows != number or numbers != number:
        raise Fault("bench.not-once", expected=f"{number} events, each once", got=f"{rows} rows, {numbers} numbers")
