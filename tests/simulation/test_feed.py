"""Feeds: the same world in two variants, and a source that keeps its promises in both."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keersluis.chain import copy_template, load_chain
from keersluis.errors import Incorrect
from keersluis.simulation.feed import Ask, Counts, Feed, GateOrder, Item, Publish, Reconcile, Waiting
from keersluis.simulation.generated import GeneratedFeed
from keersluis.simulation.population import TEST_BSNS, Calendar, Population, generator
from keersluis.simulation.scenario import load_scenario, scenarios
from keersluis.times import DAY, Instant, day_of, parse_instant, parse_when
from keersluis.watermarks import NOTHING_PROMISED, promise

CHAIN = load_chain("nl-justice")
CUT = parse_instant("2025-07-17T06:00:00+02:00")
BACK = parse_instant("2025-09-25T10:00:00+02:00")
NAMES = ("om-2025", "silent-gap")
VARIANTS = [(name, cut) for name in NAMES for cut in (True, False)]


@lru_cache(maxsize=8)
def feed(name: str, persons: int = 20_000, seed: int | None = None) -> GeneratedFeed:
    return load_scenario(name, CHAIN, persons=persons, seed=seed)


@lru_cache(maxsize=16)
def items(name: str, cut: bool) -> tuple[Item, ...]:
    return tuple(feed(name).items(cut))


def ticks(it: Feed, cut: bool) -> Iterator[tuple[Instant, list[Item]]]:
    """Each tick with the items since the last one, up to and including its own moment; the first is the start."""
    left = deque(it.items(cut))
    for now in range(it.start, it.end + 1, it.tick):
        batch: list[Item] = []
        while left and left[0].at <= now:
            batch.append(left.popleft())
        yield now, batch
    assert not left


def published_by(found: Iterable[Item]) -> Iterator[Publish]:
    """Also what a reconciliation enters."""
    for item in found:
        if isinstance(item, Publish):
            yield item
        elif isinstance(item, Reconcile):
            yield from (Publish(item.at, item.organisation, event) for event in item.adds)


def events(name: str, cut: bool) -> dict[str, tuple[Publish, dict[str, Any]]]:
    published = list(published_by(items(name, cut)))
    found = {(event := msgspec.json.decode(item.event))["id"]: (item, event) for item in published}
    assert len(found) == len(published), "an event is published twice"
    return found


def test_the_chain_ships_both_scenarios() -> None:
    assert scenarios(CHAIN) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_items(name: str) -> None:
    again = load_scenario(name, CHAIN, persons=20_000)
    assert tuple(again.items(True)) == items(name, True)
    assert tuple(again.items(True)) == items(name, True), "a feed can be played twice"


def test_another_seed_gives_another_world() -> None:
    assert list(feed("om-2025", 1000, 1).items(True)) != list(feed("om-2025", 1000, 2).items(True))


@pytest.mark.parametrize(("name", "cut"), VARIANTS)
def test_items_come_in_order_of_time_within_the_feed(name: str, cut: bool) -> None:
    moments = [item.at for item in items(name, cut)]
    assert moments == sorted(moments)
    assert feed(name).start <= moments[0]
    assert moments[-1] <= feed(name).end


@pytest.mark.parametrize("name", NAMES)
def test_both_variants_have_the_same_acts_and_questions(name: str) -> None:
    with_cut, without = events(name, True), events(name, False)
    assert {key: item.event for key, (item, _) in with_cut.items()} == {
        key: item.event for key, (item, _) in without.items()
    }
    asked = [[item for item in items(name, cut) if isinstance(item, Ask)] for cut in (True, False)]
    assert asked[0] == asked[1]
    assert len(with_cut) == feed(name).total_events


@pytest.mark.parametrize("name", NAMES)
def test_the_uncut_chain_has_no_gates_and_no_paper(name: str) -> None:
    assert not [item for item in items(name, False) if isinstance(item, GateOrder | Waiting)]


@pytest.mark.parametrize("name", NAMES)
def test_usual_entry_stays_within_the_lag_of_its_kind(name: str) -> None:
    for item, event in events(name, False).values():
        kind = CHAIN.kind_of_type(event["type"])
        when = parse_when(event["occurred"], CHAIN.timezone)
        if when.start >= feed(name).start:
            assert 0 <= item.at - when.start < kind.lag
        else:
            assert item.at == feed(name).start


@pytest.mark.parametrize("cut", [True, False])
def test_p2_no_promise_of_om_2025_is_broken(cut: bool) -> None:
    """The source promises at every tick with the product's own rule; no act comes before what was promised."""
    promised: dict[str, Instant] = dict.fromkeys(CHAIN.kinds, NOTHING_PROMISED)
    waiting: dict[str, Waiting] = {}
    held_back = 0
    for now, batch in ticks(feed("om-2025"), cut):
        for item in batch:
            if isinstance(item, Waiting):
                assert day_start(item.occurred) > promised[item.kind]
                waiting[item.event_id] = item
            elif isinstance(item, Publish):
                event = msgspec.json.decode(item.event)
                path = CHAIN.kind_of_type(event["type"]).path
                assert day_start(event["occurred"]) > promised[path], event["id"]
                waiting.pop(event["id"], None)
        for path, kind in CHAIN.kinds.items():
            lying = [day_start(each.occurred) for each in waiting.values() if each.kind == path]
            promised[path] = promise(now, kind.lag, min(lying, default=None), promised[path])
            held_back += promised[path] < now - kind.lag - 1
    assert not waiting
    assert (held_back > 0) == cut
    assert min(promised.values()) > feed("om-2025").scenario.last, "in the end everything is promised"


