"""How a plan stands: which evidence counts, whose go was given, and what waits for what. Pure.

Everything that was done under a plan is an act, kept in order. What stands follows from the acts alone, so that it is
the same after a restart and for whoever reads them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeAlias
from unicodedata import normalize

from keersluis.recovery import network
from keersluis.recovery.plans import Criterion, Plan, Stage
from keersluis.times import Instant


class Act(NamedTuple):
    """Something done under a plan, `n` in the order of all acts of the node. `entry` is its number in the timeline.

    `what`: adopted, evidence, evidence-withdrawn, evidence-lapsed, go, no-go, no-go-withdrawn, stood, fell,
    rolled-back, ended. `body` holds the rest.
    """

    n: int
    at: Instant
    what: str
    stage: str
    body: Mapping[str, Any]
    entry: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """A reference to an entry of a timeline: `entry` of our own, or of the log `origin` of another organisation.

    `by`: who recorded it, and who wrote what it refers to where that was a note. `lost`: why it counts no longer
    (``withdrawn``; ``undone`` by entry `lost_by`; ``changed``: the plan asks for something else); empty: it counts.
    """

    n: int
    at: Instant
    stage: str
    criterion: str
    entry: int
    by: tuple[str, ...]
    role: str
    origin: str = ""
    result: str = ""
    partner: str = ""
    document: str = ""
    older: bool = False
    lost: str = ""
    lost_by: int = 0

    @property
    def counts(self) -> bool:
        return not self.lost

    @property
    def what(self) -> tuple[str, int, str]:
        """The same entry twice is shown once."""
        return self.origin, self.entry, self.partner


@dataclass(frozen=True, slots=True)
class GoNoGo:
    """What one function said of a stage. A no-go blocks until it is withdrawn."""

    n: int
    at: Instant
    stage: str
    go: bool
    who: str
    role: str
    why: str


# -- what a stage waits for ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class EvidenceMissing:
    """`missing` more of what `criterion` asks for (of `partner`, where it asks for each)."""

    criterion: str
    missing: int
    partner: str = ""


@dataclass(frozen=True, slots=True)
class GoMissing:
    """A stage that it depends on has no go."""

    stage: str


@dataclass(frozen=True, slots=True)
class NoGoStands:
    """Somebody said no, and did not take it back."""

    number: int
    who: str
    role: str


@dataclass(frozen=True, slots=True)
class VotesMissing:
    """So many more of these roles must give their go."""

    missing: int
    roles: tuple[str, ...]


Need: TypeAlias = EvidenceMissing | GoMissing | NoGoStands | VotesMissing


@dataclass(frozen=True, slots=True)
class Waiting:
    """No go: what it waits for. `fell`: a go stood before, and fell (0: none did)."""

    needs: tuple[Need, ...]
    fell: Instant = 0


@dataclass(frozen=True, slots=True)
class Go:
    """The go stands since then."""

    since: Instant


@dataclass(frozen=True, slots=True)
class RolledBack:
    """It was taken back; a new go is possible once nothing is missing."""

    at: Instant
    needs: tuple[Need, ...]


State: TypeAlias = Waiting | Go | RolledBack


@dataclass
class Record:
    """Everything that was done under one plan, as it stands."""

    plan: Plan
    evidence: dict[int, Evidence] = field(default_factory=dict)
    votes: dict[str, list[GoNoGo]] = field(default_factory=dict)
    no_gos: dict[int, GoNoGo] = field(default_factory=dict)
    stood: dict[str, Instant] = field(default_factory=dict)
    fell: dict[str, Instant] = field(default_factory=dict)
    rolled_back: dict[str, Instant] = field(default_factory=dict)
    begun: dict[str, Instant] = field(default_factory=dict)
    first_go: dict[str, Instant] = field(default_factory=dict)

    def live(self, stage: str) -> list[Evidence]:
        """The evidence of a stage that counts."""
        return [each for each in self.evidence.values() if each.stage == stage and each.counts]

    def state(self, stage: Stage) -> State:
        if stage.key in self.stood:
            return Go(self.stood[stage.key])
        needs = tuple(needs_of(self, stage))
        if stage.key in self.rolled_back:
            return RolledBack(self.rolled_back[stage.key], needs)
        return Waiting(needs, self.fell.get(stage.key, 0))

    def without_go(self) -> list[Stage]:
        """The stages of which no gate may open."""
        return [stage for stage in self.plan.stages.values() if stage.key not in self.stood]


def fold(plan: Plan, acts: Iterable[Act]) -> Record:
    """The acts of a plan since its adoption, in order. Of stages and criteria that it does not have any more nothing
    is said."""
    record = Record(plan)
    for act in acts:
        _ACTS.get(act.what, _nothing)(record, act)
    record.evidence = {n: each for n, each in record.evidence.items() if _known(plan, each)}
    record.no_gos = {n: each for n, each in record.no_gos.items() if each.stage in plan.stages}
    return record


def _known(plan: Plan, each: Evidence) -> bool:
    return each.stage in plan.stages and each.criterion in plan.stages[each.stage].criteria


def _nothing(record: Record, act: Act) -> None:
    return


def _shown(record: Record, act: Act) -> None:
    body = act.body
    record.begun.setdefault(act.stage, act.at)
    record.evidence[act.n] = Evidence(
        act.n,
        act.at,
        act.stage,
        body["criterion"],
        body["entry"],
        tuple(body["by"]),
        body["role"],
        body.get("origin", ""),
        body.get("result", ""),
        body.get("partner", ""),
        body.get("document", ""),
        bool(body.get("older")),
    )


def _lost(record: Record, act: Act) -> None:
    number = act.body["of"]
    if number in record.evidence:
        record.evidence[number] = replace(
            record.evidence[number], lost=act.body["how"], lost_by=act.body.get("by_entry", 0)
        )


def _voted(record: Record, act: Act) -> None:
    record.begun.setdefault(act.stage, act.at)
    said = GoNoGo(act.n, act.at, act.stage, act.what == "go", act.body["who"], act.body["role"], act.body["why"])
    if said.go:
        record.votes.setdefault(act.stage, []).append(said)
    else:
        record.no_gos[act.n] = said


def _taken_back(record: Record, act: Act) -> None:
    record.no_gos.pop(act.body["of"], None)


def _stood(record: Record, act: Act) -> None:
    record.stood[act.stage] = act.at
    record.first_go.setdefault(act.stage, act.at)
    record.fell.pop(act.stage, None)
    record.rolled_back.pop(act.stage, None)


def _fell(record: Record, act: Act) -> None:
    record.votes.pop(act.stage, None)
    if record.stood.pop(act.stage, None) is not None:
        record.fell[act.stage] = act.at


def _rolled_back(record: Record, act: Act) -> None:
    record.votes.pop(act.stage, None)
    record.stood.pop(act.stage, None)
    record.fell.pop(act.stage, None)
    record.rolled_back[act.stage] = act.at


_ACTS = {
    "evidence": _shown,
    "evidence-withdrawn": _lost,
    "evidence-lapsed": _lost,
    "go": _voted,
    "no-go": _voted,
    "no-go-withdrawn": _taken_back,
    "stood": _stood,
    "fell": _fell,
    "rolled-back": _rolled_back,
}


# -- what is missing -------------------------------------------------------------------------------------------------


def missing(record: Record, stage: Stage) -> Iterator[Need]:
    """What a go must wait for, before anybody may give his."""
    live = record.live(stage.key)
    for criterion in stage.criteria.values():
        yield from _unshown(criterion, [each for each in live if each.criterion == criterion.key])
    for need in stage.depends_on:
        if need not in record.stood:
            yield GoMissing(need)
    for said in record.no_gos.values():
        if said.stage == stage.key:
            yield NoGoStands(said.n, said.who, said.role)


def _unshown(criterion: Criterion, shown: Sequence[Evidence]) -> Iterator[Need]:
    for partner in criterion.partners or ("",):
        number = len({each.what for each in shown if each.partner == partner})
        if number < criterion.least:
            yield EvidenceMissing(criterion.key, criterion.least - number, partner)


def needs_of(record: Record, stage: Stage) -> Iterator[Need]:
    """Everything that a stage waits for, the votes too."""
    yield from missing(record, stage)
    given = record.votes.get(stage.key, [])
    if len(given) < stage.votes:
        left = tuple(role for role in stage.go if role not in {each.role for each in given})
        yield VotesMissing(stage.votes - len(given), left)


def person(name: str) -> str:
    """By which a function is known again, however it was typed."""
    return " ".join(normalize("NFKC", name).casefold().split())


def recorders(record: Record, stage: str) -> set[str]:
    """Who showed what a go of the stage rests on."""
    return {person(name) for each in record.live(stage) for name in each.by}


def voters(record: Record, stage: str) -> set[str]:
    """Who gave his go."""
    return {person(each.who) for each in record.votes.get(stage, [])}


def to_fall(record: Record) -> list[tuple[Stage, list[Need]]]:
    """The stages whose go (or the votes for it) cannot stand any longer, each with why; first those that others
    depend on."""
    gone: dict[str, list[Need]] = {}
    for key in network.order(record.plan.graph):
        stage = record.plan.stages[key]
        if key not in record.stood and not record.votes.get(key):
            continue
        why = list(missing(record, stage))
        why += [GoMissing(need) for need in stage.depends_on if need in gone and need in record.stood]
        if why:
            gone[key] = why
    return [(record.plan.stages[key], why) for key, why in gone.items()]


def dependents(plan: Plan, stage: str) -> list[str]:
    """The stages that depend on this one, directly or not, in an order in which each comes after what it waits for."""
    found = {stage}
    ordered = network.order(plan.graph)
    for key in ordered:
        if found & set(plan.stages[key].depends_on):
            found.add(key)
    return [key for key in ordered if key in found and key != stage]


def altered(old: Plan, new: Plan) -> tuple[list[str], list[tuple[str, str]]]:
    """(stages, criteria) of `old` of which what was said does not hold for `new`: stages whose gates, criteria, voters
    or dependencies differ, and criteria that ask for something else."""
    stages = [
        key for key, stage in old.stages.items() if key not in new.stages or _asks(stage) != _asks(new.stages[key])
    ]
    criteria = [
        (key, each.key)
        for key, stage in old.stages.items()
        for each in stage.criteria.values()
        if key not in new.stages or _shows(new.stages[key].criteria.get(each.key)) != _shows(each)
    ]
    return stages, criteria


def _asks(stage: Stage) -> tuple[Any, ...]:
    criteria = {key: _shows(each) for key, each in stage.criteria.items()}
    return stage.go, stage.votes, set(stage.depends_on), set(stage.gates), criteria


def _shows(criterion: Criterion | None) -> Any:
    return criterion and (
        criterion.sort,
        set(criterion.sign),
        set(criterion.entries),
        criterion.least,
        set(criterion.partners),
    )
