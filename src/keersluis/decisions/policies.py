"""Policies: dated values with their legal source, and the two forms of rule that they are made of. Pure.

A policy gives a level (0 = nothing found) for a moment, from the facts known for it. Rules only ever look for
facts (`Exists`) or weigh one sum against a limit (`Sum`), so a level can only rise by facts that add and only fall
by facts that take away. `waits_for` rests on that: it says which streams could still change a level (P2).
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias
from zoneinfo import ZoneInfo

from keersluis.chain import WEIGHTS, Kind
from keersluis.errors import Incorrect
from keersluis.sections import Words
from keersluis.times import Instant, When, format_instant, local

ON_PROVISIONAL = ("proceed", "notify", "hold")
"""What an organisation does with a decision whose outcome may still change."""

UNDOING = ("end", "correct", "withdraw")
"""Actions on an earlier fact: a policy that sees a fact must also see what may undo it."""

_MOST_MONTHS = 200 * 12  # longer than any life or record; keeps dates within what a calendar holds

Scalar: TypeAlias = str | int | float | bool


class Known(NamedTuple):
    """One fact in force as a rule sees it; `kind` is a leaf, `content` the payload's own fields."""

    id: str
    kind: str
    when: When
    content: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Condition:
    """What a field of the content must be: `test` is ``equals``, ``in`` or ``at_least``. A missing field fails."""

    field: str
    test: str
    value: Scalar | tuple[Scalar, ...]

    def holds(self, content: Mapping[str, Any]) -> bool:
        got = content.get(self.field)
        if got is None:
            return False
        if self.test == "in":
            return isinstance(self.value, tuple) and got in self.value
        if self.test == "equals":
            return bool(got == self.value)
        return _number(got) is not None and _number(got) >= _number(self.value)  # type: ignore[operator]


@dataclass(frozen=True, slots=True)
class Exists:
    """A fact of one of `kinds` (leaves) whose event time lies within `months` before the moment (None: ever).

    `extended_by` names a field of the content with a number of months by which the look-back of that fact is longer.
    """

    kinds: frozenset[str]
    level: int
    where: tuple[Condition, ...] = ()
    months: int | None = None
    extended_by: str = ""


@dataclass(frozen=True, slots=True)
class Term:
    """The sum of `field` over facts of `kinds`; with `largest_per`, of those with one value there only the largest
    counts (a fine that a penalty replaces). Amounts below nothing do not count: what adds may never take away."""

    kinds: frozenset[str]
    field: str
    largest_per: str = ""


@dataclass(frozen=True, slots=True)
class Sum:
    """Sum of `plus` less sum of `minus` is more than `more_than`. Amounts are added as decimals, never as floats."""

    plus: tuple[Term, ...]
    minus: tuple[Term, ...]
    more_than: Decimal
    level: int


Rule: TypeAlias = Exists | Sum


class Source(NamedTuple):
    """Where a version comes from; `date` is ISO 8601, `url` may be empty for what has no page of its own."""

    title: str
    url: str
    date: str


@dataclass(frozen=True, eq=False)
class PolicyVersion:
    """One dated version. `kinds` are the leaves that it needs; `digest` (SHA-256, hex) changes with every rule."""

    policy: str
    number: int
    start: Instant
    source: Source
    text: Words
    kinds: tuple[Kind, ...]
    rules: tuple[Rule, ...]
    timezone: ZoneInfo
    digest: str = ""

    @property
    def needs(self) -> tuple[str, ...]:
        """The kind paths that a question for this version asks for."""
        return tuple(kind.path for kind in self.kinds)


@dataclass(frozen=True, eq=False)
class Policy:
    """Levels are ordered by gravity, the first means that nothing was found. `weight` makes its revisits graver.

    A hold applies from `hold_from_level` on: below it a provisional decision goes out. `covered_by` is the least that
    an emergency route must prove to lift a hold.
    """

    id: str
    title: Words
    decider: str
    purpose: str
    standing: bool
    levels: tuple[Words, ...]
    on_provisional: str
    versions: tuple[PolicyVersion, ...]
    hold_from_level: int = 0
    weight: int = 1
    covered_by: str = WEIGHTS[0]
    file: str = field(default="", compare=False)

    def at(self, moment: Instant) -> PolicyVersion:
        """The version in force at the moment that a decision speaks for. Raises Incorrect `policy.no-version`."""
        for version in reversed(self.versions):
            if version.start <= moment:
                return version
        raise Incorrect(
            "policy.no-version",
            expected=f"a moment from {format_instant(self.versions[0].start)} on, when {self.id} begins",
            got=format_instant(moment),
            where="moment",
        )

    def version(self, number: int) -> PolicyVersion:
        """Raises Incorrect `policy.unknown-version`."""
        for version in self.versions:
            if version.number == number:
                return version
        known = ", ".join(str(version.number) for version in self.versions)
        raise Incorrect("policy.unknown-version", expected=f"a version of {self.id}: {known}", got=str(number))


Policies: TypeAlias = Mapping[str, Policy]


