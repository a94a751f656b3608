"""Leads a chain of nodes, each a process of its own with HTTP on loopback, on one virtual clock.

The feed is cut in ticks. In each tick the clock is set, every organisation gets its items over its public API, the
sources send, the deciders ask, and the register says what became complete.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import msgspec

from keersluis.certificates import Wanted, make_certificates
from keersluis.chain import Chain
from keersluis.errors import Conflict, Fault, KeersluisError, Unavailable
from keersluis.exchange.ledgers import of_events
from keersluis.exchange.reconciliation import FIRST, whole_hour
from keersluis.exchange.wire import Listens, Wire, read_listens
from keersluis.files import write_whole
from keersluis.reconciling import OverApi, reconcile
from keersluis.service import make_home
from keersluis.simulation.feed import Ask, Counts, Feed, GateOrder, Item, Publish, Reconcile, Request, Waiting
from keersluis.simulation.requests import filled, outcome
from keersluis.storage import cannot_write
from keersluis.times import FileClock, Instant, format_instant
from keersluis.web.serve import free_port

PUBLISH_AT_ONCE = 2000
"""The most events in one publishing request."""

ASK_AT_ONCE = 200
"""The most decisions in one request."""

START_WITHIN = 60.0
"""Seconds in which every node must answer."""


class Nodes:
    """The processes of a chain, started here and ended here, by their process ids."""

    def __init__(
        self, chain: Chain, home: Path, start: Instant | None, only: Sequence[str] = (), *, tls: bool = True
    ) -> None:
        self.chain, self.home = chain, home
        self.keys = [each.key for each in chain.nodes if not only or each.key in only]
        make_home(chain, home)
        self.clock = FileClock(home / "clock", start) if start is not None else None
        if tls:
            wanted = {me.key: Wanted(me.oin, me.name.get("nl", me.key)) for me in chain.nodes}
            make_certificates(home, wanted)
        listens = _listens(chain, home, tls=tls)
        self.addresses = {key: each.local for key, each in listens.items() if each.local}
        self.peers = {key: each.peer for key, each in listens.items() if each.peer}
        self.wire = Wire(self.addresses, timeout=600.0)
        self._peak: dict[int, int] = {}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Start every node and wait until all answer.

        Raises Conflict `nodes.run-already`, Unavailable `nodes.not-started` with the last words of the node.
        """
        for key in self.keys:
            self._must_be_free(key)
        for key in self.keys:
            self._processes[key] = self._spawn(key)
        deadline = time.monotonic() + START_WITHIN
        for key in self._processes:
            self._wait_for(key, deadline)

    def _must_be_free(self, key: str) -> None:
        """Nobody may answer there yet: two processes for one organisation would both send."""
        try:
            self.wire.get(key, "/v0/stand")
        except Unavailable as error:
            if error.code == "link.unreachable":
                return
        except KeersluisError:
            pass
        expected, mend = f"nobody at {self.addresses[key]} yet", "stop what runs there first"
        raise Conflict("nodes.run-already", expected=expected, got="an answer", mend=mend, where=str(self.home))

    def program(self, _key: str) -> list[str]:
        """What a node's process runs, before its arguments."""
        return [sys.executable, "-m", "keersluis.node"]

    def _spawn(self, key: str) -> subprocess.Popen[bytes]:
        command = [*self.program(key), str(self.chain.folder), key, str(self.home)]
        if self.clock is not None:
            command += ["--clock", str(self.home / "clock")]
        path = self.home / key / "node.log"
        try:
            log = path.open("ab")
        except OSError as error:
            raise cannot_write(str(error), where=str(path)) from None
        with log:
            # Its standard input is a pipe of ours: when we end, in whatever way, it reads the end and ends too.
            return subprocess.Popen(
                [*command, "--with-parent"], stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True
            )

    def _wait_for(self, key: str, deadline: float) -> None:
        while True:
            try:
                self.wire.get(key, "/v0/stand")
            except Unavailable:
                if self._processes[key].poll() is not None or time.monotonic() > deadline:
                    words = (self.home / key / "node.log").read_text(errors="replace")[-800:]
                    self.stop()
                    raise Unavailable(
                        "nodes.not-started", expected=f"node {key} to answer", got=words.strip()
                    ) from None
                time.sleep(0.05)
            else:
                return

    def process(self, key: str) -> subprocess.Popen[bytes]:
        """The process of one node."""
        return self._processes[key]

    def kill(self, key: str) -> None:
        """End one node as a power cut would (`kill -9`)."""
        self.peak_rss_mib()
        self._processes[key].kill()
        self._processes[key].wait()

    def restart(self, key: str) -> None:
        """Start one node again and wait until it answers."""
        self._processes[key] = self._spawn(key)
        self._wait_for(key, time.monotonic() + START_WITHIN)

    def peak_rss_mib(self) -> float:
        """The sum of the greatest resident memory of each process so far, this one included, in MiB."""
        for process in self._processes.values():
            self._peak[process.pid] = max(self._peak.get(process.pid, 0), _peak_kib(process.pid))
        return (sum(self._peak.values()) + _peak_kib(os.getpid())) / 1024

    def stop(self) -> None:
        """End every process that was started here."""
        self.peak_rss_mib()
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.wire.close()


