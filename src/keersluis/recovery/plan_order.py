"""The order of a plan by optimisation: stages as tasks, decisions that wait as their weight, dates as the answer.

Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from keersluis.recovery.dispatch import in_turn, sequence_of
from keersluis.recovery.plans import Plan, Stage
from keersluis.recovery.schedule import Effort, Schedule, broken, effort_for, propose
from keersluis.recovery.tasks import Task, jobs_of
from keersluis.recovery.weights import Load, by_stage
from keersluis.times import DAY, HOUR, Instant, format_instant

STEP = HOUR
"""In what a plan is scheduled. Durations are rounded up to it."""

MOST_LOADS = 1000
"""So many sets of stages that decisions wait for are weighed, the heaviest; what more there are is told."""

SCALE = 1000
"""The weights in a plan's file may be broken numbers; so many parts of one count."""


@dataclass(frozen=True)
class Standing:
    """How far a plan is at `now`: the stages that are `done`, and since when others are `begun`. A plan of which
    nothing stands yet is looked at from before it begins."""

    now: Instant = 0
    done: Mapping[str, Instant] = field(default_factory=dict)
    begun: Mapping[str, Instant] = field(default_factory=dict)

    def left(self, plan: Plan) -> list[Stage]:
        return [stage for stage in plan.stages.values() if stage.key not in self.done]


@dataclass(frozen=True)
class Order:
    """The stages that are left, from `since` on: `ends` as proposed, as the planned dates say, and in the planned order
    with no time lost. `breaks`: what the planned dates break. `weighed`: by the decisions that wait, or else by the
    weights of the plan's file."""

    since: Instant
    schedule: Schedule
    starts: Mapping[str, Instant]
    ends: Mapping[str, Instant]
    planned: Mapping[str, Instant]
    in_planned_order: Mapping[str, Instant]
    breaks: Sequence[str]
    weighed: bool


def order_of(plan: Plan, loads: Sequence[Load], standing: Standing, effort: Effort | None = None) -> Order:
    """The best order of what is left. Raises Incorrect `schedule.impossible`."""
    left = standing.left(plan)
    since = max(standing.now, min((stage.start for stage in left), default=standing.now))
    useful = weighing(loads)
    stages = [_task(stage, standing, since, weighed=bool(useful)) for stage in left]
    tasks = stages + [
        Task(f"{_WAITS}{n}", 0, tuple(sorted(load.stages)), {}, 0, load.weight) for n, load in enumerate(useful)
    ]
    capacity = {team.key: team.capacity for team in plan.teams.values()}
    as_planned = _as_planned(tasks, capacity, left)
    found = propose(tasks, capacity, effort or effort_for(len(tasks)), as_planned)
    names = [stage.key for stage in left]
    duration = {task.name: task.duration for task in tasks}
    return Order(
        since=since,
        schedule=found,
        starts={name: since + found.start[name] * STEP for name in names},
        ends={name: since + found.finish[name] * STEP for name in names},
        planned={stage.key: max(stage.end, since) for stage in left},
        in_planned_order={name: since + (as_planned[name] + duration[name]) * STEP for name in names},
        breaks=_breaks(stages, capacity, left, standing, since),
        weighed=bool(useful),
    )


_WAITS = "waits:"


def weighing(loads: Sequence[Load]) -> list[Load]:
    """Those that the order is weighed by."""
    useful = [load for load in loads if load.stages and load.weight]
    return useful if len(useful) <= MOST_LOADS else sorted(useful, key=lambda load: -load.weight)[:MOST_LOADS]


