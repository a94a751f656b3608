"""A system of record and what was published of it: counts, digests, halving, gaps. Faults of a lossy adaptor."""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from exchange_harness import KIND, START, Pair, event, make_pair
from hypothesis import given
from hypothesis import strategies as st

from keersluis.errors import Conflict, Incorrect, Untrusted
from keersluis.exchange import _store_reconciliation as store
from keersluis.exchange import completeness_view, gaps, intake, tallying
from keersluis.exchange.reconciliation import (
    FIRST,
    NOTHING,
    STEP,
    Asked,
    Entry,
    Gaps,
    Listed,
    Statement,
    Tally,
    check_statement,
    compare,
    differences,
    whole_hour,
)
from keersluis.exchange.tallying import Kept
from keersluis.timeline import log
from keersluis.times import DAY, HOUR, Instant, format_instant, parse_instant

DAY_KIND = "judgment.serious"
END = START + 400 * DAY

GAP_ENTRIES = {"om": ("gap.stated", "gap.mended"), "justid": ("gap.heard", "gap.heard-filled")}

ids = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12)


def tally(*numbers: int) -> Tally:
    """Of acts e-n that happened n hours after the start."""
    return Tally.of(Entry(f"e-{n}", START + n * HOUR) for n in numbers)


@given(st.lists(st.integers(0, 99), unique=True), st.randoms(use_true_random=False))
def test_a_digest_knows_no_order_and_is_the_sum_of_its_parts(found: list[int], shuffle: random.Random) -> None:
    mixed = list(found)
    shuffle.shuffle(mixed)
    cut = shuffle.randint(0, len(found))
    assert tally(*mixed) == tally(*found) == tally(*found[:cut]) + tally(*found[cut:])
    assert tally(*found) - tally(*found[:cut]) == tally(*found[cut:])
    assert Tally.read(len(found), tally(*found).hex) == tally(*found)


def test_the_digest_is_the_one_that_formats_md_gives() -> None:
    """Worked out here by hand, as somebody else's system of record would: 2025-06-30T22:00:00Z is hour 486478."""
    texts = (b"486478 e-0", b"486479 e-1", b"486481 e-3")
    total = sum(int(hashlib.sha256(each).hexdigest(), 16) for each in texts) % 2**256
    assert tally(3, 0, 1) == Tally(3, total)
    assert NOTHING.hex == "0" * 64


def listed(events: Sequence[tuple[str, Instant]]) -> Listed:
    return Listed(Entry(name, at) for name, at in events)


hours = st.integers(0, 300)


@given(st.dictionaries(ids, hours, max_size=40), st.data())
def test_halving_finds_what_was_dropped_added_and_moved_whatever_it_is(
    acts: dict[str, int], data: st.DataObject
) -> None:
    """Against the plain difference of two sets."""
    names = sorted(acts)
    dropped = set(data.draw(st.lists(st.sampled_from(names), max_size=5))) if names else set()
    moved = set(data.draw(st.lists(st.sampled_from(names), max_size=3))) - dropped if names else set()
    added = {f"other {n}": data.draw(hours) for n in range(data.draw(st.integers(0, 3)))}
    record = {name: START + hour * HOUR + 7 for name, hour in acts.items()}
    held = {name: at + 2 * HOUR * (name in moved) for name, at in record.items() if name not in dropped}
    held |= {name: START + hour * HOUR for name, hour in added.items()}
    found = compare(listed(list(record.items())), listed(list(held.items())), KIND, START, START + 400 * HOUR)
    assert {each.id for each in found.missing} == dropped
    assert {each.id for each in found.extra} == set(added)
    assert set(found.moved) == moved
    assert found.agrees == (record == held)
    touched = [at for name, at in (record.items() ^ held.items())]
    assert not found.first or found.first.since == whole_hour(min(touched))


def test_two_errors_that_cancel_in_the_count_are_found_by_the_digest() -> None:
    """One act dropped, and one published twice under another id in another period: the totals are equal."""
    record = [(f"e-{n}", START + n * HOUR) for n in range(100)]
    held = [each for each in record if each[0] != "e-17"] + [("e-60-again", START + 60 * HOUR)]
    found = compare(listed(record), listed(held), KIND, START, END)
    assert len(record) == len(held)
    assert [each.id for each in found.missing] == ["e-17"]
    assert [each.id for each in found.extra] == ["e-60-again"]
    assert [each.since for each in found.periods] == [START + 17 * HOUR, START + 60 * HOUR]