def _listens(chain: Chain, home: Path, *, tls: bool) -> dict[str, Listens]:
    """Where each node listens, for this machine and for the others; chosen once and kept in the home."""
    path = home / "addresses.json"
    known = read_listens(path) if path.exists() else {}
    listens = {key: known.get(key, Listens()) for key in dict.fromkeys([*known, *(me.key for me in chain.nodes)])}
    ports = _free_ports(2 * len(listens))
    for key, each in listens.items():
        local = each.local or f"http://127.0.0.1:{next(ports)}"
        peer = each.peer if each.peer and each.peer.startswith("https:") == tls else None
        listens[key] = Listens(local, peer or (f"https://127.0.0.1:{next(ports)}" if tls else local), each.listen)
    if listens != known:
        write_whole(path, msgspec.json.format(msgspec.json.encode(listens), indent=2) + b"\n")
    return listens


def _free_ports(number: int) -> Iterator[int]:
    ports: set[int] = set()
    while len(ports) < number:
        ports.add(free_port())
    return iter(sorted(ports))


def _peak_kib(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)


@dataclass
class Played:
    """How a feed went: what the publishers were told, how long it took, and which requests went otherwise."""

    published: int = 0
    accepted: int = 0
    asked: int = 0
    ticks: int = 0
    seconds: float = 0.0
    reconciled: list[dict[str, Any]] = field(default_factory=list)
    requested: int = 0
    refused: list[str] = field(default_factory=list)


Progress = Callable[[Instant, Played], None]


class Player:
    """Plays a feed on a chain of nodes, a tick at a time."""

    def __init__(self, nodes: Nodes, feed: Feed, *, cut: bool) -> None:
        self.nodes, self.feed, self.played = nodes, feed, Played()
        self._ticks = _ticks(feed, feed.items(cut))
        self._pool = ThreadPoolExecutor(max_workers=8)
        self._counting = threading.Lock()
        self._entries: dict[str, int] = {}
        self._next = self._pool.submit(next, self._ticks, None)
        self.now = feed.start

    def play(self, progress: Progress = lambda _at, _played: None) -> Played:
        """Play to the end."""
        while self.step():
            progress(self.now, self.played)
        return self.played

    def step(self) -> bool:
        """Play one tick; False when the feed has ended."""
        started = time.monotonic()
        following = self._next.result()
        if following is None:
            self._pool.shutdown()
            return False
        self._next = self._pool.submit(next, self._ticks, None)  # drawn while the nodes work on this one
        at, items = following
        if self.nodes.clock is None:
            raise Fault("conductor.real-clock", expected="nodes on a virtual clock", got="the machine's clock")
        items = self._ordered(self.nodes.clock, items)
        self.nodes.clock.set(at)
        self.now = at
        self._tick(items)
        self.played.ticks += 1
        self.played.seconds += time.monotonic() - started
        return True

    def _ordered(self, clock: Sets, items: list[Item]) -> list[Item]:
        """What people order within a tick, each at its own moment, before what the tick enters and sends; the rest."""
        for item in items:
            if isinstance(item, GateOrder):
                clock.set(item.at)
                self._move(item)
            elif isinstance(item, Request):
                clock.set(item.at)
                self._request(item)
        return [item for item in items if not isinstance(item, GateOrder | Request)]

    def _move(self, item: GateOrder) -> None:
        """An order that lacks a go, as after somebody said no in a demo, stops nothing either."""
        try:
            self._post(item.organisation, "/v0/poorten", _order(item))
        except Conflict as error:
            if error.code != "plan.no-go":
                raise
            self.played.refused.append(f"{item.organisation}, {format_instant(item.at)}: {error}")

    def _request(self, row: Request) -> None:
        """A request that is refused stops nothing; it is told at the end."""
        self.played.requested += 1
        try:
            path, answer = filled(row.path, self._entries), None
            if row.body is None:
                answer = self.nodes.wire.get(row.organisation, path)
            else:
                body = msgspec.json.encode(filled(row.body, self._entries))
                answer = self.nodes.wire.send(row.organisation, path, body)
            if row.name:
                self._entries[row.name] = _entry(answer)
            said = outcome(row, None)
        except KeersluisError as error:
            said = outcome(row, error)
        except KeyError as name:
            said = f"{row.place}: it refers to {name}, which gave no entry"
        if said:
            self.played.refused.append(said)

    def _tick(self, items: list[Item]) -> None:
        by_organisation: dict[str, list[Item]] = {}
        asks: dict[str, list[dict[str, Any]]] = {}
        for item in items:
            if isinstance(item, Ask):
                asks.setdefault(item.organisation, []).append(item.request)
            else:
                by_organisation.setdefault(item.organisation, []).append(item)
        register = self.nodes.chain.register.key
        sources = [each.key for each in self.nodes.chain.nodes if "source" in each.roles and each.key != register]
        others = [(key, items) for key, items in by_organisation.items() if key not in sources]
        self._together(self._feed, others)
        self._together(self._feed_and_send, ((key, by_organisation.get(key, [])) for key in sources))
        self._together(self._ask, asks.items())
        self._send(register)

    def _feed_and_send(self, key: str, items: list[Item]) -> None:
        """No source waits for another."""
        self._feed(key, items)
        self._send(key)

    def _together(self, work: Callable[..., None], calls: Iterable[tuple[Any, ...]]) -> None:
        waiting = [self._pool.submit(work, *call) for call in calls]
        for future in waiting:
            future.result()

    def _send(self, key: str) -> None:
        self.nodes.wire.send(key, "/v0/uitwisseling/_verzend", b"")

    def _feed(self, key: str, items: list[Item]) -> None:
        """One organisation's items of a tick: paper, the acts that it entered, reconciliations and counts."""
        waiting = [
            {"soort": i.kind, "id": i.event_id, "gebeurd": i.occurred, "kanaal": i.channel}
            for i in items
            if isinstance(i, Waiting)
        ]
        if waiting:
            self._post(key, "/v0/inname/wachtend", waiting)
        events = [item.event for item in items if isinstance(item, Publish)]
        for first in range(0, len(events), PUBLISH_AT_ONCE):
            self._publish(key, events[first : first + PUBLISH_AT_ONCE])
        for item in items:
            if isinstance(item, Reconcile):
                self._reconcile(key, item)
        counts = {i.kind: i for i in items if isinstance(i, Counts)}.values()
        if counts:
            told = [{"soort": c.kind, "tot": format_instant(c.through), "aantal": c.count} for c in counts]
            self._post(key, "/v0/tellingen", told)

    def _publish(self, key: str, events: list[bytes]) -> None:
        answer = self.nodes.wire.send(key, "/v0/gebeurtenissen", b"[" + b",".join(events) + b"]")
        accepted = len(msgspec.json.decode(answer)["accepted"])
        with self._counting:
            self.played.published += len(events)
            self.played.accepted += accepted

    def _reconcile(self, key: str, item: Reconcile) -> None:
        """As the organisation's own staff would: beside its system of record, over the node's API."""
        record = of_events(item.record, self.nodes.chain)

        def call(path: str, body: Any) -> Any:
            if body is None:
                return msgspec.json.decode(self.nodes.wire.get(key, path))
            raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
            return msgspec.json.decode(self.nodes.wire.send(key, path, raw))

        until = whole_hour(item.at)
        outcome = reconcile(record, OverApi(call), item.kind, FIRST, until, publish=item.publish)
        with self._counting:
            self.played.published += outcome.published
            self.played.accepted += outcome.published
            self.played.reconciled.append(outcome.document())

    def _ask(self, key: str, requests: list[dict[str, Any]]) -> None:
        for first in range(0, len(requests), ASK_AT_ONCE):
            self._post(key, "/v0/beslissingen", requests[first : first + ASK_AT_ONCE])
        with self._counting:
            self.played.asked += len(requests)

    def _post(self, key: str, path: str, body: Any) -> None:
        self.nodes.wire.send(key, path, msgspec.json.encode(body))


