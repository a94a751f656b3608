"""The states of services as they stand in the store. Every function works within the caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from keersluis.context import Context
from keersluis.errors import Conflict, Incorrect
from keersluis.recovery import _store_services as stored
from keersluis.recovery.changes import Change, Told, as_json, body, checked, overdue, same, standing, usable_key
from keersluis.recovery.service_view import described
from keersluis.recovery.services import Inventory, Service, State, Up, kept_at, state_of, usability, with_below
from keersluis.sections import nearest
from keersluis.storage import Migrations
from keersluis.timeline import log
from keersluis.times import Instant, format_instant

MIGRATIONS: Migrations = stored.MIGRATIONS
"""The table of changes, for `storage.open_store`."""

CHANGED = "service.state"
"""The kind of entry of every change."""


def known(inventory: Inventory, key: str) -> Service:
    """Raises Incorrect `service.unknown`."""
    if key not in inventory:
        got = repr(key[:140]) + nearest(key[:140], list(inventory))
        raise Incorrect("service.unknown", expected="a service of services.toml", got=got, where="service")
    return inventory[key]


def kept_here(ctx: Context, inventory: Inventory, key: str) -> Service:
    """Raises Incorrect `service.unknown`, or `service.elsewhere` for one whose state another node tells."""
    service = known(inventory, key)
    if service.keeper != ctx.me.key:
        expected = f"a service whose state is told at {ctx.me.key}"
        mend = f"tell it at {service.keeper}"
        raise Incorrect("service.elsewhere", expected=expected, got=key, mend=mend, where="service")
    return service


def change(
    tx: Connection, ctx: Context, inventory: Inventory, key: str, told: Told, now: Instant
) -> tuple[Change, bool]:
    """Tell the state of a service. Returns what stands, and whether anything changed: told twice it is as once.

    Raises Incorrect `service.unknown`, `service.elsewhere`, `service.refused`; Conflict `service.key-reused`.
    """
    service = kept_here(ctx, inventory, key)
    changes = [_change(row) for row in stored.of_service(tx, key)]
    last, before = standing(changes), _under(tx, told.key)
    earlier = None if before is None else standing(each for each in changes if each.number < before.number)
    wanted = checked(told, service, last if before is None else earlier, now, now + ctx.chain.skew, ctx.chain.timezone)
    if before is not None:
        if before.undoes is not None or not same(before, wanted):
            expected = f"what was told under key {told.key}"
            raise Conflict("service.key-reused", expected=expected, got="something else under it")
        return before, False
    if last is not None and same(last, wanted):
        return last, False
    return _add(tx, service, wanted), True


def undo(
    tx: Connection, ctx: Context, inventory: Inventory, key: str, who: str, why: str, again: str | None, now: Instant
) -> tuple[Change | None, Change, bool]:
    """Take the last standing change back; `again` is an idempotency key. Returns (what stands since, the undoing
    change, whether anything changed).

    Raises Incorrect `service.unknown`, `service.elsewhere`, `service.refused`, `service.nothing-to-undo`.
    """
    service = kept_here(ctx, inventory, key)
    before = _under(tx, again)
    changes = [_change(row) for row in stored.of_service(tx, key)]
    if before is not None:
        if before.undoes is None or before.service != key:
            raise Conflict("service.key-reused", expected=f"what was told under key {again}", got="an undo under it")
        return standing(changes), before, False
    last = standing(changes)
    if last is None:
        raise Incorrect("service.nothing-to-undo", expected="a change that stands", got=f"none of {key}")
    back = standing(each for each in changes if each.number < last.number)
    # The undoing change is checked as any other; what it says is that what stood before stands again.
    told = Told("up", who, why, key=again)
    plain = checked(told, service, None, now, now, ctx.chain.timezone)
    state = back.state if back else Up()
    made = _add(tx, service, replace(plain, state=state, since=back.since if back else now, undoes=last.number))
    return back, made, True


def _under(tx: Connection, key: str | None) -> Change | None:
    row = stored.with_key(tx, key) if key and usable_key(key) else None
    return None if row is None else _change(row)


def _add(tx: Connection, service: Service, wanted: Change) -> Change:
    public = wanted.public or {}
    row = {
        "service": wanted.service, "state": wanted.state.name, "procedure": wanted.procedure, "since": wanted.since,
        "expected": wanted.expected, "who": wanted.who, "why": wanted.why, "evidence": wanted.evidence,
        "public_nl": public.get("nl"), "public_en": public.get("en"), "key": wanted.key, "undoes": wanted.undoes,
        "at": wanted.at,
    }  # fmt: skip
    made = replace(wanted, number=stored.add(tx, row))
    entry = log.append(tx, at=made.at, room="recovery", kind=CHANGED, body=body(made, service))
    stored.set_entry(tx, made.number, entry)
    return replace(made, entry=entry)


def _change(row: Any) -> Change:
    return Change(
        service=row.service,
        state=state_of(row.state, row.procedure),
        since=row.since,
        who=row.who,
        why=row.why,
        at=row.at,
        expected=row.expected,
        evidence=row.evidence,
        public=None if row.public_nl is None else {"nl": row.public_nl, "en": row.public_en},
        key=row.key,
        undoes=row.undoes,
        number=row.n,
        entry=row.entry,
    )


# -- as they stand -----------------------------------------------------------------------------------------------------


def histories(tx: Connection, inventory: Inventory) -> dict[str, list[Change]]:
    """Service -> its changes, oldest first. What was told of a service that is not in the inventory is left."""
    found: dict[str, list[Change]] = {key: [] for key in inventory}
    for row in stored.of_services(tx, found):
        found[row.service].append(_change(row))
    return found


def listed(tx: Connection, ctx: Context, inventory: Inventory, now: Instant) -> dict[str, Any]:
    """The services whose state is told here, as JSON: `services` (each with its `history`, newest first)."""
    mine = list(kept_at(inventory, ctx.me.key))
    return {"organisation": ctx.me.key, "now": format_instant(now), "services": _told(tx, ctx, inventory, mine, now)}


def one(tx: Connection, ctx: Context, inventory: Inventory, key: str, now: Instant) -> dict[str, Any]:
    """One of them, from what was told of it and of what it rests on. Raises Incorrect `service.unknown`,
    `service.elsewhere`."""
    kept_here(ctx, inventory, key)
    (found,) = _told(tx, ctx, with_below(inventory, key), [key], now)
    return found


def _told(
    tx: Connection, ctx: Context, inventory: Inventory, keys: Sequence[str], now: Instant
) -> list[dict[str, Any]]:
    told = histories(tx, kept_at(inventory, ctx.me.key))
    stands = {key: standing(changes) for key, changes in told.items()}
    usable = usability(inventory, states(stands))
    return [
        described(inventory[key])
        | _stands(stands[key], now, ctx)
        | {
            "usable": usable[key].usable,
            "due_to": list(usable[key].due_to),
            "unsure": list(usable[key].unsure),
            "history": [as_json(each) for each in reversed(told[key])],
        }
        for key in keys
    ]


def states(stands: Mapping[str, Change | None]) -> dict[str, State]:
    """Service -> its state; of which nobody said anything is up."""
    return {key: each.state if each else Up() for key, each in stands.items()}


def _stands(change: Change | None, now: Instant, ctx: Context) -> dict[str, Any]:
    if change is None:
        return {"state": Up.name, "procedure": None, "since": None, "expected": None, "overdue": False, "change": None}
    told = as_json(change)
    late = overdue(change.expected, now, ctx.chain.timezone)
    return {name: told[name] for name in ("state", "procedure", "since", "expected")} | {
        "overdue": late,
        "change": told,
    }
