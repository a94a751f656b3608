"""What waits to be entered, and how long entry takes: both hold promises back, and no promise moves back (P2)."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from exchange_harness import KIND, START, Pair, event, make_pair
from hypothesis import given
from hypothesis import strategies as st

from keersluis.errors import Incorrect
from keersluis.exchange import completeness_view, intake, overview
from keersluis.exchange.lags import ENOUGH, LONGEST, Measured, bin_of, counted, edges, measured
from keersluis.timeline import log
from keersluis.times import DAY, HOUR, MINUTE, SECOND, Instant, format_instant, parse_instant

LAG = 12 * HOUR
"""Declared for this kind in kinds.toml."""

delays = st.integers(0, LONGEST)


@given(delays)
def test_a_delay_falls_within_the_edges_of_its_bin(delay: int) -> None:
    least, most = edges(bin_of(delay))
    seconds = -(-delay // SECOND) * SECOND
    assert least <= seconds <= most
    assert most - least <= max(0, least // 8)


@given(st.lists(delays, min_size=1, max_size=300))
def test_the_quantile_is_that_of_the_delays_to_the_width_of_a_bin(found: list[int]) -> None:
    result = measured(counted(found))
    ranked = sorted(found)
    exact = ranked[-(-len(ranked) * 999 // 1000) - 1]
    assert result.samples == len(found)
    assert result.at_least - SECOND < exact <= result.lag


@given(st.integers(0, 2 * ENOUGH), st.integers(0, LONGEST), st.integers(SECOND, LONGEST))
def test_the_declared_lag_is_the_least_that_ever_binds(samples: int, lag: int, declared: int) -> None:
    found = Measured(lag, lag - lag // 9, samples)
    assert found.binding(declared) >= declared
    assert samples >= ENOUGH or found.binding(declared) == declared


def bodies(pair: Pair, kind: str) -> list[dict[str, Any]]:
    with pair.source.store.read() as tx:
        return [dict(entry.body) for entry in log.entries(tx, 0, 100_000) if entry.kind == kind]


def stream(pair: Pair) -> dict[str, Any]:
    with pair.source.store.read() as tx:
        return next(each for each in overview.own_streams(tx, pair.source.ctx) if each["kind"] == KIND)


def enter(pair: Pair, numbers: range, delay: int) -> None:
    now = pair.source.clock.now()
    pair.source.accept([event(number, now - delay) for number in numbers])


def register(pair: Pair, *items: tuple[str, str, str, str]) -> int:
    return pair.source.store.write(
        lambda tx: intake.register_waiting(tx, pair.source.ctx, items, pair.source.clock.now())
    )


def test_P2_entry_that_takes_longer_than_declared_holds_the_promise_back_and_never_moves_it_back() -> None:
    pair = make_pair()
    pair.pump()
    pair.go_on(DAY)
    enter(pair, range(ENOUGH), 11 * HOUR)
    pair.go_on(HOUR)
    pair.pump()
    before = pair.register.watermark()
    assert before == pair.source.clock.now() - LAG - 1
    assert not stream(pair)["lag"]["exceeded"]
    pair.go_on(2 * MINUTE)
    enter(pair, range(ENOUGH, 2 * ENOUGH), 20 * HOUR)
    pair.pump()
    assert pair.register.watermark() == before, "what was promised stands"
    (told,) = bodies(pair, "lag.exceeded")
    assert told["kind"] == KIND
    assert told["declared_seconds"] * SECOND == LAG
    assert 20 * HOUR <= told["measured_seconds"] * SECOND <= 23 * HOUR
    lag = stream(pair)["lag"]
    assert lag["exceeded"]
    assert lag["samples"] == 2 * ENOUGH
    pair.go_on(2 * DAY)
    pair.pump()
    assert pair.register.watermark() == pair.source.clock.now() - told["measured_seconds"] * SECOND - 1
    assert len(bodies(pair, "lag.exceeded")) == 1
    pair.go_on(LONGEST)
    pair.pump()
    assert pair.register.watermark() == pair.source.clock.now() - LAG - 1, "a quarter later it is forgotten"
    assert len(bodies(pair, "lag.kept")) == 1


def test_what_was_registered_as_waiting_does_not_count_in_the_measured_lag() -> None:
    pair = make_pair()
    pair.pump()
    pair.go_on(30 * DAY)
    act = pair.source.clock.now() - 20 * DAY
    register(pair, *((KIND, f"e-{n}", format_instant(act), "paper") for n in range(2 * ENOUGH)))
    pair.source.accept([event(n, act) for n in range(2 * ENOUGH)])
    enter(pair, range(2 * ENOUGH, 2 * ENOUGH + 10), HOUR)
    pair.go_on(HOUR)
    pair.pump()
    assert stream(pair)["lag"]["samples"] == 10
    assert stream(pair)["waiting"] == 0
    assert bodies(pair, "lag.exceeded") == []


def test_history_that_is_loaded_says_nothing_of_entry() -> None:
    pair = make_pair()
    enter(pair, range(2 * ENOUGH), 3 * DAY)
    pair.pump()
    pair.go_on(HOUR)
    enter(pair, range(2 * ENOUGH, 4 * ENOUGH), 2000 * DAY)
    pair.go_on(HOUR)
    pair.pump()
    assert stream(pair)["lag"]["samples"] == 0


def test_P2_a_mailbag_holds_the_promise_back_until_it_is_closed() -> None:
    pair = make_pair()
    pair.pump()
    source, oldest = pair.source, "2025-07-03"

    def write(act: Any, *rest: Any) -> Any:
        return source.store.write(lambda tx: act(tx, source.ctx, KIND, "bag 7".replace(" ", "-"), *rest))

    pair.go_on(5 * DAY)
    write(intake.register_mailbag, 40, oldest, "mailbox", source.clock.now())
    limit = parse_instant("2025-07-03T00:00:00+02:00") - 1
    pair.pump()
    assert pair.register.watermark() == limit
    assert stream(pair)["waiting"] == 40
    assert write(intake.opened, 38, source.clock.now()) == 2
    with pytest.raises(Incorrect, match=r"intake\.count|1 to 2 items"):
        write(intake.opened, 3, source.clock.now())
    assert write(intake.opened, 2, source.clock.now()) == 0
    pair.go_on(DAY)
    pair.pump()
    assert pair.register.watermark() == limit, "the number was a guess: it holds until somebody closes it"
    write(intake.close_mailbag, "clerk", "it is empty", source.clock.now())
    pair.pump()
    assert pair.register.watermark() == source.clock.now() - LAG - 1
    assert [each["left"] for each in bodies(pair, "intake.opened")] == [2, 0]
    assert bodies(pair, "intake.closed")[0]["who"] == "clerk"


def test_P2_withdrawn_frees_the_promise_and_can_be_undone() -> None:
    pair = make_pair()
    pair.pump()
    pair.go_on(5 * DAY)
    act = pair.source.clock.now() - 3 * DAY
    item = (KIND, "e-1", format_instant(act), "paper")
    register(pair, item)
    pair.pump()
    assert pair.register.watermark() == act - 1

    def withdraw(why: str) -> int:
        return pair.source.store.write(
            lambda tx: intake.withdraw(tx, pair.source.ctx, [(KIND, "e-1")], "clerk", why, pair.source.clock.now())
        )

    with pytest.raises(Incorrect):
        withdraw(" ")
    assert withdraw("registered twice") == 1
    register(pair, item)
    pair.pump()
    assert pair.register.watermark() == act - 1, "undone before anything was promised"
    withdraw("registered twice, really")
    pair.pump()
    assert pair.register.watermark() == pair.source.clock.now() - LAG - 1
    with pytest.raises(Incorrect) as told:
        withdraw("once more")
    assert told.value.code == "intake.refused"


def test_what_is_registered_too_late_is_said_to_be() -> None:
    pair = make_pair()
    pair.go_on(5 * DAY)
    pair.pump()
    register(
        pair, (KIND, "e-1", format_instant(START), "paper"), (KIND, "e-2", format_instant(START + 5 * DAY), "paper")
    )
    (told,) = bodies(pair, "intake.waiting")
    assert (told["count"], told["late"], told["late_events"]) == (2, 1, ["e-1"])


def test_every_faulty_item_is_named_and_none_is_registered() -> None:
    pair = make_pair()
    when = format_instant(START)
    items = [
        (KIND, "e-1", when, "paper"),
        ("no.kind", "e-2", when, "paper"),
        (KIND, "e 3", when, "paper"),
        (KIND, "e-4", "2031-01-01", "paper"),
        (KIND, "e-5", "soon", "paper"),
        (KIND, "e-6", when, "carrier pigeon"),
    ]
    with pytest.raises(Incorrect) as told:
        register(pair, *items)
    assert [fault.split(":")[0] for fault in told.value.faults] == [f"item {n}" for n in range(2, 7)]
    with pair.source.store.read() as tx:
        assert intake.held_back(tx) == {}


@given(
    st.lists(
        st.tuples(st.sampled_from(["register", "enter", "withdraw", "promise"]), st.integers(0, 5), st.integers(0, 72)),
        max_size=12,
    )
)
def test_P2_no_promise_passes_what_waits_nor_moves_back(steps: list[tuple[str, int, int]]) -> None:
    """Whatever is registered, entered and withdrawn: unless it was registered too late."""
    pair = make_pair()
    waiting: dict[str, Instant] = {}
    entered: Counter[str] = Counter()
    heard = 0
    for what, number, hours in steps:
        pair.go_on(6 * HOUR)
        now, item = pair.source.clock.now(), f"e-{number}"
        at = now - hours * HOUR
        if what == "register" and item not in waiting and not entered[item]:
            register(pair, (KIND, item, format_instant(at), "paper"))
            waiting[item] = at
        elif what == "enter" and item in waiting:
            pair.source.accept([event(number, waiting.pop(item))])
            entered[item] += 1
        elif what == "withdraw" and item in waiting:
            pair.source.store.write(
                lambda tx, item=item, now=now: intake.withdraw(tx, pair.source.ctx, [(KIND, item)], "x", "y", now)
            )
            del waiting[item]
        pair.pump()
        bound = min([now - LAG, *waiting.values()]) - 1
        assert pair.register.watermark() == max(heard, bound)
        heard = pair.register.watermark()


def test_a_breach_is_shown_with_its_source_size_and_delay() -> None:
    pair = make_pair()
    pair.go_on(5 * DAY)
    pair.pump()
    promised = pair.register.watermark()
    pair.source.accept([event(1, promised - DAY), event(2, promised - 2 * DAY), event(3, promised + HOUR)])
    pair.pump()
    with pair.register.store.read() as tx:
        (summary,), each = completeness_view.breach_summary(tx), overview.breaches(tx)
    assert (summary["source"], summary["kind"], summary["count"]) == ("om", KIND, 2)
    assert summary["longest_short_seconds"] == 2 * DAY // SECOND
    assert summary["longest_delay_seconds"] == (pair.source.clock.now() - promised + 2 * DAY) // SECOND
    assert {row["short_seconds"] * SECOND for row in each} == {DAY, 2 * DAY}
