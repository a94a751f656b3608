"""Emergency routes at the register: one act that came two ways is one fact with two proofs, counted once, in any order
of arrival; a route ends when its gate is closed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keersluis.chain import Chain
from keersluis.exchange import gatekeeper
from keersluis.exchange.envelope import Received
from keersluis.exchange.gates import GateOrder
from keersluis.register.answers import Answer, StatedFact
from keersluis.times import DAY, HOUR, format_instant
from register.harness import (
    CHAIN,
    CORRECTION,
    NEEDS,
    POLICE,
    SERIOUS,
    START,
    WITHDRAWAL,
    Desk,
    event,
    open_desk,
    question,
)

AT = START + 30 * DAY
"""The route is permitted then."""

UNDONE = replace(
    CHAIN,
    kinds=CHAIN.kinds
    | {"police-withdrawal": replace(CHAIN.kinds[WITHDRAWAL], path="police-withdrawal", source="politie", counts=False)},
    routes={
        "police-serious": CHAIN.routes["police-serious"],
        "undoing": replace(CHAIN.routes["police-serious"], key="undoing", kind="police-withdrawal"),
    },
)
"""A chain in which the police can take back what they sent."""


def police(id_: str = "p", case: str | None = "C-1", *, chain: Chain = CHAIN, **content: Any) -> Received:
    filled = {"offence": "robbery"} | ({"case": case} if case else {}) | content
    return event(POLICE, id_, "skn:1", "2025-07-26T10:00:00Z", content=filled, chain=chain)


def regular(id_: str = "r", case: str | None = "C-1", **content: Any) -> Received:
    filled = {"offence": "robbery"} | ({"case": case} if case else {}) | content
    return event(SERIOUS, id_, "skn:1", "2025-07-27T10:00:00Z", content=filled)


def asked(desk: Desk, id_: str = "s") -> Answer:
    (answer,) = desk.ask(question(id_, moment=AT, purpose="screening"))
    return answer


def brought(answer: Answer) -> list[StatedFact]:
    return [fact for each in answer.alternatives for fact in each.facts]


def proofs(fact: StatedFact) -> list[tuple[str, str, str]]:
    return [(each.id, each.weight, each.route) for each in fact.proofs]


@pytest.mark.parametrize("first", ["police", "regular"])
def test_P3_one_act_that_came_two_ways_is_one_fact_with_two_proofs(first: str) -> None:
    desk = open_desk(at=AT)
    for arriving in (police(), regular()) if first == "police" else (regular(), police()):
        desk.apply(arriving)
    answer = asked(desk)
    (fact,) = answer.facts
    assert proofs(fact) == [("r", "full", ""), ("p", "indication", "police-serious")]
    assert [each.origin.partition("/")[2] for each in fact.proofs] == [f"{SERIOUS}/1", f"{POLICE}/1"]
    assert [(each.id, each.same_as) for each in brought(answer)] == [("p", "r")]
    assert {each.weight for each in answer.alternatives} == {"indication"}


def test_a_look_up_shows_the_act_once() -> None:
    desk = open_desk(at=AT)
    desk.apply(police(), police("other", "C-2"), regular())
    found = desk.look_up("skn:1", purpose="screening")
    assert [fact.id for fact in found.facts] == ["other", "r"]
    assert proofs(found.facts[1]) == [("r", "full", ""), ("p", "indication", "police-serious")]
    assert all(fact.proofs == [] for fact in desk.look_up("skn:1", purpose="vog").facts), "not for that purpose"


def test_a_look_up_as_it_was_known_knows_of_no_later_proof() -> None:
    desk = open_desk(at=AT)
    desk.apply(police())
    desk.clock.set(AT + DAY)
    desk.apply(regular())
    then = desk.look_up("skn:1", purpose="screening", known_at=AT + HOUR)
    assert [(fact.id, fact.same_as, fact.proofs) for fact in then.facts] == [("p", "", [])]


@pytest.mark.parametrize(("one", "other"), [("C-1", "C-2"), (None, None), ("C-1", None)])
def test_nothing_is_guessed_where_the_reference_does_not_agree(one: str | None, other: str | None) -> None:
    desk = open_desk(at=AT)
    desk.apply(police(case=one), regular(case=other))
    answer = asked(desk)
    assert [(fact.same_as, fact.proofs) for fact in [*answer.facts, *brought(answer)]] == [("", []), ("", [])]


def test_where_they_differ_the_regular_one_counts_and_the_difference_is_shown() -> None:
    desk = open_desk(at=AT)
    desk.apply(police(maximum_months=96, weapon="knife"), regular(maximum_months=48))
    (fact,) = asked(desk).facts
    assert fact.content["maximum_months"] == 48
    assert [each.differs for each in fact.proofs] == [[], ["maximum_months"]]


def test_two_reports_of_one_act_by_the_route_count_once_too() -> None:
    desk = open_desk(at=AT)
    desk.apply(police("p2"), police("p1"))
    facts = brought(asked(desk))
    assert [(each.id, each.same_as) for each in facts] == [("p1", ""), ("p2", "p1")]
    assert proofs(facts[0]) == [("p1", "indication", "police-serious"), ("p2", "indication", "police-serious")]


def test_what_the_regular_source_withdrew_the_route_does_not_bring_back() -> None:
    desk = open_desk(at=AT)
    desk.apply(police(), regular(), event(WITHDRAWAL, "w", "skn:1", "2025-07-28T10:00:00Z", refers_to="r"))
    answer = asked(desk)
    assert answer.facts == []
    assert [(each.id, each.same_as) for each in brought(answer)] == [("p", "r")]


def test_a_proof_that_the_route_took_back_is_none() -> None:
    desk = open_desk(at=AT, chain=UNDONE)
    undoing = event("police-withdrawal", "u", "skn:1", "2025-07-28T10:00:00Z", refers_to="p", chain=UNDONE)
    desk.apply(police(chain=UNDONE), regular(), undoing)
    (fact,) = asked(desk).facts
    assert (fact.id, fact.proofs) == ("r", [])


def _said(answer: Any) -> Any:
    """What an answer says, without when it was said."""
    plain = msgspec.to_builtins(answer) if isinstance(answer, Answer) else dict(answer)
    return {name: plain[name] for name in ("facts", "alternatives")}


def _events(random: Random) -> list[Received]:
    """Acts in a few cases by both ways; some corrected, some withdrawn."""
    found: list[Received] = []
    ways = random.choice([(police,), (police, regular)])
    for n in range(random.randint(2, 6)):
        case = random.choice(["C-1", "C-1", "C-2", None])
        act = random.choice(ways)
        found.append(act(f"{act.__name__[0]}{n}", case, maximum_months=random.choice([48, 96])))
    for n in range(random.randint(0, 3)):
        target = random.choice(found).envelope.id
        kind = random.choice([WITHDRAWAL, CORRECTION])
        content = {"offence": "theft", "case": random.choice(["C-1", "C-2"])}
        found.append(event(kind, f"a{n}", "skn:1", "2025-07-30T10:00:00Z", refers_to=target, content=content))
    return found


def _arrived(events: Sequence[Received], random: Random) -> Any:
    """The last word on a question, when the events came in some order, in some batches, before and after it."""
    desk = open_desk(at=AT)
    left, put_off = list(events), random.randint(0, len(events))
    random.shuffle(left)
    word: Any = None
    while left or word is None:
        if word is None and len(left) <= put_off:
            word = _said(asked(desk))
        batch, left = left[:2], left[2:]
        if batch:
            desk.clock.set(desk.clock.now() + HOUR)  # so that what arrives first is known as such
            desk.apply(*batch)
    told = desk.supplements()
    return _said(told[-1]["answer"]) if told else word


@settings(max_examples=80)
@given(st.integers(0, 2**32))
def test_P3_any_order_of_arrival_ends_in_the_same_answer(seed: int) -> None:
    random = Random(seed)
    events = _events(random)
    at_once = open_desk(at=AT)
    at_once.apply(*events)
    expected = _said(asked(at_once))
    assert _arrived(events, random) == expected
    _check_once(expected, events)


def _check_once(said: Any, events: Sequence[Received]) -> None:
    """By a naive count: of each case at most one fact counts for the acts of the route."""
    counting = [fact for each in said["alternatives"] for fact in each["facts"] if not fact.get("same_as")]
    cases = [fact["content"]["case"] for fact in counting if "case" in fact["content"]]
    by_regular = {fact["content"].get("case") for fact in said["facts"]}
    assert len(cases) == len(set(cases))
    assert not set(cases) & (by_regular - {None})


# --- the end of a route


def order(desk: Desk, state: str, kind: str = "police-data", link: str = "*") -> None:
    told = GateOrder(desk.clock.now(), "*", "in", kind, state, "crisis team", "it has served", link=link)  # type: ignore[arg-type]
    desk.store.write(lambda tx: gatekeeper.move(tx, desk.ctx, told))


def test_a_route_is_in_use_only_while_its_gate_stands_open() -> None:
    desk = open_desk(at=AT)
    desk.apply(police())
    assert len(asked(desk).alternatives) == 1
    order(desk, "closed", link="wire")
    assert len(asked(desk, "by-hand").alternatives) == 1, "letters and bundles still come in"
    order(desk, "closed")
    assert asked(desk, "closed").alternatives == []
    order(desk, "open")
    assert len(asked(desk, "again").alternatives) == 1


def test_askers_are_told_at_once_that_a_route_promises_nothing_any_more() -> None:
    desk = open_desk(at=AT)
    asked(desk)
    desk.complete(AT)

    def told() -> str:
        return next(m["complete_through"] for m in desk.completeness()[-1]["watermarks"] if m["kind"] == POLICE)

    assert told() == format_instant(AT)
    order(desk, "closed")
    desk.moved({})
    assert told() == format_instant(0)
    number = len(desk.completeness())
    desk.moved({})
    assert len(desk.completeness()) == number, "it is told once"
    order(desk, "open")
    desk.complete(AT + HOUR)
    assert told() == format_instant(AT + HOUR)


def test_a_closed_gate_takes_nothing_from_who_needs_the_kind_itself() -> None:
    desk = open_desk(at=AT)
    desk.ask(question("d", moment=AT, purpose="screening", needs=[*NEEDS, POLICE]))
    desk.complete(AT + DAY)
    order(desk, "closed")
    desk.moved({})
    marks = {m["kind"]: m["complete_through"] for m in desk.completeness()[-1]["watermarks"]}
    assert marks[POLICE] == format_instant(AT + DAY)
