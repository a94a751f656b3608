"""Graphs of dependencies, held against definitions tried out on every small case."""

from __future__ import annotations

from itertools import pairwise, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keersluis.errors import Incorrect
from keersluis.recovery.network import critical, cycles, descendants, order, unknown

NAMES = "abcdef"

graphs = st.dictionaries(st.sampled_from(NAMES), st.lists(st.sampled_from(NAMES + "x"), max_size=4), max_size=6)
"""Any graph of up to six names; some needs are named twice, or by nobody ("x", or a name without an entry)."""


@st.composite
def orderly(draw: st.DrawFn) -> dict[str, list[str]]:
    """A graph without loops: in some order of the names, each needs earlier ones only."""
    names = draw(st.permutations(NAMES[: draw(st.integers(1, 6))]))
    needs = {name: draw(st.lists(st.sampled_from(names[:n]), unique=True)) if n else [] for n, name in enumerate(names)}
    return {name: needs[name] for name in draw(st.permutations(names))}


def edges(graph: dict[str, list[str]]) -> set[tuple[str, str]]:
    return {(name, each) for name, needs in graph.items() for each in needs if each in graph}


def all_loops(graph: dict[str, list[str]]) -> set[tuple[str, ...]]:
    """Every loop, tried out: each ordering of each set of names, begun with the first in the graph."""
    there, names = edges(graph), list(graph)
    return {
        (first, *rest)
        for n, first in enumerate(names)
        for size in range(len(names) - n)
        for rest in permutations(names[n + 1 :], size)
        if set(zip((first, *rest), (*rest, first), strict=True)) <= there
    }


@given(graphs)
def test_loops_are_real_whole_and_told_once(graph: dict[str, list[str]]) -> None:
    found = cycles(graph)
    assert len(set(found)) == len(found)
    assert set(found) <= all_loops(graph)


@given(graphs)
def test_every_dependency_on_a_loop_is_told(graph: dict[str, list[str]]) -> None:
    told = {pair for loop in cycles(graph) for pair in zip(loop, loop[1:] + loop[:1], strict=True)}
    assert told == {pair for loop in all_loops(graph) for pair in zip(loop, loop[1:] + loop[:1], strict=True)}


@given(graphs)
def test_unknown_names_are_all_told(graph: dict[str, list[str]]) -> None:
    found = unknown(graph)
    assert len(set(found)) == len(found)
    assert set(found) == {(name, each) for name, needs in graph.items() for each in needs if each not in graph}


@given(graphs)
def test_there_is_an_order_or_a_loop_that_says_why_not(graph: dict[str, list[str]]) -> None:
    if all_loops(graph):
        with pytest.raises(Incorrect) as caught:
            order(graph)
        assert caught.value.code == "network.cycle"
        assert len(caught.value.faults) == len(cycles(graph))
    else:
        place = {name: n for n, name in enumerate(order(graph))}
        assert set(place) == set(graph)
        assert all(place[need] < place[name] for name, need in edges(graph))


@given(orderly())
def test_an_order_departs_from_the_given_one_only_where_it_must(graph: dict[str, list[str]]) -> None:
    """Of all orders that the dependencies allow, the first by the places of the names in the graph."""
    names, there = list(graph), edges(graph)
    allowed = [p for p in permutations(names) if all(p.index(need) < p.index(name) for name, need in there)]
    assert order(graph) == list(min(allowed, key=lambda p: [names.index(name) for name in p]))


def all_chains(graph: dict[str, list[str]]) -> list[tuple[str, ...]]:
    """Every chain of names of which each depends on the one before."""
    there = edges(graph)
    return [
        chain
        for size in range(1, len(graph) + 1)
        for chain in permutations(graph, size)
        if all((later, earlier) in there for earlier, later in pairwise(chain))
    ]


@given(orderly(), st.data())
def test_the_critical_path_is_a_longest_chain(graph: dict[str, list[str]], data: st.DataObject) -> None:
    durations = {name: data.draw(st.integers(0, 4)) for name in graph}
    chains = all_chains(graph)

    def long(chain: tuple[str, ...]) -> int:
        return sum(durations[name] for name in chain)

    found = critical(durations, graph)
    assert found.length == long(found.path) == max(map(long, chains))
    assert found.path in chains
    for name in graph:
        assert found.finish[name] == max(long(chain) for chain in chains if chain[-1] == name)
        assert found.start[name] == found.finish[name] - durations[name]
        assert found.slack[name] == found.length - max(long(chain) for chain in chains if name in chain)


@given(orderly())
def test_descendants_are_the_ends_of_chains(graph: dict[str, list[str]]) -> None:
    chains = [chain for chain in all_chains(graph) if len(chain) > 1]
    assert descendants(graph) == {name: {c[-1] for c in chains if c[0] == name} for name in graph}


def test_nothing_at_all() -> None:
    assert (cycles({}), unknown({}), order({})) == ([], [], [])
    assert critical({}, {}).path == ()
    assert critical({}, {}).length == 0


def test_what_needs_itself_is_a_loop() -> None:
    assert cycles({"a": ["a"]}) == [("a",)]


def test_a_long_chain_exhausts_no_stack() -> None:
    chain = {str(n): [str(n + 1)] for n in range(20_000)} | {"20000": []}
    assert order(chain)[0] == "20000"
    assert cycles(chain) == []
    assert critical(dict.fromkeys(chain, 1), chain).length == 20_001
    assert cycles(chain | {"20000": ["0"]}) == [tuple(str(n) for n in range(20_001))]
