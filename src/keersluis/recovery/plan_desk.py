"""What people do under a plan: adopt it, show evidence, say go or no-go, roll back, end it.

Every function works in the caller's transaction and begins by settling, so that what another request of the same
commit took back is seen. Done again under the same key, nothing is done again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keersluis.errors import Conflict, Incorrect
from keersluis.exchange import gatekeeper
from keersluis.exchange.gates import LONGEST, GateOrder
from keersluis.recovery import _store_plans
from keersluis.recovery.plan_acts import (
    Desk,
    fall,
    first_act,
    hold,
    keep,
    need_as_json,
    openings,
    record_of,
    records,
    rise,
    settle,
    write,
)
from keersluis.recovery.plans import Plan, Stage, told_scope
from keersluis.recovery.standing import (
    Record,
    altered,
    dependents,
    fold,
    missing,
    person,
    recorders,
    voters,
)
from keersluis.sections import nearest


@dataclass(frozen=True, slots=True)
class By:
    """Who does something, in which role of the plan, and why. `key`: the same key is the same act."""

    who: str
    role: str
    why: str
    key: str | None = None


Done = dict[str, Any]
"""What became of an act: its `number`, and what it brought about."""


# -- what is asked of every act --------------------------------------------------------------------------------------


def repeated(it: Desk, plan: str, what: str, by: By, said: Mapping[str, Any]) -> int | None:
    """The number of the act done under the same key. Raises Incorrect `plan.act`, Conflict `plan.key-reused`."""
    if by.key is not None and not (by.key.isprintable() and 0 < len(by.key) <= LONGEST["key"]):
        stop([f"key: expected a text of at most {LONGEST['key']} characters, got {by.key[:60]!r}"], "a key of an act")
    given = _store_plans.with_key(it.tx, by.key) if by.key else []
    for name, act in given:
        if (name, act.what, act.body.get("said")) != (plan, what, dict(said)):
            expected = f"the act that was done under key {by.key}"
            raise Conflict("plan.key-reused", expected=expected, got="another under it")
    return given[0][1].n if given else None


def said_of(by: By, **rest: Any) -> dict[str, Any]:
    return {"who": by.who, "role": by.role, "why": by.why} | rest


def check_by(by: By, plan: Plan, roles: tuple[str, ...], what: str) -> None:
    """Raises Incorrect `plan.act` with everything that is wrong with who, role and why."""
    faults = [f"{name}: expected a text, got nothing" for name in ("who", "why") if not getattr(by, name).strip()]
    for name, most in LONGEST.items():
        if len(getattr(by, name, None) or "") > most:
            faults.append(f"{name}: expected at most {most} characters, got {len(getattr(by, name))}")
    if by.role not in roles:
        got = f"{by.role[:60]!r}{nearest(by.role, roles)}"
        faults.append(f"role: expected one that may {what} ({', '.join(roles) or 'none'}), got {got}")
    stop(faults, f"an act under plan {plan.name} that can be carried out")


def stop(faults: list[str], expected: str) -> None:
    if faults:
        raise Incorrect("plan.act", expected=expected, got="; ".join(faults), faults=faults)


def _may(plan: Plan, what: str) -> tuple[str, ...]:
    return tuple(key for key, role in plan.roles.items() if getattr(role, what))


def standing(it: Desk, name: str) -> Record:
    """The plan as it stands. Raises Conflict `plan.not-adopted`."""
    settle(it)
    record = record_of(it.tx, name)
    if record is None:
        mend = f"`keersluis plan adopt {name[:60]}` first"
        raise Conflict("plan.not-adopted", expected="a plan that stands here", got=repr(name[:60]), mend=mend)
    return record


def stage_of(record: Record, key: str) -> Stage:
    """Raises Incorrect `plan.no-stage`."""
    if key in record.plan.stages:
        return record.plan.stages[key]
    expected = f"a stage of {record.plan.name}: {', '.join(record.plan.stages)}"
    raise Incorrect("plan.no-stage", expected=expected, got=repr(key[:60]) + nearest(key, record.plan.stages))


# -- adopting --------------------------------------------------------------------------------------------------------


def adopt(it: Desk, plan: Plan, by: By, second: tuple[str, str] | None, *, call_off: bool = False) -> Done:
    """From here on the gates that `plan` lists are guarded, by this version of its file.

    `second` (who, role): another one, whom a plan needs that stands in another version: adopting it anew may take away
    what guards. `call_off`: orders to come that would open its gates are called off for those.
    Raises Incorrect `plan.not-ours`, `plan.act`, Conflict `plan.adopted-already`, `plan.overlaps`, `plan.opens-ahead`,
    `plan.four-eyes`.
    """
    settle(it)
    said = said_of(by, digest=plan.digest, second=list(second or ()))
    if (number := repeated(it, plan.name, "adopted", by, said)) is not None:
        return {"number": number, "repeated": True}
    check_by(by, plan, tuple(plan.roles), "adopt a plan")
    old = record_of(it.tx, plan.name)
    _check_adoption(it, plan, old)
    if old is not None:
        _check_second(old.plan, by, second)
    if not call_off:
        _check_ahead(it, plan, old)
    body = said | {"said": said, "stages": len(plan.stages), "replaces": old.plan.digest if old else ""}
    number = write(it, plan.name, "adopted", "", body, told=_told(body), key=by.key)
    keep(it.tx, plan, number if old is None else first_act(it.tx, plan.name))
    if old is not None:
        _carry_over(it, old, plan)
    fallen = fall(it)
    return {"number": number, "digest": plan.digest, "fell": fallen, "stages": list(plan.stages)}


def _told(body: Mapping[str, Any]) -> dict[str, Any]:
    """What the timeline says of a plan's beginning or end: the second one by name and role."""
    told = {name: value for name, value in body.items() if name not in ("second", "said")}
    return told | (dict(zip(("second", "second_role"), body["second"], strict=True)) if body["second"] else {})


