"""Reconciles a system of record with the node that publishes from it: compares, names the first period that differs,
declares the gap, publishes what is missing again, and says that the gap is filled.

It runs beside the system of record (in a command, an adaptor), which is asked for counts and, only where they differ,
for ids; the node is spoken to over its API, or on its store.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from keersluis.errors import Incorrect
from keersluis.exchange import completeness_view, gaps, tally_questions, tallying
from keersluis.exchange import reconciliation as pure
from keersluis.exchange.batches import own_word
from keersluis.exchange.reconciliation import Difference, Entry, Found, Ledger, Statement, Tally, compare, whole_hour
from keersluis.exchange.tallying import Kept
from keersluis.service import Node
from keersluis.timeline import log
from keersluis.times import Instant, format_instant, parse_instant

AT_ONCE = 1000
"""Events published in one request."""


class Holder(Ledger, Protocol):
    """A node as reconciling sees it: a ledger of what it published, that takes what is missing."""

    def declare(self, kind: str, since: Instant, until: Instant, missing: Sequence[Entry], why: str) -> None: ...

    def publish(self, events: Sequence[bytes]) -> int: ...

    def open_gaps(self, kind: str) -> list[tuple[Instant, Instant]]: ...

    def fill(self, kind: str, since: Instant, until: Instant, stated: Tally) -> None: ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """What reconciling one kind came to: `found` before, `declared` the gap's period where one was declared, how many
    events were `published` again, which gaps were `filled`, and whether both `agree` now."""

    found: Found
    declared: tuple[Instant, Instant] | None
    published: int
    filled: tuple[tuple[Instant, Instant], ...]
    agree: bool

    def document(self) -> dict[str, Any]:
        """As JSON."""
        it = self.found
        return {
            "kind": it.kind,
            "since": format_instant(it.since),
            "until": format_instant(it.until),
            "agrees": self.agree,
            "agreed_before": it.agrees,
            "questions": it.questions,
            "first": _difference(it.first) if it.first else None,
            "hours_that_differ": len(it.periods),
            "missing": [entry.id for entry in it.missing],
            "extra": [entry.id for entry in it.extra],
            "moved": list(it.moved),
            "declared": _period(self.declared) if self.declared else None,
            "published": self.published,
            "filled": [_period(each) for each in self.filled],
        }


def _period(period: tuple[Instant, Instant]) -> dict[str, str]:
    return {"since": format_instant(period[0]), "until": format_instant(period[1])}


def _difference(it: Difference) -> dict[str, Any]:
    tallies = {"stated": it.stated, "held": it.held}
    told = {name: {"count": each.count, "digest": each.hex} for name, each in tallies.items()}
    return _period((it.since, it.until)) | told


def reconcile(
    record: Ledger, node: Holder, kind: str, since: Instant, until: Instant, *, publish: bool = True
) -> Outcome:
    """Compare `record` with what `node` published of `kind` in `since` <= t < `until` (whole hours), and mend.

    With `publish` False the gap is declared and stays open until this is done again. What the node has and the record
    has not is told, and left: only a withdrawal takes it away.
    """
    found = compare(record, node, kind, since, until)
    declared, published = None, 0
    if found.missing:
        declared = (whole_hour(min(each.occurred for each in found.missing)),
                    whole_hour(max(each.occurred for each in found.missing)) + pure.STEP)  # fmt: skip
        node.declare(kind, *declared, found.missing, f"{len(found.missing)} acts of the system of record are missing")
    events = [each.event for each in found.missing if each.event is not None] if publish else []
    for first in range(0, len(events), AT_ONCE):
        published += node.publish(events[first : first + AT_ONCE])
    filled = tuple(_fill(record, node, kind))
    agree = found.agrees or (bool(published) and compare(record, node, kind, since, until).agrees)
    return Outcome(found, declared, published, filled, agree)


def _fill(record: Ledger, node: Holder, kind: str) -> list[tuple[Instant, Instant]]:
    """Say of each open gap that it is filled, where the record and the node agree on its period."""
    filled = []
    for since, until in node.open_gaps(kind):
        stated = record.count_digest(kind, since, until)
        if stated == node.count_digest(kind, since, until):
            node.fill(kind, since, until, stated)
            filled.append((since, until))
    return filled


# -- the node's side, for the API and for a node that does not run -----------------------------------------------


def _caught_up(node: Node, kind: str) -> None:
    while node.store.write(lambda tx: tallying.catch_up(tx, node.ctx, kind)):
        pass


def count_digest(node: Node, kind: str, since: Instant, until: Instant) -> Tally:
    """How many events of a kind the node published (or, of others, received) with event time in a period, and their
    digest. Raises Incorrect `reconcile.kind`, `period.wrong`."""
    _caught_up(node, kind)
    with node.store.read() as tx:
        return Kept(tx, node.ctx).count_digest(kind, since, until)


def entries(node: Node, kind: str, since: Instant, until: Instant) -> list[Entry]:
    """The ids of those events, with their event times."""
    _caught_up(node, kind)
    with node.store.read() as tx:
        return Kept(tx, node.ctx).entries(kind, since, until)


def state(node: Node, stated: Sequence[Statement]) -> dict[str, Any]:
    """The organisation's own system of record counted these periods. Returns how many differ, and the comparison."""
    for kind in {each.kind for each in stated}:
        if tallying.side_of(node.ctx, kind) == "out":
            _caught_up(node, kind)
    differ = node.store.write(lambda tx: tallying.state(tx, node.ctx, stated, node.clock.now()))
    with node.store.read() as tx:
        rows = completeness_view.statements(tx, node.ctx, {each.kind for each in stated})
    return {"stated": len(stated), "differ": differ, "periods": rows}