class Sets(Protocol):
    """A clock that the player leads."""

    def set(self, at: Instant) -> None: ...


def _entry(answer: bytes) -> int:
    """The timeline entry that an answer tells of. Raises Fault `conductor.no-entry`."""
    try:
        told = msgspec.json.decode(answer)
    except msgspec.DecodeError:
        told = answer
    entry = told.get("entry") if isinstance(told, dict) else None
    if not isinstance(entry, int):
        raise Fault("conductor.no-entry", expected="an answer with `entry`, as the row has a name", got=str(told)[:200])
    return entry


def _order(item: GateOrder) -> dict[str, Any]:
    order = {
        "peer": item.peer,
        "richting": {"out": "uit"}.get(item.direction, item.direction),
        "soort": item.kind,
        "stand": item.state,
        "tempo": item.rate,
        "wie": item.who,
        "waarom": item.why,
        "tot": item.until,
        "bewijs": item.evidence or None,
    }
    return {name: value for name, value in order.items() if value is not None}


def _ticks(feed: Feed, items: Iterator[Item]) -> Iterator[tuple[Instant, list[Item]]]:
    """The feed in ticks: each with what happened since the last, up to and including its own moment.

    After the end go as many empty ticks as the slowest kind needs for its last promise to cover the end.
    """
    held: Item | None = next(items, None)
    slowest = max(kind.lag for kind in feed.chain.kinds.values())
    last = feed.end + slowest + 3 * feed.tick + 2 * 86_400_000_000
    at = feed.start
    stated: dict[tuple[str, str], Counts] = {}
    while at <= last or held is not None:
        batch: list[Item] = []
        while held is not None and held.at <= at:
            batch.append(held)
            if isinstance(held, Counts):
                stated[held.organisation, held.kind] = held
            held = next(items, None)
        if at > feed.end:  # nothing is entered any more: the counts stand
            batch += [replace(counts, at=at, through=at) for counts in stated.values()]
        yield at, batch
        at += feed.tick