def _check_adoption(it: Desk, plan: Plan, old: Record | None) -> None:
    if it.me not in plan.organisations:
        expected = f"a plan of {it.me}, or one that lists gates of it"
        raise Incorrect("plan.not-ours", expected=expected, got=f"{plan.name}, of {', '.join(plan.organisations)}")
    if old is not None and old.plan.digest == plan.digest:
        got = f"the version that stands, {plan.digest[:12]}"
        raise Conflict("plan.adopted-already", expected=f"another version of {plan.name}", got=got)
    for other in records(it.tx):
        if other.plan.name == plan.name:
            continue
        for stage, mine in plan.gates_of(it.me):
            for theirs, scope in other.plan.gates_of(it.me):
                if (met := mine.meet(scope)) is not None:
                    got = f"stage {stage.key}: {told_scope(met)}, which is of stage {theirs.key} there"
                    expected = f"gates that plan {other.plan.name}, which stands, does not list"
                    raise Conflict("plan.overlaps", expected=expected, got=got)


def _check_second(plan: Plan, by: By, second: tuple[str, str] | None) -> None:
    """Four eyes on what takes a guard away. Raises Conflict `plan.four-eyes`, Incorrect `plan.act`."""
    roles = _may(plan, "go")
    expected = f"two different persons in different roles that may give a go ({', '.join(roles)})"
    if second is None:
        raise Conflict("plan.four-eyes", expected=expected, got="one")
    check_by(by, plan, roles, "give a go")
    check_by(By(second[0], second[1], by.why), plan, roles, "give a go")
    if person(second[0]) == person(by.who) or second[1] == by.role:
        raise Conflict("plan.four-eyes", expected=expected, got=f"{by.who} ({by.role}), {second[0]} ({second[1]})")


def _check_ahead(it: Desk, plan: Plan, old: Record | None) -> None:
    first = 0 if old is None else first_act(it.tx, plan.name)
    acts = [] if old is None else _store_plans.acts(it.tx, plan.name, first)
    found = openings(it, [fold(plan, acts)])
    if found:
        got = "; ".join(f"order {n} for stage {', '.join(stages)}" for n, (_order, stages) in sorted(found.items()))
        raise Conflict(
            "plan.opens-ahead",
            expected="no order to come, or of each day, that opens a gate of a stage without a go",
            got=got,
            mend="call these off, or let the adoption do it (--call-off)",
            orders=sorted(found),
        )


