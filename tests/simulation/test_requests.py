"""Requests of a scenario: read with all faults at once, played at their own moment, told when they go otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from local_nodes import LocalNodes

from keersluis.chain import load_chain
from keersluis.errors import Incorrect
from keersluis.simulation.conductor import Player
from keersluis.simulation.feed import GateOrder, Request
from keersluis.simulation.generated import GeneratedFeed
from keersluis.simulation.requests import filled, references
from keersluis.simulation.scenario import load_scenario
from keersluis.timeline import log
from keersluis.times import parse_instant

CHAIN = load_chain("nl-justice")
GATE = {"peer": "justid", "richting": "in", "soort": "*", "wie": "test", "waarom": "a drill"}


def scenario(tmp_path: Path, rows: str) -> GeneratedFeed:
    """A scenario of some days without acts, with a cut, and these rows."""
    path = tmp_path / "small.toml"
    path.write_text(
        """
title = { nl = "Klein", en = "Small" }
summary = { nl = "Een oefening.", en = "A drill." }
history = "2025-01-01"
start = "2025-07-01"
last = "2025-07-02"
end = "2025-07-03"
tick = "6h"
seed = 1
known = 0.1

[[orders]]
at = "2025-07-01T13:00:00+02:00"
organisation = "om"
state = "closed"
who = "crisisteam OM"
why = "oefening"
"""
        + rows,
        encoding="utf-8",
    )
    return load_scenario(path, CHAIN, persons=100)


def play(feed: GeneratedFeed, home: Path, cut: bool = True) -> tuple[Player, dict[str, list[Any]]]:
    """The player at its end, and each node's entries."""
    nodes = LocalNodes(feed.chain, home, feed.start)
    try:
        player = Player(nodes, feed, cut=cut)  # type: ignore[arg-type]
        while player.step():
            pass
        found = {}
        for key, node in nodes.nodes.items():
            with node.store.read() as tx:
                found[key] = list(log.entries(tx, 0, 10_000))
    finally:
        nodes.stop()
    return player, found


def gates(entries: list[Any]) -> list[Any]:
    return [entry for entry in entries if entry.kind.startswith("gate.")]


CLOSE = """
[[requests]]
at = "{at}"
organisation = "justis"
path = "/v0/poorten"
body = {{ peer = "*", richting = "uit", soort = "*", stand = "{state}", wie = "test", waarom = "{why}" }}
"""


def test_a_request_is_made_at_its_own_virtual_moment_and_in_order_with_the_gates(tmp_path: Path) -> None:
    late = CLOSE.format(at="2025-07-01T14:30:00+02:00", state="open", why="after the order")
    early = CLOSE.format(at="2025-07-01T12:00:00+02:00", state="closed", why="before it")
    player, entries = play(scenario(tmp_path, late + early), tmp_path / "home")
    told = [(entry.at, entry.body["why"]) for entry in gates(entries["justis"])]
    assert told == [
        (parse_instant("2025-07-01T12:00:00+02:00"), "before it"),
        (parse_instant("2025-07-01T14:30:00+02:00"), "after the order"),
    ]
    assert gates(entries["om"])[0].at == parse_instant("2025-07-01T13:00:00+02:00")
    assert (player.played.requested, player.played.refused) == (2, [])


def test_a_request_belongs_to_the_chain_with_the_cut_unless_its_row_says_both(tmp_path: Path) -> None:
    one = CLOSE.format(at="2025-07-01T12:00:00+02:00", state="closed", why="cut only")
    both = CLOSE.format(at="2025-07-01T14:00:00+02:00", state="closed", why="both") + "uncut = true\n"
    feed = scenario(tmp_path, one + both)
    assert [row.uncut for row in feed.items(False) if isinstance(row, Request)] == [True]
    assert [row.uncut for row in feed.items(True) if isinstance(row, Request)] == [False, True]
    assert not [row for row in feed.items(False) if isinstance(row, GateOrder)]


def test_what_was_refused_is_told_with_scenario_and_row_and_the_feed_goes_on(tmp_path: Path) -> None:
    wrong = CLOSE.format(at="2025-07-01T12:00:00+02:00", state="ajar", why="no such state")
    expected = wrong + "expect = 400\n"
    good = CLOSE.format(at="2025-07-01T12:30:00+02:00", state="closed", why="after them")
    unexpected = CLOSE.format(at="2025-07-01T12:40:00+02:00", state="open", why="done all the same") + "expect = 409\n"
    player, entries = play(scenario(tmp_path, wrong + expected + good + unexpected), tmp_path / "home")
    first, last = player.played.refused
    assert first.startswith("small: requests[1]: justis /v0/poorten: expected 200, got 400 ")
    assert "'ajar'" in first, "all that the API says is handed on"
    assert last == "small: requests[4]: justis /v0/poorten: expected 409, got it was done"
    assert [entry.body["why"] for entry in gates(entries["justis"])] == ["after them", "done all the same"]


