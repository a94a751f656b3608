"""Systems of record as ledgers: a file of what they hold, or a query on their own database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from keersluis.chain import Chain
from keersluis.errors import Incorrect, KeersluisError
from keersluis.exchange._store_ledgers import Queried as Queried
from keersluis.exchange.reconciliation import NOTHING, Entry, Listed, Tally
from keersluis.times import Instant, parse_when


class Called:
    """A ledger made of two functions of the organisation's own (see `reconciliation.Ledger`)."""

    def __init__(
        self,
        count_digest: Callable[[str, Instant, Instant], Tally],
        entries: Callable[[str, Instant, Instant], Sequence[Entry]],
    ) -> None:
        self.count_digest, self.entries = count_digest, entries


class Sorted:
    """A ledger in memory of several kinds."""

    def __init__(self, by_kind: dict[str, list[Entry]]) -> None:
        self._kinds = {kind: Listed(entries) for kind, entries in by_kind.items()}

    @property
    def kinds(self) -> list[str]:
        """The kinds that it holds something of."""
        return sorted(self._kinds)

    def count_digest(self, kind: str, since: Instant, until: Instant) -> Tally:
        return self._kinds[kind].count_digest(kind, since, until) if kind in self._kinds else NOTHING

    def entries(self, kind: str, since: Instant, until: Instant) -> Sequence[Entry]:
        return self._kinds[kind].entries(kind, since, until) if kind in self._kinds else ()


def of_events(events: Iterable[bytes], chain: Chain) -> Sorted:
    """The ledger that holds these CloudEvents."""
    by_kind: dict[str, list[Entry]] = {}
    for event in events:
        kind, entry = _event(event, chain)
        by_kind.setdefault(kind, []).append(entry)
    return Sorted(by_kind)


def _event(line: bytes, chain: Chain) -> tuple[str, Entry]:
    told = msgspec.json.decode(line, type=dict[str, Any])
    kind = chain.kind_of_type(str(told["type"])).path if "type" in told else str(told["kind"])
    if kind not in chain.kinds:
        raise Incorrect("chain.unknown-kind", expected=f"a kind of {chain.name}", got=repr(kind), where="kind")
    occurred = parse_when(str(told["occurred"]), chain.timezone).start
    return kind, Entry(str(told["id"]), occurred, bytes(line) if "specversion" in told else None)


def read_file(path: Path, chain: Chain) -> Sorted:
    """A file of JSON lines: CloudEvents as they were or would be published, or objects with `kind`, `id`, `occurred`.

    Raises Incorrect `ledger.faults` naming every faulty line.
    """
    by_kind: dict[str, list[Entry]] = {}
    faults = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        if not line.strip():
            continue
        try:
            kind, entry = _event(line, chain)
        except (msgspec.MsgspecError, KeyError, KeersluisError) as error:
            lacking = f"expected id, occurred and type or kind, got no {error}"
            faults.append(f"{path} line {number}: {lacking if isinstance(error, KeyError) else error}")
            continue
        by_kind.setdefault(kind, []).append(entry)
    if faults:
        raise Incorrect("ledger.faults", expected="lines that can all be read", got=faults[0], faults=faults[:1000])
    return Sorted(by_kind)
