"""What the waiting weighs: tallies of decisions of several organisations together, by stream and by stage. Pure.

Decisions live at those who decide, a plan at the source. So each decider tallies its own (`decisions/weighing.py`), and
whoever draws up a plan adds the tallies, and says whose are missing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from keersluis.chain import GATE_KINDS, Chain
from keersluis.errors import Incorrect
from keersluis.exchange.gates import ALL, Scope
from keersluis.recovery.plans import Plan
from keersluis.times import parse_instant

Count = Annotated[int, msgspec.Meta(ge=0, le=10**9)]
Short = Annotated[str, msgspec.Meta(max_length=200)]


class Waits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`decisions` that wait for all of these kinds; `gravity` of one of them."""

    missing: Annotated[tuple[Short, ...], msgspec.Meta(min_length=1, max_length=200)]
    policy: Short
    gravity: Count
    held: bool
    decisions: Count


class Tally(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one organisation counted; `as_of` is RFC 3339."""

    organisation: Short
    as_of: Short
    groups: Annotated[tuple[Waits, ...], msgspec.Meta(max_length=20_000)]


def read_tallies(data: bytes, where: str) -> list[Tally]:
    """Of a file: one tally, or what `plan weigh --json` wrote. Raises Incorrect `weights.unreadable`."""
    try:
        value = msgspec.json.decode(data)
        rows = value["tallies"] if isinstance(value, dict) and "tallies" in value else [value]
        return msgspec.convert(rows, list[Tally])
    except msgspec.MsgspecError as error:
        raise Incorrect(
            "weights.unreadable", expected="what `plan weigh --json` writes", got=str(error), where=where
        ) from None


def newest(tallies: Iterable[Tally], chain: Chain) -> list[Tally]:
    """Of each organisation the newest, in the order of the chain. Raises Incorrect `weights.wrong` with all faults."""
    found: dict[str, Tally] = {}
    faults: list[str] = []
    for tally in tallies:
        faults += _faults(tally, chain)
        before = found.get(tally.organisation)
        if not faults and (before is None or parse_instant(before.as_of) <= parse_instant(tally.as_of)):
            found[tally.organisation] = tally
    if faults:
        raise Incorrect("weights.wrong", expected="tallies of this chain", got=faults[0], faults=faults)
    return [found[key] for key in chain.organisations if key in found]


def _faults(tally: Tally, chain: Chain) -> list[str]:
    faults = []
    if tally.organisation not in chain.organisations:
        faults.append(f"organisation: expected one of the chain, got {tally.organisation!r}")
    try:
        parse_instant(tally.as_of)
    except Incorrect as error:
        faults.append(f"{tally.organisation}: as_of: expected {error.expected}, got {error.got}")
    return faults


def deciders(chain: Chain) -> list[str]:
    """Who decides, and so has something to count."""
    return [each.key for each in chain.nodes if "decider" in each.roles]


def missing(tallies: Iterable[Tally], chain: Chain) -> list[str]:
    """Whose decisions are not in the count."""
    counted = {tally.organisation for tally in tallies}
    return [key for key in deciders(chain) if key not in counted]


# -- by stream -------------------------------------------------------------------------------------------------------


def by_stream(tallies: Iterable[Tally], chain: Chain) -> list[dict[str, Any]]:
    """For each missing stream what it holds up, worst first: {"source" (None: no stream ends it), "kind", "title",
    "decisions", "alone" (that wait for nothing else), "held", "weight" (gravity x decisions), "by_gravity"}."""
    rows: dict[str, _Sum] = {}
    for tally in tallies:
        for waits in tally.groups:
            for path in waits.missing:
                rows.setdefault(path, _Sum()).add(waits, alone=len(waits.missing) == 1)
    told = []
    for path, each in rows.items():
        kind = chain.kinds.get(path)
        head = {"source": kind.source if kind else None, "kind": path, "title": kind.title if kind else None}
        told.append(head | each.document())
    return sorted(told, key=lambda row: (-row["weight"], row["kind"]))


class _Sum:
    def __init__(self) -> None:
        self.decisions = self.alone = self.held = self.weight = 0
        self.by_gravity: Counter[int] = Counter()

    def add(self, waits: Waits, *, alone: bool) -> None:
        self.decisions += waits.decisions
        self.alone += waits.decisions * alone
        self.held += waits.decisions * waits.held
        self.weight += waits.decisions * waits.gravity
        self.by_gravity[waits.gravity] += waits.decisions

    def document(self) -> dict[str, Any]:
        gravest = sorted(self.by_gravity.items(), reverse=True)
        by_gravity = [{"gravity": gravity, "decisions": number} for gravity, number in gravest]
        return {
            "decisions": self.decisions,
            "alone": self.alone,
            "held": self.held,
            "weight": self.weight,
            "by_gravity": by_gravity,
        }


# -- by stage --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Load:
    """Decisions that wait for just these `stages` of a plan, the last of which settles them; `weight` is gravity x
    decisions. Without stages nothing in the plan helps them. `elsewhere`: so many of them also wait for streams that no
    stage opens."""

    stages: frozenset[str]
    decisions: int
    held: int
    weight: int
    by_gravity: Mapping[int, int]
    elsewhere: int


def opened_by(plan: Plan, chain: Chain) -> dict[str, frozenset[str]]:
    """Kind -> the stages whose gates its stream passes; all of them must be done before it comes."""
    found: dict[str, set[str]] = {path: set() for path in chain.kinds}
    for path, kind in chain.kinds.items():
        passes = [(kind.source, Scope(each, "out", path, ALL)) for each in kind.receivers]
        passes += [(each, Scope(kind.source, "in", path, ALL)) for each in kind.receivers]
        for stage in plan.stages.values():
            if any(gate.organisation == at and gate.scope.meet(scope) for gate in stage.gates for at, scope in passes):
                found[path].add(stage.key)
    return {path: frozenset(stages) for path, stages in found.items()}


def answered_by(plan: Plan, chain: Chain, decider: str) -> frozenset[str]:
    """The stages through whose gates the register's answers, and their ends, come to a decider."""
    register = chain.register.key
    kinds = [kind.path for kind in chain.kinds.values() if kind.source == register and decider in kind.receivers]
    asked = [(register, Scope(decider, "out", kind, ALL)) for kind in (*GATE_KINDS, *kinds)]
    asked += [(decider, Scope(register, "in", kind, ALL)) for kind in (*GATE_KINDS, *kinds)]
    return frozenset(
        stage.key
        for stage in plan.stages.values()
        if any(gate.organisation == at and gate.scope.meet(scope) for gate in stage.gates for at, scope in asked)
    )


def loads(tallies: Iterable[Tally], plan: Plan, chain: Chain, done: Collection[str] = ()) -> list[Load]:
    """What waits for which stages that are not `done`, merged: the decisions that the order of a plan is about."""
    opened = opened_by(plan, chain)
    found: dict[frozenset[str], list[tuple[Waits, bool]]] = {}
    for tally in tallies:
        way = answered_by(plan, chain, tally.organisation)
        for waits in tally.groups:
            each = [opened.get(kind, frozenset()) for kind in waits.missing]
            stages = way.union(*each) - set(done)
            found.setdefault(stages, []).append((waits, not all(each)))
    return [_load(stages, rows) for stages, rows in found.items()]


def _load(stages: frozenset[str], rows: Sequence[tuple[Waits, bool]]) -> Load:
    by_gravity: Counter[int] = Counter()
    for waits, _ in rows:
        by_gravity[waits.gravity] += waits.decisions
    return Load(
        stages,
        sum(waits.decisions for waits, _ in rows),
        sum(waits.decisions for waits, _ in rows if waits.held),
        sum(waits.decisions * waits.gravity for waits, _ in rows),
        by_gravity,
        sum(waits.decisions for waits, elsewhere in rows if elsewhere),
    )


def by_stage(found: Sequence[Load], ends: Mapping[str, int]) -> list[dict[str, Any]]:
    """For each stage, by its end: {"stage", "settles" (it is the last that they wait for), "settles_weight", "alone"
    (it would settle so many if it alone were done now), "holds_up" (they wait for it, among others), "holds_up_weight",
    "by_gravity" (of what it settles)}."""
    place = {stage: n for n, stage in enumerate(sorted(ends, key=lambda key: (ends[key], list(ends).index(key))))}
    told = []
    for stage in place:
        touched = [each for each in found if stage in each.stages]
        settled = [each for each in touched if max(each.stages, key=place.__getitem__) == stage]
        gravities: Counter[int] = Counter()
        for each in settled:
            gravities.update(each.by_gravity)
        told.append(
            {
                "stage": stage,
                "settles": sum(each.decisions for each in settled),
                "settles_weight": sum(each.weight for each in settled),
                "alone": sum(each.decisions for each in touched if len(each.stages) == 1),
                "holds_up": sum(each.decisions for each in touched),
                "holds_up_weight": sum(each.weight for each in touched),
                "by_gravity": [{"gravity": g, "decisions": n} for g, n in sorted(gravities.items(), reverse=True)],
            }
        )
    return told