def test_a_row_without_a_body_reads(tmp_path: Path) -> None:
    row = '[[requests]]\nat = "2025-07-02"\norganisation = "rvdk"\npath = "/v0/{}"\n'
    player, _ = play(scenario(tmp_path, row.format("tijdlijn") + row.format("tijdlijn?na=x")), tmp_path / "home")
    assert [each[:45] for each in player.played.refused] == ["small: requests[2]: rvdk /v0/tijdlijn?na=x: e"]


def test_a_reference_to_an_answer_without_an_entry_is_told(tmp_path: Path) -> None:
    named = CLOSE.format(at="2025-07-01T12:00:00+02:00", state="closed", why="why") + 'name = "first"\n'
    after = CLOSE.format(at="2025-07-01T13:00:00+02:00", state="open", why="see {entry:first}")
    player, _ = play(scenario(tmp_path, named + after), tmp_path / "home")
    assert "an answer with `entry`, as the row has a name" in player.played.refused[0]
    assert player.played.refused[1] == "small: requests[2]: it refers to 'first', which gave no entry"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('path = "/v0/poorten"', 'path = "/poorten"', "requests[1].path: expected an address of the API"),
        ('path = "/v0/poorten"', 'path = "/v0/gebeurtenissen"', "both variants must have it"),
        ('organisation = "justis"', 'organisation = "justi"', "did you mean 'justis'?"),
        ('at = "2025-07-01T12', 'at = "2026-07-01T12', "between start and end of the scenario"),
        ('waarom = "why"', 'waarom = "{entry:x}"', "requests[1]: expected the name of an earlier request, got 'x'"),
        ('waarom = "why"', "waarom = 12:00:00", "requests[1].body: expected texts, numbers, dates"),
        ('waarom = "why"', "waarom = nan", "requests[1].body: expected texts, numbers, dates"),
        ("body = {", "expect = 418\nbody = {", "requests[1].expect: expected 200, or a refusal"),
        ("body = {", "headers = 1\nbody = {", "requests[1].headers"),
    ],
)
def test_a_bad_request_row(tmp_path: Path, old: str, new: str, says: str) -> None:
    row = CLOSE.format(at="2025-07-01T12:00:00+02:00", state="closed", why="why")
    assert old in row
    with pytest.raises(Incorrect) as caught:
        scenario(tmp_path, row.replace(old, new))
    assert [each for each in caught.value.faults if says in each], caught.value.faults


def test_names_are_known_in_the_order_of_time_and_once(tmp_path: Path) -> None:
    late = CLOSE.format(at="2025-07-01T14:00:00+02:00", state="closed", why="x") + 'name = "late"\n'
    early = CLOSE.format(at="2025-07-01T12:00:00+02:00", state="open", why="{entry:late}") + 'name = "late"\n'
    with pytest.raises(Incorrect) as caught:
        scenario(tmp_path, late + early)
    assert [fault.split(": ", 1)[1] for fault in caught.value.faults] == [
        "requests[2]: expected the name of an earlier request, got 'late'",
        "requests[1].name: expected a name of its own, got 'late'",
    ]


def test_all_faults_of_the_rows_are_reported_at_once(tmp_path: Path) -> None:
    wrong = CLOSE.format(at="x", state="closed", why="{entry:y}").replace("/v0/", "/")
    with pytest.raises(Incorrect) as caught:
        scenario(tmp_path, wrong + wrong)
    assert len(caught.value.faults) == 6


BODIES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text("ab{}:", max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(BODIES)
def test_what_refers_to_nothing_is_sent_as_it_stands(body: Any) -> None:
    assert filled(body, dict.fromkeys(references(body), 7)) == body or references(body)


def test_a_reference_is_a_number_alone_and_a_text_within_a_text() -> None:
    body = {"bewijs": ["{entry:a}", "see {entry:a} and {entry:b}"]}
    assert references(body) == {"a", "b"}
    assert filled(body, {"a": 3, "b": 14}) == {"bewijs": [3, "see 3 and 14"]}
