"""What the demo shows of the return: the shipped scenario, small, and its pages at some virtual moments."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from local_nodes import LocalNodes, played
from local_pages import Reader

from keersluis.chain import load_chain
from keersluis.simulation.generated import GeneratedFeed
from keersluis.simulation.scenario import load_scenario
from keersluis.times import Instant, parse_instant

CHAIN = load_chain("nl-justice")
WEEKLY = "# Every Monday the OM forecasts its backlogs"
"""Where the last rows of the scenario begin."""


def feed(tmp_path: Path) -> GeneratedFeed:
    """The shipped scenario with a tick of a day: its orders and requests have moments of their own. No forecast is
    made after the moments that look at them."""
    text = (CHAIN.folder / "scenarios" / "om-2025.toml").read_text(encoding="utf-8")
    assert 'tick = "6h"' in text
    text, later = text.split(WEEKLY)
    text += WEEKLY + later.partition('[[requests]]\nat = "2025-10-06')[0]
    path = tmp_path / "om-2025.toml"
    path.write_text(text.replace('tick = "6h"', 'tick = "24h"'), encoding="utf-8")
    return load_scenario(path, CHAIN, persons=300)


def during(read: Reader) -> None:
    """23 July: cut off; nobody knew yet whether the vulnerability had been used."""
    page = read.page("/herstel/besluiten/om/om-disconnect")
    assert "Decided on 17 July 2025" in page
    assert "Was the vulnerability used" in page.partition("Unknown")[2].partition("Options")[0]
    assert "orensic" not in page
    assert "Stay connected" in read.page("/herstel/besluiten/justis/jio-stay-connected")
    assert "2 decision records." in read.page("/herstel")


def returning(read: Reader) -> None:
    """20 August: coming back in stages; paper waits."""
    assert "Decided on 4 August 2025: go online again in phases" in read.page("/herstel/besluiten/om/om-return")
    assert "Answered on 3 August 2025" in read.page("/herstel/besluiten/om/om-disconnect")
    told = read.api("om", "/v0/achterstanden")
    waiting = {each["key"]: each for each in told["backlogs"]}
    assert waiting["om-paper"]["stock"] > 0, "links come back, and paper waits"
    stages = {each["key"]: each["state"] for each in read.api("om", "/v0/herstelplannen/om-return")["stages"]}
    assert (stages["gravest-judgments"], stages["execution"]) == ("go", "waits")
    assert "Convictions in the gravest cases" in read.page("/herstel/plan")
    states = {each["key"]: each["state"] for each in read.api("om", "/v0/diensten")["services"]}
    assert states["om-mail"] == "up", "mail with the outside resumed early in August"
    assert "down" in states.values()
    told = read.page("/stand")
    assert "Withdrawals and corrections: expected" in told, "a stage of the plan that is still to come, for partners"
    assert "Convictions in the gravest cases: expected" not in told, "and none of which the go stands"


def back(read: Reader) -> None:
    """1 October: links are back, paper still waits, nobody can say until when."""
    told = read.page("/herstel/besluiten/om/om-return")
    assert "When will the backlogs be gone?" in told.partition("Unknown")[2]
    assert "All applications of the criminal process and all links work" in told
    stages = {each["key"]: each["state"] for each in read.api("om", "/v0/herstelplannen/om-return")["stages"]}
    assert (stages["execution"], stages["home-working"]) == ("go", "waits"), "nobody works from home yet"
    assert "The go stands of 7 of 8 stages." in read.page("/herstel/plan")
    assert "All links are open, yet the register is complete only through" in read.page("/herstel/achterstanden")
    kept = [each for each in read.api("om", "/v0/prognoses")["forecasts"] if each["backlog"] == "om-paper"]
    assert len({each["made"] for each in kept}) >= 7, "one a week since the middle of August"
    assert any(size["actual"] is not None for size in kept[-1]["sizes"]), "the first are scored by now"
    assert "Acts on paper" in read.page("/herstel/prognoses")


def ended(read: Reader) -> None:
    """The end: the record of what was known on 23 July is still the same, and unaltered."""
    page = read.page("/herstel/besluiten/om/om-disconnect?dag=2025-07-23")
    assert "orensic" not in page
    assert read.api("om", "/v0/besluitdossiers/_controle")["faults"] == []
    assert "“Return of the prosecution service”: completed on" in read.page("/herstel")


STORY: list[tuple[str, Callable[[Reader], None]]] = [
    ("2025-07-23T18:00:00+02:00", during),
    ("2025-08-20T12:00:00+02:00", returning),
    ("2025-10-01T12:00:00+02:00", back),
    ("2025-11-29T12:00:00+01:00", ended),
]


def test_the_demo_tells_the_story_of_the_return(tmp_path: Path) -> None:
    """Every request of the scenario ends as its row expects (`played` asserts it), and the pages say what happened."""
    told: list[str] = []
    readers: list[Reader] = []

    def watch(nodes: LocalNodes, at: Instant) -> None:
        if len(told) < len(STORY) and at >= parse_instant(STORY[len(told)][0]):
            readers[:] = readers or [Reader(nodes)]
            STORY[len(told)][1](readers[0])
            told.append(STORY[len(told)][0])

    played(feed(tmp_path), tmp_path / "cut", cut=True, watch=watch)
    assert told == [moment for moment, _ in STORY]
