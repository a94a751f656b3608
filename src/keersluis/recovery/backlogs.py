"""The backlogs of a node, out of its store: what waits, as accounts for forecasts, and how each stands.

Raises Incorrect `backlog.unknown` for a key that is not in `backlogs.toml`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from keersluis.context import Context
from keersluis.decisions import staying as deciding
from keersluis.errors import Conflict, Incorrect
from keersluis.exchange import staying as exchanging
from keersluis.recovery import _store_backlogs as store
from keersluis.recovery import imports
from keersluis.recovery._store_backlogs import MIGRATIONS as MIGRATIONS
from keersluis.recovery.accounts import Account, Fault
from keersluis.recovery.backlogfiles import backlogs_of
from keersluis.recovery.stock import Backlog, Standing, account_of, edges, standing
from keersluis.sections import nearest
from keersluis.stays import Stay
from keersluis.timeline import log
from keersluis.times import HOUR, Instant, format_instant

MOST_FAULTS = 100


def own(ctx: Context) -> list[Backlog]:
    """The backlogs that are counted at this node, in the order of the file."""
    return [each for each in backlogs_of(ctx.chain).values() if each.organisation == ctx.me.key]


def known(ctx: Context, key: str) -> Backlog:
    """One of them by its key."""
    keys = {each.key: each for each in own(ctx)}
    if key not in keys:
        expected = "a backlog of backlogs.toml: " + (", ".join(keys) or f"there is none of {ctx.me.key}")
        raise Incorrect("backlog.unknown", expected=expected, got=repr(key[:100]) + nearest(key, keys))
    return keys[key]


def account(tx: Connection, ctx: Context, key: str, step: Instant | None = None, now: Instant | None = None) -> Account:
    """The account of a backlog over steps of `step` (by default its own) up to the last that is whole at `now`, or as
    far as its imports reach. In - out = stock; how long items waited is known. An account of nothing has steps of
    zeros."""
    backlog = known(ctx, key)
    now = ctx.clock.now() if now is None else now
    at = _edges(tx, ctx, backlog, step or backlog.step, now)
    every = [stay for stays in _stays(tx, backlog, [*at, now]).values() for stay in stays]
    return account_of(every, at, _left_out(tx, backlog))


def stands(tx: Connection, ctx: Context, key: str, now: Instant) -> Standing:
    """How a backlog stands now: stock, ages, classes, terms, and when it is caught up at this rate."""
    backlog = known(ctx, key)
    at = _edges(tx, ctx, backlog, backlog.step, now)
    now = at[-1] if backlog.counts == "import" else now
    return standing(backlog, _stays(tx, backlog, [*at, now]), at, now, _left_out(tx, backlog))


def _edges(tx: Connection, ctx: Context, backlog: Backlog, step: Instant, now: Instant) -> list[Instant]:
    """Of imports: as far as they reach, and no further back than their first period."""
    zone = ctx.chain.timezone
    said = _said(tx, backlog) if backlog.counts == "import" else None
    if said is None:
        return edges(now, step, zone)
    at = edges(said.until + (HOUR if said.step else 0), step, zone)  # an hour of summer time
    first = min(said.periods, default=at[0])
    return [edge for edge in at if edge > first - step or edge >= at[-2]]


def _stays(tx: Connection, backlog: Backlog, at: Sequence[Instant]) -> dict[str, list[Stay]]:
    """By priority class."""
    if backlog.counts == "import":
        said = _said(tx, backlog)
        return {backlog.classes[0].key: [] if said is None else imports.stays_of(said)}
    if backlog.counts == "quarantine":
        return {backlog.classes[0].key: exchanging.quarantine(tx, backlog.peers)}
    found: dict[str, list[Stay]] = {}
    for each in backlog.classes:
        if backlog.counts == "entry":
            found[each.key] = exchanging.entry(tx, each.of, backlog.waits)
        elif backlog.counts == "delivery":
            found[each.key] = exchanging.delivery(tx, each.of, backlog.peers, at)
        else:
            found[each.key] = deciding.stays(tx, backlog.counts, each.of) if each.of else []
    return found


def _said(tx: Connection, backlog: Backlog) -> imports.Said | None:
    """What the imports that stand say together."""
    rows = [row for row in store.imports_of(tx, backlog.key) if row.undone_at is None]
    if not rows:
        return None
    if rows[-1].step:
        periods = store.periods_of(tx, backlog.key)
        return imports.Said(rows[-1].step, periods, (), max(periods) + rows[-1].step, ())
    return imports.Said(0, {}, tuple(store.stays_of(tx, backlog.key, rows[-1].n)), rows[-1].until, ())


def _left_out(tx: Connection, backlog: Backlog) -> tuple[Fault, ...]:
    """What the imports that stand left out."""
    if backlog.counts != "import":
        return ()
    rows = [row for row in store.imports_of(tx, backlog.key) if row.undone_at is None]
    rows = rows if rows and rows[-1].step else rows[-1:]
    return tuple(
        Fault(each["code"], each["number"], tuple(each["places"])) for r in rows for each in json.loads(r.left_out)
    )


# -- imports ---------------------------------------------------------------------------------------------------------


def take_in(
    tx: Connection, ctx: Context, key: str, said: imports.Said, digest: str, who: str, why: str,
    *, skip_bad: bool = False, dry_run: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """Take in what a file (SHA-256 `digest`) says of a backlog, whole or not at all; again the same changes nothing.

    Raises Incorrect `backlog.reason`, `backlog.not-imported` (it is counted by itself), `backlog.refused` naming every
    fault with numbers and places, unless `skip_bad`; Conflict `backlog.contradicts`, always whole.
    """
    backlog = known(ctx, key)
    _reasoned(who, why)
    if backlog.counts != "import":
        expected, got = 'a backlog with counts = "import"', f"{key}, which is counted by itself ({backlog.counts})"
        raise Incorrect("backlog.not-imported", expected=expected, got=got)
    rows = store.imports_of(tx, key)
    if any(row.digest == digest and row.undone_at is None for row in rows):
        return {"backlog": key, "again": True, "new": 0, **imports.told(said)}
    _sound(said, skip_bad)
    before = _said(tx, backlog)
    if wrong := imports.contradictions(before, said, ctx.chain.timezone):
        expected = "a file that goes on from what is known, and says the same of it"
        told = _sentences(wrong)
        raise Conflict("backlog.contradicts", expected=expected, got="; ".join(told)[:1000], faults=told)
    fresh = {at: row for at, row in said.periods.items() if before is None or at not in before.periods}
    done = {"backlog": key, "again": False, "new": len(fresh) if said.step else len(said.stays), **imports.told(said)}
    done |= {"until": format_instant(said.until), "left_out": [each.told() for each in said.faults]}
    if not dry_run:
        _keep(tx, ctx, key, said, fresh, len(rows) + 1, digest, who, why)
    return done | {"dry_run": dry_run}


def _reasoned(who: str, why: str) -> None:
    if not (who.strip() and why.strip()):
        raise Incorrect("backlog.reason", expected="who says so, and why", got=f"{who!r}, {why!r}")


def _sound(said: imports.Said, skip_bad: bool) -> None:
    if not (said.periods or said.stays):
        faults = _sentences(said.faults)
        expected, got = "something that came or went", "; ".join(faults) or "nothing"
        raise Incorrect("backlog.refused", expected=expected, got=got, faults=faults)
    grave = [each for each in said.faults if not skip_bad or each.code in _NEVER]
    if grave:
        mend = "mend the file" if grave[0].code in _NEVER else "mend the file, or leave these out with --skip-bad"
        faults = _sentences(grave)
        raise Incorrect(
            "backlog.refused", expected="counts that can be right", got="; ".join(faults), mend=mend, faults=faults
        )


_NEVER = ("gap", "uneven-period", "stock-differs", "negative-stock")
"""Of what is wrong between periods nothing can be left out."""


def _sentences(faults: Sequence[Fault]) -> list[str]:
    return [f"{each.code}: {each.number} ({'; '.join(each.places)})" for each in faults]


def _keep(
    tx: Connection, ctx: Context, key: str, said: imports.Said, fresh: dict[Instant, Any], n: int, digest: str,
    who: str, why: str,
) -> None:  # fmt: skip
    told, now = imports.told(said), ctx.clock.now()
    row = {"backlog": key, "n": n, "digest": digest, "at": now, "who": who, "why": why, "step": said.step}
    left_out = json.dumps([each.told() for each in said.faults])
    store.add_import(tx, row | {"until": said.until, "left_out": left_out, "undone_at": None, **told})
    store.add_periods(tx, key, n, sorted(fresh.items()))
    store.add_stays(tx, key, n, said.stays)
    body = {"backlog": key, "digest": digest, "form": said.form, "until": format_instant(said.until), **told}
    body |= {"new": len(fresh)} if said.step else {}
    log.append(tx, at=now, room="recovery", kind="backlog.imported", body=body | {"who": who, "why": why})


def undo(tx: Connection, ctx: Context, key: str, who: str, why: str) -> dict[str, Any]:
    """The last import of a backlog that stands is undone; to undo that, import the file again.

    Raises Incorrect `backlog.reason`, Conflict `backlog.nothing-imported`.
    """
    known(ctx, key)
    _reasoned(who, why)
    standing_ = [row for row in store.imports_of(tx, key) if row.undone_at is None]
    if not standing_:
        raise Conflict("backlog.nothing-imported", expected="an import that stands", got="none", where=key)
    now, last = ctx.clock.now(), standing_[-1]
    store.undo(tx, key, last.n, now)
    body = {"backlog": key, "digest": last.digest, "came": last.came, "left": last.left, "who": who, "why": why}
    log.append(tx, at=now, room="recovery", kind="backlog.undone", body=body)
    return {"backlog": key, "digest": last.digest, "came": int(last.came), "left": int(last.left)}


def imports_of(tx: Connection, ctx: Context, key: str) -> list[dict[str, Any]]:
    """Every import of a backlog, newest first, as JSON."""
    return [
        {
            "n": int(row.n),
            "digest": row.digest,
            "at": format_instant(row.at),
            "who": row.who,
            "why": row.why,
            "until": format_instant(row.until),
            "came": int(row.came),
            "left": int(row.left),
            "left_out": json.loads(row.left_out),
            "undone": None if row.undone_at is None else format_instant(row.undone_at),
        }
        for row in reversed(store.imports_of(tx, known(ctx, key).key))
    ]
