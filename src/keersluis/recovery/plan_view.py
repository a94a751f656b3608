"""A plan as JSON: how it stands, planned against actual, what waits for what, and the critical path. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from keersluis.exchange.gates import Scope
from keersluis.recovery import network
from keersluis.recovery.plans import Criterion, Plan, Stage
from keersluis.recovery.standing import Evidence, Go, GoNoGo, Record, RolledBack, missing
from keersluis.times import SECOND, Instant, format_instant

GateState = Callable[[Scope], Mapping[str, Any]]
"""How a gate of ours stands: {"state", "moved": when it was last moved, or None}."""

NeedAsJson = Callable[[Any], dict[str, Any]]


@dataclass(frozen=True)
class Seen:
    """From where a plan is looked at: an organisation, a moment, and its gates."""

    organisation: str
    now: Instant
    gate: GateState
    need: NeedAsJson


def document(record: Record, seen: Seen, *, adopted: bool) -> dict[str, Any]:
    """The whole plan. Moments are RFC 3339, lengths of time whole seconds."""
    plan = record.plan
    path = network.critical({key: stage.duration for key, stage in plan.stages.items()}, plan.graph)
    ends = _expected(record, seen.now) if adopted else {}
    return {
        "name": plan.name,
        "title": plan.title,
        "summary": plan.summary,
        "organisation": plan.organisation,
        "public": plan.public,
        "roles": [
            {"key": each.key, "title": each.title, "go": each.go, "sign": each.sign} for each in plan.roles.values()
        ],
        "teams": [{"key": each.key, "title": each.title, "capacity": each.capacity} for each in plan.teams.values()],
        "critical_path": list(path.path),
        "length": path.length // SECOND,
        "stages": [_stage(record, stage, seen, path, ends) for stage in plan.in_order()],
    }


def _stage(
    record: Record, stage: Stage, seen: Seen, path: network.Critical, ends: Mapping[str, Instant]
) -> dict[str, Any]:
    key = stage.key
    told: dict[str, Any] = {"key": key, "title": stage.title, "phase": stage.phase}
    told |= {"depends_on": list(stage.depends_on), "services": list(stage.services), "team": stage.team}
    told |= {"weight": stage.weight, "votes_needed": stage.votes, "go_roles": list(stage.go)}
    told["planned"] = _moments(start=stage.start, end=stage.end) | {"duration": stage.duration // SECOND}
    told["slack"], told["critical"] = path.slack[key] // SECOND, key in path.path
    gates = [_gate(each.organisation, each.scope, seen) for each in stage.gates]
    opened = [gate["moved"] for gate in gates if gate.get("state") not in (None, "closed")]
    told["actual"] = _moments(begun=record.begun.get(key), first_go=record.first_go.get(key), go=record.stood.get(key))
    told["actual"]["moved"] = max(filter(None, opened), default=None)
    told["late"] = (_done(record, stage, seen.now) - stage.end) // SECOND if ends else None
    told["expected_end"] = format_instant(ends[key]) if key in ends else None
    told["gates"] = gates
    told["criteria"] = [_criterion(record, key, each) for each in stage.criteria.values()]
    told |= _state(record, stage, seen)
    told["open_without_go"] = told["state"] != "go" and bool(opened) and bool(ends)
    return told


def _moments(**moments: Instant | None) -> dict[str, Any]:
    return {name: None if at is None else format_instant(at) for name, at in moments.items()}


def _done(record: Record, stage: Stage, now: Instant) -> Instant:
    """When its go came to stand; where it does not, at least now."""
    return record.stood.get(stage.key, max(now, stage.end))


def _expected(record: Record, now: Instant) -> dict[str, Instant]:
    """When each stage will end, if what is left takes as long as planned and nothing else comes between."""
    plan = record.plan
    ends: dict[str, Instant] = {}
    for key in network.order(plan.graph):
        stage = plan.stages[key]
        if key in record.stood:
            ends[key] = record.stood[key]
            continue
        free = max([now, *(ends[need] for need in stage.depends_on)])
        begun = record.begun.get(key)
        if begun is None:
            ends[key] = max(free, stage.start) + stage.duration
        else:
            ends[key] = free + max(0, stage.duration - (now - begun))
    return ends


def _gate(organisation: str, scope: Scope, seen: Seen) -> dict[str, Any]:
    told = {"organisation": organisation, "peer": scope.peer, "direction": scope.direction}
    told |= {"kind": scope.kind, "link": scope.link}
    return told | dict(seen.gate(scope) if organisation == seen.organisation else {"state": None, "moved": None})


def _state(record: Record, stage: Stage, seen: Seen) -> dict[str, Any]:
    state = record.state(stage)
    told: dict[str, Any] = {
        "votes": [_said(each) for each in record.votes.get(stage.key, [])],
        "no_gos": [_said(each) for each in record.no_gos.values() if each.stage == stage.key],
        "waits_for": [] if isinstance(state, Go) else [seen.need(each) for each in state.needs],
        "ready": not list(missing(record, stage)),
    }
    match state:
        case Go(since):
            return {"state": "go", "since": format_instant(since)} | told
        case RolledBack(at, _needs):
            return {"state": "rolled-back", "since": format_instant(at)} | told
        case _:
            return {"state": "fell" if state.fell else "waits", **_moments(since=state.fell or None)} | told


def _said(vote: GoNoGo) -> dict[str, Any]:
    told = {"number": vote.n, "at": format_instant(vote.at)}
    return told | {"who": vote.who, "role": vote.role, "why": vote.why}


def _criterion(record: Record, stage: str, criterion: Criterion) -> dict[str, Any]:
    shown = [each for each in record.evidence.values() if (each.stage, each.criterion) == (stage, criterion.key)]
    return {
        "key": criterion.key,
        "title": criterion.title,
        "sort": criterion.sort,
        "sign": list(criterion.sign),
        "entries": list(criterion.entries),
        "least": criterion.least,
        "partners": list(criterion.partners),
        "evidence": [_evidence(each) for each in shown],
    }


def _evidence(each: Evidence) -> dict[str, Any]:
    told: dict[str, Any] = {"number": each.n, "at": format_instant(each.at), "entry": each.entry, "role": each.role}
    told |= {"who": each.by[0], "counts": each.counts, "older": each.older}
    for name in ("origin", "result", "partner", "document", "lost"):
        told |= {name: getattr(each, name)} if getattr(each, name) else {}
    return told | ({"lost_by": each.lost_by} if each.lost_by else {})


def listed(plan: Plan) -> dict[str, Any]:
    """A line of the list of plans."""
    return {"name": plan.name, "title": plan.title, "organisation": plan.organisation, "stages": len(plan.stages)}