def day_start(occurred: str) -> Instant:
    return parse_when(occurred, CHAIN.timezone).start


def test_half_of_the_acts_of_the_cut_lie_on_paper_and_are_entered_weeks_later() -> None:
    paper = {item.event_id: item for item in items("om-2025", True) if isinstance(item, Waiting)}
    in_cut = {
        key: item.at
        for key, (item, event) in events("om-2025", True).items()
        if item.organisation == "om" and CUT <= day_start(event["occurred"]) < BACK
    }
    assert paper.keys() <= in_cut.keys()
    assert 0.45 < len(paper) / len(in_cut) < 0.55
    delays = sorted(in_cut[key] - each.at for key, each in paper.items())
    assert delays[0] >= DAY // 2
    assert delays[len(delays) // 2] > 21 * DAY
    assert sum(at > BACK for at in in_cut.values()) > 100, "links are back while completeness is not"
    assert max(in_cut.values()) < parse_instant("2025-11-01T00:00:00+01:00")


def test_the_prosecution_service_closes_everything_in_one_order() -> None:
    first = next(item for item in items("om-2025", True) if isinstance(item, GateOrder) and item.organisation == "om")
    assert (first.at, first.state) == (CUT, "closed")
    assert (first.peer, first.direction, first.kind) == ("*", "*", "*")
    assert first.who
    assert first.why


def test_the_return_is_phased_and_ends_on_25_september() -> None:
    orders = [item for item in items("om-2025", True) if isinstance(item, GateOrder) and item.organisation == "om"]
    opened = {item.kind: item.at for item in orders if item.state == "open"}
    assert opened["prosecution-decision.serious"] == parse_instant("2025-08-04T09:00:00+02:00")
    assert opened["prosecution-decision.serious"] < opened["judgment.serious"] < opened["correction"] < opened["*"]
    assert (orders[-1].kind, orders[-1].at, orders[-1].state) == ("*", BACK, "open")
    assert [item.rate for item in orders if item.state == "metered"] == [10.0]


def test_police_data_waits_for_its_ground() -> None:
    orders = [item for item in items("om-2025", True) if isinstance(item, GateOrder) and item.organisation == "politie"]
    serious = [(item.state, item.at) for item in orders if item.kind == "police-data.serious"]
    assert [state for state, _ in serious] == ["closed", "open", "closed"]
    assert serious[0][1] == feed("om-2025").start
    assert serious[1][1] >= CHAIN.routes["police-serious"].start
    sent = [item.at for item, _ in events("om-2025", True).values() if item.organisation == "politie"]
    assert sent
    assert max(sent) < serious[2][1]


def test_what_follows_refers_to_an_earlier_act_of_the_same_person() -> None:
    known = {key: event for key, (_, event) in events("om-2025", True).items()}
    for event in known.values():
        kind = CHAIN.kind_of_type(event["type"])
        assert ("refers_to" in event["data"]) == (kind.action in ("end", "correct", "withdraw"))
        if "refers_to" in event["data"]:
            target = known[event["data"]["refers_to"]]
            assert target["data"]["subject"] == event["data"]["subject"]
            assert day_start(target["occurred"]) <= day_start(event["occurred"])


def test_no_case_is_closed_twice() -> None:
    closing = [
        event["data"]["content"]["case"]
        for _, event in events("om-2025", True).values()
        if event["type"].rpartition("nl.justitie.")[2].startswith(("judgment", "disposal"))
    ]
    assert max(Counter(closing).values()) <= 2, "case numbers are drawn at random and may rarely meet"
    assert len(set(closing)) > 0.99 * len(closing)


def test_hundreds_of_questions_are_about_persons_with_acts_that_were_underway() -> None:
    whole = load_scenario("om-2025", CHAIN)
    late: dict[str, list[Instant]] = {}
    for act in whole.acts:
        if act.kind.source == "om" and CUT <= act.start < BACK:
            late.setdefault(act.subject, []).append(act.start)
    asked = [(item.request["subject"], item.at) for item in whole.asks if CUT < item.at < BACK]
    touched = sum(any(start < at for start in late.get(subject, ())) for subject, at in asked)
    assert 300 < touched < 3000
    assert 24_000 < whole.total_events < 27_000
    assert len(whole.asks) == 15_000


def test_p7_counts_betray_the_silent_gap_within_one_heartbeat() -> None:
    """What the system of record states differs from what was published, from the first loss to the day it is found."""
    gap, sent, stated = feed("silent-gap").scenario.loss, Counter[str](), dict[str, list[tuple[Instant, int]]]()
    assert gap is not None
    for now, batch in ticks(feed("silent-gap"), True):
        for item in published_by(batch):
            sent[CHAIN.kind_of_type(msgspec.json.decode(item.event)["type"]).path] += 1
        for item in batch:
            if isinstance(item, Counts):
                assert item.through == item.at == now
                stated.setdefault(item.kind, []).append((now, item.count - sent[item.kind]))
    differing = {kind: [now for now, lacking in rows if lacking] for kind, rows in stated.items()}
    assert [kind for kind, moments in differing.items() if moments] == [gap.kind]
    assert min(lacking for _, lacking in stated[gap.kind]) == 0
    real = events("silent-gap", True)
    lost = [item.at for key, (item, _) in events("silent-gap", False).items() if real[key][0].at != item.at]
    assert differing[gap.kind][0] - min(lost) <= CHAIN.heartbeat
    assert gap.found <= differing[gap.kind][-1] < gap.found + DAY
    assert stated.keys() == {kind.path for kind in CHAIN.kinds.values() if kind.counts}


@pytest.mark.parametrize(("name", "cut"), [each for each in VARIANTS if each != ("silent-gap", True)])
def test_counts_agree_at_every_heartbeat_where_nothing_is_lost(name: str, cut: bool) -> None:
    """Also during the cut: paper is not in the system of record until it is entered."""
    sent, stated = Counter[str](), 0
    for _, batch in ticks(feed(name), cut):
        for item in batch:
            if isinstance(item, Publish):
                sent[CHAIN.kind_of_type(msgspec.json.decode(item.event)["type"]).path] += 1
            elif isinstance(item, Counts):
                assert item.count == sent[item.kind]
                stated += 1
    assert stated == 9 * ((feed(name).end - feed(name).start) // feed(name).tick + 1)


@pytest.mark.parametrize("name", NAMES)
def test_a_feed_is_a_whole_number_of_ticks(name: str) -> None:
    assert (feed(name).end - feed(name).start) % feed(name).tick == 0


def test_no_personal_number_is_part_of_an_id() -> None:
    for key, (_, event) in events("om-2025", True).items():
        number = event["data"]["subject"].partition(":")[2]
        assert number not in key + event["source"] + event["type"]


def test_only_test_numbers_are_used() -> None:
    known = {f"bsn:{number}" for number in TEST_BSNS}
    for item in items("om-2025", True):
        if isinstance(item, Ask):
            subject = item.request["subject"]
            assert subject in known or subject.startswith("skn:T")


def test_the_test_bsns_pass_the_eleven_test() -> None:
    for number in TEST_BSNS:
        weights = [9, 8, 7, 6, 5, 4, 3, 2, -1]
        assert sum(weight * int(digit) for weight, digit in zip(weights, number, strict=True)) % 11 == 0


@settings(max_examples=25, deadline=None)
@given(st.integers(100, 3000), st.floats(0.01, 0.5), st.integers(0, 5), st.floats(0, 1))
def test_standing_questions_are_each_about_another_person(persons: int, known: float, seed: int, share: float) -> None:
    people = Population(persons, known, seed)
    subjects = people.for_questions(generator(seed, "test"), persons // 2, share, True)
    assert len(set(subjects)) == len(subjects) == persons // 2


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 400 * 24), st.integers(1, 90 * 24), st.integers(0, 99))
def test_working_moments_stay_in_their_period(first: int, hours: int, seed: int) -> None:
    begin = parse_instant("2025-01-01T00:00:00+01:00")
    calendar = Calendar(begin, begin + 500 * DAY, CHAIN.timezone)
    start = begin + first * DAY // 24
    end = start + hours * DAY // 24
    moments = calendar.working(generator(seed, "test"), 50, start, end)
    assert moments == sorted(moments)
    assert all(start <= moment < end for moment in moments)
    for moment in moments:
        assert calendar.starts[calendar.index(moment)] == day_of(moment, CHAIN.timezone).start


# Bad scenarios


def broken(tmp_path: Path, *edits: tuple[str, str]) -> list[str]:
    text = (CHAIN.folder / "scenarios" / "om-2025.toml").read_text(encoding="utf-8")
    for old, new in edits:
        assert old in text
        text = text.replace(old, new, 1)
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(Incorrect) as caught:
        load_scenario(path, CHAIN)
    assert caught.value.code == "scenario.broken"
    return caught.value.faults


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('start = "2025-07-01"', 'start = "1 July"', "mine.toml: start: expected RFC 3339"),
        ('last = "2025-11-23"', 'last = "2025-06-23"', "last: expected a time after start"),
        ('kind = "withdrawal"', 'kind = "withdrawl"', "did you mean 'withdrawal'?"),
        ('organisation = "rvdk"', 'organisation = "rvk"', "questions[5].organisation"),
        ('organisation = "rvdk"', 'organisation = "om"', "expected a decider"),
        ("paper = 0.5", "paper = 1.5", "cut.paper: expected a number from 0 to 1"),
        ("paper = 0.5", "papier = 0.5", "did you mean 'paper'?"),
        ('tick = "6h"', 'tick = "0h"', "tick: expected a duration of more than nothing"),
        ("rate = 10 ", "rate = 0 ", "rate: expected events per second, got 0"),
        ('state = "metered"', 'state = "dosed"', "closed, metered, open"),
        ('at = "2025-09-25T10:00:00+02:00"', 'at = "2026-09-25"', "between start and end of the scenario"),
        ('after = ["disposal", "judgment"]', 'after = ["correction"]', "kinds of flows above this one"),
        ('least = "21d"\n', "least = 21\n", "flows[4].least: expected a text"),
        ("sentence_months = [3, 120]", "sentence_months = [120, 3]", "the lowest and the highest"),
        ('of = "prosecution-decision.serious"', 'of = "police-data.sexual"', "the kind of a flow"),
        ('kind = "prosecution-decision.sexual"', 'kind = "prosecution-decision.serious"', "one flow for each kind"),
    ],
)
def test_bad_scenario(tmp_path: Path, old: str, new: str, says: str) -> None:
    found = broken(tmp_path, (old, new))
    assert [each for each in found if says in each], found


