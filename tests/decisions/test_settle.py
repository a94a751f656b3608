"""P2: what is called settled never changes, whatever is still on its way; and the mistakes that would break it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from random import Random

import pytest
from hypothesis import given, settings

from decisions.small_world import (
    CHAIN,
    KINDS,
    START,
    TZ,
    World,
    known,
    level,
    randoms,
    some_acts,
    some_moment,
    some_version,
    some_world,
    version,
    worlds,
)
from keersluis.decisions.policies import Exists, Sum, Term, outcome, waits_for
from keersluis.decisions.settle import FOREVER, missing_of, settled_through, threshold
from keersluis.times import DAY, HOUR
from keersluis.watermarks import settles_up_to

Settled = Callable[[World], bool]


def settled(world: World) -> bool:
    waits = waits_for(world.policy, level(world.policy, world.came, world.moment))
    return not missing_of(waits, world.marks, world.moment, CHAIN)


def only_raising_kinds(world: World) -> bool:
    """The mistake: what adds is waited for, what takes away or undoes is not."""
    everything = waits_for(world.policy, level(world.policy, world.came, world.moment))
    waits = [path for path in everything if KINDS[path].effect == "adds"]
    return not missing_of(waits, world.marks, world.moment, CHAIN)


def newest_watermark(world: World) -> bool:
    """The mistake: the newest watermark stands for every needed one."""
    waits = waits_for(world.policy, level(world.policy, world.came, world.moment))
    through = {path: settled_through(CHAIN, path, mark) for path, mark in world.marks.items()}
    return not waits or max(through[path] for path in waits) >= world.moment


def no_skew(world: World) -> bool:
    """The mistake: clocks are taken to be equal."""
    waits = waits_for(world.policy, level(world.policy, world.came, world.moment))
    return all(settles_up_to(world.marks[p], 0, KINDS[p].resolution, TZ) >= world.moment for p in waits)


def days_as_instants(world: World) -> bool:
    """The mistake: an act known by day is taken to have happened when its day began."""
    waits = waits_for(world.policy, level(world.policy, world.came, world.moment))
    return all(settles_up_to(world.marks[p], CHAIN.skew, "instant", TZ) >= world.moment for p in waits)


def falsely(rule: Settled, world: World) -> bool:
    """`rule` calls settled what all acts together give another level."""
    came, everything = (level(world.policy, facts, world.moment) for facts in (world.came, world.acts))
    return came != everything and rule(world)


@given(worlds)
@settings(max_examples=200)
def test_p2_what_is_settled_stays_when_late_acts_come(world: World) -> None:
    assert not falsely(settled, world)


def test_p2_in_many_worlds() -> None:
    wrong = [seed for seed in range(15_000) if falsely(settled, some_world(Random(seed)))]
    assert wrong == [], "seeds of worlds in which a settled decision changed"


@pytest.mark.parametrize("mistake", [only_raising_kinds, newest_watermark, no_skew, days_as_instants])
def test_p2_the_property_finds_the_mistake_of(mistake: Settled) -> None:
    assert any(falsely(mistake, some_world(Random(seed))) for seed in range(15_000))


@given(randoms)
def test_what_adds_never_lowers_and_what_takes_away_never_raises(random: Random) -> None:
    """Rules are monotone in kinds that add and antitone in kinds that take away: `waits_for` rests on it."""
    policy, moment = some_version(random), some_moment(random)
    base = known(some_acts(random), moment)
    more = [fact._replace(id=f"new {fact.id}") for fact in known(some_acts(random), moment)]
    adds = [fact for fact in more if KINDS[fact.kind].effect == "adds"]
    takes = [fact for fact in more if KINDS[fact.kind].effect == "takes-away"]
    start = outcome(policy, base, moment).level
    assert outcome(policy, base + adds, moment).level >= start
    assert outcome(policy, base + takes, moment).level <= start


@given(randoms)
def test_p3_an_outcome_depends_on_the_set_of_facts_and_not_on_their_order(random: Random) -> None:
    world = some_world(random)
    facts = known(world.acts, world.moment)
    shuffled = random.sample(facts, len(facts))
    assert outcome(world.policy, shuffled, world.moment) == outcome(world.policy, facts, world.moment)


def test_nothing_found_waits_for_all_that_could_add_and_the_highest_level_only_for_what_could_take_away() -> None:
    policy = version([Exists(frozenset({"charge.small"}), 1), Exists(frozenset({"charge.great"}), 2)])
    assert set(waits_for(policy, 0)) == {"charge.small", "charge.great", "undoing", "mending", "remark"}
    assert set(waits_for(policy, 1)) == {"charge.great", "closing", "undoing", "mending", "remark"}
    assert set(waits_for(policy, 2)) == {"closing", "undoing", "mending", "remark"}


def test_the_end_of_a_payment_is_waited_for_where_a_sum_subtracts_it() -> None:
    """An end takes away, but of what takes away itself: then it raises what is due."""
    due = Sum((Term(frozenset({"charge.small"}), "amount"),), (Term(frozenset({"payment"}), "amount"),), Decimal(0), 1)
    assert "closing" in waits_for(version([due]), 0)
    assert "closing" not in waits_for(version([Exists(frozenset({"charge.small"}), 1)]), 0)


def test_a_day_is_settled_only_when_the_promise_covers_its_end() -> None:
    noon = START + 12 * HOUR
    assert settled_through(CHAIN, "charge.small", noon + HOUR) == noon
    assert settled_through(CHAIN, "charge.great", noon + HOUR) == START - 1
    assert settled_through(CHAIN, "charge.great", START + DAY - 1 + HOUR) == START + DAY - 1


def test_a_group_settles_up_to_the_least_of_all_that_it_waits_for() -> None:
    marks = {"charge.small": START + 5 * DAY, "undoing": START + 2 * DAY + HOUR}
    assert threshold(("charge.small", "undoing"), marks, CHAIN) == START + 2 * DAY
    assert threshold((), marks, CHAIN) == FOREVER
    assert threshold(("charge.small", "mending"), marks, CHAIN) < 0
