"""Policies: look-back, conditions, sums, versions by moment; every shipped version with cases of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from keersluis.chain import load_chain, shipped_chains
from keersluis.decisions.policies import Known, Policy, months_before, outcome, waits_for
from keersluis.decisions.policyfiles import load_policies
from keersluis.errors import Incorrect
from keersluis.times import format_instant, parse_instant, parse_when

JUSTICE = load_chain("nl-justice")
POLICIES = {name: load_policies(load_chain(name)) for name in shipped_chains()}
SHIPPED = [
    (chain, policy.id, version.number)
    for chain, policies in POLICIES.items()
    for policy in policies.values()
    for version in policy.versions
]

Case = tuple[str, str, Mapping[str, Any]]
"""kind, occurred, content"""

NOW = "2025-07-01T12:00:00+02:00"
CASES: dict[tuple[str, int], list[tuple[str, list[Case], int]]] = {
    ("vog-standard", 1): [
        (NOW, [], 0),
        (NOW, [("judgment.other", "2021-07-02", {})], 1),
        (NOW, [("judgment.other", "2021-06-30", {})], 0),
        (NOW, [("judgment.other", "2021-06-30", {"sentence_months": 1})], 1),
        (NOW, [("judgment.serious", "2021-07-02", {})], 2),
        (NOW, [("judgment.sexual", "1999-01-01", {})], 2),
        (NOW, [("prosecution-decision.serious", "2025-06-30T10:00:00Z", {})], 1),
        (NOW, [("prosecution-decision.serious", "2025-07-01T10:00:01Z", {})], 0),
    ],
    ("vog-under-23", 1): [
        ("2023-08-31T12:00:00+02:00", [("judgment.other", "2021-08-30", {})], 0),
        ("2023-08-31T12:00:00+02:00", [("judgment.other", "2020-08-30", {"offence": "drug-trafficking"})], 0),
        ("2023-08-31T12:00:00+02:00", [("judgment.serious", "2020-08-30", {"maximum_months": 72})], 0),
        ("2023-08-31T12:00:00+02:00", [("judgment.serious", "2020-08-30", {"maximum_months": 96})], 2),
        ("2023-08-31T12:00:00+02:00", [("judgment.sexual", "2000-08-30", {})], 2),
    ],
    ("vog-under-23", 2): [
        ("2023-09-01T12:00:00+02:00", [("judgment.other", "2020-08-30", {"offence": "drug-trafficking"})], 1),
        ("2023-09-01T12:00:00+02:00", [("judgment.other", "2020-08-30", {"offence": "theft"})], 0),
        ("2023-09-01T12:00:00+02:00", [("judgment.other", "2022-08-30", {"offence": "theft"})], 1),
        ("2023-09-01T12:00:00+02:00", [("judgment.serious", "2020-08-30", {"maximum_months": 96})], 2),
    ],
    ("vog-taxi", 1): [
        (NOW, [("judgment.other", "2020-07-02", {})], 1),
        (NOW, [("judgment.other", "2020-06-30", {})], 0),
        (NOW, [("judgment.serious", "2020-07-02", {})], 2),
        (NOW, [("judgment.sexual", "1999-01-01", {})], 2),
    ],
    ("screening-taxi", 1): [
        (NOW, [("prosecution-decision.serious", "2025-06-30T10:00:00Z", {})], 2),
        (NOW, [("prosecution-decision.other", "2025-06-30T10:00:00Z", {})], 1),
        (NOW, [("judgment.other", "2020-06-30", {})], 0),
    ],
    ("screening-child-care", 1): [
        (NOW, [("prosecution-decision.sexual", "2001-06-30T10:00:00Z", {})], 2),
        (NOW, [("judgment.serious", "2021-07-02", {})], 2),
        (NOW, [("judgment.other", "2021-06-30", {})], 0),
    ],
    ("adoption-foster", 1): [
        (NOW, [("judgment.serious", "2015-07-02", {})], 2),
        (NOW, [("judgment.serious", "2015-06-30", {})], 0),
        (NOW, [("judgment.other", "2022-06-30", {})], 1),
        (NOW, [("prosecution-decision.sexual", "2001-06-30T10:00:00Z", {})], 2),
    ],
    ("immigration", 1): [
        (NOW, [("judgment.other", "2001-06-30", {"maximum_months": 72})], 2),
        (NOW, [("judgment.other", "2001-06-30", {"maximum_months": 48})], 1),
        (NOW, [("prosecution-decision.other", "2025-06-30T10:00:00Z", {})], 1),
        (NOW, [("prosecution-decision.other", "2015-06-30T10:00:00Z", {})], 0),
    ],
    ("open-fines", 1): [
        (NOW, [], 0),
        (NOW, [("police.fine", "2025-01-01", {"amount": 3500, "fine": "A1"})], 1),
        (NOW, [("police.fine", "2025-01-01", {"amount": 3500, "fine": "A1"}),
               ("collection.payment", "2025-02-01", {"amount": 3500, "fine": "A1"})], 0),
        (NOW, [("police.fine", "2025-01-01", {"amount": 3600, "fine": "A1"}),
               ("police.sent", "2025-01-20", {"amount": 1300, "fine": "A1"}),
               ("police.penalty", "2025-03-01", {"amount": 7400, "fine": "A1"}),
               ("collection.payment", "2025-04-01", {"amount": 8700, "fine": "A1"})], 0),
        (NOW, [("police.fine", "2025-01-01", {"amount": 3600, "fine": "A1"}),
               ("police.penalty", "2025-03-01", {"amount": 7400, "fine": "A1"}),
               ("collection.payment", "2025-04-01", {"amount": 7399, "fine": "A1"})], 1),
        (NOW, [("collection.credit", "2021-01-01", {"fine": "A1"})], 2),
        (NOW, [("collection.credit", "2020-01-01", {"fine": "A1"})], 0),
    ],
    ("hold", 1): [
        (NOW, [("reception.receipt", "2025-06-01T10:00:00Z", {})], 0),
        (NOW, [("advice.hold", "2025-06-01T10:00:00Z", {})], 1),
        (NOW, [("legal.hold-reported", "2025-06-01T10:00:00Z", {})], 2),
    ],
}  # fmt: skip


def policy(chain: str, name: str) -> Policy:
    return POLICIES[chain][name]


@pytest.mark.parametrize(("chain", "name", "number"), SHIPPED)
def test_every_shipped_version_has_its_text_and_source_and_decides_these_cases(
    chain: str, name: str, number: int
) -> None:
    version = policy(chain, name).version(number)
    assert all(len(version.text[language]) > 40 for language in ("nl", "en"))
    assert version.source.title
    assert version.source.date
    cases = CASES[name, number]
    assert {level for _at, _facts, level in cases} >= {0, len(policy(chain, name).levels) - 1}
    for at, facts, level in cases:
        moment = parse_instant(at)
        assert policy(chain, name).at(moment) is version
        known = [
            Known(str(n), kind, parse_when(occurred, version.timezone), content)
            for n, (kind, occurred, content) in enumerate(facts)
        ]
        assert outcome(version, known, moment).level == level, (at, facts)


def test_the_version_is_chosen_by_the_moment_that_the_decision_speaks_for() -> None:
    young = policy("nl-justice", "vog-under-23")
    assert young.at(parse_instant("2023-08-31T23:59:59+02:00")).number == 1
    assert young.at(parse_instant("2023-09-01T00:00:00+02:00")).number == 2
    with pytest.raises(Incorrect, match="when vog-under-23 begins") as caught:
        young.at(parse_instant("2017-12-31T12:00:00+01:00"))
    assert caught.value.code == "policy.no-version"


def test_only_immigration_holds_and_only_from_a_level_that_is_risky() -> None:
    holding = [each for each in POLICIES["nl-justice"].values() if each.on_provisional == "hold"]
    assert [(each.id, each.hold_from_level) for each in holding] == [("immigration", 1)]


def test_a_fact_of_a_kind_that_no_rule_above_the_level_looks_at_is_not_waited_for() -> None:
    version = policy("nl-justice", "vog-standard").versions[0]
    assert "judgment.other" in waits_for(version, 0)
    assert waits_for(version, 1) == (
        "prosecution-decision.sexual", "judgment.serious", "judgment.sexual", "disposal", "withdrawal", "correction",
    )  # fmt: skip
    assert waits_for(version, 2) == ("disposal", "withdrawal", "correction")


def test_amounts_are_added_as_they_are_written() -> None:
    version = policy("road-fines", "open-fines").versions[0]
    paid = [(0.1, "collection.payment"), (0.2, "collection.payment"), (0.3, "police.fine")]
    when = parse_when("2025-01-01", version.timezone)
    facts = [Known(str(n), kind, when, {"amount": amount, "fine": "A1"}) for n, (amount, kind) in enumerate(paid)]
    assert outcome(version, facts, parse_instant(NOW)).level == 0


@pytest.mark.parametrize("amount", [-5, "100", None, True, float("nan"), float("inf"), [1]])
def test_an_amount_that_is_none_counts_for_nothing(amount: object) -> None:
    version = policy("road-fines", "open-fines").versions[0]
    when = parse_when("2025-01-01", version.timezone)
    facts = [Known("1", "police.fine", when, {"amount": 100, "fine": "A1"})]
    odd = Known("2", "collection.payment", when, {"amount": amount, "fine": "A1"})
    assert outcome(version, [*facts, odd], parse_instant(NOW)).level == 1


@pytest.mark.parametrize(
    ("moment", "months", "earlier"),
    [
        ("2024-02-29T12:00:00+01:00", 12, "2023-02-28T11:00:00Z"),
        ("2025-03-31T12:00:00+02:00", 1, "2025-02-28T11:00:00Z"),
        ("2025-07-01T00:30:00+02:00", 48, "2021-06-30T22:30:00Z"),
        ("2025-01-15T12:00:00.000001+01:00", 6, "2024-07-15T10:00:00.000001Z"),
    ],
)
def test_a_look_back_goes_by_the_calendar_of_the_chain(moment: str, months: int, earlier: str) -> None:
    assert format_instant(months_before(parse_instant(moment), months, JUSTICE.timezone)) == earlier


def test_what_was_found_names_the_facts_that_make_the_level_and_no_others() -> None:
    version = policy("nl-justice", "vog-standard").versions[0]
    kinds = ("judgment.other", "judgment.serious", "judgment.sexual")
    facts = [Known(kind, kind, parse_when("2025-01-01", JUSTICE.timezone), {}) for kind in kinds]
    found = outcome(version, facts, parse_instant(NOW))
    assert found == (2, ("judgment.serious", "judgment.sexual"), (1, 2))