def _carry_over(it: Desk, old: Record, plan: Plan) -> None:
    """What was said of a stage that is the same in the new version holds; of another it does not."""
    stages, criteria = altered(old.plan, plan)
    for each in old.evidence.values():
        if each.counts and (each.stage, each.criterion) in criteria:
            body = {"of": each.n, "criterion": each.criterion, "entry": each.entry, "how": "changed"}
            write(it, plan.name, "evidence-lapsed", each.stage, body)
    for key in stages:
        if key in old.stood or old.votes.get(key):
            why = [{"waits_for": "adoption"}]
            write(it, plan.name, "fell", key, {"stood": key in old.stood, "why": why})


# -- go and no-go ----------------------------------------------------------------------------------------------------


def vote(it: Desk, name: str, stage_key: str, by: By, *, go: bool) -> Done:
    """A go, when nothing is missing but votes; or a no-go, at any time, which blocks until it is withdrawn.

    Raises Conflict `plan.not-adopted`, `plan.not-ready` (with `needs`), `plan.four-eyes`, `plan.voted-already`;
    Incorrect `plan.no-stage`, `plan.act`.
    """
    record = standing(it, name)
    what = "go" if go else "no-go"
    said = said_of(by, stage=stage_key)
    if (number := repeated(it, name, what, by, said)) is not None:
        return {"number": number, "repeated": True}
    stage = stage_of(record, stage_key)
    check_by(by, record.plan, stage.go, "give a go of this stage")
    if go:
        _check_go(record, stage, by)
    elif any(s.stage == stage.key and person(s.who) == person(by.who) for s in record.no_gos.values()):
        raise Conflict("plan.voted-already", expected="a no-go that does not stand yet", got=f"one of {by.who}")
    number = write(it, name, what, stage.key, said | {"said": said}, key=by.key)
    fallen = [] if go else fall(it)
    return {"number": number, "stood": rise(it, name), "fell": fallen}


def _check_go(record: Record, stage: Stage, by: By) -> None:
    needs = list(missing(record, stage))
    if needs:
        told = [need_as_json(each) for each in needs]
        got = "; ".join(_plain(each) for each in told)
        expected = f"stage {stage.key} with all evidence, the goes it depends on and no no-go"
        raise Conflict("plan.not-ready", expected=expected, got=f"it waits for {got}", needs=told)
    given = record.votes.get(stage.key, [])
    if stage.key in record.stood:
        raise Conflict("plan.voted-already", expected="a stage without a go", got=f"{stage.key}, whose go stands")
    if person(by.who) in voters(record, stage.key) or by.role in {each.role for each in given}:
        got = f"{by.who} ({by.role}) after " + ", ".join(f"{each.who} ({each.role})" for each in given)
        raise Conflict("plan.four-eyes", expected="a go of another person in another role", got=got)
    if person(by.who) in recorders(record, stage.key):
        got = f"{by.who}, who recorded evidence of this stage"
        raise Conflict("plan.four-eyes", expected="a go of somebody who recorded none of the evidence", got=got)


def _plain(need: Mapping[str, Any]) -> str:
    match need["waits_for"]:
        case "evidence":
            partner = f" of {need['partner']}" if "partner" in need else ""
            return f"evidence of {need['criterion']!r}{partner}"
        case "go":
            return f"the go of {need['stage']!r}"
        case "no-go":
            return f"the withdrawal of no-go {need['number']} of {need['who']}"
        case _:
            return f"{need.get('missing', 0)} votes"


def withdraw_no_go(it: Desk, name: str, number: int, by: By) -> Done:
    """Who said no takes it back, or another in the same role. Raises Incorrect `plan.no-such`, `plan.act`."""
    record = standing(it, name)
    said = said_of(by, of=number)
    if (done := repeated(it, name, "no-go-withdrawn", by, said)) is not None:
        return {"number": done, "repeated": True}
    found = record.no_gos.get(number)
    if found is None:
        expected = "the number of a no-go that stands: " + (", ".join(map(str, record.no_gos)) or "there is none")
        raise Incorrect("plan.no-such", expected=expected, got=str(number))
    check_by(by, record.plan, (found.role,), "withdraw it")
    done = write(it, name, "no-go-withdrawn", found.stage, said | {"said": said}, key=by.key)
    return {"number": done, "stood": rise(it, name)}