def test_the_first_difference_in_100000_events_costs_few_questions() -> None:
    """One in 500 dropped silently by an adaptor."""
    draw = random.Random(7)
    record = [(f"e-{n}", START + draw.randrange(0, 400 * DAY)) for n in range(100_000)]
    lost = {f"e-{n}" for n in range(100_000) if draw.random() < 1 / 500}
    held = [each for each in record if each[0] not in lost]
    asked = Asked(listed(record))
    first = next(differences(asked, listed(held), KIND, FIRST, END))
    assert asked.questions <= 2 * math.log2(100_000)
    assert first.since == whole_hour(min(at for name, at in record if name in lost))
    found = compare(listed(record), listed(held), KIND, FIRST, END)
    assert {each.id for each in found.missing} == lost
    assert found.questions <= len(lost) * 2 * math.log2(100_000)


def test_empty_periods_agree_and_cost_one_question() -> None:
    asked = Asked(listed([]))
    assert list(differences(asked, listed([]), KIND, FIRST, END)) == []
    assert asked.questions == 1


@pytest.mark.parametrize(("since", "until"), [(START, START), (START + 1, END), (END, START), (START, END + 1)])
def test_a_period_is_some_whole_hours(since: Instant, until: Instant) -> None:
    with pytest.raises(Incorrect):
        list(differences(listed([]), listed([]), KIND, since, until))


def test_nobody_has_counted_the_future() -> None:
    with pytest.raises(Incorrect) as told:
        check_statement(Statement(KIND, START, START + DAY, NOTHING, START + HOUR), skew=0)
    assert told.value.code == "statement.in-the-future"
    check_statement(Statement(KIND, START, START + DAY, NOTHING, START + DAY - 5), skew=5)


def test_what_is_signed_about_gaps_reads_back() -> None:
    told = Gaps("00000099000000001000/a/1", START, 9, ((START, END), (END, END + HOUR)))
    assert Gaps.parse(told.text()) == told
    for broken in ("", told.text()[:-1], told.text() + "x\n", told.text().replace("gap", "hole")):
        with pytest.raises(Untrusted):
            Gaps.parse(broken)


# -- on nodes --------------------------------------------------------------------------------------------------


def caught_up(pair: Pair, side: Any, kind: str = KIND) -> None:
    while side.store.write(lambda tx: tallying.catch_up(tx, side.ctx, kind)):
        pass


def held(pair: Pair, side: Any, since: Instant = START - 400 * DAY, until: Instant = END, kind: str = KIND) -> Tally:
    caught_up(pair, side, kind)
    with side.store.read() as tx:
        return Kept(tx, side.ctx).count_digest(kind, since, until)


def bodies(side: Any, kind: str) -> list[dict[str, Any]]:
    with side.store.read() as tx:
        return [dict(entry.body) for entry in log.entries(tx, 0, 100_000) if entry.kind == kind]


def test_source_and_receiver_tally_the_same_and_go_on_from_where_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tallying, "AT_ONCE", 7)
    pair = make_pair()
    pair.go_on(30 * DAY)
    for first in (0, 20):
        pair.source.accept([event(n, START + n * HOUR) for n in range(first, first + 20)])
        pair.pump()
        expected = tally(*range(first + 20))
        assert held(pair, pair.source) == held(pair, pair.register) == expected
    assert held(pair, pair.register, START + 5 * HOUR, START + 9 * HOUR) == tally(5, 6, 7, 8)
    with pair.register.store.read() as tx:
        found = Kept(tx, pair.register.ctx).entries(KIND, START + 5 * HOUR, START + 9 * HOUR)
    assert [each.id for each in found] == ["e-5", "e-6", "e-7", "e-8"]


