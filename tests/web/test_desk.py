"""The pages of the exchange: what they show, and that an action is the API's operation under a form, nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient

from keersluis.chain import load_chain
from keersluis.errors import Incorrect, Unavailable
from keersluis.exchange.wire import Wire
from keersluis.service import make_home, open_node
from keersluis.times import SystemClock
from keersluis.web import exchange_topics
from keersluis.web.app import node_app
from keersluis.web.scene import Scene
from keersluis.web.security import TOKEN_COOKIE, TOKEN_FIELD
from keersluis.words import translator
from web.conftest import application
from web.fixtures import CHAIN, FakeSource, chain_statuses

TOKEN = "t" * 43
SCENE = Scene(translator("en"), CHAIN, chain_statuses("cut"))
EVERY = [(key, action.key) for key in SCENE.by_key for action in exchange_topics.actions(SCENE, key)]


def client(source: FakeSource) -> TestClient[Any]:
    return TestClient(application(source), cookies={TOKEN_COOKIE: TOKEN})


def post(web: TestClient[Any], address: str, **fields: str) -> Any:
    return web.post(address, data={TOKEN_FIELD: TOKEN, **fields})


@pytest.mark.parametrize("language", ["nl", "en"])
def test_every_action_has_a_form_with_a_label_for_each_field(language: str) -> None:
    with client(FakeSource("cut")) as web:
        for organisation, action in EVERY:
            page = web.get(f"/uitwisseling/{organisation}/{action}?taal={language}").text
            for field in next(
                each for each in exchange_topics.actions(SCENE, organisation) if each.key == action
            ).fields:
                assert f'<label for="{field.name}">' in page, (action, field.name)


def test_an_empty_form_is_answered_with_everything_that_is_wrong_at_once() -> None:
    source = FakeSource("cut")
    with client(source) as web:
        answer = post(web, "/uitwisseling/om/wacht-op-invoer")
    assert answer.status_code == 400
    assert answer.text.count('class="field__fault"') == 4
    assert source.calls == []


def test_a_form_makes_the_request_that_a_program_would_make() -> None:
    source = FakeSource("cut")
    filled = {"kind": "judgment.serious", "id": "2025-081", "when": "2025-08-02T10:00", "channel": "paper"}
    with client(source) as web:
        answer = post(web, "/uitwisseling/om/wacht-op-invoer", **filled)
    assert answer.status_code == 200
    ((organisation, path, body),) = [call for call in source.calls if call[2] is not None]
    assert (organisation, path) == ("om", "/v0/inname/wachtend")
    item = {"soort": "judgment.serious", "id": "2025-081", "gebeurd": "2025-08-02T08:00:00Z", "kanaal": "paper"}
    assert json.loads(body or b"") == [item]


def test_what_has_consequences_is_done_on_confirmation_only() -> None:
    source = FakeSource("cut")
    source.answers["/v0/gaten"] = b'{"result": 3}'
    gap = {"kind": "judgment.serious", "since": "2025-01-01T00:00", "until": "2025-02-01T00:00"}
    with client(source) as web:
        first = post(web, "/uitwisseling/justid/gat-melden", **gap)
        assert (first.status_code, source.calls) == (200, [])
        assert 'name="stap" value="doe"' in first.text
        back = post(web, "/uitwisseling/justid/gat-melden", **gap, stap="wijzig")
        assert 'value="2025-01-01T00:00"' in back.text
        done = post(web, "/uitwisseling/justid/gat-melden", **gap, stap="doe")
    assert "3" in done.text
    assert [path for _who, path, _body in source.calls] == ["/v0/gaten"]


def test_a_form_from_elsewhere_does_nothing() -> None:
    source = FakeSource("cut")
    with client(source) as web:
        answer = web.post("/uitwisseling/om/wacht-op-invoer", data={TOKEN_FIELD: "x" * 43, "kind": "judgment.serious"})
    assert (answer.status_code, source.calls) == (403, [])


@pytest.mark.parametrize("refusal", [Incorrect("x.y", expected="this", got="that"), Unavailable("x.z")])
def test_a_refusal_is_shown_beside_what_was_filled_in(refusal: Exception) -> None:
    source = FakeSource("cut")
    source.refusal = refusal
    filled = {"kind": "judgment.serious", "id": "2025-081", "when": "2025-08-02T10:00", "channel": "paper"}
    with client(source) as web:
        answer = post(web, "/uitwisseling/om/wacht-op-invoer", **filled)
    assert answer.status_code >= 400
    assert 'value="2025-081"' in answer.text


@pytest.mark.parametrize("address", ["/uitwisseling/nobody", "/uitwisseling/om/nothing", "/uitwisseling/om/gat-melden"])
def test_an_organisation_or_an_action_that_is_not_there_is_a_calm_404(address: str) -> None:
    with client(FakeSource("cut")) as web:
        assert web.get(address).status_code == 404


@pytest.fixture
def node_page(tmp_path: Path) -> Iterator[TestClient[Any]]:
    chain = load_chain("nl-justice")
    make_home(chain, tmp_path)
    node = open_node(chain, "om", tmp_path, SystemClock(), Wire({}))
    with TestClient(node_app(node), base_url="http://127.0.0.1:8600", cookies={TOKEN_COOKIE: TOKEN}) as web:
        yield web
    node.close()


def test_a_nodes_own_page_acts_through_its_own_api(node_page: TestClient[Any]) -> None:
    filled = {"kind": "judgment.serious", "id": "2025-081", "when": "2025-08-02T10:00", "channel": "paper"}
    assert post(node_page, "/uitwisseling/om/wacht-op-invoer", **filled).status_code == 200
    last = node_page.get("/v0/tijdlijn").json()["entries"][-1]
    assert (last["kind"], last["body"]["count"]) == ("intake.waiting", 1)
    refused = post(node_page, "/uitwisseling/om/wacht-op-invoer", **filled | {"id": ""})
    assert refused.status_code == 400


def test_a_bundle_that_is_uploaded_is_kept_and_taken_in() -> None:
    source = FakeSource("cut")
    source.answers["/v0/bundels"] = b'{"kept": [5]}'
    taken = {"n": 5, "bundle": "ab", "peer": "om", "holds": "events", "state": "applied", "missing": [], "events": 1812}
    source.answers["/v0/bundels/_verwerk"] = json.dumps(
        taken | {"passed": 3, "carried": 1815, "left": 0, "receipts": 0, "refused": {}}
    ).encode()
    with client(source) as web:
        answer = web.post(
            "/uitwisseling/justid/bundel-inlezen?taal=en",
            data={TOKEN_FIELD: TOKEN},
            files={"file": ("carried.part-1", b"\x00\x01bytes", "application/octet-stream")},
        )
    assert answer.status_code == 200, answer.text
    assert "1,812 new events, 3 were here already" in answer.text
    assert [(path, body) for _who, path, body in source.calls] == [
        ("/v0/bundels", b"\x00\x01bytes"),
        ("/v0/bundels/_verwerk", b'{"nummer": 5}'),
    ]


def test_a_part_of_a_bundle_is_fetched_as_a_file() -> None:
    source = FakeSource("cut")
    source.answers["/v0/bundels/3/delen/2"] = b"\x7fpart"
    with client(source) as web:
        answer = post(web, "/uitwisseling/om/bundel-ophalen", number="3", part="2")
    assert answer.content == b"\x7fpart"
    assert answer.headers["content-disposition"] == 'attachment; filename="keersluis-3.part-2"'


def test_what_the_api_really_says_is_what_the_page_shows(node_page: TestClient[Any]) -> None:
    """Made-up answers prove nothing about the real ones: each topic with something in it, from a node's own API."""
    own = "/uitwisseling/om"
    waits = {"kind": "judgment.serious", "when": "2025-08-02T10:00", "channel": "paper"}
    assert post(node_page, f"{own}/wacht-op-invoer", **waits, id="2025-081").status_code == 200
    bag = {"kind": "disposal", "id": "post-room", "count": "40", "oldest": "2025-08-01T00:00", "channel": "mailbox"}
    bagged = post(node_page, f"{own}/postzak", **bag)
    assert bagged.status_code == 200, bagged.text
    said = {"who": "crisis manager", "why": "test"}
    scope = {"peer": "*", "direction": "uit", "kind": "*", "link": "wire"}
    gate = {**scope, **said, "state": "metered", "rate": "5", "stap": "doe"}
    assert post(node_page, f"{own}/poort-in-detail", **gate).status_code == 200
    undone = post(node_page, f"{own}/poort-terug", **scope, **said, stap="doe")
    assert undone.status_code == 200, undone.text
    made = post(node_page, f"{own}/bundel-maken", peer="justid", plain="ja")
    assert made.status_code == 200, made.text
    fetched = post(node_page, f"{own}/bundel-ophalen", number="1", part="1")
    assert (fetched.status_code, fetched.headers["content-type"]) == (200, "application/octet-stream")
    fact = {"subject": "skn:T0000001", "content": {"offence": "generated"}}
    event = {"specversion": "1.0", "id": "2025-090", "source": "urn:nld:oin:00000099000000001001:systeem:test"}
    event |= {"type": "nl.justitie.prosecution-decision.serious", "occurred": "2025-08-02T10:00:00+02:00", "data": fact}
    assert node_page.post("/v0/gebeurtenissen", json=event).status_code == 200
    pdf = post(node_page, f"{own}/brieven-afdrukken", event="2025-090", language="nl")
    assert pdf.content.startswith(b"%PDF"), pdf.text
    turned = post(node_page, f"{own}/sleutel-wisselen", **said, stap="doe")
    assert turned.status_code == 200, turned.text
    page = node_page.get("/uitwisseling?taal=en").text
    for shown in (
        "post-room",
        "Registered, per kind and place",
        "The latest orders",
        "Made here",
        "Printed: 1 in all",
        "to come",
    ):
        assert shown in page, shown


def test_a_comparison_names_the_first_period_in_words() -> None:
    source = FakeSource("cut")
    first = {"since": "2025-06-01T00:00:00Z", "until": "2025-06-02T00:00:00Z"}
    source.answers["/v0/afstemmingen/_met"] = json.dumps({"agrees": False, "first": first, "under_way": 4}).encode()
    asked = {"kind": "om/judgment.serious", "since": "2025-01-01T00:00", "until": "2025-07-01T00:00"}
    with client(source) as web:
        answer = post(web, "/uitwisseling/justid/vergelijken?taal=en", **asked)
    assert "from Sunday 1 June 2025" in answer.text
    assert "&lt;time" not in answer.text