def declare(node: Node, kind: str, since: Instant, until: Instant, missing: Sequence[Entry], why: str) -> None:
    """Acts of a kind of ours were never published: said to each receiver, signed, until it is filled."""
    node.store.write(lambda tx: gaps.declare(tx, node.ctx, kind, since, until, missing, why, node.clock.now()))


def fill(node: Node, kind: str, since: Instant, until: Instant, stated: Tally) -> None:
    """A declared gap is filled: the system of record counts `stated` in it, which is compared with what we have."""
    _caught_up(node, kind)
    node.store.write(lambda tx: gaps.fill(tx, node.ctx, kind, since, until, stated, node.clock.now()))


def overview(node: Node) -> dict[str, Any]:
    """Statements with how they compare, gaps of our own, gaps that sources declared to us."""
    with node.store.read() as tx:
        kinds = completeness_view.stated_kinds(tx)
    for kind in kinds:
        _caught_up(node, kind)
    with node.store.read() as tx:
        return completeness_view.reconciliation(tx, node.ctx)


class OnStore:
    """A node at hand as a `Holder`."""

    def __init__(self, node: Node) -> None:
        self.node = node

    def count_digest(self, kind: str, since: Instant, until: Instant) -> Tally:
        return count_digest(self.node, kind, since, until)

    def entries(self, kind: str, since: Instant, until: Instant) -> Sequence[Entry]:
        return entries(self.node, kind, since, until)

    def declare(self, kind: str, since: Instant, until: Instant, missing: Sequence[Entry], why: str) -> None:
        declare(self.node, kind, since, until, missing, why)

    def publish(self, events: Sequence[bytes]) -> int:
        return sum(not each.duplicate for each in self.node.accept(events))

    def open_gaps(self, kind: str) -> list[tuple[Instant, Instant]]:
        with self.node.store.read() as tx:
            return completeness_view.open_gaps(tx, kind)

    def fill(self, kind: str, since: Instant, until: Instant, stated: Tally) -> None:
        fill(self.node, kind, since, until, stated)