def test_an_act_known_by_day_stands_at_the_first_moment_of_its_day() -> None:
    """The change to summer time included: the day has 23 hours, and begins on a whole hour all the same."""
    pair = make_pair()
    pair.source.accept([event(1, "2025-03-30", kind=DAY_KIND), event(2, "2025-03-31", kind=DAY_KIND)])
    day = parse_instant("2025-03-30T00:00:00+01:00")
    assert held(pair, pair.source, day, day + STEP, DAY_KIND) == Tally.of([Entry("e-1", day)])
    assert held(pair, pair.source, day + STEP, day + 23 * HOUR, DAY_KIND) == NOTHING
    assert held(pair, pair.source, day + 23 * HOUR, day + DAY, DAY_KIND) == Tally.of([Entry("e-2", day + 23 * HOUR)])


def declare(pair: Pair, missing: Sequence[Entry], since: Instant, until: Instant) -> None:
    source, now = pair.source, pair.source.clock.now()
    source.store.write(lambda tx: gaps.declare(tx, source.ctx, KIND, since, until, missing, "found", now))


def fill(pair: Pair, since: Instant, until: Instant, stated: Tally) -> None:
    caught_up(pair, pair.source)
    source, now = pair.source, pair.source.clock.now()
    source.store.write(lambda tx: gaps.fill(tx, source.ctx, KIND, since, until, stated, now))


def told(pair: Pair) -> list[tuple[str, Instant, Instant]]:
    """What the register is told of gaps since it was last asked."""
    moves: list[tuple[str, Instant, Instant]] = []
    pair.register.store.write(
        lambda tx: gaps.tell(
            tx, lambda *gap: moves.append(("open", *gap[1:])), lambda *gap: moves.append(("filled", *gap[1:]))
        )
    )
    return moves


def test_P2_a_gap_is_the_sources_signed_word_and_holds_its_promise_back_until_it_is_filled() -> None:
    pair = make_pair()
    pair.go_on(10 * DAY)
    pair.source.accept([event(0, START), event(2, START + 2 * HOUR)])
    pair.pump()
    promised = pair.register.watermark()
    missing = [Entry("e-1", START + HOUR)]
    declare(pair, missing, START + HOUR, START + 2 * HOUR)
    pair.pump()
    assert told(pair) == [("open", START + HOUR, START + 2 * HOUR - 1)]
    assert told(pair) == [], "once"
    pair.go_on(5 * DAY)
    pair.pump()
    assert pair.register.watermark() == promised, "nothing new is promised over what is known to be missing"
    with pytest.raises(Conflict, match="as stated"):
        fill(pair, START + HOUR, START + 2 * HOUR, NOTHING + Tally(1, 5))
    pair.source.accept([event(1, START + HOUR)])
    fill(pair, START + HOUR, START + 2 * HOUR, tally(1))
    pair.pump()
    assert told(pair) == [("filled", START + HOUR, START + 2 * HOUR - 1)]
    assert pair.register.watermark() > promised
    for side, kinds in (
        (pair.source, ("gap.stated", "gap.mended")),
        (pair.register, ("gap.heard", "gap.heard-filled")),
    ):
        assert [len(bodies(side, kind)) for kind in kinds] == [1, 1], "P5"
    with pytest.raises(Incorrect):
        fill(pair, START + HOUR, START + 2 * HOUR, tally(1))


def test_P2_that_a_gap_is_filled_counts_only_where_what_fills_it_is_applied() -> None:
    pair = make_pair()
    pair.go_on(10 * DAY)
    pair.source.accept([event(0, START)])
    declare(pair, [Entry("e-1", START + HOUR)], START + HOUR, START + 2 * HOUR)
    pair.pump()
    assert [each[0] for each in told(pair)] == ["open"]
    pair.source.accept([event(1, START + HOUR), *(event(n, START + 3 * HOUR) for n in range(3, 9))])
    fill(pair, START + HOUR, START + 2 * HOUR, tally(1))
    pair.sender.most = 3

    def stop_after_one(body: bytes) -> bytes:
        if len(pair.link.sent) > before + 1:
            raise Untrusted("test.cut", expected="one parcel", got="more")
        return body

    before = len(pair.link.sent)
    pair.link.spoil = stop_after_one  # type: ignore[method-assign]
    pair.pump()
    assert told(pair) == [], "a part of the backlog came"
    pair.link.spoil = lambda body: body  # type: ignore[method-assign]
    pair.pump()
    assert [each[0] for each in told(pair)] == ["filled"]


