"""Backlogs on a node: as they stand, their accounts, imports and what holds its register back, as JSON. For the API,
the pages and commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from keersluis.decisions import staying as deciding
from keersluis.errors import Incorrect
from keersluis.exchange import intake, overview
from keersluis.exchange import staying as exchanging
from keersluis.recovery import backlog_words, backlogs, imports
from keersluis.recovery.accounts import LARGEST, Account, Faults, Period
from keersluis.recovery.stock import (
    BUCKETS,
    Backlog,
    CatchUp,
    ClassState,
    Order,
    Standing,
    catch_up,
    edges,
    needed,
    standing,
    worst_first,
)
from keersluis.service import Node
from keersluis.stays import Stay
from keersluis.times import DAY, Instant, format_instant, parse_instant
from keersluis.words import LANGUAGES, translator

RECENT = 60
"""Steps of which the stock stands beside each backlog in the list."""

MANY = 1000
"""So many changes of decisions are counted as one reads; more are counted once and kept."""


def listed(node: Node) -> dict[str, Any]:
    """Every backlog of the node, worst first, and what holds its register back."""
    _bring_up(node)
    now = node.clock.now()
    with node.store.read() as tx:
        found = [backlogs.stands(tx, node.ctx, each.key, now) for each in backlogs.own(node.ctx)]
        return {
            "organisation": node.me.key,
            "now": format_instant(now),
            "holding": _holding(tx, node, now),
            "backlogs": [told(each, node.chain.timezone) for each in worst_first(found)],
        }


def shown(node: Node, key: str) -> dict[str, Any]:
    """One backlog, with its account step by step and its imports. Raises Incorrect `backlog.unknown`."""
    _bring_up(node)
    with node.store.read() as tx:
        found = backlogs.stands(tx, node.ctx, key, node.clock.now())
        return told(found, node.chain.timezone) | {
            "steps": steps(found.account),
            "imports": backlogs.imports_of(tx, node.ctx, key) if found.backlog.counts == "import" else [],
        }


def account(node: Node, key: str, step: Instant | None = None) -> Account:
    """The account of one backlog, for forecasts. Raises Incorrect `backlog.unknown`."""
    _bring_up(node)
    with node.store.read() as tx:
        return backlogs.account(tx, node.ctx, key, step, node.clock.now())


def _bring_up(node: Node) -> None:
    with node.store.read() as tx:
        behind = deciding.behind(tx)
    if behind > MANY:
        node.store.write(deciding.advance)


def take_in(
    node: Node, key: str, said: imports.Said, digest: str, who: str, why: str, *, skip_bad: bool, dry_run: bool
) -> dict[str, Any]:
    """Take in what a file says of a backlog; with `dry_run` only tell what that would do."""
    if dry_run:
        with node.store.read() as tx:
            return backlogs.take_in(tx, node.ctx, key, said, digest, who, why, skip_bad=skip_bad, dry_run=True)
    return node.store.write(lambda tx: backlogs.take_in(tx, node.ctx, key, said, digest, who, why, skip_bad=skip_bad))


def undo(node: Node, key: str, who: str, why: str) -> dict[str, Any]:
    """Undo the last import of a backlog that stands."""
    return node.store.write(lambda tx: backlogs.undo(tx, node.ctx, key, who, why))


# -- a file, as it goes over the API ---------------------------------------------------------------------------------


def unpacked(
    step: int,
    until: str,
    periods: Sequence[tuple[str, int, int, int | None, int]],
    stays: Sequence[tuple[int, str, str | None]],
    left_out: Sequence[Mapping[str, Any]],
) -> imports.Said:
    """What was sent (`imports.packed`), looked at again: nobody's word counts for what can be checked.

    Raises Incorrect `backlog.refused` naming every fault.
    """
    faults = Faults("item")
    for each in left_out:
        faults.add(str(each["code"]), "; ".join(map(str, each["places"]))[:500], int(each["number"]))
    if step and not stays:
        rows = _periods(periods, faults)
        return imports.counted(rows, faults)
    if step or periods:
        got = f"{len(periods)} periods and {len(stays)} stays"
        raise Incorrect("backlog.refused", expected="periods with a step, or stays without", got=got)
    found = _stays(stays, faults)
    return imports.Said(0, {}, tuple(found), parse_instant(until), faults.told())


def _periods(periods: Sequence[tuple[str, int, int, int | None, int]], faults: Faults) -> dict[Instant, Period]:
    rows: dict[Instant, Period] = {}
    for at, came, went, stock, line in periods:
        start = parse_instant(at)
        if start in rows:
            faults.add("duplicate", line)
        elif min(came, went, stock or 0) < 0:
            faults.add("negative-count", line)
        elif max(came, went, stock or 0) > LARGEST:
            faults.add("count-too-large", line)
        else:
            rows[start] = Period(came, went, stock, line)
    return rows


def _stays(stays: Sequence[tuple[int, str, str | None]], faults: Faults) -> list[Stay]:
    found = []
    seen: set[tuple[Instant, Instant | None]] = set()
    for place, (number, since, ended) in enumerate(stays, 1):
        came, left = parse_instant(since), None if ended is None else parse_instant(ended)
        if not 0 < number <= LARGEST:
            faults.add("negative-count", place)
        elif left is not None and left < came:
            faults.add("completion-before-arrival", place)
        elif (came, left) in seen:
            faults.add("duplicate", place)
        else:
            found.append(Stay(number, came, came, left))
        seen.add((came, left))
    return found


# -- as JSON ---------------------------------------------------------------------------------------------------------


def told(it: Standing, zone: ZoneInfo) -> dict[str, Any]:
    """How one backlog stands."""
    backlog = it.backlog
    sentences = {}
    for language in LANGUAGES:
        _ = translator(language)
        sentences[f"lasts_{language}"] = backlog_words.lasts(it, zone, _)
        sentences[f"terms_{language}"] = backlog_words.terms(it, _)
    return {
        "key": backlog.key,
        "organisation": backlog.organisation,
        "process": backlog.process,
        "channel": backlog.channel,
        "title": dict(backlog.title),
        "counts": backlog.counts,
        "order": backlog.order,
        "step_days": backlog.step // DAY,
        "as_of": format_instant(it.now),
        "stock": it.stock,
        "came": it.came,
        "left": it.left,
        "normal": backlog.normal,
        "oldest": _moment(it.oldest),
        "hours": round(it.minutes / 60, 1),
        "per_week": {
            "came": round(7 * it.pace.came, 1),
            "gone": round(7 * it.pace.gone, 1),
            "growth": round(7 * it.pace.growth, 1),
            "needed": round(7 * needed(it.excess, it.pace), 1),
        },
        "ages": [{"from": first, "to": last, "count": n} for (first, last), n in zip(BOUNDS, it.ages, strict=True)],
        "overdue": it.overdue,
        "will_be_overdue": it.will_be,
        "classes": [_class(each, backlog) for each in it.classes],
        "caught_up": _ends(it.caught_up),
        "normal_again": _ends(it.normal_again),
        "left_out": [each.told() for each in it.account.left_out],
        "recent": [[each["until"], each["stock"]] for each in steps(it.account)[-RECENT:]],
    } | sentences


BOUNDS: tuple[tuple[int | None, int | None], ...] = tuple(
    zip((None, *BUCKETS), (*BUCKETS, None), strict=True)  # days from, days below
)


def _class(it: ClassState, backlog: Backlog) -> dict[str, Any]:
    of = next(each for each in backlog.classes if each.key == it.key)
    return {
        "key": it.key,
        "title": dict(of.title),
        "stock": it.stock,
        "hours": round(it.minutes / 60, 1),
        "minutes_each": of.minutes,
        "days": of.days,
        "source": dict(of.source),
        "overdue": it.overdue,
        "will_be_overdue": it.will_be,
        "oldest": _moment(it.oldest),
    }


def _moment(at: Instant | None) -> str | None:
    return None if at is None else format_instant(at)


def _ends(ends: CatchUp) -> dict[str, str | None]:
    return {"early": _moment(ends.early), "middle": _moment(ends.middle), "late": _moment(ends.late)}


def steps(it: Account) -> list[dict[str, Any]]:
    """What came and went in each step, and the stock at its end."""
    past = it.past
    return [
        {
            "from": format_instant(it.start + n * it.step),
            "until": format_instant(it.start + (n + 1) * it.step),
            "came": int(past.arrivals[n]),
            "gone": int(past.departures[n]),
            "stock": int(past.stock[n]),
        }
        for n in range(past.steps)
    ]


def _holding(tx: Connection, node: Node, now: Instant) -> dict[str, Any] | None:
    """What holds the organisation's own promises back; None where nothing does."""
    held = intake.held_back(tx)
    if not held:
        return None
    kinds = sorted(held)
    stays = exchanging.entry(tx, kinds)
    waiting = {
        channel: sum(s.n for s in exchanging.entry(tx, kinds, [channel]) if s.ended is None)
        for channel in exchanging.channels_of(tx, kinds)
    }
    own = (each for each in backlogs.own(node.ctx) if each.counts == "entry" and set(each.of) & set(kinds))
    order: Order = next((each.order for each in own), "oldest-first")
    every = Backlog("", node.me.key, "", "", {}, "entry", tuple(kinds), (), (), 0, DAY, order, ())
    stand = standing(every, {"": stays}, edges(now, DAY, node.chain.timezone), now)
    said = {each["kind"]: parse_instant(each["complete_through"]) for each in overview.own_streams(tx, node.ctx)}
    through = min(said.get(kind) or oldest - 1 for kind, (_number, oldest) in held.items())
    links = all(gate == "open" for each in overview.links(tx, node.ctx) for gate in (each["out"], each["in"]))
    ends = catch_up(stand.stock, stand.pace, order, now)
    it = backlog_words.Holding(through, waiting, ends, links, stand.pace.gone)
    return {
        "complete_through": format_instant(through),
        "kinds": kinds,
        "waiting": waiting,
        "count": it.number,
        "oldest": _moment(stand.oldest),
        "links_open": links,
        "per_week": round(7 * stand.pace.gone, 1),
        "caught_up": _ends(ends),
    } | {
        f"sentence_{language}": backlog_words.holding(it, node.chain.timezone, translator(language))
        for language in LANGUAGES
    }