def test_a_question_under_an_unknown_policy_is_refused(tmp_path: Path) -> None:
    copy_template("nl-justice", tmp_path / "chain")
    (tmp_path / "chain" / "policies").mkdir(exist_ok=True)
    (tmp_path / "chain" / "policies" / "vog-taxi.toml").touch()
    scenario = tmp_path / "chain" / "scenarios" / "om-2025.toml"
    text = scenario.read_text(encoding="utf-8").replace('"vog-taxi"', '"vog-tax"')
    scenario.write_text(text, encoding="utf-8")
    with pytest.raises(Incorrect) as caught:
        load_scenario("om-2025", load_chain(tmp_path / "chain"))
    assert [each for each in caught.value.faults if "did you mean 'vog-taxi'?" in each]


def test_all_faults_of_a_scenario_are_reported_at_once(tmp_path: Path) -> None:
    edits = [("paper = 0.5", "paper = 2"), ('tick = "6h"', 'tick = "x"'), ('tion = "rvdk"', 'tion = "r"')]
    assert len(broken(tmp_path, *edits)) == 3


def test_an_unknown_scenario_names_the_nearest() -> None:
    with pytest.raises(Incorrect, match="did you mean 'om-2025'"):
        load_scenario("om-2026", CHAIN)


def test_too_few_persons_are_refused() -> None:
    with pytest.raises(Incorrect, match=r"scenario\.persons"):
        load_scenario("om-2025", CHAIN, persons=3)
