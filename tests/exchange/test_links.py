"""What every link must do, whatever it is made of: the same tests on the wire, on carried bundles and on letters."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from exchange_harness import KIND, START
from links import LINKS, Ends, Link, ends

from keersluis.times import HOUR, MINUTE


@pytest.fixture
def between(tmp_path: Path) -> Iterator[Ends]:
    with ends(tmp_path / "home") as both:
        yield both


@pytest.fixture(params=LINKS, ids=lambda link: link.name)
def link(request: pytest.FixtureRequest, between: Ends) -> Link:
    made: Link = request.param(between)
    return made


def positions(between: Ends) -> list[int]:
    return [position for origin, position, _ in between.stored() if f"/{KIND}/" in origin]


def test_P1_each_event_takes_effect_once_in_order(link: Link, between: Ends) -> None:
    between.accept(1, 25)
    assert link.send() == []
    assert positions(between) == list(range(1, 26))
    assert between.facts() == 25
    between.accept(26, 30)
    assert link.send() == []
    assert (positions(between), between.facts()) == (list(range(1, 31)), 30)


def test_P1_the_same_again_changes_nothing(link: Link, between: Ends) -> None:
    between.accept(1, 10)
    packed = link.pack(1, 10)
    assert link.deliver(packed) == []
    stored, watermark = between.stored(), between.watermark()
    for _ in range(3):
        assert link.deliver(packed) == []
    assert (between.stored(), between.facts(), between.watermark()) == (stored, 10, watermark)


def test_an_old_one_after_a_newer_moves_nothing_back(link: Link, between: Ends) -> None:
    between.accept(1, 10)
    old = link.pack(1, 6)
    between.accept(11, 20)
    assert link.deliver(link.pack(1, 20)) == []
    stored, watermark = between.stored(), between.watermark()
    assert link.deliver(old) == []
    assert (between.stored(), between.watermark()) == (stored, watermark)


def test_what_overlaps_is_passed_over(link: Link, between: Ends) -> None:
    between.accept(1, 20)
    assert link.deliver(link.pack(1, 12)) == []
    assert link.deliver(link.pack(5, 20)) == []
    assert (positions(between), between.facts()) == (list(range(1, 21)), 20)


def test_P2_a_gap_moves_nothing_and_what_is_missing_mends_it(link: Link, between: Ends) -> None:
    between.accept(1, 20)
    later = link.pack(11, 20)
    assert set(link.deliver(later)) == link.ahead.refused
    assert (between.stored(), between.watermark(), between.facts()) == ([], 0, 10 * link.ahead.effect)
    assert link.deliver(link.pack(1, 10)) == []
    assert link.deliver(later) == []
    assert (positions(between), between.facts()) == (list(range(1, 21)), 20)


@pytest.mark.parametrize("side", ["om", "justid"])
def test_P4_a_closed_gate_on_either_side_lets_nothing_through(link: Link, between: Ends, side: str) -> None:
    between.accept(1, 3)
    between.order(side, "out" if side == "om" else "in", "closed")
    assert set(link.send()) == {"gate.closed"}
    assert (between.stored(), between.watermark()) == ([], 0)
    between.order(side, "out" if side == "om" else "in", "open")
    assert link.send() == []
    assert positions(between) == [1, 2, 3]


def test_P4_what_left_before_the_gate_closed_is_refused_on_arrival(link: Link, between: Ends) -> None:
    between.accept(1, 3)
    packed = link.pack(1, 3)
    between.order("justid", "in", "closed", link=link.name)
    assert set(link.deliver(packed)) == {"gate.closed"}
    assert between.stored() == []
    between.order("justid", "in", "open", link=link.name)
    assert link.deliver(packed) == []
    assert positions(between) == [1, 2, 3]


def test_a_gate_that_is_closed_for_other_links_lets_this_one_through(link: Link, between: Ends) -> None:
    between.accept(1, 3)
    packed = link.pack(1, 3)
    for other in {"wire", "bundle", "paper"} - {link.name}:
        between.order("justid", "in", "closed", link=other)
    assert link.deliver(packed) == []
    assert positions(between) == [1, 2, 3]


def test_P2_the_watermark_covers_no_act_that_is_still_to_come(link: Link, between: Ends) -> None:
    between.accept(1, 20)
    between.clock.set(between.clock.now() + 24 * HOUR)
    assert link.deliver(link.pack(1, 12)) == []
    assert between.watermark() < START - 2 * HOUR + 13 * MINUTE  # the act of event 13, which is not here
    assert link.deliver(link.pack(13, 20)) == []
    lag = between.chain.kinds[KIND].lag
    assert between.watermark() == between.clock.now() - lag - 1


def test_the_receipt_comes_back(link: Link, between: Ends) -> None:
    between.accept(1, 5)
    assert link.deliver(link.pack(1, 5)) == []
    assert between.receipted() == 0
    for other in {"wire", "bundle", "paper"} - {link.back}:
        between.order("justid", "out", "closed", link=other)
    assert link.confirm() == []
    assert between.receipted() == 5


@pytest.mark.parametrize("length", [4, 8, 12], ids=["shorter", "same", "longer"])
def test_P5_another_story_under_the_same_numbers_is_refused(
    link: Link, between: Ends, tmp_path: Path, length: int
) -> None:
    between.accept(1, 8)
    assert link.deliver(link.pack(1, 8)) == []
    stored, watermark = between.stored(), between.watermark()
    told, between.nodes["om"] = between.source, between.twin(tmp_path / "twin")
    between.accept(101, 100 + length)
    (code,) = set(link.deliver(link.pack(1, length)))
    told.close()
    assert code in ("exchange.forked", "exchange.root-differs")
    assert (between.stored(), between.watermark()) == (stored, watermark)
    assert between.facts() == 8 + max(0, length - 8) * link.ahead.effect
