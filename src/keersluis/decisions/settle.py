"""Provisional, settled, revisit: what may be said of a decision, given the promises that have come in. Pure.

A decision is settled when each stream that could still change its level is complete through its moment, by the
bound on clock differences and to the end of the day for acts known by day (P2). An emergency route that is complete
lets a decision go out without a hold; it settles on the regular streams alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from keersluis.chain import WEIGHTS, Chain, Route
from keersluis.decisions.evidence import Alternative, Evidence, Marks, stand_ins, through
from keersluis.decisions.policies import Policy, PolicyVersion, outcome, waits_for
from keersluis.register.answers import RESERVED
from keersluis.times import Instant
from keersluis.watermarks import settles_up_to

FOREVER: Instant = 2**62
"""The greatest moment that is settled when nothing is waited for."""


Weights: TypeAlias = tuple[tuple[str, str], ...]
"""(covered kind, weight of the weightiest route that covers it) pairs."""


@dataclass(frozen=True, slots=True)
class Held:
    """Not issued: it may still change, in a case where that is risky, and no emergency route covers what is missing."""

    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Provisional:
    """Issued, but what comes on the `missing` streams may change it; for `covered` an emergency route is complete, and
    `weights` says what that proves."""

    missing: tuple[str, ...]
    covered: tuple[str, ...]
    weights: Weights = ()


@dataclass(frozen=True, slots=True)
class Settled:
    """Nothing that a source still owes can change it."""


@dataclass(frozen=True, slots=True)
class Revisit:
    """Issued at level `was`, found at level `now`; final when nothing is missing any more."""

    was: int
    now: int
    missing: tuple[str, ...]

    @property
    def final(self) -> bool:
        return not self.missing

    @property
    def harmful(self) -> bool:
        """Issued clear, found grave: worse than the reverse."""
        return self.now > self.was


State: TypeAlias = Held | Provisional | Settled | Revisit


class Derivation(NamedTuple):
    """What follows from evidence: `level` on the regular streams alone, `acting` with what emergency routes brought.

    `found` and `rules` belong to `acting`. `waits` are the kinds that could still change `level`, `missing` those of
    them that are not complete, `covered` those of the missing for which an emergency route is.
    """

    level: int
    acting: int
    found: tuple[str, ...]
    rules: tuple[int, ...]
    waits: tuple[str, ...]
    missing: tuple[str, ...]
    covered: tuple[str, ...]
    weights: Weights = ()


class Judgement(NamedTuple):
    """A decision's state and the level it was issued at; None while it is held."""

    state: State
    issued: int | None


_settles = lru_cache(maxsize=65536)(settles_up_to)


def settled_through(chain: Chain, kind: str, watermark: Instant) -> Instant:
    """The greatest moment that a watermark of `kind` settles. Doubt about facts is ended by no watermark."""
    if kind == RESERVED:
        return -FOREVER
    return _settles(watermark, chain.skew, chain.kinds[kind].resolution, chain.timezone)


def derive(version: PolicyVersion, moment: Instant, seen: Evidence, chain: Chain) -> Derivation:
    """Level, and what it still waits for: a function of policy version, facts, watermarks and moment."""
    regular = outcome(version, seen.facts, moment)
    waits = waits_for(version, regular.level)
    missing = missing_of(waits, seen.marks, moment, chain)
    if seen.reserved:
        missing = (*missing, RESERVED)
    if not missing or not seen.alternatives:
        return Derivation(regular.level, regular.level, regular.found, regular.rules, waits, missing, ())
    routes = [each for each in seen.alternatives if each.covers in missing]
    brought = [fact for each in routes for fact in each.facts]
    acting = outcome(version, [*seen.facts, *brought], moment) if brought else regular
    covered, weights = cover_of(missing, routes, seen.marks, moment, chain)
    return Derivation(regular.level, acting.level, acting.found, acting.rules, waits, missing, covered, weights)


