"""The pages of decision records: as known on a day, for outsiders, and the forms that add to them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient

from homes import fresh_home
from keersluis.chain import load_chain
from keersluis.exchange.wire import Wire
from keersluis.service import open_node
from keersluis.times import ManualClock, parse_instant
from keersluis.web import topic_records
from keersluis.web.app import node_app
from keersluis.web.scene import Scene
from keersluis.web.security import TOKEN_COOKIE, TOKEN_FIELD
from keersluis.words import translator
from web.conftest import application
from web.fixtures import CHAIN, FakeSource, chain_statuses

TOKEN = "t" * 43
SCENE = Scene(translator("en"), CHAIN, chain_statuses("cut"))
PAGE = "/herstel/besluiten/om/om-disconnect"


def text(web: TestClient[Any], address: str) -> str:
    """The words of a page in English, without markup."""
    answer = web.get(address, headers={"Accept-Language": "en"})
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", answer.text))


@pytest.fixture
def fake() -> Iterator[TestClient[Any]]:
    with TestClient(application(FakeSource("cut"))) as web:
        yield web


def test_the_page_of_23_july_shows_what_was_unknown_and_nothing_of_august(fake: TestClient[Any]) -> None:
    page = text(fake, f"{PAGE}?dag=2025-07-23")
    assert "As known on 23 July 2025: Decided on 17 July 2025: disconnect all internal systems" in page
    unknown = page.partition("Unknown")[2].partition("Options")[0]
    assert "Was the vulnerability used, and were systems broken into?" in unknown
    assert "Answered" not in page
    assert "orensic" not in page
    later = text(fake, PAGE)
    assert "Answered on 3 August 2025: Forensic research" in later


def test_the_days_on_which_something_became_known_lead_to_the_record_of_that_day(fake: TestClient[Any]) -> None:
    page = fake.get(f"{PAGE}?dag=2025-07-23").text
    assert f'href="{PAGE}?dag=2025-08-03"' in page
    assert re.search(rf'href="{PAGE}\?dag=2025-07-23" aria-current="date"', page)


def test_outsiders_are_told_how_much_is_left_out(fake: TestClient[Any]) -> None:
    assert "1 thing is left out" in text(fake, f"{PAGE}?openbaar=ja")
    assert "not-public" not in text(fake, f"{PAGE}?openbaar=ja")
    assert "left out" not in text(fake, PAGE)


@pytest.mark.parametrize("address", ["/herstel/besluiten/nobody/x", f"{PAGE}x", "/herstel/besluiten/om/No_Name"])
def test_a_record_that_is_not_there_is_a_calm_404(fake: TestClient[Any], address: str) -> None:
    assert fake.get(address).status_code == 404


def test_a_day_that_cannot_be_read_is_as_none(fake: TestClient[Any]) -> None:
    assert fake.get(f"{PAGE}?dag=someday").status_code == 200


def test_the_first_page_of_the_return_counts_the_records(fake: TestClient[Any]) -> None:
    assert "decision records." in text(fake, "/herstel")


@pytest.mark.parametrize("language", ["nl", "en"])
def test_every_form_has_a_label_for_each_field(fake: TestClient[Any], language: str) -> None:
    for action in topic_records.actions(SCENE, "om"):
        page = fake.get(f"/herstel/doen/om/{action.key}?taal={language}&record=mail").text
        for field in action.fields:
            assert f'<label for="{field.name}">' in page, (action.key, field.name)
        assert 'value="mail"' in page


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(parse_instant("2025-07-23T12:00:00+02:00"))


@pytest.fixture
def own(tmp_path: Path, clock: ManualClock) -> Iterator[TestClient[Any]]:
    fresh_home(tmp_path, "om")
    node = open_node(load_chain("nl-justice"), "om", tmp_path, clock, Wire({}), inline=True)
    with TestClient(node_app(node), base_url="http://127.0.0.1:8600", cookies={TOKEN_COOKIE: TOKEN}) as web:
        yield web
    node.close()


def post(web: TestClient[Any], action: str, status: int = 200, **fields: str) -> str:
    answer = web.post(f"/herstel/doen/om/{action}?taal=en", data={TOKEN_FIELD: TOKEN, **fields})
    assert answer.status_code == status, answer.text
    return answer.text


def test_the_forms_carry_a_question_from_its_opening_to_its_review(own: TestClient[Any], clock: ManualClock) -> None:
    who, record = {"who": "secretary"}, {"record": "mail"}
    opening = {"title": "Mail", "question": "May mail go again?", "options": "Yes\nNot yet"}
    post(own, "dossier-openen", **record, **opening, **who)
    post(own, "dossier-aantekening", kind="unknown", text="Is all in?", since="2025-07-23T09:00", **record, **who)
    advice = {"kind": "advice", "option": "option-1", "by": "security", "text": "Do"}
    assert "entry" in post(own, "dossier-aantekening", **record, **who, **advice)
    decided = {"option": "option-1", "by": "crisis manager", "text": "Mail goes", "review": "2025-07-30"}
    post(own, "dossier-besluit", **record, **who, **decided)
    page = text(own, "/herstel/besluiten/om/mail")
    assert "Decided on 23 July 2025: yes. By: crisis manager." in page
    assert "To be looked at again on 30 July 2025." in page
    refused = post(own, "dossier-aantekening", 400, kind="argument", text="x", option="option-9", **record, **who)
    assert "weegt" in refused
    assert "option-9" in refused
    clock.set(parse_instant("2025-08-01T12:00:00+02:00"))
    assert "Should have been looked at again on 30 July 2025" in text(own, "/herstel/besluiten/om/mail")
    assert "decided, to be looked at again" in text(own, "/herstel/besluiten")
    post(own, "dossier-herziening", **record, **who, by="crisis manager", text="It stays")
    assert "Should have" not in text(own, "/herstel/besluiten/om/mail")
    assert "No decision record is there." in text(own, "/herstel/besluiten?dag=2025-07-22")


def test_a_record_of_the_chain_folder_is_taken_in_by_a_form(own: TestClient[Any]) -> None:
    assert "Added: " in post(own, "dossier-invoeren", record="om-disconnect", who="secretary")
    assert json.loads(own.get("/v0/besluitdossiers").text)["records"][0]["name"] == "om-disconnect"
