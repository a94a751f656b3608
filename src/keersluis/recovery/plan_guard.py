"""The guard of a node's gates: a gate that a plan lists moves towards more open only when the go of its stage stands.

Closing is always possible, at once and without any go. Asked wherever orders are given or called off, in the same
transaction (P1, P4): there is no moment at which an order stands that a crash could leave unguarded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection

from keersluis.context import Context, no_guard
from keersluis.errors import Conflict
from keersluis.exchange import gatekeeper
from keersluis.exchange.gates import GateOrder
from keersluis.recovery import _store_plans
from keersluis.recovery.guard import changed, more_open
from keersluis.recovery.plan_acts import Desk, desk, hold, need_as_json, records, settle
from keersluis.recovery.plans import Stage, told_scope
from keersluis.recovery.standing import Record, needs_of
from keersluis.times import format_instant


def guard(ctx: Context, tx: Connection) -> Callable[[], None]:
    """For `Context.guard`. What it gives raises Conflict `plan.no-go`, naming every stage that lacks a go."""
    if not _store_plans.any_standing(tx):
        return no_guard(tx)
    settle(desk(tx, ctx))
    before = gatekeeper.given(tx)
    return lambda: _check(desk(tx, ctx), before)


def before_commit(ctx: Context, tx: Connection) -> None:
    """For `Store.before_commit`: evidence that some entry of this commit takes back counts no longer."""
    settle(desk(tx, ctx))


def _check(it: Desk, before: Sequence[GateOrder]) -> None:
    settle(it)  # an order may itself take back what a go rests on
    after = gatekeeper.given(it.tx)
    moves = changed(before, after)
    lacking = [
        told
        for record in records(it.tx)
        for stage in record.without_go()
        if (told := _opened(it, record, stage, before, after, moves))
    ]
    if lacking:
        raise _refused(lacking)
    hold(it)  # what is to come and was less open than what stood may be more open than what was just closed


def _opened(
    it: Desk,
    record: Record,
    stage: Stage,
    before: Sequence[GateOrder],
    after: Sequence[GateOrder],
    moves: Sequence[GateOrder],
) -> dict[str, Any]:
    """The stage, and its gates that would open; empty where none would."""
    gates = []
    for scope in it.gates_of(stage):
        met = {each for order in moves if (each := scope.meet(order.scope)) is not None}
        rises = more_open(before, after, sorted({one for each in met for one in it.singles(each)}), it.now)
        if rises:
            gates.append({"gate": told_scope(scope), "from": format_instant(rises[0].at)})
    if not gates:
        return {}
    told = {"plan": record.plan.name, "stage": stage.key, "gates": gates}
    return told | {"needs": [need_as_json(each) for each in needs_of(record, stage)]}


def _refused(lacking: Sequence[dict[str, Any]]) -> Conflict:
    names = ", ".join(f"{each['stage']} ({each['plan']})" for each in lacking)
    gates = "; ".join(gate["gate"] for each in lacking for gate in each["gates"][:3])
    return Conflict(
        "plan.no-go",
        expected=f"a go of {'stage' if len(lacking) == 1 else 'stages'} {names}",
        got=f"none, and an order that would open {gates}",
        mend="`keersluis plan show` says what a stage waits for; closing needs no go, and gates that no stage lists "
        "can be named one by one",
        stages=list(lacking),
    )
