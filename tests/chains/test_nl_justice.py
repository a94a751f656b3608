"""The shipped chain says what DOMAIN knows of the incident's organisations and kinds."""

from __future__ import annotations

import pytest

from keersluis.chain import load_chain
from keersluis.times import parse_instant

CHAIN = load_chain("nl-justice")


def test_the_organisations_have_their_roles() -> None:
    roles = {key: each.roles for key, each in CHAIN.organisations.items() if each.node}
    assert roles == {
        "om": ("source",),
        "politie": ("source",),
        "justid": ("register",),
        "justis": ("decider",),
        "rvdk": ("decider",),
        "ind": ("decider",),
    }


def test_partners_run_no_node() -> None:
    partners = {key for key, each in CHAIN.organisations.items() if each.roles == ("partner",)}
    assert {"jio", "rechtspraak", "cjib", "dji", "dtenv"} < partners
    assert not any(CHAIN.organisations[key].node for key in partners)


def test_oins_are_of_the_range_for_tests() -> None:
    assert all(each.oin.startswith("00000099") for each in CHAIN.organisations.values())


def test_the_prosecution_service_drains_the_gravest_first() -> None:
    order = sorted((kind for kind in CHAIN.kinds.values() if kind.source == "om"), key=lambda kind: kind.drain)
    names = [kind.path for kind in order]
    assert names[:2] == ["prosecution-decision.serious", "prosecution-decision.sexual"]
    assert names.index("judgment.sexual") < names.index("judgment.other")
    assert len({kind.drain for kind in order}) == len(order)


def test_all_that_the_prosecution_service_sends_is_counted_at_its_source() -> None:
    assert {kind.counts for kind in CHAIN.kinds.values() if kind.source == "om"} == {True}
    assert {kind.counts for kind in CHAIN.kinds.values() if kind.source != "om"} == {False}


def test_only_what_ends_takes_away_and_what_amends_may_do_either() -> None:
    effects = {kind.action: kind.effect for kind in CHAIN.kinds.values()}
    assert effects == {
        "record": "adds", "end": "takes-away", "withdraw": "either", "correct": "either", "answer": "either",
    }  # fmt: skip


def test_police_data_may_be_seen_for_screening_only() -> None:
    assert {kind.purposes for kind in CHAIN.under("police-data")} == {("screening",)}


@pytest.mark.parametrize("part", ["serious", "sexual"])
def test_the_emergency_route_covers_the_gravest_kinds_from_24_july(part: str) -> None:
    route = CHAIN.routes[f"police-{part}"]
    assert (route.kind, route.covers) == (f"police-data.{part}", f"prosecution-decision.{part}")
    assert route.start == parse_instant("2025-07-24T00:00:00+02:00")
    assert route.purposes == ("screening",)


def test_acts_before_a_court_are_known_by_day() -> None:
    by_day = {kind.path.split(".")[0] for kind in CHAIN.kinds.values() if kind.resolution == "day"}
    assert by_day == {"judgment", "disposal"}