def cover_of(
    missing: Iterable[str], routes: Iterable[Alternative], marks: Marks, moment: Instant, chain: Chain
) -> tuple[tuple[str, ...], Weights]:
    """Of the missing kinds, those for which a route is complete through the moment, and what that proves."""
    complete: dict[str, str] = {}
    for each in routes:
        if not missing_of(each.kinds, marks, moment, chain):
            complete[each.covers] = max(complete.get(each.covers, ""), each.weight, key=_rank)
    covered = tuple(path for path in missing if path in complete)
    return covered, tuple((path, complete[path]) for path in covered if complete[path])


def _rank(weight: str) -> int:
    return WEIGHTS.index(weight) if weight in WEIGHTS else -1


def missing_of(waits: Iterable[str], marks: Marks, moment: Instant, chain: Chain) -> tuple[str, ...]:
    """Of the kinds waited for, those that are not complete through the moment: every one counts, not the newest."""
    return tuple(path for path in waits if settled_through(chain, path, through(marks, path)) < moment)


def judge(policy: Policy, issued: int | None, found: Derivation) -> Judgement:
    """The state of a decision that went out at level `issued` (None: it did not go out yet)."""
    if issued is None:
        if holds(policy, found):
            return Judgement(Held(found.missing), None)
        issued = found.acting
    if found.acting != issued:
        return Judgement(Revisit(issued, found.acting, found.missing), issued)
    if found.missing:
        return Judgement(Provisional(found.missing, found.covered, found.weights), issued)
    return Judgement(Settled(), issued)


def holds(policy: Policy, found: Derivation) -> bool:
    """Risky cases only: where the policy says so, from its level on, and not where routes cover all that is missing by
    what the policy takes for enough."""
    weights = dict(found.weights)
    uncovered = set(found.missing) - {
        path for path in found.covered if suffices(policy, weights.get(path, policy.covered_by))
    }
    return policy.on_provisional == "hold" and bool(uncovered) and found.acting >= policy.hold_from_level


def suffices(policy: Policy, weight: str) -> bool:
    """Whether what an emergency route proves is enough for the policy to act without a hold."""
    return _rank(weight) >= _rank(policy.covered_by)


def gravity(policy: Policy, was: int, now: int) -> int:
    """How much a revisit matters: the difference of levels, by the weight that the policy gives it."""
    return policy.weight * abs(now - was)


def threshold(missing: Iterable[str], marks: Marks, chain: Chain) -> Instant:
    """The greatest moment settled for a group of decisions that wait for the same kinds (P6: one update for all)."""
    return min((settled_through(chain, path, through(marks, path)) for path in missing), default=FOREVER)


def cover_threshold(missing: Iterable[str], marks: Marks, policy: Policy, chain: Chain, at: Instant) -> Instant:
    """The greatest moment for which each kind is complete, itself or by an emergency route permitted at `at`."""
    able = (route for route in chain.routes.values() if suffices(policy, route.weight))
    routes = [route for route in able if permitted(route, policy.purpose, at)]
    reach = routes_reach(routes, marks, chain)
    return min(
        (max(settled_through(chain, path, through(marks, path)), reach.get(path, -FOREVER)) for path in missing),
        default=FOREVER,
    )


def permitted(route: Route, purpose: str, at: Instant) -> bool:
    """An emergency route counts for some purposes, and for some time."""
    in_time = route.start <= at and (route.until is None or at <= route.until)
    return in_time and (not route.purposes or purpose in route.purposes)


def routes_reach(routes: Iterable[Route], marks: Marks, chain: Chain) -> Mapping[str, Instant]:
    """Covered leaf -> the greatest moment for which a route covers it."""
    reach: dict[str, Instant] = {}
    for route in routes:
        streams = [kind.path for kind in chain.under(route.kind)]
        for path, kinds in stand_ins(streams, route.covers, chain).items():
            reach[path] = max(threshold(kinds, marks, chain), reach.get(path, -FOREVER))
    return reach
