"""Plans for coming back at a node: what stands, and everything that people do under one.

On top of the service, as functions that take the Node. Each write is one transaction: an act, its entry in the timeline
and the gates that it moves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from keersluis.errors import Incorrect
from keersluis.exchange import gatekeeper
from keersluis.exchange.gates import Scope, at_moment, told
from keersluis.exchange.sender import cut
from keersluis.recovery import plan_acts, plan_desk, plan_evidence, plan_view, planfiles
from keersluis.recovery.guard import last_moved, state_of
from keersluis.recovery.plan_acts import Desk
from keersluis.recovery.plan_desk import By, Done
from keersluis.recovery.plan_evidence import Shown
from keersluis.recovery.plans import Plan
from keersluis.recovery.standing import Record
from keersluis.sections import nearest
from keersluis.service import Node
from keersluis.times import format_instant

Second = tuple[str, str]
"""Another person and his role, for what needs four eyes at once."""


def _write(node: Node, job: Callable[[Desk], Done]) -> Done:
    return node.store.write(lambda tx: job(plan_acts.desk(tx, node.ctx)))


# -- reading ---------------------------------------------------------------------------------------------------------


def listed(node: Node) -> list[dict[str, Any]]:
    """The plans of the chain folder, and those that were adopted here: {"name", "state", "adopted", "changed", …}.

    A file that is broken is told with its `faults`; that does not touch the version that stands.
    """
    with node.store.read() as tx:
        names = sorted({*planfiles.plans(node.chain), *plan_acts.adopted(tx)})
        return [_line(node, tx, name) for name in names]


def _line(node: Node, tx: Connection, name: str) -> dict[str, Any]:
    told = {"name": name} | _adoption(node, tx, name)
    record = plan_acts.record_of(tx, name)
    try:
        plan = record.plan if record is not None else _from_file(node, name)
    except Incorrect as error:
        return told | {"faults": error.faults}
    stood = 0 if record is None else len(record.stood)
    return told | plan_view.listed(plan) | {"goes": stood, "ours": node.me.key in plan.organisations}


def shown(node: Node, name: str) -> dict[str, Any]:
    """One plan whole, as `plan_view.document` says, with its adoption. Raises Incorrect `plan.not-found`,
    `plan.broken`."""
    with node.store.read() as tx:
        record = plan_acts.record_of(tx, name) or plan_acts.last_record_of(tx, name)
        plan = record.plan if record is not None else _from_file(node, name)
        it = plan_acts.desk(tx, node.ctx)
        orders = at_moment(gatekeeper.given(tx), it.now)

        def gate(scope: Scope) -> Mapping[str, Any]:
            singles = it.singles(scope)
            moved = last_moved(orders, singles)
            return {"state": state_of(orders, singles), "moved": None if moved is None else format_instant(moved)}

        seen = plan_view.Seen(node.me.key, it.now, gate, plan_acts.need_as_json)
        adoption = _adoption(node, tx, name)
        stands = adoption["state"] == "adopted"
        return plan_view.document(record or Record(plan), seen, adopted=stands) | adoption


def _adoption(node: Node, tx: Connection, name: str) -> dict[str, Any]:
    """Since when which version stands, and whether the file says something else by now."""
    found = plan_acts.adoption(tx, name)
    file = _digest(node, name)
    changed = found["state"] == "adopted" and file != found["digest"]
    return found | {"file_digest": file, "changed": changed}


def _digest(node: Node, name: str) -> str | None:
    """Of the file as it is now; None where there is none."""
    try:
        return planfiles.digest_of(_path(node, name).read_bytes())
    except (Incorrect, OSError):
        return None


def _path(node: Node, name: str) -> Path:
    """By its name alone: over the API nobody chooses a file. Raises Incorrect `plan.not-found`."""
    known = planfiles.plans(node.chain)
    if name not in known:
        expected = "a plan of the chain: " + (", ".join(known) or "there is none")
        raise Incorrect("plan.not-found", expected=expected, got=repr(name[:60]) + nearest(name, known))
    return node.chain.folder / planfiles.FOLDER / f"{name}.toml"


def _from_file(node: Node, name: str) -> Plan:
    return planfiles.load_plan(_path(node, name), node.chain)


# -- doing -----------------------------------------------------------------------------------------------------------


def adopt(node: Node, name: str, by: By, second: Second | None = None, *, call_off: bool = False) -> Done:
    """As `plan_desk.adopt`, with the version of the file that is there now."""
    plan = _from_file(node, name)
    return _write(node, lambda it: plan_desk.adopt(it, plan, by, second, call_off=call_off))


def show_evidence(node: Node, name: str, stage: str, evidence: Shown, by: By) -> Done:
    """As `plan_evidence.show`."""
    return _write(node, lambda it: plan_evidence.show(it, name, stage, evidence, by))


def withdraw_evidence(node: Node, name: str, number: int, by: By) -> Done:
    """As `plan_evidence.withdraw`."""
    return _write(node, lambda it: plan_evidence.withdraw(it, name, number, by))


def note(node: Node, text: str, document: str, who: str) -> Done:
    """As `plan_evidence.note`."""
    return _write(node, lambda it: plan_evidence.note(it, text, document, who))


def withdraw_note(node: Node, entry: int, who: str, why: str) -> Done:
    """As `plan_evidence.withdraw_note`."""
    return _write(node, lambda it: plan_evidence.withdraw_note(it, entry, who, why))


def vote(node: Node, name: str, stage: str, by: By, *, go: bool) -> Done:
    """As `plan_desk.vote`."""
    return _write(node, partial(plan_desk.vote, name=name, stage_key=stage, by=by, go=go))


def withdraw_no_go(node: Node, name: str, number: int, by: By) -> Done:
    """As `plan_desk.withdraw_no_go`."""
    return _write(node, lambda it: plan_desk.withdraw_no_go(it, name, number, by))


def roll_back(node: Node, name: str, stage: str, by: By, *, dependents: bool = False, dry_run: bool = False) -> Done:
    """As `plan_desk.roll_back`; what is on its way through a gate that closes is cut off (P4)."""
    done = _write(node, lambda it: plan_desk.roll_back(it, name, stage, by, dependents_too=dependents, dry_run=dry_run))
    moved = done.pop("moved", [])
    cut(node.link, {each.peer for each in moved if each.cuts})
    return done | ({} if dry_run else {"moved": [{"number": each.number, **told(each)} for each in moved]})


def end(node: Node, name: str, how: str, by: By, second: Second | None = None) -> Done:
    """As `plan_desk.end`."""
    return _write(node, lambda it: plan_desk.end(it, name, how, by, second))
