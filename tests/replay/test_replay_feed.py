"""A log as a feed: one world, cut and uncut; and promises that are true as far as they were known (P2)."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keersluis.errors import Incorrect
from keersluis.simulation.feed import Ask, Counts, GateOrder, Item, Publish, Waiting
from keersluis.simulation.maps import LogMap, load_map
from keersluis.simulation.replay_feed import ReplayFeed, parse_window, read_acts, replay_feed
from keersluis.times import DAY, When, format_instant, parse_instant, parse_when
from keersluis.watermarks import promise
from replay.small_logs import FIRST_DAY, event, fine, write_csv, write_xes

SHIPPED = load_map("road-fines")
FINES = replace(SHIPPED, questions=replace(SHIPPED.questions, number=300))
PERMITS = load_map("permits")
CUT = "2004-03-01..2004-05-10"
ACTIVITIES = ("Create Fine", "Send Fine", "Payment", "Appeal to Judge")

_acts = st.lists(
    st.tuples(st.integers(1, 9), st.sampled_from(ACTIVITIES), st.integers(0, 200)), min_size=30, max_size=60
)


def feed_of(folder: Path, acts: list[tuple[int, str, int]], *, seed: int = 1, cut: str = CUT) -> ReplayFeed:
    """Always with acts around the whole cut, so that no draw lies outside the log."""
    acts = [*acts, (9, "Create Fine", 0), (9, "Send Fine", 200)]
    path = write_xes(folder / "log.xes", [fine(f"A{case}", activity, day) for case, activity, day in acts])
    return replay_feed(path, FINES, cut, seed)


@pytest.fixture(scope="module")
def feed(tmp_path_factory: pytest.TempPathFactory) -> ReplayFeed:
    acts = [(n % 7, ACTIVITIES[n % 3 % 2], n % 200) for n in range(800)]
    return feed_of(tmp_path_factory.mktemp("feed"), acts)


def published(items: list[Item]) -> list[dict[str, Any]]:
    return [json.loads(item.event) for item in items if isinstance(item, Publish)]


def ticks(feed: ReplayFeed, cut: bool) -> list[tuple[int, list[Item]]]:
    """The end of each tick in which something came, and what came in it."""

    def end_of(item: Item) -> int:
        return feed.start - (feed.start - item.at) // feed.tick * feed.tick

    return [(end, list(items)) for end, items in groupby(feed.items(cut), key=end_of)]


def when_of(act: dict[str, Any]) -> When:
    return parse_when(act["occurred"], FINES.chain.timezone)


@given(acts=_acts, seed=st.integers(0, 9))
@settings(max_examples=25)
def test_p2_no_act_is_entered_after_a_promise_that_covers_it(
    acts: list[tuple[int, str, int]], seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Each source promises as often and as much as it may; no promise is broken, with the cut or without."""
    feed = feed_of(tmp_path_factory.mktemp("promises"), acts, seed=seed)
    for cut in (True, False):
        waiting: dict[str, dict[str, int]] = {path: {} for path in FINES.chain.kinds}
        promised = dict.fromkeys(FINES.chain.kinds, 0)
        for now, items in ticks(feed, cut):
            for path, lag in ((path, kind.lag) for path, kind in FINES.chain.kinds.items()):
                oldest = min(waiting[path].values(), default=None)
                promised[path] = promise(now - 1, lag, oldest, promised[path])
            for item in items:
                if isinstance(item, Waiting):
                    waiting[item.kind][item.event_id] = parse_when(item.occurred, FINES.chain.timezone).start
                if isinstance(item, Publish):
                    act = json.loads(item.event)
                    path = FINES.chain.kind_of_type(act["type"]).path
                    assert when_of(act).start > promised[path]
                    assert when_of(act).end <= item.at <= now
                    waiting[path].pop(act["id"], None)
        assert not any(waiting.values())