class Outcome(NamedTuple):
    """`found` are the facts that make the level, `rules` the numbers (from 1) of the rules that hold at it."""

    level: int
    found: tuple[str, ...]
    rules: tuple[int, ...]


def outcome(version: PolicyVersion, facts: Iterable[Known], moment: Instant) -> Outcome:
    """The level for `moment`: a function of the set of facts with event time <= moment, never of their order.

    An act known by day precedes every moment of its day.
    """
    known = sorted((f for f in facts if f.when.start <= moment), key=lambda fact: (fact.when.start, fact.id))
    held = [(n, rule, _found(rule, known, moment, version.timezone)) for n, rule in enumerate(version.rules, 1)]
    level = max((rule.level for _n, rule, found in held if found), default=0)
    top = [(n, found) for n, rule, found in held if found and rule.level == level]
    ids = {fact.id: None for _n, found in top for fact in found}
    ordered = tuple(fact.id for fact in known if fact.id in ids)
    return Outcome(level, tuple(dict.fromkeys(ordered)), tuple(n for n, _found in top))


@lru_cache(maxsize=4096)
def waits_for(version: PolicyVersion, level: int) -> tuple[str, ...]:
    """The kinds that could still change an outcome of `level`; for all others, settling need not wait (P2).

    A kind that adds is waited for when one of its rules lies above the level; one that takes away, when it lowers a
    rule at the level; what withdraws or corrects may do either, always.
    """
    return tuple(kind.path for kind in version.kinds if _could_change(version, kind, level))


def _could_change(version: PolicyVersion, kind: Kind, level: int) -> bool:
    if kind.action in ("withdraw", "correct") or kind.effect == "either":
        return True
    if kind.action == "end":
        # Ending a payment raises what is still due: where a sum subtracts, an end may do either.
        return level > 0 or any(isinstance(rule, Sum) and rule.minus for rule in version.rules)
    if kind.effect == "adds":
        return any(kind.path in _raising(rule) and rule.level > level for rule in version.rules)
    return any(kind.path in _lowering(rule) and rule.level == level for rule in version.rules)


def _raising(rule: Rule) -> frozenset[str]:
    return rule.kinds if isinstance(rule, Exists) else _kinds_of(rule.plus)


def _lowering(rule: Rule) -> frozenset[str]:
    return frozenset() if isinstance(rule, Exists) else _kinds_of(rule.minus)


def _kinds_of(terms: Sequence[Term]) -> frozenset[str]:
    return frozenset().union(*(term.kinds for term in terms))


def rule_kinds(rule: Rule) -> frozenset[str]:
    """Every leaf that the rule looks at."""
    return _raising(rule) | _lowering(rule)


def _found(rule: Rule, known: Sequence[Known], moment: Instant, tz: ZoneInfo) -> list[Known]:
    """The facts that make the rule hold; empty when it does not."""
    if isinstance(rule, Exists):
        return [fact for fact in known if fact.kind in rule.kinds and _counts(rule, fact, moment, tz)]
    total = sum((_total(term, known) for term in rule.plus), Decimal(0))
    total -= sum((_total(term, known) for term in rule.minus), Decimal(0))
    return [fact for fact in known if fact.kind in rule_kinds(rule)] if total > rule.more_than else []


def _counts(rule: Exists, fact: Known, moment: Instant, tz: ZoneInfo) -> bool:
    if not all(condition.holds(fact.content) for condition in rule.where):
        return False
    if rule.months is None:
        return True
    extension = _number(fact.content.get(rule.extended_by)) if rule.extended_by else None
    longer = min(max(int(extension), 0), _MOST_MONTHS) if extension is not None else 0
    return fact.when.end >= months_before(moment, min(rule.months + longer, _MOST_MONTHS), tz)


def _total(term: Term, known: Sequence[Known]) -> Decimal:
    amounts = [(f, _number(f.content.get(term.field))) for f in known if f.kind in term.kinds]
    given = [(fact, amount) for fact, amount in amounts if amount is not None and amount > 0]
    if not term.largest_per:
        return sum((amount for _fact, amount in given), Decimal(0))
    largest: dict[str, Decimal] = {}
    for fact, amount in given:
        key = str(fact.content.get(term.largest_per))
        largest[key] = max(amount, largest.get(key, amount))
    return sum(largest.values(), Decimal(0))


def _number(value: object) -> Decimal | None:
    """A number of JSON as a decimal, exactly as it was written; anything else is no number."""
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        return None
    number = Decimal(str(value))
    return number if number.is_finite() else None


@lru_cache(maxsize=65536)
def months_before(moment: Instant, months: int, tz: ZoneInfo) -> Instant:
    """The same local time so many months earlier; a day that month lacks becomes its last."""
    there = local(moment, tz)
    years, month = divmod(there.year * 12 + there.month - 1 - months, 12)
    last = monthrange(years, month + 1)[1]
    earlier = there.replace(year=years, month=month + 1, day=min(there.day, last), microsecond=0)
    return int(earlier.timestamp()) * 1_000_000 + there.microsecond