class OverApi:
    """A node that runs as a `Holder`; `call` posts a body (None: gets) to a path of its API and gives the answer."""

    def __init__(self, call: Callable[[str, Any], Any]) -> None:
        self._call = call

    def _of(self, kind: str, since: Instant, until: Instant) -> dict[str, Any]:
        return {"soort": kind, "van": format_instant(since), "tot": format_instant(until)}

    def count_digest(self, kind: str, since: Instant, until: Instant) -> Tally:
        told = self._call("/v0/afstemmingen/_tel", self._of(kind, since, until))
        return Tally.read(told["count"], told["digest"])

    def entries(self, kind: str, since: Instant, until: Instant) -> Sequence[Entry]:
        told = self._call("/v0/afstemmingen/_lijst", self._of(kind, since, until))["entries"]
        return [Entry(each["id"], parse_instant(each["occurred"])) for each in told]

    def declare(self, kind: str, since: Instant, until: Instant, missing: Sequence[Entry], why: str) -> None:
        lacking = [{"id": each.id, "gebeurd": format_instant(each.occurred)} for each in missing]
        self._call("/v0/afstemmingen/gaten", self._of(kind, since, until) | {"ontbreekt": lacking, "waarom": why})

    def publish(self, events: Sequence[bytes]) -> int:
        told = self._call("/v0/gebeurtenissen", b"[" + b",".join(events) + b"]")
        return sum(not each["duplicate"] for each in told["accepted"])

    def open_gaps(self, kind: str) -> list[tuple[Instant, Instant]]:
        told = self._call("/v0/afstemmingen", None)["gaps"]
        return [
            (parse_instant(each["since"]), parse_instant(each["until"]))
            for each in told
            if each["kind"] == kind and each["filled_at"] is None
        ]

    def fill(self, kind: str, since: Instant, until: Instant, stated: Tally) -> None:
        told = self._of(kind, since, until) | {"aantal": stated.count, "digest": stated.hex}
        self._call("/v0/afstemmingen/gaten/_vul", told)


# -- a receiver beside its source ------------------------------------------------------------------------------


def tell(node: Node, message: bytes, by: str | None = None) -> bytes:
    """A receiver's signed question what we published in a period -> the signed answer. `by`: the OIN of whose
    connection it came over."""
    oin, asked = tally_questions.opened(node.ctx, message, node.clock.now())
    own_word(oin, by)
    node.store.write(lambda tx: tally_questions.admit(tx, node.ctx, oin, asked.kind, node.clock.now()))
    _caught_up(node, asked.kind)
    with node.store.read() as tx:
        return tally_questions.tell(tx, node.ctx, asked, message)


class Peer:
    """The source of a kind, asked over the wire: it gives numbers (`reconciliation.Tallies`), and no ids."""

    def __init__(self, node: Node, peer: str) -> None:
        self.node, self.peer, self.size = node, peer, 0

    def count_digest(self, kind: str, since: Instant, until: Instant) -> Tally:
        node = self.node
        node.store.write(lambda tx: tally_questions.asking(tx, self.peer, kind, node.clock.now()))
        question = tally_questions.ask(node.ctx, self.peer, kind, since, until, node.clock.now())
        answer = node.link.send(self.peer, tally_questions.TALLIES, question)
        told = tally_questions.heard(node.ctx, self.peer, question, answer, node.clock.now())
        self.size = told.size
        return told.tally


def compare_with(node: Node, peer: str, kind: str, since: Instant, until: Instant) -> dict[str, Any]:
    """A receiver compares what it applied of `kind` with what its source `peer` published: the first period that
    differs, and how many events are still under way, which explain it.

    Raises Incorrect `reconcile.kind`, Unavailable where the source cannot be asked.
    """
    leaf = node.chain.kinds.get(kind)
    if leaf is None or leaf.source != peer or node.me.key not in leaf.receivers:
        expected = f"a kind that {node.me.key} receives from {peer[:60]}"
        raise Incorrect("reconcile.kind", expected=expected, got=repr(kind[:140]), where="kind")
    source = Peer(node, peer)
    asked = pure.Asked(source)
    first = next(pure.differences(asked, OnStore(node), kind, since, until), None)
    with node.store.read() as tx:
        under_way = max(0, source.size - tally_questions.size_here(tx, kind))
    body = {"kind": kind, "peer": peer, "under_way": under_way, "agrees": first is None}
    body |= _period((first.since, first.until)) if first else {}
    node.store.write(lambda tx: log.append(tx, at=node.clock.now(), room="exchange", kind="ledger.compared", body=body))
    return {
        "kind": kind,
        "peer": peer,
        "agrees": first is None,
        "first": _difference(first) if first else None,
        "under_way": under_way,
        "questions": asked.questions,
    }
