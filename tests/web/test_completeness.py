"""Until when each source is complete, in words: never more than was promised, and silence is said (P2, P7)."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keersluis.times import DAY, HOUR, format_instant, parse_instant
from keersluis.web import completeness
from keersluis.web.scene import Scene
from keersluis.words import translator
from web.fixtures import CHAIN, CUT, DURING, chain_statuses

INCOMING = [kind for kind in CHAIN.kinds.values() if "justid" in kind.receivers]


def scene(situation: str = "cut", language: str = "en") -> Scene:
    return Scene(translator(language), CHAIN, chain_statuses(situation))


def plain(markup: str) -> str:
    return re.sub(r"<.*?>", "", markup)


def told(situation: str, language: str = "en") -> list[str]:
    return texts(completeness.accounts(scene(situation, language)))


def texts(accounts: list[completeness.Account]) -> list[str]:
    passages = [passage for account in accounts for passage in account.passages]
    return [plain(text) for passage in passages for text in (passage.sentence, *passage.items)]


def register_with(marks: list[dict[str, Any]]) -> Scene:
    statuses = chain_statuses("calm")
    justid = next(status for status in statuses if status["organisation"] == "justid")
    return Scene(translator("en"), CHAIN, [{**justid, "now": format_instant(DURING), "watermarks": marks}])


def mark(path: str, through: int, state: str = "flowing") -> dict[str, Any]:
    return {
        "source": CHAIN.kinds[path].source,
        "kind": path,
        "complete_through": format_instant(through),
        "entered_through": format_instant(through),
        "heard_at": format_instant(DURING),
        "size": 1,
        "state": state,
        "reason": None,
    }


def test_a_source_that_was_cut_off_is_complete_to_its_last_promise_and_silent_since() -> None:
    assert (
        "Justid is complete on “Prosecution decision”, “Withdrawal” and “Correction” through Thursday 17 July 2025"
        " 06:00. Nothing has been heard since 17 July 06:12: silent."
    ) in told("cut")
    assert (
        "Justid is volledig over ‘Vervolgingsbeslissing’, ‘Intrekking’ en ‘Verbetering’ tot en met donderdag 17 juli"
        " 2025 06:00. Sinds 17 juli 06:12 is er niets meer gehoord: stil."
    ) in told("cut", "nl")


def test_paper_at_the_source_is_said_though_messages_arrive() -> None:
    sentences = told("returning")
    assert (
        "Justid is complete on “Conviction” through Saturday 19 July 2025 06:10. Messages do arrive, but Public"
        " Prosecution Service has not yet entered all that happened after it."
    ) in sentences


def test_a_lossy_link_is_told_with_the_counts_that_differ() -> None:
    sentence = next(text for text in told("lossy") if "stopped" in text)
    assert "“Conviction, serious violence” through Saturday 9 August 2025 14:20" in sentence
    assert "The source counts 1,412 convictions, 1,409 have arrived here." in sentence


def test_a_calm_chain_is_told_in_three_sentences() -> None:
    sentences = told("calm")
    assert len(sentences) == 3
    assert not [text for text in sentences if "silent" in text or "stopped" in text]


def test_receivers_that_are_all_up_to_date_are_told_of_together() -> None:
    last = told("cut")[-1]
    names = "Justis, Child Care and Protection Board and Immigration and Naturalisation Service"
    assert last.startswith(f"{names} are complete on everything through Monday 18 August 2025 14:15")


def test_a_source_that_never_promised_is_not_given_a_date() -> None:
    here = register_with([mark("disposal", 0, "never")])
    sentence = texts(completeness.accounts(here))[0]
    assert (
        sentence == "Justid has no promise yet from Public Prosecution Service on “Disposal: dismissal or acquittal”."
    )


@pytest.mark.parametrize(("late", "state"), [(0, "current"), (HOUR, "behind"), (30 * DAY, "behind")])
def test_a_kind_is_up_to_date_within_its_usual_lag_and_a_heartbeat(late: int, state: str) -> None:
    kind = CHAIN.kinds["judgment.serious"]
    allowed = kind.lag + CHAIN.heartbeat + 2 * CHAIN.skew
    here = register_with([mark(kind.path, DURING - allowed - late)])
    assert completeness.rows(here)[0].state == state


def test_an_emergency_route_is_named_only_while_it_is_permitted() -> None:
    during, before = scene("cut"), scene("calm")
    assert "“Police data, serious violence” stands in for “Prosecution decision, serious violence”" in plain(
        completeness.routes_in_words(during)[0]
    )
    assert completeness.routes_in_words(before) == []


def test_an_emergency_route_that_is_closed_is_not_in_use_rather_than_silent() -> None:
    assert told("normal")[1] == "An emergency route, not in use now."
    assert [account.state for account in completeness.accounts(scene("normal"))] == ["current", "unused", "current"]


def test_an_emergency_route_that_is_open_and_says_nothing_is_silent() -> None:
    statuses = chain_statuses("cut")
    for each in statuses[2]["watermarks"]:
        each |= {"state": "silent"} if each["source"] == "politie" else {}
    states = [account.state for account in completeness.accounts(Scene(translator("en"), CHAIN, statuses))]
    assert states[:2] == ["silent", "silent"]


@pytest.mark.parametrize("state", ["flowing", "silent", "never"])
def test_a_heartbeat_without_a_promise_is_no_promise(state: str) -> None:
    here = register_with([mark("disposal", 0, state)])
    assert completeness.rows(here)[0].state == "never"
    assert "1970" not in " ".join(texts(completeness.accounts(here)))


def test_a_stopped_stream_without_a_promise_is_given_no_date() -> None:
    here = register_with([mark(path, n * DAY, "stopped") for n, path in enumerate(["disposal", "judgment.other"])])
    assert "no promise yet" in " ".join(texts(completeness.accounts(here)))


def test_kinds_that_stopped_at_many_moments_become_a_list() -> None:
    paths = ["judgment.serious", "judgment.sexual", "judgment.other", "disposal"]
    here = register_with([mark(path, CUT + n * DAY) for n, path in enumerate(paths)])
    (passage,) = completeness.accounts(here)[0].passages
    assert plain(passage.sentence) == (
        "Messages do arrive, but Public Prosecution Service has not yet entered all that happened after it."
        " Justid is complete on:"
    )
    assert [plain(item) for item in passage.items] == [
        "“Conviction, serious violence” through 17 July 06:10",
        "“Conviction, sexual offence” through 18 July 06:10",
        "“Conviction, other” through 19 July 06:10",
        "“Disposal: dismissal or acquittal” through 20 July 06:10",
    ]


@given(
    st.lists(
        st.tuples(
            st.sampled_from([kind.path for kind in INCOMING]),
            st.one_of(st.integers(CUT - 90 * DAY, DURING), st.integers(DURING - 12 * HOUR, DURING)),
            st.sampled_from(["flowing", "silent", "stopped"]),
        ),
        min_size=1,
        max_size=11,
        unique_by=lambda each: each[0],
    )
)
def test_no_sentence_promises_more_than_the_least_of_its_kinds(marks: list[tuple[str, int, str]]) -> None:
    """P2 on the page: what a sentence says of several kinds holds for each of them, and each kind is told of."""
    here = register_with([mark(*each) for each in marks])
    accounts = completeness.accounts(here)
    assert sorted(row.path for account in accounts for row in account.rows) == sorted(path for path, *_ in marks)
    for account in accounts:
        markup = [text for passage in account.passages for text in (passage.sentence, *passage.items)]
        least = min(row.through for row in account.rows)
        assert min(parse_instant(each) for text in markup for each in re.findall(r'datetime="(.*?)"', text)) == least
        for row in account.rows:
            group = here.kind(row.path.rpartition(".")[0])
            about = [text for text in markup if f"“{row.kind}”" in plain(text) or f"“{group}”" in plain(text)]
            said = about or [text for text in markup if "everything" in text]
            promised = [parse_instant(each) for text in said for each in re.findall(r'datetime="(.*?)"', text)[:1]]
            assert min(promised) <= row.through