def test_attack_a_word_about_gaps_by_another_than_the_source_is_refused() -> None:
    pair = make_pair()
    pair.go_on(DAY)
    pair.pump()
    note = gaps_note(pair, pair.register.ctx)

    def forged(body: bytes) -> bytes:
        parcel = msgspec.json.decode(body)
        for batch in parcel["batches"]:
            batch["gaps"] = note
        return msgspec.json.encode(parcel)

    pair.link.spoil = forged  # type: ignore[method-assign]
    pair.go_on(DAY)
    sent = pair.pump()
    assert sent.refused[KIND] == "gaps.other-stream"
    assert told(pair) == []


def gaps_note(pair: Pair, by: Any) -> str:
    from keersluis.signing import sign_note
    from keersluis.watermarks import stream_origin

    origin = stream_origin(pair.source.ctx.me.oin, KIND)
    return sign_note(Gaps(origin, pair.source.clock.now(), 0, ((START, END),)).text(), by.signer)


def test_an_older_word_that_comes_later_moves_nothing() -> None:
    """As by a bundle that was under way while the wire worked."""
    pair = make_pair()
    pair.go_on(10 * DAY)
    register, now = pair.register, pair.source.clock.now()
    origin = f"{pair.source.ctx.me.oin}/{KIND}/1"

    def hear(stated: Instant, *periods: tuple[Instant, Instant]) -> None:
        word = Gaps(origin, stated, 0, periods)
        register.store.write(lambda tx: gaps.heard(tx, register.ctx, word, KIND, 0, now))

    hear(now, (START, START + HOUR))
    hear(now + 5)
    assert [each[0] for each in told(pair)] == ["filled"]
    hear(now, (START, START + HOUR))
    assert told(pair) == []
    hear(now + 9, (START, START + HOUR))
    assert [each[0] for each in told(pair)] == ["open"]


def test_what_the_system_of_record_states_is_compared_and_kept() -> None:
    pair = make_pair()
    pair.go_on(10 * DAY)
    pair.source.accept([event(n, START + n * HOUR) for n in range(6) if n != 4])
    caught_up(pair, pair.source)
    now = pair.source.clock.now()
    stated = [
        Statement(KIND, START, START + 3 * HOUR, tally(0, 1, 2), now),
        Statement(KIND, START + 3 * HOUR, START + 6 * HOUR, tally(3, 4, 5), now),
        Statement(KIND, START + 6 * HOUR, START + 9 * HOUR, NOTHING, now),
    ]
    source = pair.source
    assert source.store.write(lambda tx: tallying.state(tx, source.ctx, stated, now)) == 1
    with source.store.read() as tx:
        rows = completeness_view.statements(tx, source.ctx)
    assert [each["agrees"] for each in rows] == [True, False, True]
    (entry,) = bodies(source, "ledger.stated")
    assert (entry["periods"], entry["differ"], entry["since"]) == (3, 1, format_instant(START + 3 * HOUR))
    future = Statement(KIND, START, whole_hour(now) + 3 * HOUR, NOTHING, now)
    foreign = Statement("question", START, START + HOUR, NOTHING, now)
    with pytest.raises(Incorrect) as refused:
        source.store.write(lambda tx: tallying.state(tx, source.ctx, [stated[0], future, foreign], now))
    assert [fault.split(":")[0] for fault in refused.value.faults] == ["statement 2", "statement 3"]


def test_a_gap_needs_a_reason_and_acts_that_are_missing() -> None:
    pair = make_pair()
    pair.go_on(DAY)
    for missing, since, until in (
        ([], START, START + HOUR),
        ([Entry("e-1", START + DAY)], START, START + HOUR),
        ([Entry("e-1", START)], START, START + 1),
    ):
        with pytest.raises(Incorrect):
            declare(pair, missing, since, until)
    with pair.source.store.read() as tx:
        assert store.own_gaps_of(tx) == []
        assert intake.held_back(tx) == {}