# -- rolling back ----------------------------------------------------------------------------------------------------


def roll_back(it: Desk, name: str, stage_key: str, by: By, *, dependents_too: bool, dry_run: bool) -> Done:
    """Close the gates of a stage again, one order each; its go falls, and so do those of the stages that depend on it.
    Their gates are closed too where that is asked. With `dry_run` nothing is done, and it is told what would be.

    Anybody with a role may: closing needs no four eyes. Raises Conflict `plan.not-adopted`, Incorrect `plan.no-stage`,
    `plan.act`.
    """
    record = standing(it, name)
    said = said_of(by, stage=stage_key, dependents=dependents_too)
    if not dry_run and (number := repeated(it, name, "rolled-back", by, said)) is not None:
        return {"number": number, "repeated": True}
    stage = stage_of(record, stage_key)
    check_by(by, record.plan, tuple(record.plan.roles), "roll back")
    after = dependents(record.plan, stage.key)
    chosen = [*reversed(after), stage.key] if dependents_too else [stage.key]
    orders = {key: _closings(it, record.plan, key, by) for key in chosen}
    told = {
        "stages": chosen,
        "falls": [key for key in (stage.key, *after) if key in record.stood],
        "dependents": after,
        "closes": [{"gate": told_scope(each.scope)} for closings in orders.values() for each in closings],
        "dry_run": dry_run,
    }
    return told if dry_run else told | _rolled_back(it, name, said, by, orders)


def _closings(it: Desk, plan: Plan, key: str, by: By) -> list[GateOrder]:
    return [
        GateOrder(
            it.now, scope.peer, scope.direction, scope.kind, "closed", by.who, by.why,
            evidence=f"plan {plan.name}: {key}"[: LONGEST["evidence"]], link=scope.link,
        )
        for scope in it.gates_of(plan.stages[key])
    ]  # fmt: skip


def _rolled_back(
    it: Desk, name: str, said: Mapping[str, Any], by: By, orders: Mapping[str, Sequence[GateOrder]]
) -> Done:
    every = [order for closings in orders.values() for order in closings]
    moved = [given for order in every if (given := gatekeeper.move(it.tx, it.ctx, order)) is not None]
    numbers = []
    for key, closings in orders.items():
        last = key == said["stage"]
        body = {**said, "stage": key, "gates": len(closings)}
        told = {each: value for each, value in body.items() if each not in ("stage", "dependents")}
        kept = body | ({"said": dict(said)} if last else {})
        numbers.append(write(it, name, "rolled-back", key, kept, told=told, key=by.key if last else None))
    return {"number": numbers[-1], "moved": moved, "fell": fall(it)}


# -- the end ---------------------------------------------------------------------------------------------------------


def end(it: Desk, name: str, how: str, by: By, second: tuple[str, str] | None) -> Done:
    """The plan stands no longer, and guards nothing: ``completed``, when every go stands, or ``withdrawn``, which needs
    four eyes. Raises Conflict `plan.not-adopted`, `plan.not-complete`, `plan.four-eyes`, Incorrect `plan.act`."""
    said = said_of(by, how=how, second=list(second or ()))
    if (number := repeated(it, name, "ended", by, said)) is not None:
        return {"number": number, "repeated": True}
    record = standing(it, name)
    if how not in ("completed", "withdrawn"):
        stop([f"how: expected completed or withdrawn, got {how[:60]!r}"], "an end of a plan")
    check_by(by, record.plan, _may(record.plan, "go"), "give a go")
    lacking = [stage.key for stage in record.without_go()]
    if how == "completed" and lacking:
        expected = "a plan of which every go stands"
        raise Conflict("plan.not-complete", expected=expected, got=f"none of {', '.join(lacking)}", stages=lacking)
    if how == "withdrawn":
        _check_second(record.plan, by, second)
    body = said | {"said": said}
    number = write(it, name, "ended", "", body, told=_told(body), key=by.key)
    _store_plans.end(it.tx, name, how)
    hold(it)
    return {"number": number, "ended": how}
