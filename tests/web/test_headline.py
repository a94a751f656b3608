"""The first sentence of the page: the worst of the chain's state, in words."""

from __future__ import annotations

import re
from typing import Any

import pytest

from keersluis.web import views
from keersluis.web.history import Samples
from keersluis.web.scene import Scene
from keersluis.words import translator
from web.fixtures import CHAIN, chain_statuses, history


def scene(statuses: list[dict[str, Any]], language: str = "en") -> Scene:
    return Scene(translator(language), CHAIN, statuses)


def lede(headline: views.Headline) -> str:
    return re.sub(r"<.*?>", "", " ".join(headline.lede))


@pytest.mark.parametrize(
    ("situation", "alarm", "english", "dutch"),
    [
        (
            "cut",
            "cut",
            "Cut off from the chain: Public Prosecution Service.",
            "Afgesneden van de keten: Openbaar Ministerie.",
        ),
        (
            "returning",
            "metered",
            "Coming back in stages: Public Prosecution Service.",
            "Komt gedoseerd terug: Openbaar Ministerie.",
        ),
        (
            "lossy",
            "stopped",
            "Something is missing in what came from: Public Prosecution Service.",
            "Er ontbreekt iets in wat kwam van: Openbaar Ministerie.",
        ),
        (
            "normal",
            "calm",
            "The chain is whole: every source is complete.",
            "De keten is heel: elke bron is volledig.",
        ),
        (
            "calm",
            "calm",
            "The chain is whole: every source is complete.",
            "De keten is heel: elke bron is volledig.",
        ),
    ],
)
def test_the_headline_says_the_worst(situation: str, alarm: str, english: str, dutch: str) -> None:
    statuses = chain_statuses(situation)
    assert views.headline(scene(statuses)) == views.headline(scene(statuses))
    headline = views.headline(scene(statuses))
    assert (headline.alarm, headline.title) == (alarm, english)
    assert views.headline(scene(statuses, "nl")).title == dutch


def test_silence_through_open_gates_is_not_called_calm() -> None:
    """P7: nobody has to declare an outage."""
    statuses = chain_statuses("cut")
    for status in statuses:
        status["gates"] = []
        for link in status["links"]:
            link |= {"in": "open", "out": "open"}
    headline = views.headline(scene(statuses))
    assert headline.title == "Silent, although no gate is closed: Public Prosecution Service."


def test_a_node_that_does_not_answer_is_missed() -> None:
    statuses = [status for status in chain_statuses("calm") if status["organisation"] != "justis"]
    assert views.headline(scene(statuses)).title == "No word from the node of: Justis."


def test_a_chain_that_does_not_answer_at_all_is_not_called_calm() -> None:
    assert views.headline(scene([])).title == "No organisation answers"


def test_an_organisation_is_named_for_its_worst_only() -> None:
    """The Public Prosecution Service is cut off and therefore silent too: that is one alarm, not two."""
    headline = views.headline(scene(chain_statuses("cut")))
    assert "Public Prosecution Service" not in lede(headline)


def test_the_figures_and_the_backlog_follow_the_headline() -> None:
    text = lede(views.headline(scene(chain_statuses("cut"))))
    assert "11,230 of 49,290 decisions are provisional" in text
    assert "46 are to be revisited" in text
    assert "602 of those are on hold" in text
    assert "28,336 messages wait to be sent, the oldest since 17 July 06:15." in text
    assert "183 acts on paper have yet to be entered at their source." in text


def test_a_broken_promise_and_a_quarantine_are_told() -> None:
    statuses = chain_statuses("calm")
    statuses[2] |= {"breaches": [{}, {}], "quarantine": [{}]}
    text = lede(views.headline(scene(statuses)))
    assert "1 delivery was set apart, unread." in text
    assert "2 acts came after their source had said that all was in." in text


def test_one_organisation_does_not_say_that_the_whole_chain_is_well() -> None:
    justis = [status for status in chain_statuses("cut") if status["organisation"] == "justis"]
    headline = views.headline(scene(justis))
    assert headline.title == "Nothing is amiss here. Decisions wait for a source further on."


def test_revisits_stand_worst_first() -> None:
    found = views.revisits(scene(chain_statuses("cut")))
    assert [each.gravity for each in found] == sorted((each.gravity for each in found), reverse=True)
    milder = chain_statuses("cut")
    milder[3]["revisits"][0] |= {"harmful": False, "gravity": 99}
    assert not views.revisits(scene(milder))[-1].harmful


def test_reasons_are_told_in_the_readers_language() -> None:
    assert "a conviction of 21 July arrived" in views.revisits(scene(chain_statuses("cut")))[0].because
    assert "een veroordeling van 21 juli kwam" in views.revisits(scene(chain_statuses("cut"), "nl"))[0].because


def test_the_timeline_goes_from_the_latest_back() -> None:
    found = views.entries(scene(chain_statuses("cut")))
    assert [each.at for each in found] == sorted((each.at for each in found), reverse=True)
    assert found[0].text == "State reported: nothing has changed."


def test_the_overview_tells_what_is_notable_before_routine_traffic() -> None:
    found = views.headlines(scene(chain_statuses("cut")), 8)
    assert {entry.text for entry in found} == {
        "All gates closed.",
        "Nothing has been heard from the Public Prosecution Service since 17 July 06:12.",
    }
    assert views.headlines(scene(chain_statuses("calm")), 8) == views.entries(scene(chain_statuses("calm")))[:8]


def test_the_figures_keep_how_they_moved() -> None:
    figure = views.figures(scene(chain_statuses("cut")), history())[0]
    assert (figure.count, figure.moved[0][1], figure.moved[-1][1]) == (11_230, 0, 11_230)


@pytest.mark.parametrize("length", [1, 2, 100, 5_000])
def test_the_history_stays_small_and_keeps_its_ends(length: int) -> None:
    samples = Samples(most=60)
    status = chain_statuses("calm")[3]
    for n in range(length):
        day, second = divmod(n * 60, 86_400)
        now = f"2025-08-{1 + day:02d}T{second // 3600:02d}:{second % 3600 // 60:02d}:00Z"
        samples.add([{**status, "now": now, "decisions": {**status["decisions"], "provisional": n}}])
    kept = samples.samples()
    assert len(kept) <= 60
    assert (kept[0]["provisional"], kept[-1]["provisional"]) == (0, length - 1)
    assert [each["at"] for each in kept] == sorted(each["at"] for each in kept)