def _task(stage: Stage, standing: Standing, since: Instant, *, weighed: bool) -> Task:
    return Task(
        name=stage.key,
        duration=-(-_length(stage, standing, since) // STEP),
        needs=tuple(need for need in stage.depends_on if need not in standing.done),
        teams={stage.team: 1} if stage.team else {},
        weight=0 if weighed else round(stage.weight * SCALE),
    )


def _length(stage: Stage, standing: Standing, since: Instant) -> Instant:
    """What is left to do of a stage."""
    begun = standing.begun.get(stage.key)
    return stage.duration if begun is None else max(0, stage.duration - max(0, since - begun))


def _breaks(
    tasks: Sequence[Task], capacity: Mapping[str, int], left: Sequence[Stage], standing: Standing, since: Instant
) -> list[str]:
    """What the planned dates break, to the microsecond: rounded up, a stage would end after the next one begins."""
    exact = {stage.key: _length(stage, standing, since) for stage in left}
    starts = {stage.key: max(stage.start, since) for stage in left}
    return broken([replace(task, duration=exact[task.name]) for task in tasks], capacity, starts)


def _as_planned(tasks: Sequence[Task], capacity: Mapping[str, int], left: Sequence[Stage]) -> dict[str, int]:
    """The steps at which each stage begins, in the order of the plan's dates with no time lost."""
    jobs = jobs_of(tasks, capacity)
    moments = {stage.key: (stage.start, stage.end) for stage in left}
    turn = {key: n for n, key in enumerate(sorted(moments, key=lambda key: moments[key]))}
    starts = in_turn(jobs, sequence_of(jobs, [float(turn.get(name, len(turn))) for name in jobs.names]))
    return dict(zip(jobs.names, starts, strict=True))


# -- what it costs, and saves ----------------------------------------------------------------------------------------


def waiting(loads: Sequence[Load], ends: Mapping[str, Instant], since: Instant) -> tuple[float, float]:
    """(decision-days, the same by gravity) that decisions wait from `since` until the last stage that they need."""
    days = weighted = 0
    for load in loads:
        if load.stages:
            last = max(ends[stage] for stage in load.stages) - since
            days += load.decisions * last
            weighted += load.weight * last
    return round(days / DAY, 1), round(weighted / DAY, 1)


def document(plan: Plan, order: Order, loads: Sequence[Load], standing: Standing) -> dict[str, Any]:
    """The order as JSON: moments RFC 3339, times of waiting in days."""
    found = order.schedule
    per_step = DAY // STEP
    scale = 1 if order.weighed else SCALE
    weights = {row["stage"]: row for row in by_stage(loads, order.ends)}
    rows = [_stage(plan.stages[key], order, weights[key]) for key in sorted(order.ends, key=lambda k: order.ends[k])]
    return {
        "plan": plan.name,
        "title": plan.title,
        "organisation": plan.organisation,
        "from": format_instant(order.since),
        "weights": "decisions" if order.weighed else "plan",
        "decisions": sum(load.decisions for load in loads if load.stages),
        "helped_by_no_stage": sum(load.decisions for load in loads if not load.stages),
        "also_wait_elsewhere": sum(load.elsewhere for load in loads if load.stages),
        "not_weighed": sum(load.decisions for load in loads if load.stages) - _weighed(loads),
        "done": list(standing.done),
        "stages": rows,
        "proposed": _cost(loads, order, order.ends),
        "planned_order": _cost(loads, order, order.in_planned_order),
        "planned_dates": _cost(loads, order, order.planned) | _planned(plan, order),
        "cost": round(found.cost / per_step / scale, 2),
        "bound": round(found.bound / per_step / scale, 2),
        "gap": round(found.gap, 4),
        "proven": found.proven,
        "complete": found.complete,
        "branches": found.looked,
    }


def _planned(plan: Plan, order: Order) -> dict[str, Any]:
    """`passed`: the stages of which a planned moment lies before now, so that the dates cannot be kept."""
    passed = [key for key in order.ends if plan.stages[key].end < order.since]
    return {"passed": passed, "breaks": [] if passed else list(order.breaks)}


def _weighed(loads: Sequence[Load]) -> int:
    kept = sum(load.decisions for load in weighing(loads))
    return kept + sum(load.decisions for load in loads if load.stages and not load.weight)


def _cost(loads: Sequence[Load], order: Order, ends: Mapping[str, Instant]) -> dict[str, Any]:
    days, weighted = waiting(loads, ends, order.since)
    least_days, least = waiting(loads, order.ends, order.since)
    return {
        "ends": format_instant(max(ends.values(), default=order.since)),
        "decision_days": days,
        "weighted_days": weighted,
        "more_days": round(days - least_days, 1),
        "more_weighted_days": round(weighted - least, 1),
    }


def _stage(stage: Stage, order: Order, weight: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "key": stage.key,
        "title": stage.title,
        "start": format_instant(order.starts[stage.key]),
        "end": format_instant(order.ends[stage.key]),
        "planned_start": format_instant(stage.start),
        "planned_end": format_instant(stage.end),
        **{name: weight[name] for name in ("settles", "settles_weight", "alone", "holds_up")},
    }
