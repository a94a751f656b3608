"""A plan for coming back: stages, the gates that each moves, and what has to be shown before a go. Pure.

A plan is data (`plans/NAME.toml` of a chain folder). A gate that a stage lists moves towards more open only when the go
of that stage stands; `standing.py` says when it does, `guard.py` what moving is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations

from keersluis.exchange.gates import Scope
from keersluis.recovery import network
from keersluis.sections import Words, nearest
from keersluis.times import Instant

PHASES = ("investigation", "prosecution", "trial", "execution", "cross-cutting")
"""The criminal process, in its order; what serves all of it comes last."""

SORTS = ("patched", "investigated", "credentials-renewed", "monitoring", "partner-consulted", "other")
"""What a criterion asks to be shown. `investigated` asks for a result, `partner-consulted` for each partner."""

LEAST_VOTES = 2
"""Four eyes."""


@dataclass(frozen=True, slots=True)
class Role:
    """A function in the plan. `go`: it may give a go or a no-go. `sign`: it may record evidence."""

    key: str
    title: Words
    go: bool
    sign: bool


@dataclass(frozen=True, slots=True)
class Team:
    """Who does the work of stages; `capacity`: of how many stages at once."""

    key: str
    title: Words
    capacity: int


@dataclass(frozen=True, slots=True)
class PlanGate:
    """Gates of `organisation` that a stage moves, named as in an order: `*` is all, a kind covers its subtree."""

    organisation: str
    scope: Scope


@dataclass(frozen=True, slots=True)
class Criterion:
    """What must be shown before a go. Evidence is entries of a timeline: `least` of them (of each of `partners`, where
    there are any), of one of these `entries` (kinds; none: of any), recorded by one of the roles `sign`."""

    key: str
    title: Words
    sort: str
    sign: tuple[str, ...]
    entries: tuple[str, ...] = ()
    least: int = 1
    partners: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Stage:
    """One step back. Its work is planned from `start` to `end`, when its gates are to move; it takes `duration`
    (microseconds) of a `team` (empty: nobody's). `weight`: what it is worth, for a schedule. `go`: the roles of which
    `votes` different ones must give their go."""

    key: str
    title: Words
    phase: str
    start: Instant
    end: Instant
    duration: int
    go: tuple[str, ...]
    votes: int = LEAST_VOTES
    depends_on: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    gates: tuple[PlanGate, ...] = ()
    criteria: Mapping[str, Criterion] = field(default_factory=dict)
    team: str = ""
    weight: float = 1.0


@dataclass(frozen=True)
class Plan:
    """A whole plan, as one version of its file says it. `digest`: SHA-256 of the file's bytes, in hex. `public`:
    whether outsiders may read which stage is expected when."""

    name: str
    title: Words
    summary: Words
    organisation: str
    roles: Mapping[str, Role]
    stages: Mapping[str, Stage]
    teams: Mapping[str, Team]
    digest: str
    public: bool = False

    @property
    def graph(self) -> dict[str, tuple[str, ...]]:
        """Stage -> the stages that it depends on, for `network`."""
        return {key: stage.depends_on for key, stage in self.stages.items()}

    def in_order(self) -> list[Stage]:
        """In the order of the process, and within a phase of the planned moments."""
        return sorted(self.stages.values(), key=lambda each: (PHASES.index(each.phase), each.end, each.start))

    def gates_of(self, organisation: str) -> list[tuple[Stage, Scope]]:
        """The gates of one organisation, each with the stage that lists it."""
        return [
            (stage, gate.scope)
            for stage in self.stages.values()
            for gate in stage.gates
            if gate.organisation == organisation
        ]

    @property
    def organisations(self) -> tuple[str, ...]:
        """Whose gates it moves, and whose plan it is; each once."""
        found = [self.organisation, *(gate.organisation for stage in self.stages.values() for gate in stage.gates)]
        return tuple(dict.fromkeys(found))


# -- what is wrong with a plan, where its parts are right ------------------------------------------------------------


def faults_of(plan: Plan) -> Iterator[tuple[str, str, str]]:
    """(where, expected, got) for everything that its parts say against each other."""
    yield from _graph_faults(plan)
    yield from _date_faults(plan)
    yield from _gate_faults(plan)
    for stage in plan.stages.values():
        if len(stage.go) < stage.votes:
            got = f"{len(stage.go)}: {', '.join(stage.go) or 'none'}"
            yield f"stages.{stage.key}.go", f"at least {stage.votes} roles that may give a go (four eyes)", got
    used = {stage.team for stage in plan.stages.values()}
    for team in plan.teams:
        if team not in used:
            yield f"teams.{team}", "a team of some stage", "one of none"


def _graph_faults(plan: Plan) -> Iterator[tuple[str, str, str]]:
    for stage, missing in network.unknown(plan.graph):
        yield f"stages.{stage}.depends_on", "a stage of this plan", repr(missing) + nearest(missing, plan.stages)
    for loop in network.told(network.cycles(plan.graph)):
        yield "stages", "dependencies without loops", loop


def _date_faults(plan: Plan) -> Iterator[tuple[str, str, str]]:
    for stage in plan.stages.values():
        where = f"stages.{stage.key}"
        if stage.end < stage.start:
            yield f"{where}.end", "a moment that is not before its start", "an earlier one"
        elif stage.duration > stage.end - stage.start:
            yield f"{where}.duration", "no more than lies between its start and its end", "more"
        for need in stage.depends_on:
            before = plan.stages.get(need)
            if before is not None and before.end > stage.start:
                got = f"a start before stage {need!r} is planned to end"
                yield f"{where}.start", f"a start at or after the end of stage {need!r}, on which it depends", got


def _gate_faults(plan: Plan) -> Iterator[tuple[str, str, str]]:
    """Two stages that list the same gate: nobody could say whose go it needs."""
    listed = [(stage.key, gate) for stage in plan.stages.values() for gate in stage.gates]
    for (one, first), (other, second) in _pairs(listed):
        if first.organisation == second.organisation and (met := first.scope.meet(second.scope)) is not None:
            got = f"one that stage {one!r} lists too: {told_scope(met)}"
            where = f"stages.{other}.gates" if one != other else f"stages.{one}.gates"
            yield where, "gates that nothing else in the plan lists", got


Listed = tuple[str, PlanGate]


def _pairs(listed: Iterable[Listed]) -> Iterator[tuple[Listed, Listed]]:
    """The pairs that may overlap: gates of one organisation and direction, and of one first part of a kind or ``*``.
    So that a plan of thousands of gates is checked in no time."""
    bins: dict[tuple[str, str], dict[str, list[Listed]]] = {}
    for each in listed:
        scope = each[1].scope
        parts = bins.setdefault((each[1].organisation, scope.direction), {})
        parts.setdefault(scope.kind.partition(".")[0], []).append(each)
    for parts in bins.values():
        broad = parts.pop("*", [])
        yield from combinations(broad, 2)
        for some in parts.values():
            yield from combinations(some, 2)
            yield from ((wide, each) for wide in broad for each in some)


def told_scope(scope: Scope) -> str:
    """``peer justid, direction out, kind judgment, link *``, as errors and entries say it."""
    return f"peer {scope.peer}, direction {scope.direction}, kind {scope.kind}, link {scope.link}"


def unknown_services(plan: Plan, known: Collection[str]) -> Iterator[tuple[str, str, str]]:
    """Services that the chain's inventory does not have."""
    for stage in plan.stages.values():
        for each in stage.services:
            if each not in known:
                yield f"stages.{stage.key}.services", "a service of services.toml", repr(each) + nearest(each, known)
