"""A small chain and random worlds in it: acts, policies, and what has come in while every source kept its promises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

import msgspec
from hypothesis import strategies as st

from keersluis.chain import Chain, Kind, Organisation
from keersluis.decisions.policies import (
    Condition,
    Exists,
    Known,
    PolicyVersion,
    Rule,
    Source,
    Sum,
    Term,
    outcome,
)
from keersluis.register.facts import Fact, in_force
from keersluis.times import DAY, HOUR, Instant, When, day_of

TZ = ZoneInfo("Europe/Amsterdam")
START = day_of(1_740_000_000 * 1_000_000, TZ).start
SKEW = HOUR
DAYS = 6


def _kind(path: str, action: str, effect: str, resolution: str) -> Kind:
    return Kind(path, {"nl": path, "en": path}, "source", ("register",), resolution, action, effect, HOUR, False, 1)


KINDS = {
    kind.path: kind
    for kind in (
        _kind("charge.small", "record", "adds", "instant"),
        _kind("charge.great", "record", "adds", "day"),
        _kind("payment", "record", "takes-away", "instant"),
        _kind("remark", "record", "either", "day"),
        _kind("closing", "end", "takes-away", "day"),
        _kind("undoing", "withdraw", "either", "instant"),
        _kind("mending", "correct", "either", "instant"),
    )
}
CHAIN = Chain(
    name="small",
    title={"nl": "klein", "en": "small"},
    type_prefix="org.example",
    timezone=TZ,
    skew=SKEW,
    heartbeat=HOUR,
    organisations={
        "source": Organisation("source", "1" * 20, {"nl": "Bron", "en": "Source"}, ("source",), True),
        "register": Organisation("register", "2" * 20, {"nl": "Register", "en": "Register"}, ("register",), True),
    },
    kinds=KINDS,
    routes={},
    folder=Path("small"),
)
ADDING = ("charge.small", "charge.great", "remark")
TAKING = ("payment", "remark")


def some_moment(random: Random) -> Instant:
    return START + random.randrange(DAYS * 24) * HOUR


def some_acts(random: Random, most: int = 7) -> list[Fact]:
    """Acts on one subject; what ends, undoes or mends refers to any act drawn before it."""
    found: list[Fact] = []
    for n in range(random.randint(0, most)):
        kind = KINDS[random.choice(sorted(KINDS) if found else sorted({*ADDING, *TAKING}))]
        at = some_moment(random)
        when = day_of(at, TZ) if kind.resolution == "day" else When(at, at)
        content = {"amount": random.randint(1, 3), "grade": random.randint(1, 2)}
        refers_to = None if kind.action == "record" else random.choice(found).id
        valid_from = None if kind.action == "correct" else when.start
        found.append(
            Fact(
                f"f{n}",
                "person:1",
                f"{'1' * 20}/{kind.path}/1",
                n + 1,
                kind.path,
                kind.action,
                when,
                at,
                at,
                valid_from,
                None,
                refers_to,
                msgspec.json.encode(content),
            )
        )
    return found


def _paths(random: Random, paths: Sequence[str]) -> frozenset[str]:
    return frozenset(random.sample(paths, random.randint(1, len(paths))))


def _rule(random: Random) -> Rule:
    level = random.randint(1, 3)
    if random.random() < 0.5:
        grade = Condition("grade", "at_least", random.randint(1, 2))
        return Exists(_paths(random, ADDING), level, random.choice([(), (grade,)]))
    plus = Term(_paths(random, ADDING), "amount", random.choice(["", "grade"]))
    minus = (Term(_paths(random, TAKING), "amount"),) if random.random() < 0.7 else ()
    return Sum((plus,), minus, Decimal(random.randint(0, 3)), level)


def version(rules: Sequence[Rule]) -> PolicyVersion:
    """A version that needs every kind of the small chain."""
    text = {"nl": "verzonnen", "en": "made up"}
    return PolicyVersion("p", 1, 0, Source("made up", "", "2020-01-01"), text, tuple(KINDS.values()), tuple(rules), TZ)


def some_version(random: Random) -> PolicyVersion:
    return version([_rule(random) for _n in range(random.randint(1, 4))])


def level(policy: PolicyVersion, facts: Sequence[Fact], moment: Instant) -> int:
    """The level that the register's facts give."""
    return outcome(policy, known(facts, moment), moment).level


def known(facts: Sequence[Fact], moment: Instant) -> list[Known]:
    """What an answer of the register would state."""
    return [
        Known(fact.id, fact.kind, fact.when, msgspec.json.decode(fact.content))
        for fact in in_force(facts, moment=moment, valid_at=moment)
    ]


@dataclass(frozen=True)
class World:
    """All acts, of which `late` have not come in; the watermark of each kind; a decision for `moment`."""

    policy: PolicyVersion
    acts: Sequence[Fact]
    late: frozenset[str]
    marks: Mapping[str, Instant]
    moment: Instant

    @property
    def came(self) -> list[Fact]:
        return [fact for fact in self.acts if fact.id not in self.late]


def some_world(random: Random) -> World:
    """Promises are kept: what is late happened after its kind's watermark, give or take the skew."""
    drawn = some_acts(random)
    marks = {path: some_moment(random) + random.choice([0, 30 * 60_000_000, DAY - 1]) for path in KINDS}
    if random.random() < 0.5:  # one source is cut off, the others are not
        cut = random.choice(sorted(KINDS))
        marks = {path: mark if path == cut else START + 2 * DAYS * DAY for path, mark in marks.items()}
    late = {f.id for f in drawn if f.when.end > marks[f.kind] - SKEW and random.random() < 0.7}
    return World(some_version(random), drawn, frozenset(late), marks, some_moment(random))


randoms = st.randoms(use_true_random=False)
worlds = randoms.map(some_world)
"""Hypothesis makes a failing world smaller; for a sweep of many, seeds are a hundred times faster."""
