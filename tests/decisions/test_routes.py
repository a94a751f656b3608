"""Emergency routes at the decider: they cover and do not settle, an act counts once, an indication is named as such,
and a route whose gate the register closed covers nothing any more."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from decisions.deciders import (
    CHAIN,
    CUT,
    DAY,
    LATER,
    MOMENT,
    Decider,
    answer,
    complete,
    fact,
    marks,
    open_decider,
    supplement,
)
from keersluis.chain import Chain, Route, copy_template, load_chain
from keersluis.decisions import desk
from keersluis.decisions.evidence import evidence
from keersluis.decisions.policies import PolicyVersion, Source, Sum, Term
from keersluis.decisions.policyfiles import load_policies, policies_of
from keersluis.decisions.settle import Held, Provisional, Revisit, Settled, derive, holds, judge
from keersluis.errors import Incorrect
from keersluis.exchange import gatekeeper
from keersluis.exchange.gates import GateOrder
from keersluis.register.answers import Alternative, Answer, StatedFact
from keersluis.timeline import log
from keersluis.times import format_instant
from register.harness import event, open_desk

GRAVE = "judgment.serious"
POLICE = "police-data.serious"
SHORT = marks(MOMENT + 3 * DAY, judgment_serious=CUT)
ALL = marks(MOMENT + 3 * DAY)
PENDING = fact("prosecution-decision.other", "2025-07-01T10:00:00Z")


def chain_with_route(weight: str = "indication") -> Chain:
    """The police may stand in, at immigration, for convictions for violence that do not come."""
    kinds = {path: replace(kind, purposes=()) for path, kind in CHAIN.kinds.items()}
    words = {"nl": "bevel", "en": "order"}
    route = Route("r", POLICE, GRAVE, words, words, CUT, None, ("immigration",), weight, ("case",))
    return replace(CHAIN, kinds=kinds, routes={"r": route})


def brought(*facts: StatedFact, weight: str = "indication", through: int = MOMENT + DAY) -> Alternative:
    return Alternative("r", "1" * 20, POLICE, format_instant(through), GRAVE, list(facts), weight)


def report(id_: str = "p", same_as: str = "", **content: Any) -> StatedFact:
    return StatedFact(id_, "2" * 20, POLICE, "2025-07-20T10:00:00Z", None, None, content, same_as)


def conviction(id_: str = "r", **content: Any) -> StatedFact:
    return fact(GRAVE, "2025-07-21", id_, **content)


def taken(*facts: StatedFact, weight: str = "indication", found: tuple[StatedFact, ...] = (PENDING,)) -> Decider:
    decider = open_decider("ind", chain_with_route(weight))
    given = answer("d1", *found, watermarks=SHORT, alternatives=[brought(*facts, weight=weight)])
    decider.take(given, policy="immigration")
    return decider


def test_an_indication_covers_a_hold_and_is_named_as_such() -> None:
    decider = taken()
    policy = policies_of(decider.ctx.chain)["immigration"]
    assert decider.get().state == Provisional((GRAVE,), (GRAVE,), ((GRAVE, "indication"),))
    assert decider.get().document(policy)["covered_by"] == {GRAVE: "indication"}
    with decider.store.read() as tx:
        (basis,) = desk.basis_of(tx, "d1")
    assert dict(basis["weights"]) == {GRAVE: "indication"}
    assert basis["answer"]["alternatives"][0]["weight"] == "indication"
    assert decider.replay() == ()


@pytest.mark.parametrize(("weight", "held"), [("indication", True), ("full", False)])
def test_a_policy_may_ask_for_more_than_an_indication(weight: str, held: bool) -> None:
    chain = chain_with_route(weight)
    strict = replace(policies_of(chain)["immigration"], covered_by="full")
    seen = evidence(answer("d1", PENDING, watermarks=SHORT, alternatives=[brought(weight=weight)]), chain)
    found = derive(strict.at(MOMENT), MOMENT, seen, chain)
    assert found.covered == (GRAVE,)
    assert holds(strict, found) is held
    assert isinstance(judge(strict, None, found).state, Held) is held


def test_a_policy_says_in_its_file_what_covers_it(tmp_path: Any) -> None:
    folder = copy_template("nl-justice", tmp_path / "chain")
    file = folder / "policies" / "immigration.toml"
    file.write_text('covered_by = "full"\n' + file.read_text(encoding="utf-8"), encoding="utf-8")
    assert load_policies(load_chain(folder))["immigration"].covered_by == "full"
    file.write_text(file.read_text(encoding="utf-8").replace('"full"', '"fully"'), encoding="utf-8")
    with pytest.raises(Incorrect, match="did you mean 'full'"):
        load_policies(load_chain(folder))


def test_it_covers_and_does_not_settle() -> None:
    """However complete the route is; the regular stream alone settles."""
    decider = taken()
    decider.hear(complete(SHORT | {POLICE: MOMENT + 90 * DAY}))
    assert isinstance(decider.get().state, Provisional)
    decider.hear(complete(ALL | {POLICE: MOMENT + 90 * DAY}))
    assert decider.get().state == Settled()


def test_an_act_with_two_proofs_is_counted_once() -> None:
    """A sum over amounts, while the regular stream is not complete yet."""
    chain = chain_with_route()
    kinds = tuple(chain.kinds[path] for path in (GRAVE, "prosecution-decision.other"))
    rule = Sum((Term(frozenset({GRAVE}), "months"),), (), Decimal(15), 1)
    version = PolicyVersion("p", 1, 0, Source("", "", ""), {"nl": "x", "en": "x"}, kinds, (rule,), chain.timezone)

    def level(*facts: StatedFact, regular: StatedFact | None = None) -> tuple[int, int]:
        stated = [regular] if regular else []
        given = answer("d1", *stated, watermarks=SHORT, alternatives=[brought(*facts)])
        found = derive(version, MOMENT, evidence(given, chain), chain)
        return found.level, found.acting

    assert level(report(months=10)) == (0, 0)
    assert level(report(months=10), regular=conviction(months=10)) == (0, 1), "two acts"
    assert level(report(months=10, same_as="r"), regular=conviction(months=10)) == (0, 0), "one act, two proofs"
    assert level(report(months=20, same_as="r"), regular=conviction(months=10)) == (0, 0), "the regular one counts"


def test_when_the_regular_fact_says_otherwise_the_decision_is_to_be_revisited() -> None:
    decider = taken(report(case="C-1"))
    issued = decider.get().issued
    assert issued is not None
    decider.hear(
        supplement(
            answer(
                "d1", PENDING, watermarks=SHORT, alternatives=[brought(report(same_as="gone", case="C-1"))], at=LATER
            ),
        )
    )
    state = decider.get().state
    assert isinstance(state, Revisit)
    assert (state.was, state.now) == (issued, 1)
    (row,) = decider.desk()
    assert "with an indication from an emergency route in its place" in row["because_en"]
    assert "met in de plaats daarvan een aanwijzing langs een noodroute" in row["because_nl"]
    assert decider.replay() == ()


def test_a_route_that_ended_covers_nothing_any_more_and_what_went_out_stays_out() -> None:
    decider = taken()
    before = decider.get()
    decider.hear(complete(SHORT | {POLICE: MOMENT + DAY}))
    assert decider.get().state == before.state
    decider.hear(complete(SHORT | {POLICE: 0}))
    after = decider.get()
    assert after.state == Provisional((GRAVE,), ()), "issued and provisional, on nothing"
    assert after.issued == before.issued
    decider.take(answer("new", PENDING, watermarks=SHORT), policy="immigration")
    assert isinstance(decider.get("new").state, Held)
    decider.hear(complete(SHORT | {POLICE: 0}))
    assert isinstance(decider.get("new").state, Held), "the promise that it once gave releases nothing"
    decider.hear(complete(SHORT | {POLICE: MOMENT + DAY}))
    assert isinstance(decider.get("new").state, Provisional), "its gate is open again"


def test_a_route_whose_permission_has_run_out_covers_nothing() -> None:
    chain = chain_with_route()
    ends = replace(chain.routes["r"], until=MOMENT + DAY)
    decider = open_decider("ind", replace(chain, routes={"r": ends}))
    decider.take(answer("d1", PENDING, watermarks=SHORT, alternatives=[brought()]), policy="immigration")
    assert decider.get().state == Provisional((GRAVE,), (GRAVE,), ((GRAVE, "indication"),))
    decider.clock.set(MOMENT + 2 * DAY)
    assert decider.get().state == Provisional((GRAVE,), ())


def test_ending_a_route_is_a_gate_move_from_the_register_to_the_decider() -> None:
    """The register's own words, as the decider hears them."""
    chain = chain_with_route()
    register, decider = open_desk(at=MOMENT, chain=chain), open_decider("ind", chain)
    register.complete(MOMENT + 3 * DAY, but={GRAVE: CUT})
    request = {"policy": "immigration", "subject": "skn:1", "moment": format_instant(MOMENT)}

    def decide(id_: str) -> None:
        (asked,) = desk.questions_for(chain, policies_of(chain), [request | {"id": id_}])
        (given,) = register.ask(asked, asker="ind")
        decider.take(given, policy="immigration")

    heard = 0

    def pass_on() -> None:
        nonlocal heard
        register.moved({})
        bodies = [sent.data for sent in register.sent[heard:]]
        heard = len(register.sent)
        decider.hear(*bodies)

    register.apply(
        event("prosecution-decision.other", "x", "skn:1", "2025-07-01T10:00:00Z", chain=chain, position=1),
    )
    decide("before")
    pass_on()
    assert decider.get("before").state == Provisional((GRAVE,), (GRAVE,), ((GRAVE, "indication"),))
    closing = GateOrder(register.clock.now(), "*", "in", "police-data", "closed", "minister", "it has served")
    register.store.write(lambda tx: gatekeeper.move(tx, register.ctx, closing))
    decide("after")
    pass_on()
    assert decider.get("before").state == Provisional((GRAVE,), ())
    assert decider.get("before").issued is not None
    assert isinstance(decider.get("after").state, Held)
    with register.store.read() as tx:
        (moved,) = [entry.body for entry in log.entries(tx, limit=1000) if entry.kind == "gate.moved"]
    assert (moved["who"], moved["why"], moved["kind"]) == ("minister", "it has served", "police-data")


def test_an_answer_from_before_weights_is_read_and_made_again_the_same() -> None:
    """What was stored by an earlier version has no weight, no proofs: its basis gives the same bytes."""
    plain = msgspec.to_builtins(answer("d1", PENDING, watermarks=SHORT, alternatives=[brought(weight="")]))
    assert "weight" not in plain["alternatives"][0]
    assert all("proofs" not in each and "same_as" not in each for each in plain["facts"])
    decider = open_decider("ind", chain_with_route())
    decider.take(msgspec.convert(plain, Answer), policy="immigration")
    assert decider.get().state == Provisional((GRAVE,), (GRAVE,))
    assert decider.replay() == ()
