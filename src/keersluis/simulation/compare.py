"""Compares a chain with the one that was never cut, from outside: reads what each has stored, trusts no counter.

Both are compared on their databases after the nodes have ended: what the sources accepted, what the register holds,
what each decider decided, and everything that was ever shown as settled.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from keersluis.chain import Chain
from keersluis.decisions import desk as decisions
from keersluis.exchange import inbox, outbox
from keersluis.register import desk as register
from keersluis.service import MIGRATIONS
from keersluis.storage import Store, open_store
from keersluis.times import format_instant


@dataclass
class Seen:
    """What one chain's databases say. Events by (source, id); facts by (kind, id); decisions by (organisation, id)."""

    accepted: int = 0
    applied: Counter[str] = field(default_factory=Counter)
    out_of_order: int = 0
    facts: dict[str, int] = field(default_factory=dict)
    outcomes: dict[str, int | None] = field(default_factory=dict)
    settled_as: list[tuple[str, int | None]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    watermarks: list[dict[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Verdict:
    """The comparison. `converged`: register and every decision equal those of the chain that was never cut."""

    lost: int
    duplicated: int
    falsely_settled: int
    converged: bool
    differences: tuple[str, ...]


class _Outline(msgspec.Struct):
    id: str
    source: str


_outline = msgspec.json.Decoder(_Outline)


def look(chain: Chain, home: Path) -> Seen:
    """Read the databases of the chain's nodes in `home`. The nodes must have ended."""
    seen = Seen()
    for me in chain.nodes:
        with _opened(home / me.key / "node.db") as store, store.read() as tx:
            if me.key != chain.register.key:
                seen.accepted += outbox.accepted(tx)
            if "register" in me.roles:
                _look_register(tx, seen, chain)
            if "decider" in me.roles:
                _look_decisions(tx, me.key, seen)
    return seen


@contextmanager
def _opened(path: Path) -> Iterator[Store]:
    store = open_store(f"sqlite:///{path}", MIGRATIONS, inline=True)
    try:
        yield store
    finally:
        store.close()


def _look_register(tx: Any, seen: Seen, chain: Chain) -> None:
    previous: tuple[str, int] = ("", 0)
    for origin, position, event in inbox.stored(tx):
        told = _outline.decode(event)
        seen.applied[f"{told.source} {told.id}"] += 1
        seen.out_of_order += position != (previous[1] + 1 if origin == previous[0] else 1)
        previous = (origin, position)
    for fact_id, kind, *content in register.contents(tx):
        seen.facts[f"{kind} {fact_id}"] = hash(tuple(content))
    for kind, watermark in sorted(inbox.watermarks(tx).items()):
        source = chain.kinds[kind].source
        seen.watermarks.append({"source": source, "kind": kind, "complete_through": format_instant(watermark)})


def _look_decisions(tx: Any, organisation: str, seen: Seen) -> None:
    for decision, state, level, _issued, _final in decisions.all_outcomes(tx):
        seen.outcomes[f"{organisation} {decision}"] = level
        seen.counts[state] += 1
    for change in decisions.ever_settled(tx):
        seen.settled_as.append((f"{organisation} {change.decision}", change.level))


def compare(cut: Seen, uncut: Seen) -> Verdict:
    """`lost`: accepted in the chain that was never cut, and not in this register. `duplicated`: there more often.

    `falsely_settled`: decisions that were ever shown as settled with another outcome than the uncut chain's.
    """
    lost = [key for key in uncut.applied if key not in cut.applied]
    duplicated = [key for key, times in cut.applied.items() if times > uncut.applied.get(key, 0)]
    facts = [key for key in uncut.facts.keys() | cut.facts.keys() if uncut.facts.get(key) != cut.facts.get(key)]
    missing = object()
    outcomes = [
        key
        for key in uncut.outcomes.keys() | cut.outcomes.keys()
        if uncut.outcomes.get(key, missing) != cut.outcomes.get(key, missing)
    ]
    falsely = {key for key, level in cut.settled_as if uncut.outcomes.get(key, missing) != level}
    differences = (
        *(f"lost {key}" for key in sorted(lost)[:5]),
        *(f"duplicated {key}" for key in sorted(duplicated)[:5]),
        *(f"fact {key} differs" for key in sorted(facts)[:5]),
        *(f"decision {key} differs" for key in sorted(outcomes)[:5]),
        *(f"decision {key} was falsely settled" for key in sorted(falsely)[:5]),
    )
    converged = not (lost or duplicated or facts or outcomes or cut.out_of_order)
    return Verdict(len(lost), len(duplicated), len(falsely), converged, differences)
