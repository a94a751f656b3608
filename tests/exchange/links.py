"""Two real nodes, and the ways to bring events from one to the other, all behind one interface.

`test_links.py` runs the same tests on every class of `LINKS`. A new link joins by adding a class here.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
from exchange_harness import KIND, START, event

from keersluis import carrying, letters_desk
from keersluis.chain import Chain, load_chain
from keersluis.errors import KeersluisError, Unavailable
from keersluis.exchange import _store, inbox, outbox, packing
from keersluis.exchange.batches import Batch, Outcomes, Parcel, decode, encode
from keersluis.exchange.gates import GateOrder
from keersluis.exchange.letters import parse_code, split
from keersluis.exchange.packing import Wanted
from keersluis.merkle import Frontier
from keersluis.paper.gathering import Page, gather
from keersluis.register import desk as register
from keersluis.service import Node, make_home, open_node
from keersluis.signing import sign_note
from keersluis.times import HOUR, MINUTE, Instant, ManualClock


@dataclass
class Ends:
    """A source (om) and the register (justid) on one virtual clock; the wire between them can be cut."""

    chain: Chain
    home: Path
    clock: ManualClock
    nodes: dict[str, Node] = field(default_factory=dict)
    cut: bool = False

    def send(self, peer: str, _path: str, body: bytes) -> bytes:
        if self.cut or peer not in self.nodes:
            raise Unavailable("link.unreachable", expected=f"an answer of {peer}")
        return self.nodes[peer].receive(body)

    @property
    def source(self) -> Node:
        return self.nodes["om"]

    @property
    def register(self) -> Node:
        return self.nodes["justid"]

    def accept(self, first: int, last: int, *, kind: str = KIND) -> None:
        """Events `first` … `last` of one kind at the source, an act a minute, each entered a minute after the last."""
        for number in range(first, last + 1):
            self.clock.set(self.clock.now() + MINUTE)
            self.source.accept([event(number, START - 2 * HOUR + number * MINUTE, kind=kind, chain=self.chain)])

    def order(self, side: str, direction: str, state: str, link: str = "*", rate: float | None = None) -> None:
        moved = GateOrder(self.clock.now(), "*", direction, "*", state, "crisis team", "test", rate, link=link)  # type: ignore[arg-type]
        self.nodes[side].order_gate([moved])

    def stored(self) -> list[tuple[str, int, bytes]]:
        """Every event that the register received, in order."""
        with self.register.store.read() as tx:
            return list(inbox.stored(tx))

    def facts(self) -> int:
        with self.register.store.read() as tx:
            return int(register.counts(tx)["facts"])

    def watermark(self, kind: str = KIND) -> Instant:
        with self.register.store.read() as tx:
            return inbox.watermarks(tx).get(kind, 0)

    def receipted(self, kind: str = KIND) -> int:
        """How many events of a stream the source holds a receipt for."""
        with self.source.store.read() as tx:
            reached = packing.reached(tx, "justid")
        return next((size for origin, size in reached.items() if f"/{kind}/" in origin), 0)

    def reopen(self, key: str) -> Node:
        """The node after its process ended, on the same store."""
        self.nodes.pop(key).close()
        return self._open(key, self.home)

    def _open(self, key: str, home: Path) -> Node:
        self.nodes[key] = open_node(self.chain, key, home, self.clock, self, inline=True)
        return self.nodes[key]

    def twin(self, folder: Path) -> Node:
        """Another source under the same key, that knows nothing of what the first one said: it tells another story."""
        for name in ("om", "justid"):
            (folder / name).mkdir(parents=True)
            for path in (self.home / name).iterdir():
                if not path.name.startswith("node.db"):
                    (folder / name / path.name).write_bytes(path.read_bytes())
                    (folder / name / path.name).chmod(0o600)
        for name in ("keys.json", "recipients.json"):
            (folder / name).write_bytes((self.home / name).read_bytes())
        return open_node(self.chain, "om", folder, self.clock, self, inline=True)


@contextmanager
def ends(home: Path, *, counted: bool = False) -> Iterator[Ends]:
    """Both nodes. Unless `counted` the streams have no counts of their own: watermarks follow the promises alone."""
    chain, folder = _template(counted)
    shutil.copytree(folder, home)
    both = Ends(chain, home, ManualClock(START))
    for key in ("om", "justid"):
        both._open(key, home)
    try:
        yield both
    finally:
        for node in both.nodes.values():
            node.close()


@lru_cache
def _template(counted: bool) -> tuple[Chain, Path]:
    """A working directory with both stores, made once: every test begins with a copy."""
    chain = load_chain("nl-justice")
    chain = replace(chain, kinds={path: replace(kind, counts=counted) for path, kind in chain.kinds.items()})
    folder = tempfile.mkdtemp(prefix="keersluis-ends-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    make_home(chain, Path(folder) / "home")
    new = Ends(chain, Path(folder) / "home", ManualClock(START))
    for key in ("om", "justid"):
        new._open(key, new.home).close()
    return chain, new.home


@dataclass(frozen=True)
class Ahead:
    """What becomes of an event that comes before its turn: with which codes it is refused, and how many times it takes
    effect at once (0 or 1). In no case its position or the watermark moves."""

    refused: frozenset[str]
    effect: int


class Link(ABC):
    """One way to bring events over. Refusals come back as error codes, so that every link can be asked the same.

    What differs by nature stands here as data: `ahead`, and `back`, the link that brings the receipts.
    """

    name = ""
    ahead = Ahead(frozenset(), 0)
    back = ""

    def __init__(self, between: Ends) -> None:
        self.ends = between

    @abstractmethod
    def send(self) -> list[str]:
        """All that waits, as the product does it, with the receipts back."""

    @abstractmethod
    def pack(self, first: int, through: int, node: Node | None = None, kind: str = KIND) -> Any:
        """Events `first` … `through` of a kind, ready to travel, and not delivered."""

    def pieces(self, packed: Any) -> list[Any]:
        """What was packed, in the pieces that may travel apart: each can be delivered."""
        return [packed]

    @abstractmethod
    def deliver(self, packed: Any) -> list[str]:
        """Hand over what was packed; the codes of what was refused."""

    @abstractmethod
    def confirm(self) -> list[str]:
        """Bring back the receipts of what is applied."""


class WireLink(Link):
    name = "wire"
    ahead = Ahead(frozenset({"exchange.gap"}), 0)
    back = "wire"

    def send(self) -> list[str]:
        return sorted(set(self.ends.source.pump(peers=["justid"]).sent["justid"].refused.values()))

    def pack(self, first: int, through: int, node: Node | None = None, kind: str = KIND) -> Any:
        node = node or self.ends.source
        promised = next(p for p in node.store.write(node.prepare) if p.kind.path == kind)
        with node.store.read() as tx:
            rows = _store.tail(tx, promised.stream, first - 1, through, 1000)
            told = Frontier().extend(_store.leaves(tx, promised.stream, 0, first - 1))
            said = outbox.checkpoint(tx, promised, told, [bytes(row.leaf) for row in rows], 0)
        raws = [msgspec.Raw(bytes(row.bytes)) for row in rows]
        counts = promised.counts if through == promised.size else None
        more = through < promised.size
        return encode(Parcel([Batch(sign_note(said.text(), node.ctx.signer), first, raws, counts, more=more)]))

    def deliver(self, packed: Any) -> list[str]:
        outcomes = decode(self.ends.register.receive(packed), Outcomes).outcomes
        return [str(each.problem["code"]) for each in outcomes if each.problem]

    def confirm(self) -> list[str]:
        return self.send()


class BundleLink(Link):
    name = "bundle"
    ahead = Ahead(frozenset({"bundle.gap"}), 0)
    back = "bundle"

    def send(self) -> list[str]:
        try:
            packed = carrying.make(self.ends.source, Wanted("justid"))
        except KeersluisError as error:
            return [error.code]
        return self.deliver(fetched(self.ends.source, packed)) or self.confirm()

    def pack(self, first: int, through: int, node: Node | None = None, kind: str = KIND) -> Any:
        node = node or self.ends.source
        return fetched(node, carrying.make(node, Wanted("justid", (kind,), first, through)))

    def deliver(self, packed: Any) -> list[str]:
        return import_into(self.ends.register, packed)

    def confirm(self) -> list[str]:
        try:
            packed = carrying.confirm(self.ends.register, "om")
        except KeersluisError as error:
            return [error.code]
        return import_into(self.ends.source, fetched(self.ends.register, packed))


class PaperLink(Link):
    """Letters, one for each event. Their codes go over as contents; print and scan are tried in tests/paper."""

    name = "paper"
    ahead = Ahead(frozenset(), 1)  # each letter brings its own proof, and waits for no other
    back = "bundle"  # a letter has no way back: its receipt goes with whatever goes that way

    def send(self) -> list[str]:
        try:
            printed = letters_desk.post(self.ends.source, letters_desk.Wish(waiting_for="justid"))
        except KeersluisError as error:
            return [error.code]
        return (self.deliver(_pages(printed)) or self.confirm()) if printed.letters else []

    def pack(self, first: int, through: int, node: Node | None = None, kind: str = KIND) -> Any:
        wish = letters_desk.Wish(kind=kind, first=first, last=through, to="justid")
        return _pages(letters_desk.post(node or self.ends.source, wish))

    def pieces(self, packed: Any) -> list[Any]:
        return [[page] for page in packed]

    def deliver(self, packed: Any) -> list[str]:
        read, unread = gather(packed)
        results = letters_desk.enter(self.ends.register, [each.packed for each in read])
        refused = [result["problem"]["code"] for result in results if "problem" in result]
        return [each.error.code for each in unread] + refused

    def confirm(self) -> list[str]:
        return BundleLink(self.ends).confirm()


def _pages(printed: letters_desk.Printed) -> list[Page]:
    """Letters as they are read from a scan, a page each."""
    codes = (tuple(parse_code(code) for code in split(letter.packed)) for letter in printed.letters)
    return [Page("scan", number, each) for number, each in enumerate(codes, 1)]


def fetched(node: Node, packed: packing.Packed) -> bytes:
    """All parts of a bundle, one after the other, as in a file."""
    return b"".join(carrying.part(node, packed.n, number) for number in range(1, packed.parts + 1))


def import_into(node: Node, data: bytes) -> list[str]:
    """Take in what a file holds; the codes of what was refused."""
    try:
        taken = [carrying.take_in(node, n) for n in carrying.keep(node, BytesIO(data))]
        carrying.check_done(taken)
    except KeersluisError as error:
        refused = [why for each in taken for why in each.refused.values()] if error.code == "bundle.not-taken" else []
        return [_code(why) for why in refused] or [error.code]
    return []


def _code(sentence: str) -> str:
    return sentence.rpartition("[")[2].rstrip("]")


LINKS: Sequence[type[Link]] = (WireLink, BundleLink, PaperLink)
