"""What waits at a node, weighed; and the order of a plan that this gives: on top of the service, with the Node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from keersluis.chain import Chain
from keersluis.decisions import weighing
from keersluis.errors import Incorrect
from keersluis.recovery import plan_acts, planfiles, weights
from keersluis.recovery.plan_order import Standing, document, order_of
from keersluis.recovery.plans import Plan
from keersluis.recovery.schedule import Effort
from keersluis.recovery.weights import Tally
from keersluis.service import Node
from keersluis.times import format_instant

BRANCHES = 5000
"""How many branches a search looks at when nobody says otherwise: a second or two."""

MOST_BRANCHES = 200_000


def tally(node: Node) -> Tally:
    """What waits in the decisions of this node. Who decides nothing counts nothing."""
    with node.store.read() as tx:
        found = weighing.waiting(tx, node.ctx)
    groups = tuple(weights.Waits(*each) for each in found)
    return Tally(node.me.key, format_instant(node.clock.now()), groups)


def weighed(tallies: Sequence[Tally], chain: Chain, plan: Plan | None, standing: Standing) -> dict[str, Any]:
    """The tallies together: what each stream holds up, what each stage of a plan (that is left) settles, and whose
    decisions are not counted. Raises Incorrect `weights.wrong`."""
    found = weights.newest(tallies, chain)
    told: dict[str, Any] = counted(found, chain)
    told["streams"] = weights.by_stream(found, chain)
    told["plan"], told["stages"], told["helped_by_no_stage"] = None, [], 0
    if plan is not None:
        loads = weights.loads(found, plan, chain, standing.done)
        rows = weights.by_stage(loads, {stage.key: stage.end for stage in standing.left(plan)})
        told["plan"] = plan.name
        told["stages"] = [row | {"title": plan.stages[row["stage"]].title} for row in rows]
        told["helped_by_no_stage"] = sum(load.decisions for load in loads if not load.stages)
    return told | {"tallies": [msgspec.to_builtins(each) for each in found]}


def counted(tallies: Sequence[Tally], chain: Chain) -> dict[str, Any]:
    """{"counted": [{"organisation", "as_of", "decisions"}], "missing": whose decisions are not in it}."""
    rows = [
        {"organisation": each.organisation, "as_of": each.as_of, "decisions": sum(g.decisions for g in each.groups)}
        for each in tallies
    ]
    return {"counted": rows, "missing": weights.missing(tallies, chain)}


def scheduled(
    plan: Plan, tallies: Sequence[Tally], chain: Chain, standing: Standing, branches: int = BRANCHES
) -> dict[str, Any]:
    """The order of what is left of a plan, as `plan_order.document` says, and whose decisions it is weighed by.

    Raises Incorrect `weights.wrong`, `schedule.impossible`.
    """
    found = weights.newest(tallies, chain)
    loads = weights.loads(found, plan, chain, standing.done)
    effort = Effort(rounds=100, passes=1000, branches=branches)
    return document(plan, order_of(plan, loads, standing, effort), loads, standing) | counted(found, chain)


def weigh(node: Node, name: str, tallies: Sequence[Tally]) -> dict[str, Any]:
    """As `weighed`, with a plan as it stands here.

    Raises Incorrect `plan.not-found`, `plan.broken`, `weights.wrong`.
    """
    plan, standing = _stands(node, name)
    return weighed(tallies, node.chain, plan, standing)


def order(node: Node, name: str, tallies: Sequence[Tally], branches: int = BRANCHES) -> dict[str, Any]:
    """As `scheduled`, with a plan as it stands here. Raises as `weigh`, and Incorrect `schedule.impossible`."""
    plan, standing = _stands(node, name)
    return scheduled(plan, tallies, node.chain, standing, branches)


def _stands(node: Node, name: str) -> tuple[Plan, Standing]:
    """The version that was adopted here, and how far it is; or the file's, of which nothing was done."""
    with node.store.read() as tx:
        record = plan_acts.record_of(tx, name)
    if record is not None:
        return record.plan, Standing(node.clock.now(), dict(record.stood), dict(record.begun))
    known = planfiles.plans(node.chain)
    if name not in known:  # by its name alone: over the API nobody chooses a file
        expected = "a plan of the chain: " + (", ".join(known) or "there is none")
        raise Incorrect("plan.not-found", expected=expected, got=repr(name[:60]))
    return planfiles.load_plan(planfiles.find_plan(name, node.chain), node.chain), Standing()
