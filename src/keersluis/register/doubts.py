"""The register's desk for reservations. Every function works within the caller's transaction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection

from keersluis.context import Context
from keersluis.errors import Conflict, Incorrect
from keersluis.register import _store_reservations as stored
from keersluis.register._store import facts_of, owe_all, touched
from keersluis.register.answers import Owed, held
from keersluis.register.desk import answer_again
from keersluis.register.reservations import Reservation, check
from keersluis.register.views import open_view
from keersluis.storage import Migrations
from keersluis.timeline import log
from keersluis.times import Instant, format_instant

MIGRATIONS: Migrations = stored.MIGRATIONS
"""The tables of reservations, for `storage.open_store`."""


def reserve(
    tx: Connection,
    ctx: Context,
    source: str,
    kinds: Collection[str],
    since: Instant,
    until: Instant | None,
    who: str,
    why: str,
    now: Instant,
) -> dict[str, Any]:
    """Doubt what `source` (its key) recorded of `kinds` (paths in the tree; none: all) since `since`.

    `until` None: until now. Answers that rest on it are given again, provisional. Set twice it is as once.
    Raises Incorrect `reservation.refused`. Reads all facts once, and then what the touched answers ask for.
    """
    leaves = _leaves(ctx, source, kinds)
    end = now if until is None else until
    check(who, why, since, end, leaves)
    oin = ctx.chain.organisations[source].oin
    known = next((e for e in stored.in_force(tx) if _same(e, oin, leaves, since, until)), None)
    if known is not None:
        return {"n": known.n, "facts": stored.number_in_doubt(tx, known), "answers": 0}
    row = {"source": oin, "kinds": " ".join(sorted(leaves)), "since": since, "until": end, "who": who, "why": why}
    n = stored.add(tx, row | {"set_at": now})
    (mine,) = [each for each in stored.in_force(tx) if each.n == n]
    given = _doubt(tx, ctx, stored.subjects(tx, mine), now)
    count = stored.number_in_doubt(tx, mine)
    body = {"n": n, "source": source, "kinds": sorted(leaves), "who": who, "why": why, "facts": count, "answers": given}
    body |= {"since": format_instant(since), "until": format_instant(end)}
    log.append(tx, at=now, room="register", kind="reservation.set", body=body)
    return {"n": n, "facts": count, "answers": given}


def _same(each: Reservation, oin: str, leaves: frozenset[str], since: Instant, until: Instant | None) -> bool:
    return (each.source, each.kinds, each.since) == (oin, leaves, since) and until in (None, each.until)


def _leaves(ctx: Context, source: str, kinds: Collection[str]) -> frozenset[str]:
    mine = {kind.path for kind in ctx.chain.kinds.values() if kind.source == source and held(kind, ctx.me.key)}
    if not kinds:
        return frozenset(mine)
    wrong = [path for path in kinds if not {kind.path for kind in ctx.chain.under(path)} & mine]
    if wrong or not mine:
        expected = f"kinds that {source} sends here"
        raise Incorrect("reservation.refused", expected=expected, got=", ".join(wrong) or f"{source} sends none")
    return frozenset(kind.path for path in kinds for kind in ctx.chain.under(path)) & mine


def lift(tx: Connection, ctx: Context, n: int, who: str, why: str, now: Instant) -> int:
    """The doubt is over, by somebody's word; returns how many answers rest on no doubt any more.

    Lifted twice it is as once. Raises Incorrect `reservation.unknown`.
    """
    each = _known(tx, n)
    if each is None:
        return 0
    if not (who.strip() and why.strip()):
        raise Incorrect("reservation.refused", expected="who lifts it, and why", got="nothing")
    stored.lift(tx, n, now, who, why)
    freed = _free(tx, ctx, now)
    body = {"n": n, "source": _key(ctx, each.source), "who": who, "why": why, "answers": freed}
    log.append(tx, at=now, room="register", kind="reservation.lifted", body=body)
    return freed


def _known(tx: Connection, n: int) -> Reservation | None:
    found = next((each for each in stored.in_force(tx) if each.n == n), None)
    if found is None and n not in {row.n for row in stored.everything(tx)}:
        raise Incorrect("reservation.unknown", expected="the number of a reservation", got=str(n))
    return found


def reaffirm(
    tx: Connection, ctx: Context, origin: str, kind: str, size: int, said_at: Instant, note: str, now: Instant
) -> dict[str, Any]:
    """The source stands by the first `size` events of `origin`, of which the caller verified signature and root.

    Reservations on them shrink, and end when nothing is left in doubt. Raises Conflict `reservation.too-early` for a
    statement from before the period in doubt was over, or from before the doubt: that was made before the check.
    """
    oin = origin.partition("/")[0]
    mine = [each for each in stored.in_force(tx) if each.source == oin and kind in each.kinds]
    since = max((max(each.until, each.set_at) for each in mine), default=said_at)
    if said_at < since:
        expected = f"a statement from {format_instant(since)} on"
        raise Conflict("reservation.too-early", expected=expected, got=format_instant(said_at))
    for each in mine:
        stored.stand_by(tx, each.n, origin, size, note, now)
    numbers = {each.n for each in mine}
    done = [each for each in stored.in_force(tx) if each.n in numbers and not stored.number_in_doubt(tx, each)]
    for each in done:
        stored.lift(tx, each.n, now, _key(ctx, oin), "reaffirmed by the source")
    freed = _free(tx, ctx, now) if mine else 0
    if mine:
        said = {"who": _key(ctx, oin), "why": "reaffirmed by the source after its own check"}
        body = {"origin": origin, "size": size, "reservations": [each.n for each in mine], "answers": freed, **said}
        log.append(tx, at=now, room="register", kind="reservation.reaffirmed", body=body)
    return {"reservations": [each.n for each in mine], "ended": [each.n for each in done], "answers": freed}


def listed(tx: Connection, ctx: Context) -> list[dict[str, Any]]:
    """All reservations, newest first: for the page, the API and the command."""
    in_force = {each.n: each for each in stored.in_force(tx)}
    return [
        {
            "n": row.n,
            "source": _key(ctx, row.source),
            "kinds": row.kinds.split(" "),
            "since": format_instant(row.since),
            "until": format_instant(row.until),
            "who": row.who,
            "why": row.why,
            "set_at": format_instant(row.set_at),
            "facts": stored.number_in_doubt(tx, in_force[row.n]) if row.n in in_force else 0,
            "reaffirmed": [list(pair) for pair in in_force[row.n].reaffirmed] if row.n in in_force else [],
            "lifted_at": None if row.lifted_at is None else format_instant(row.lifted_at),
            "lifted_by": row.lifted_by,
            "lifted_why": row.lifted_why,
        }
        for row in stored.everything(tx)
    ]


def _doubt(tx: Connection, ctx: Context, whom: Sequence[str], now: Instant) -> int:
    """Give the answers that rest on what is in doubt again, provisional; returns how many."""
    return _again(tx, ctx, touched(tx, whom, 0), now, held_ones=True)


def _free(tx: Connection, ctx: Context, now: Instant) -> int:
    """Give the answers that rest on no doubt any more again; watermarks settle them from here on."""
    freed = _again(tx, ctx, stored.rest_on_doubt(tx), now, held_ones=False)
    owe_all(tx)
    return freed


def _again(tx: Connection, ctx: Context, owed: Sequence[Owed], now: Instant, *, held_ones: bool) -> int:
    view = open_view(tx, ctx, now)
    facts = facts_of(tx, (each.subject for each in owed))
    again = [each for each in owed if bool(view.doubts(each, facts.get(each.subject, ()))) == held_ones]
    answer_again(view, again, facts)
    return len(again)


def _key(ctx: Context, oin: str) -> str:
    return ctx.chain.organisation_by_oin(oin).key
