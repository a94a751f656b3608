"""The form that moves a gate: all that is wrong at once, nothing that a gate would refuse, and a way back (P4)."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keersluis.exchange.gates import GateOrder, check_order
from keersluis.web import orders
from keersluis.web.scene import Scene
from keersluis.words import translator
from web.fixtures import CHAIN, LINKS, chain_statuses

GOOD = {"state": "closed", "who": "crisis manager", "why": "advisory of the NCSC"}
HERE = Scene(translator("en"), CHAIN, chain_statuses("calm"))


def check(form: dict[str, str], here: Scene = HERE, organisation: str = "om") -> orders.Checked:
    return orders.check(here, organisation, orders.values_of(form))


def consequences(form: dict[str, str], here: Scene = HERE) -> str:
    checked = check(form, here)
    assert checked.problems == ()
    return re.sub(r"<.*?>", "", " ".join(orders.consequences(here, "om", checked.order)))


def test_an_empty_form_names_everything_that_is_wrong_in_the_order_of_the_form() -> None:
    assert [problem.field for problem in check({}).problems] == ["state", "who", "why"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("state", "ajar"),
        ("peer", "nobody"),
        ("direction", "up"),
        ("kind", "gossip"),
        ("who", " "),
        ("why", ""),
        ("why", "x" * 1001),
        ("who", "x" * 101),
        ("evidence", "x" * 301),
        ("until", "tomorrow"),
        ("until", "2001-01-01T00:00"),
        ("until", "9999-12-31T23:59"),
    ],
)
def test_one_wrong_field_is_the_one_that_is_named(field: str, value: str) -> None:
    problems = check({**GOOD, field: value}).problems
    if value.startswith("9999"):
        assert problems == ()  # far, but a moment still to come
    else:
        assert [problem.field for problem in problems] == [field]


@pytest.mark.parametrize("rate", ["", "0", "-5", "many", "nan", "inf", "1e99"])
def test_metering_needs_a_number_above_nothing(rate: str) -> None:
    assert [problem.field for problem in check({**GOOD, "state": "metered", "rate": rate}).problems] == ["rate"]


@pytest.mark.parametrize(("rate", "per_second"), [("300", 5.0), ("1,5", 0.025), ("0.6", 0.01)])
def test_people_meter_by_the_minute_and_gates_by_the_second(rate: str, per_second: float) -> None:
    assert check({**GOOD, "state": "metered", "rate": rate}).order["rate"] == pytest.approx(per_second)


def test_a_rate_is_forgotten_when_the_gate_is_not_metered() -> None:
    assert check({**GOOD, "rate": "300"}).order["rate"] is None


def test_until_is_read_on_the_clocks_of_the_chain() -> None:
    assert check({**GOOD, "until": "2025-08-25T12:00"}).order["until"] == "2025-08-25T10:00:00Z"
    assert check({**GOOD, "until": "2025-12-25T12:00"}).order["until"] == "2025-12-25T11:00:00Z"


def test_what_was_typed_is_kept() -> None:
    typed = {**GOOD, "state": "ajar", "evidence": " NCSC-2025-0196 ", "rate": "many"}
    values = check(typed).values
    assert (values["state"], values["evidence"], values["rate"]) == ("ajar", "NCSC-2025-0196", "many")


field = st.one_of(st.text(max_size=40), st.sampled_from(["*", "in", "out", "closed", "metered", "open", "justid"]))


@given(
    st.sampled_from(sorted(LINKS)),
    st.fixed_dictionaries(
        {},
        optional={
            "state": st.sampled_from(["closed", "metered", "open", "?"]),
            "peer": st.one_of(field, st.sampled_from(sorted(LINKS))),
            "direction": field,
            "kind": st.one_of(field, st.sampled_from([*CHAIN.kinds, *CHAIN.groups, "question", "answer"])),
            "rate": st.one_of(st.integers().map(str), st.floats().map(str), field),
            "who": field,
            "why": field,
            "until": st.one_of(field, st.datetimes().map(lambda moment: moment.isoformat())),
            "evidence": field,
        },
    ),
)
def test_what_the_form_lets_through_no_gate_refuses(organisation: str, form: dict[str, str]) -> None:
    checked = check(form, organisation=organisation)
    assert bool(checked.problems) != bool(orders_of(checked, organisation))
    for order in orders_of(checked, organisation):
        check_order(order, LINKS[organisation], [*CHAIN.kinds, "question", "answer"])


def orders_of(checked: orders.Checked, organisation: str) -> list[GateOrder]:
    if checked.problems:
        return []
    order: dict[str, Any] = {**checked.order, "at": 1}
    ways = ("in", "out") if order["direction"] == "*" else (order["direction"],)
    return [GateOrder(**{**order, "direction": way}) for way in ways]


def test_closing_says_that_nothing_passes_and_nothing_is_lost() -> None:
    text = consequences({**GOOD, "until": "2025-08-25T12:00"})
    assert (
        "Within a second nothing passes any more of: everything, between Public Prosecution Service and all partners,"
        " in both directions."
    ) in text
    assert "Nothing is lost" in text
    assert "To be looked at again on Monday 25 August 2025 12:00. A gate never moves by itself." in text
    assert "kept in the timeline of Public Prosecution Service" in text


def test_opening_says_what_waits_and_that_the_other_side_may_stay_closed() -> None:
    statuses = chain_statuses("cut")
    for link in statuses[2]["links"]:
        link |= {"in": "closed"} if link["peer"] == "om" else {}
    text = consequences({**GOOD, "state": "open"}, Scene(translator("en"), CHAIN, statuses))
    assert "28,336 messages wait now." in text
    assert "The gates at the other side stay as they are, at: Justid." in text


def test_metering_says_how_many() -> None:
    text = consequences({**GOOD, "state": "metered", "rate": "300", "kind": "judgment", "direction": "out"})
    assert (
        "at most 300 messages a minute pass of: “Conviction”, from Public Prosecution Service to all partners" in text
    )


@pytest.mark.parametrize(("situation", "was"), [("calm", "open"), ("cut", "closed"), ("returning", "open")])
def test_the_way_back_leads_to_where_the_gate_was(situation: str, was: str) -> None:
    here = Scene(translator("en"), CHAIN, chain_statuses(situation))
    assert orders.before(here, "om", check(GOOD, here).order) == was


def test_the_kinds_to_choose_from_are_those_that_the_organisation_sends_or_receives() -> None:
    assert "judgment" in orders.kinds(HERE, "om")
    assert "judgment.serious" in orders.kinds(HERE, "om")
    assert "police-data.serious" not in orders.kinds(HERE, "om")
    assert orders.kinds(HERE, "justis") == ["*", "answer-end.justis", "question", "answer"]
