"""The picture of the chain: what it shows of gates is what the nodes say of them (P4, P7)."""

from __future__ import annotations

import itertools
import re
from typing import Any
from xml.etree import ElementTree

import pytest

from keersluis.web import canals, chart, picture, views
from keersluis.web.scene import Scene
from keersluis.words import translator
from web.fixtures import CHAIN, SITUATIONS, chain_statuses, history

STATES = ("closed", "mixed", "metered", "open")


def scene(situation: str = "cut", only: str | None = None) -> Scene:
    statuses = [each for each in chain_statuses(situation) if only in (None, each["organisation"])]
    return Scene(translator("en"), CHAIN, statuses)


def drawn(here: Scene, narrow: bool) -> ElementTree.Element:
    links = canals.canals(here)
    return ElementTree.fromstring(picture.chain_svg(here, links, views.notes(here), narrow=narrow))


def texts(svg: ElementTree.Element) -> list[str]:
    return [each.text or "" for each in svg.iter("text")]


@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("situation", SITUATIONS)
def test_every_organisation_and_every_link_is_in_the_picture(situation: str, narrow: bool) -> None:
    here = scene(situation)
    svg = drawn(here, narrow)
    assert len([rect for rect in svg.iter("rect") if "picture-box" in rect.get("class", "")]) == 6
    assert len([path for path in svg.iter("path") if path.get("class") == "picture-bank"]) == 5
    joined = " ".join(texts(svg))
    for key in ("Public Prosecution Service", "Police", "Justid", "Justis", "Naturalisation"):
        assert key in joined


@pytest.mark.parametrize("narrow", [False, True])
def test_no_water_stands_behind_a_closed_gate(narrow: bool) -> None:
    """P4 as drawn: in each lane of a cut link, water reaches from its sender to the gate and no further."""
    here = scene("cut")
    svg = drawn(here, narrow)
    (leaf,) = [path for path in svg.iter("path") if "leaf--closed" in path.get("class", "")]
    start, _tip, end = re.findall(r"([\d.-]+) ([\d.-]+)", leaf.get("d", ""))
    gate, top, bottom = float(start[0]), float(start[1]), float(end[1])
    water = [
        (float(rect.get("x", 0)), float(rect.get("x", 0)) + float(rect.get("width", 0)))
        for rect in svg.iter("rect")
        if rect.get("class") == "picture-water" and top <= float(rect.get("y", 0)) <= bottom
    ]
    assert len(water) == 2
    assert all(near >= gate or far <= gate for near, far in water)


def test_what_stands_outside_the_picture_says_the_same_in_words() -> None:
    here = scene("cut")
    described = picture.described(here, canals.canals(here))
    assert "From Public Prosecution Service to Justid: closed." in described
    assert "From Justid to Public Prosecution Service: closed." in described
    assert described.endswith("All other gates are open.")


@pytest.mark.parametrize(("mine", "theirs"), list(itertools.product(STATES, STATES)))
def test_a_lane_is_as_strict_as_the_stricter_of_its_gates(mine: str, theirs: str) -> None:
    lane = canals.Lane("om", "justid", mine, theirs, 0, None, False)
    assert STATES.index(lane.state) == min(STATES.index(mine), STATES.index(theirs))
    assert set(lane.closers) == (
        {end for end, gate in (("om", mine), ("justid", theirs)) if gate == lane.state != "open"}
    )


def test_who_cut_the_link_is_cut_off_not_the_partner() -> None:
    assert canals.cut_off(canals.canals(scene("cut"))) == ["om"]
    assert canals.cut_off(canals.canals(scene("cut", only="om"))) == ["om"]


def test_one_node_alone_stands_in_the_middle_with_what_it_knows() -> None:
    here = scene("cut", only="om")
    svg = drawn(here, narrow=False)
    (hub,) = [rect for rect in svg.iter("rect") if "picture-box--hub" in rect.get("class", "")]
    assert {"Public Prosecution", "Justid", "closed"} <= set(texts(svg))
    assert sum(each in texts(svg) for each in ("Justid", "Police")) == 1
    left, width = float(svg.get("viewBox", "").split(" ")[0]), float(svg.get("viewBox", "").split(" ")[2])
    edges = [float(rect.get("x", 0)) for rect in svg.iter("rect") if "picture-box" in rect.get("class", "")]
    assert left < min(edges)
    assert float(hub.get("x", 0)) + float(hub.get("width", 0)) <= left + width


def test_a_link_that_passes_the_register_by_is_drawn_too() -> None:
    statuses: list[dict[str, Any]] = chain_statuses("calm")
    statuses[1]["links"].append({"peer": "justis", "in": "open", "out": "metered"})
    here = Scene(translator("en"), CHAIN, statuses)
    svg = drawn(here, narrow=False)
    assert texts(svg).count("Police") == 2
    assert "metered" in texts(svg)


@pytest.mark.parametrize("language", ["nl", "en"])
@pytest.mark.parametrize("narrow", [False, True])
def test_names_fit_their_boxes(language: str, narrow: bool) -> None:
    here = Scene(translator(language), CHAIN, chain_statuses("cut"))
    plan_width = 168 if narrow else 156
    svg = drawn(here, narrow)
    names = [each.text or "" for each in svg.iter("text") if each.get("class") == "picture-name"]
    assert max(len(name) for name in names) * 7.2 <= plan_width + 34


def test_a_closed_emergency_route_is_drawn_without_alarm() -> None:
    svg = drawn(scene("normal"), narrow=False)
    assert "not in use" in texts(svg)
    assert not [path for path in svg.iter("path") if "leaf--closed" in path.get("class", "")]


def test_a_silent_source_is_drawn_dry_though_its_gates_are_open() -> None:
    statuses = chain_statuses("cut")
    for status in statuses:
        for link in status["links"]:
            link |= {"in": "open", "out": "open"}
    svg = drawn(Scene(translator("en"), CHAIN, statuses), narrow=False)
    assert "silent" in texts(svg)
    assert [path for path in svg.iter("path") if path.get("class") == "picture-silence"]


def test_a_line_runs_from_the_first_sample_to_the_last() -> None:
    moved = [(sample["at"], sample["provisional"]) for sample in history()]
    svg = ElementTree.fromstring(chart.line(moved))
    points = re.findall(r"[\d.]+", svg.findall("path")[1].get("d") or "")
    assert (float(points[0]), float(points[-2])) == (0.0, float(chart.WIDTH))
    assert chart.line(moved[:1]) == ""


def test_a_table_beside_a_line_has_few_rows_with_the_first_and_the_last() -> None:
    many = list(range(100))
    assert chart.few(many) == sorted(set(chart.few(many)))
    assert (len(chart.few(many)), chart.few(many)[0], chart.few(many)[-1]) == (8, 0, 99)
    assert chart.few([1, 2]) == [1, 2]