@given(acts=_acts, seed=st.integers(0, 9))
@settings(max_examples=25)
def test_cut_and_uncut_are_the_same_world(
    acts: list[tuple[int, str, int]], seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    feed = feed_of(tmp_path_factory.mktemp("world"), acts, seed=seed)
    cut, uncut = list(feed.items(True)), list(feed.items(False))
    assert list(feed.items(True)) == cut
    assert len(published(cut)) == len(acts) + 2 == feed.total_events
    assert Counter(i.event for i in cut if isinstance(i, Publish)) == Counter(
        i.event for i in uncut if isinstance(i, Publish)
    )
    assert [i for i in cut if isinstance(i, Ask)] == [i for i in uncut if isinstance(i, Ask)]
    assert not [i for i in uncut if isinstance(i, Waiting | GateOrder)]
    for items in (cut, uncut):
        assert [item.at for item in items] == sorted(item.at for item in items)
        assert feed.start <= items[0].at
        assert items[-1].at <= feed.end
    assert (feed.end - feed.start) % feed.tick == 0


def test_only_acts_of_the_cut_organisation_in_the_cut_lie_on_paper(feed: ReplayFeed) -> None:
    items = list(feed.items(True))
    waiting = {item.event_id: item for item in items if isinstance(item, Waiting)}
    entered = {json.loads(i.event)["id"]: i.at for i in items if isinstance(i, Publish)}
    inside = [act for act in published(items) if _in_cut(feed, act) and ".police." in act["type"]]
    assert set(waiting) <= {act["id"] for act in inside}
    assert len(waiting) == feed.on_paper
    assert 0.25 < len(waiting) / len(inside) < 0.45
    for act in (act for act in inside if act["id"] in waiting):
        assert waiting[act["id"]].occurred == act["occurred"]
        assert waiting[act["id"]].at < entered[act["id"]]
        delay = entered[act["id"]] - when_of(act).end
        assert delay <= FINES.cut.entered_within + 2 * feed.tick


def _in_cut(feed: ReplayFeed, act: dict[str, Any]) -> bool:
    return feed.window.start <= when_of(act).start < feed.window.end


def test_paper_is_entered_until_after_the_link_is_back(feed: ReplayFeed) -> None:
    late = {item.event_id for item in feed.items(True) if isinstance(item, Waiting)}
    after = [i for i in feed.items(True) if isinstance(i, Publish) and i.at > feed.window.end + feed.tick]
    assert late & {json.loads(item.event)["id"] for item in after}


def test_the_gate_closes_and_opens_with_the_cut(feed: ReplayFeed) -> None:
    orders = [item for item in feed.items(True) if isinstance(item, GateOrder)]
    assert [(o.at, o.organisation, o.peer, o.direction, o.kind, o.state) for o in orders] == [
        (feed.window.start, "police", "*", "*", "*", "closed"),
        (feed.window.end, "police", "*", "*", "*", "open"),
    ]
    assert orders[0].until == format_instant(feed.window.end)


def test_counts_are_those_of_the_acts_entered_and_go_on_until_all_are_covered(tmp_path: Path) -> None:
    receipt, held = "Confirmation of receipt", "T16 Report reasons to hold request"
    log = [event(f"{n}", (receipt, held)[n % 2], f"2011-01-{n % 28 + 1:02d}T10:00:00+01:00") for n in range(200)]
    feed = replay_feed(write_csv(tmp_path / "log.csv", log), PERMITS, "2011-01-05..2011-01-20")
    assert feed.on_paper
    for cut in (True, False):
        seen: Counter[str] = Counter()
        stated: dict[str, int] = {}
        for item in feed.items(cut):
            if isinstance(item, Publish):
                seen[PERMITS.chain.kind_of_type(json.loads(item.event)["type"]).path] += 1
            if isinstance(item, Counts):
                assert (item.count, item.through) == (seen[item.kind], item.at)
                stated[item.kind] = item.through - PERMITS.chain.kinds[item.kind].lag
        last = max(item.at for item in feed.items(cut) if isinstance(item, Publish | Ask))
        assert min(stated.values()) > last
        assert set(stated) == {path for path, kind in PERMITS.chain.kinds.items() if kind.counts}


def test_questions_are_seeded_and_a_share_falls_in_the_cut(feed: ReplayFeed, tmp_path: Path) -> None:
    asks = [item for item in feed.items(True) if isinstance(item, Ask)]
    assert len(asks) == FINES.questions.number
    inside = [ask for ask in asks if feed.window.start <= ask.at < feed.window.end]
    assert len(inside) >= FINES.questions.number * FINES.questions.in_cut
    assert all(parse_instant(ask.request["moment"]) == ask.at for ask in asks)
    assert {ask.request["policy"] for ask in asks} == {"open-fines"}
    subjects = {act["data"]["subject"] for act in published(list(feed.items(True)))}
    assert {ask.request["subject"] for ask in asks} <= subjects
    other = ReplayFeed(feed.log_map, feed.acts, feed.window, seed=2)
    assert asks != [item for item in other.items(True) if isinstance(item, Ask)]
    assert {i.event_id for i in other.items(True) if isinstance(i, Waiting)} != {
        i.event_id for i in feed.items(True) if isinstance(i, Waiting)
    }


# --- events


def first_event(folder: Path, log_map: LogMap, events: list[dict[str, str]], nth: int = 0) -> dict[str, Any]:
    path = write_csv(folder / "log.csv", events)
    cut = events[0]["time:timestamp"][:10] + ".." + "2013-01-01"
    return published(list(replay_feed(path, log_map, cut).items(False)))[nth]


def test_an_act_known_by_day_is_a_cloud_event(tmp_path: Path) -> None:
    log = [fine(f"A{n}", "Create Fine", n, dismissal="NIL", points="2") for n in range(4)]
    assert first_event(tmp_path, FINES, log, 3) == {
        "specversion": "1.0",
        "id": "act-0000004",
        "source": "urn:nld:oin:00000099000000002001:systeem:log",
        "type": "org.example.road-fines.police.fine",
        "occurred": (FIRST_DAY.replace(day=4)).isoformat(),
        "datacontenttype": "application/json",
        "data": {"subject": "debtor:000002", "content": {"fine": "A3", "amount": 3500, "points": 2}},
    }


def test_an_adjustment_corrects_the_latest_act_of_its_own_case(tmp_path: Path) -> None:
    receipt, adjusted = "Confirmation of receipt", "T03 Adjust confirmation of receipt"
    log = [event("1", receipt, "2011-01-01T10:00:00+01:00"), event("2", receipt, "2011-01-01T11:00:00+01:00")]
    log += [event("1", receipt, "2011-01-01T12:00:00+01:00"), event("1", adjusted, "2011-01-01T13:00:00.5+01:00")]
    found = first_event(tmp_path, PERMITS, log, 3)
    assert found["data"]["refers_to"] == "act-0000003"
    assert found["occurred"] == "2011-01-01T12:00:00.500000Z"


# --- faults


def refused(path: Path, log_map: LogMap = FINES, cut: str = CUT, **options: Any) -> Incorrect:
    with pytest.raises(Incorrect) as caught:
        replay_feed(path, log_map, cut, **options)
    return caught.value


def test_every_unknown_activity_is_listed(tmp_path: Path) -> None:
    log = [fine("A1", activity, 70) for activity in ("Create Fine", "Towed", "Fled", "Towed")]
    error = refused(write_csv(tmp_path / "log.csv", log), skip_bad=True)
    assert (error.code, error.faults) == ("log.unknown-activities", ["'Towed' (2 times)", "'Fled' (1 times)"])
    assert str(tmp_path / "log.csv") in error.where


@given(wrong=st.sets(st.integers(0, 19), min_size=1))
def test_faulty_events_stop_a_replay_unless_they_are_skipped(
    wrong: set[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    faults: list[dict[str, str]] = [{"amount": "thirty"}, {"amount": ""}, {"time:timestamp": "now"}]
    log = [fine("A1", "Create Fine", 50 + n) | (faults[n % 3] if n in wrong else {}) for n in range(20)]
    path = write_csv(tmp_path_factory.mktemp("bad") / "log.csv", [*log, fine("A2", "Create Fine", 80)])
    error = refused(path)
    assert (error.code, error.facts["number"]) == ("log.bad-events", len(wrong))
    assert len(error.faults) == min(3, len(wrong))
    assert error.faults[0].startswith(f"line {min(wrong) + 2}: ")
    acts = read_acts(path, FINES, skip_bad=True)
    assert (len(acts), acts.skipped) == (21 - len(wrong), len(wrong))


def test_a_correction_of_nothing_is_a_fault(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "log.csv", [event("1", "T03 Adjust confirmation of receipt", "2011-01-01")])
    error = refused(path, PERMITS, "2011-01-01..2011-01-02")
    assert "an earlier 'Confirmation of receipt' in case 1" in error.faults[0]


def test_an_empty_log_is_refused(tmp_path: Path) -> None:
    assert refused(write_csv(tmp_path / "log.csv", [])).code == "log.empty"


def test_a_time_that_is_a_typing_error_does_not_make_endless_ticks(tmp_path: Path) -> None:
    log = [fine("A1", "Create Fine", 70), fine("A1", "Send Fine", 71) | {"time:timestamp": "9004-01-01"}]
    error = refused(write_csv(tmp_path / "log.csv", log))
    assert error.code == "replay.too-long"
    assert "9004-01-01" in error.got


@pytest.mark.parametrize("cut", ["2004-05-10", "2004-05-10..2004-03-01", "..", "a..b", "2004-05-10..2004-05-10"])
def test_a_cut_that_is_no_window_is_refused(cut: str) -> None:
    with pytest.raises(Incorrect) as caught:
        parse_window(cut, FINES.chain.timezone)
    assert (caught.value.code, caught.value.where) == ("replay.bad-cut", "--cut")


@pytest.mark.parametrize("cut", ["2003-01-01..2003-02-01", "2005-01-01..2005-02-01"])
def test_a_cut_outside_the_log_is_refused(tmp_path: Path, cut: str) -> None:
    error = refused(write_csv(tmp_path / "log.csv", [fine("A1", "Create Fine", 70)]), cut=cut)
    assert error.code == "replay.cut-outside"
    assert "2004-03-11" in error.expected


def test_a_cut_may_begin_before_the_log(feed: ReplayFeed) -> None:
    early = ReplayFeed(feed.log_map, feed.acts, parse_window("2003-12-01..2004-02-01", FINES.chain.timezone), seed=1)
    first = next(iter(early.items(True)))
    assert isinstance(first, GateOrder)
    assert first.at == early.start


def test_a_window_of_days_begins_and_ends_at_midnight() -> None:
    window = parse_window("2004-08-01..2004-10-10", FINES.chain.timezone)
    assert (window.end - window.start, format_instant(window.start)) == (70 * DAY, "2004-07-31T22:00:00Z")
