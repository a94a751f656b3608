"""The page of services and its forms: what is the matter and why, told to the node by the very request of a program."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient

from homes import fresh_home
from keersluis.exchange.wire import Wire
from keersluis.service import open_node
from keersluis.times import SystemClock
from keersluis.web import recovery_topics
from keersluis.web.app import node_app
from keersluis.web.scene import Scene
from keersluis.web.security import TOKEN_COOKIE, TOKEN_FIELD
from keersluis.words import translator
from web.conftest import application
from web.fixtures import CHAIN, FakeSource, chain_statuses

TELL = "/herstel/doen/om/dienst-melden"


def post(web: TestClient[Any], address: str, **fields: str) -> Any:
    web.cookies.set(TOKEN_COOKIE, "t" * 43)
    return web.post(address, data={TOKEN_FIELD: "t" * 43, **fields})


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (
            "en",
            [
                "14 of 36 services can be used as usual",
                "Due to “Connection with the outside”",
                "It should have been back",
            ],
        ),
        ("nl", ["14 van de 36 diensten", "Door ‘Verbinding met de buitenwereld’", "Het had terug moeten zijn"]),
    ],
)
def test_the_page_says_what_is_the_matter_what_it_is_due_to_and_how_to_deliver(language: str, words: list[str]) -> None:
    with TestClient(application(FakeSource("cut"))) as web:
        page = web.get("/herstel/diensten", headers={"Accept-Language": language}).text
        first = web.get("/herstel", headers={"Accept-Language": language}).text
    for word in words:
        assert word in page
    assert words[0] in first
    assert "Crisismanager OM" in page, "those who run it read who said so; the public page does not"


def test_the_public_page_leaves_out_who_and_why_and_what_is_not_public() -> None:
    with TestClient(application(FakeSource("cut"))) as web:
        page = web.get("/stand", headers={"Accept-Language": "nl"}).text
    for secret in ("Crisismanager OM", "Los van het internet", "melding NCSC", "Toegang op afstand", "/herstel"):
        assert secret not in page
    assert "Wij zijn niet bereikbaar per e-mail." in page


def test_the_page_of_one_node_tells_of_the_services_that_it_keeps() -> None:
    with TestClient(application(FakeSource("cut", only="justid", demo=False))) as web:
        page = web.get("/herstel/diensten", headers={"Accept-Language": "en"}).text
    assert "Questions to the register" in page
    assert "Case system of the police" not in page


def test_the_form_makes_the_request_and_shows_first_what_outsiders_will_read() -> None:
    source = FakeSource("cut")
    fields = {"service": "om-mail", "state": "emergency", "procedure": "om-mail/post", "who": "crisis manager"}
    fields |= {"why": "E-mail is off", "expected": "2025-09-01", "public_nl": "Stuur post.", "public_en": "Send post."}
    with TestClient(application(source)) as web:
        asked = post(web, TELL, stap="kijk", **fields)
        assert asked.status_code == 200
        assert "Send post." in asked.text or "Stuur post." in asked.text
        assert not [path for _who, path, body in source.calls if body]
        assert post(web, TELL, stap="doe", **fields).status_code == 200
    (made,) = [(path, json.loads(body)) for _who, path, body in source.calls if body]
    assert made == (
        "/v0/diensten/om-mail/standen",
        {
            "stand": "emergency", "noodprocedure": "post", "verwacht": "2025-09-01", "wie": "crisis manager",
            "waarom": "E-mail is off", "publiek": {"nl": "Stuur post.", "en": "Send post."},
        },
    )  # fmt: skip


def test_a_form_at_a_real_node_tells_takes_back_and_says_what_was_refused(tmp_path: Path) -> None:
    fresh_home(tmp_path, "om")
    node = open_node(CHAIN, "om", tmp_path, SystemClock(), Wire({}))
    told = {"service": "om-mail", "state": "emergency", "who": "crisis manager", "why": "off", "stap": "doe"}
    with TestClient(node_app(node), base_url="http://127.0.0.1:8600") as web:
        wrong = post(web, TELL, procedure="om-lawyers/post", **told)
        assert wrong.status_code == 400
        assert "procedure" in wrong.text
        assert post(web, TELL, procedure="om-mail/post", **told).status_code == 200
        assert web.get("/v0/diensten/om-mail").json()["procedure"] == "post"
        back = {"service": "om-mail", "who": "crisis manager", "why": "mistake", "stap": "doe"}
        assert post(web, "/herstel/doen/om/dienst-terugnemen", **back).status_code == 200
        assert web.get("/v0/diensten/om-mail").json()["state"] == "up"
    node.close()


def test_an_organisation_that_keeps_no_services_is_offered_no_form() -> None:
    scene = Scene(translator("en"), CHAIN, chain_statuses("cut"))
    keys = {each.key for each in recovery_topics.actions(scene, "om")}
    assert {"dienst-melden", "dienst-terugnemen"} <= keys
    assert "dienst-melden" not in {each.key for each in recovery_topics.actions(scene, "cjib")}
