"""Plans that stand at a node: read with what was done under them, and what no longer holds is noted.

Every function works in the caller's transaction. That evidence was undone, a go fell or an order to come was called off
is written in the transaction that makes it so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import msgspec
from sqlalchemy import Connection

from keersluis.chain import GATE_KINDS
from keersluis.context import Context
from keersluis.exchange import gatekeeper
from keersluis.exchange.gates import GateOrder, Scope
from keersluis.recovery import _store_plans
from keersluis.recovery._store_plans import MIGRATIONS as MIGRATIONS
from keersluis.recovery.guard import Single, ahead, in_vain, kept_shut, singles
from keersluis.recovery.plans import Plan, Stage
from keersluis.recovery.standing import (
    EvidenceMissing,
    GoMissing,
    Need,
    NoGoStands,
    Record,
    VotesMissing,
    fold,
    needs_of,
    to_fall,
)
from keersluis.recovery.undoing import UNDOING, taken_back
from keersluis.timeline import log
from keersluis.timeline.model import Entry
from keersluis.times import Instant, format_instant


@dataclass(frozen=True)
class Desk:
    """A transaction of a node at a moment."""

    tx: Connection
    ctx: Context
    now: Instant

    @property
    def me(self) -> str:
        return self.ctx.me.key

    def gates_of(self, stage: Stage) -> list[Scope]:
        """The gates of a stage that stand here."""
        return [gate.scope for gate in stage.gates if gate.organisation == self.me]

    def singles(self, scope: Scope) -> list[Single]:
        chain = self.ctx.chain
        return singles(scope, chain.organisations, [*chain.kinds, *GATE_KINDS])


def desk(tx: Connection, ctx: Context) -> Desk:
    return Desk(tx, ctx, ctx.clock.now())


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Plan).decode


@lru_cache(maxsize=32)
def _decoded(data: bytes) -> Plan:
    """A plan as it was kept: as it was read, so that it does not depend on what the chain folder says by now."""
    return _decode(data)


def keep(tx: Connection, plan: Plan, first_act: int) -> None:
    """From here on this version stands."""
    row = {"name": plan.name, "digest": plan.digest, "plan": _encode(plan), "first_act": first_act, "ended": None}
    _store_plans.put(tx, row)


def record_of(tx: Connection, name: str) -> Record | None:
    """A plan that stands; None where it was not adopted, or ended."""
    row = _store_plans.known(tx, name)
    if row is None or row.ended is not None:
        return None
    return fold(_decoded(row.plan), _store_plans.acts(tx, name, row.first_act))


def last_record_of(tx: Connection, name: str) -> Record | None:
    """A plan as it stood when it ended; None where it was never adopted."""
    row = _store_plans.known(tx, name)
    return None if row is None else fold(_decoded(row.plan), _store_plans.acts(tx, name, row.first_act))


def adopted(tx: Connection) -> list[str]:
    """The plans that were ever adopted here."""
    return _store_plans.names(tx)


def adoption(tx: Connection, name: str) -> dict[str, Any]:
    """{"state": not-adopted, adopted, completed or withdrawn; "digest"; "adopted", "ended": {at, entry, who, role,
    why} or None}."""
    row = _store_plans.known(tx, name)
    told: dict[str, Any] = {"state": "not-adopted", "digest": None, "adopted": None, "ended": None}
    if row is None:
        return told
    acts = _store_plans.acts(tx, name, row.first_act)
    for act in acts:
        if act.what in ("adopted", "ended"):
            who = {each: act.body[each] for each in ("who", "role", "why")}
            told[act.what] = {"at": format_instant(act.at), "entry": act.entry} | who
    return told | {"state": row.ended or "adopted", "digest": row.digest}


def records(tx: Connection) -> list[Record]:
    """All plans that stand."""
    return [
        fold(_decoded(row.plan), _store_plans.acts(tx, row.name, row.first_act)) for row in _store_plans.standing(tx)
    ]


def first_act(tx: Connection, name: str) -> int:
    """Where the acts of a plan that stands begin."""
    return int(_store_plans.known(tx, name).first_act)


# -- writing acts ----------------------------------------------------------------------------------------------------


def write(
    it: Desk,
    plan: str,
    what: str,
    stage: str,
    body: Mapping[str, Any],
    *,
    told: Mapping[str, Any] | None = None,
    key: str | None = None,
) -> int:
    """Keep an act with its entry in the timeline, `plan.<what>`; `told` replaces what the entry says. Returns its
    number."""
    said = {"plan": plan, **({"stage": stage} if stage else {}), **(body if told is None else told)}
    said = {name: value for name, value in said.items() if name not in ("by", "said") and value not in (None, "")}
    entry = log.append(it.tx, at=it.now, room="recovery", kind=f"plan.{what}", body=said)
    return _store_plans.add(it.tx, plan, it.now, what, stage, body, entry, key)


# -- what no longer holds --------------------------------------------------------------------------------------------


def settle(it: Desk) -> None:
    """Evidence that an entry of this transaction takes back counts no longer, and what rests on it falls."""
    if not _store_plans.any_standing(it.tx):
        return
    later = log.of_kinds(it.tx, UNDOING)
    if later:
        lost = [_lapse(it, record, later) for record in records(it.tx)]
        if any(lost):
            fall(it)


def _lapse(it: Desk, record: Record, later: Sequence[Entry]) -> bool:
    lost = False
    for each in record.evidence.values():
        earlier = log.entry(it.tx, each.entry) if each.counts and not each.origin else None
        by = None if earlier is None else taken_back(earlier, later)
        if by is not None:
            body = {"of": each.n, "criterion": each.criterion, "entry": each.entry, "how": "undone", "by_entry": by.n}
            write(it, record.plan.name, "evidence-lapsed", each.stage, body)
            lost = True
    return lost


def fall(it: Desk) -> list[str]:
    """Goes, and votes for one, that cannot stand any longer fall, each with an entry; and orders to come that would
    open gates without one are called off. Returns the stages."""
    fallen = []
    for record in records(it.tx):
        for stage, why in to_fall(record):
            body = {"stood": stage.key in record.stood, "why": [need_as_json(each) for each in why]}
            write(it, record.plan.name, "fell", stage.key, body)
            fallen.append(stage.key)
    hold(it)
    return fallen


def rise(it: Desk, name: str) -> list[str]:
    """The go comes to stand where nothing is missing any more. Returns the stages."""
    record = record_of(it.tx, name)
    stages = record.without_go() if record is not None else []
    risen = [stage.key for stage in stages if record is not None and not list(needs_of(record, stage))]
    for key in risen:
        write(it, name, "stood", key, {"votes": len(record.votes[key]) if record is not None else 0})
    return risen


# -- orders to come --------------------------------------------------------------------------------------------------


def openings(it: Desk, found: Iterable[Record]) -> dict[int, tuple[GateOrder, list[str]]]:
    """The orders that will open gates of stages without a go, by their numbers, each with those stages."""
    orders = gatekeeper.given(it.tx)
    told: dict[int, tuple[GateOrder, list[str]]] = {}
    for record in found:
        for stage in record.without_go():
            for scope in it.gates_of(stage):
                for each in ahead(orders, it.singles(scope), it.now):
                    stages = told.setdefault(each.order.number, (each.order, []))[1]
                    if stage.key not in stages:
                        stages.append(stage.key)
    return told


def hold(it: Desk) -> None:
    """No order opens a gate without a go by the clock: one to come leaves those gates as they stand then, or is called
    off where nothing else would be left of it; one that opens each day gives way to its less open state. Gates that no
    stage lists move as was ordered."""
    guarded = _guarded(it)
    while any(_hold(it, scope, stage) for scope, stage in guarded):
        pass


def _hold(it: Desk, scope: Scope, stage: str) -> bool:
    """At the first moment at which the clock would open a gate of this scope; whether there was one."""
    orders, (who, why) = gatekeeper.given(it.tx), ("keersluis plan", f"no go: {stage}")
    rise = min(ahead(orders, it.singles(scope), it.now), key=lambda each: each.at, default=None)
    if rise is None:
        return False
    if not rise.order.stands(it.now) and in_vain(orders, rise.order, scope, it.now):
        gatekeeper.withhold(it.tx, rise.order, who, why, it.now)
        return True
    begins = {"at": it.now, "starts": rise.at if rise.at > it.now else None}
    for each in kept_shut(orders, scope, it.now, rise.at):
        again = replace(each, **begins, who=who, why=why, noted=None, undoes=None, key=None, number=0)  # type: ignore[arg-type]
        gatekeeper.impose(it.tx, again)
    return True


def _guarded(it: Desk) -> list[tuple[Scope, str]]:
    return [
        (scope, stage.key) for record in records(it.tx) for stage in record.without_go() for scope in it.gates_of(stage)
    ]


# -- as JSON ---------------------------------------------------------------------------------------------------------


def need_as_json(need: Need) -> dict[str, Any]:
    """What a stage waits for, `waits_for` saying which of the four it is."""
    match need:
        case EvidenceMissing(criterion, missing, partner):
            told = {"waits_for": "evidence", "criterion": criterion, "missing": missing}
            return told | ({"partner": partner} if partner else {})
        case GoMissing(stage):
            return {"waits_for": "go", "stage": stage}
        case NoGoStands(number, who, role):
            return {"waits_for": "no-go", "number": number, "who": who, "role": role}
        case VotesMissing(missing, roles):
            return {"waits_for": "votes", "missing": missing, "roles": list(roles)}
