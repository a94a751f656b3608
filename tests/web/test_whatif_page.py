"""The page of variants: by links and a form alone, in both languages, with every figure of its chart in a table."""

from __future__ import annotations

import json
import re

from litestar.testing import TestClient

from keersluis.errors import Incorrect
from web.conftest import application
from web.fixtures import FakeSource

PATH = "/herstel/achterstanden/wat-als"


def page(source: FakeSource, query: str = "", language: str = "en") -> str:
    with TestClient(application(source)) as client:
        answer = client.get(f"{PATH}{query}", headers={"Accept-Language": language})
    assert answer.status_code == 200
    return answer.text


def test_it_tells_the_day_and_what_each_variant_changes() -> None:
    text = page(FakeSource("calm"))
    assert "As planned it is gone about 15 February 2026." in text
    assert "Most is gained by: An evening shift from Monday to Thursday (40 days sooner)." in text
    assert "49 days sooner to 36 days sooner" in text
    assert "1 day sooner" in text
    assert "at least 40 days sooner" in text  # where most paths are not gone within the forecast
    assert "97 %" in text


def test_it_is_dutch_for_who_reads_dutch() -> None:
    text = page(FakeSource("calm"), language="nl")
    assert "Het meest wint: Avonddienst van maandag tot en met donderdag (40 dagen eerder)." in text
    assert "niet binnen de prognose" in text


def test_the_form_asks_for_the_variants_that_were_ticked() -> None:
    source = FakeSource("calm")
    page(source, "?achterstand=om/om-paper&variant=evening&variant=nonsense")
    asked = [path for organisation, path, _body in source.calls if organisation == "om" and "wat-als?" in path]
    assert asked == ["/v0/achterstanden/om-paper/wat-als?variant=evening&paden=500&taal=en"]
    text = page(source, "?achterstand=om/om-paper&variant=evening")
    assert re.search(r'value="evening" checked', text)
    assert not re.search(r'value="home" checked', text)


def test_the_chart_and_its_figures_stand_together() -> None:
    text = page(FakeSource("calm"))
    assert text.count('role="img"') == 4  # wide and narrow, for each of two organisations
    assert text.count("Middle number that waits, every fourth week") == 2
    assert "1,069" in text or "1,050" in text


def test_the_live_script_does_not_make_it_simulate_again() -> None:
    source = FakeSource("calm")
    with TestClient(application(source)) as client:
        client.get(PATH, headers={"Keersluis-Part": "live"})
    assert not source.calls


def test_a_backlog_that_is_not_there_is_said_to_be_gone() -> None:
    source = FakeSource("calm")
    address = "/v0/achterstanden/om-paper/wat-als?variant=evening&variant=home&paden=500&taal=en"
    told = json.loads(source.answers[address])
    for variant in told["variants"]:
        variant["organisations"][0]["gone"]["date"] = told["as_of"]
        variant["organisations"][0]["middle"] = [0.0] * 52
    source.answers[address] = json.dumps(told).encode()
    text = page(source)
    assert "There is no backlog here now." in text
    assert text.count('role="img"') == 2


def test_a_refusal_and_silence_are_said_in_words() -> None:
    class Refusing(FakeSource):
        def call(self, organisation: str, path: str, body: bytes | None) -> bytes:
            if "wat-als?" in path:
                raise Incorrect("forecast.too-little", expected="four weeks", got="one")
            return super().call(organisation, path, body)

    assert "This cannot be said now. Too little is known to say anything." in page(Refusing("calm"))
    silent = FakeSource("calm")
    silent.answers = {}
    assert "No node that answers has a plan with variants" in page(silent)
