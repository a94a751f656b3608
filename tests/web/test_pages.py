"""The pages over HTTP, as a browser without script meets them: forms, links, cookies, headers, weight."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from keersluis.errors import Conflict, Unavailable
from keersluis.web.render import load_assets
from keersluis.web.site import page_handlers
from web.conftest import application
from web.fixtures import SITUATIONS, FakeSource

Client = TestClient[Litestar]
PAGES = ("/", "/herzieningen", "/tijdlijn", "/poort/om", "/poort/om/gedaan?state=closed&was=open", "/nergens")
PAGES += ("/herstel/achterstanden/wat-als",)
PAGES += ("/uitwisseling", "/uitwisseling/om", "/uitwisseling/justid/gat-melden")
PAGES += ("/herstel",)
PAGES += ("/herstel/besluiten", "/herstel/besluiten/om/om-disconnect", "/herstel/doen/om/dossier-aantekening")
PAGES += ("/herstel/plan", "/herstel/doen/om/plan-besluit?stage=mail")
PAGES += ("/herstel/achterstanden", "/herstel/achterstanden/om/om-paper", "/herstel/achterstanden/om/om-calls")
PAGES += ("/herstel/prognoses",)
PAGES += ("/herstel/diensten", "/herstel/doen/om/dienst-melden", "/stand")
ORDER = {"state": "closed", "who": "Crisismanager OM", "why": "Advies van het NCSC"}
MOST = 60 * 1024


@pytest.fixture
def source() -> FakeSource:
    return FakeSource("calm")


@pytest.fixture
def client(source: FakeSource) -> Iterator[Client]:
    with TestClient(application(source)) as opened:
        yield opened


class Form(HTMLParser):
    """The fields of the form that has a button called `stap`, with their values."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.values: dict[str, str] = {}
        self._area = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "input" and (given.get("type") != "radio" or "checked" in given):
            self.values[given["name"]] = given.get("value", "")
        self._area = given.get("name", "") if tag == "textarea" else ""

    def handle_data(self, data: str) -> None:
        if self._area:
            self.values[self._area] = self.values.get(self._area, "") + data


def token(client: Client, path: str = "/poort/om") -> dict[str, str]:
    return {"formulier": Form(client.get(path).text).values["formulier"]}


def post(client: Client, path: str, form: dict[str, Any], **headers: str) -> Any:
    return client.post(path, data=form, headers=headers, follow_redirects=False)


@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("language", ["nl", "en"])
@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_whole_in_both_languages(situation: str, language: str, path: str) -> None:
    with TestClient(application(FakeSource(situation))) as client:
        answer = client.get(path, headers={"Accept-Language": language})
    assert answer.status_code == (404 if path == "/nergens" else 200)
    assert f'<html lang="{language}">' in answer.text
    assert answer.headers["Content-Language"] == language
    assert len(re.findall("<h1", answer.text)) == 1
    levels = [int(level) for level in re.findall(r"<h(\d)", answer.text)]
    assert all(after <= before + 1 for before, after in pairwise(levels)) or path == "/poort/om"
    ids = re.findall(r' id="(.*?)"', answer.text)
    assert len(ids) == len(set(ids))
    assert not re.search(r"\{\w+\}|Undefined|None<", answer.text)


@pytest.mark.parametrize("only", ["om", "justid", "justis"])
def test_the_same_page_serves_one_node(only: str) -> None:
    with TestClient(application(FakeSource("cut", only=only, demo=False))) as client:
        text = client.get("/").text
        assert f'action="/poort/{only}"' in text
        assert 'name="snelheid"' not in text
        assert client.get("/poort/om").status_code == (200 if only == "om" else 404)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_weighs_little_with_everything_that_it_loads(path: str) -> None:
    source = FakeSource("cut")
    with TestClient(application(source)) as client:
        page = client.get(path)
        loaded = set(re.findall(r'(?:src|href)="(/statisch/.*?)"', page.text))
        weights = [len(gzip.compress(client.get(address).content)) for address in loaded]
    assert loaded
    assert len(gzip.compress(page.content)) + sum(weights) <= MOST
    assert not re.findall(r'(?:src|href|action)="(?:https?:)?//', page.text)


def test_nothing_is_inline_that_the_policy_forbids(client: Client) -> None:
    for path in PAGES:
        answer = client.get(path)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe-inline" not in policy
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|<script(?![^>]* src=)", answer.text)
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"


def test_the_link_in_the_page_changes_the_language_and_it_stays(client: Client) -> None:
    english = client.get("/tijdlijn", headers={"Accept-Language": "en"})
    assert 'href="/tijdlijn?taal=nl" hreflang="nl" lang="nl"' in english.text
    assert '<html lang="nl">' in client.get("/tijdlijn?taal=nl").text
    assert '<html lang="nl">' in client.get("/", headers={"Accept-Language": "en"}).text


def test_an_asset_is_kept_for_good_under_an_address_of_its_own_content(client: Client) -> None:
    address = re.findall(r'href="(/statisch/style\.css\?v=\w+)"', client.get("/").text)[0]
    answer = client.get(address)
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.headers["Content-Type"].startswith("text/css")
    assert client.get("/statisch/nothing.css").status_code == 404


def test_an_organisation_may_bring_its_own_style_sheet(tmp_path: Path, source: FakeSource) -> None:
    theme = tmp_path / "ours.css"
    theme.write_text(":root { --utrecht-link-color: #123456 }")
    with TestClient(Litestar([*page_handlers(source, theme)], openapi_config=None)) as client:
        page = client.get("/").text
        address = re.findall(r'href="(/statisch/theme\.css\?v=\w+)"', page)[0]
        assert page.index("style.css") < page.index("theme.css")
        assert "#123456" in client.get(address).text


def test_our_own_style_sheet_uses_the_token_names_of_the_nl_design_system() -> None:
    style = load_assets(None)["style.css"].content.decode()
    root = style[style.index(":root {") : style.index("}")]
    names = re.findall(r"(--[\w-]+):", root)
    assert len([name for name in names if name.startswith("--utrecht-")]) > 30
    assert not [name for name in names if not name.startswith(("--utrecht-", "--keersluis-"))]
    assert not re.search(r"rijksoverheid|rijkshuisstijl|url\(", style, re.IGNORECASE)


# -- a gate order without script ---------------------------------------------------------------------------------


def test_a_gate_is_closed_in_three_steps_and_opened_again_in_one(client: Client, source: FakeSource) -> None:
    form = token(client) | ORDER | {"stap": "kijk"}
    confirm = post(client, "/poort/om", form)
    assert confirm.status_code == 200
    assert source.orders == []
    assert "It will happen when you confirm" in confirm.text

    done = post(client, "/poort/om", Form(confirm.text).values | {"stap": "doe"})
    assert done.status_code == 303
    (organisation, order) = source.orders[0]
    assert organisation == "om"
    expected = {"peer": "*", "direction": "*", "kind": "*", "state": "closed", "rate": None, "until": None}
    assert order == {**expected, "who": ORDER["who"], "why": ORDER["why"], "evidence": None}

    page = client.get(done.headers["Location"])
    assert "The gate of Public Prosecution Service has been closed" in page.text
    assert "Open again" in page.text
    undone = post(client, "/poort/om", Form(page.text).values | {"stap": "doe"})
    assert undone.status_code == 303
    assert (source.orders[1][1]["state"], source.orders[1][1]["who"]) == ("open", ORDER["who"])
    assert "All its gates are open." in client.get("/poort/om").text


def test_the_overview_offers_a_button_for_each_move_at_each_organisation(client: Client) -> None:
    text = client.get("/").text
    for key in ("om", "politie", "justid", "justis", "rvdk", "ind"):
        form = re.search(rf'<form class="house__form" action="/poort/{key}".*?</form>', text, re.DOTALL)
        assert form is not None
        assert re.findall(r'name="state" value="(\w+)"', form[0]) == ["closed", "metered", "open"]
    assert 'id="state-metered" name="state" value="metered" aria-describedby="state-metered-hint" checked' in (
        client.get("/poort/om?state=metered").text
    )


def test_mistakes_are_summed_up_tied_to_their_fields_and_what_was_typed_is_kept(client: Client) -> None:
    form = token(client) | {"state": "metered", "rate": "heel veel", "who": "", "why": "Omdat <b>het</b> moet"}
    answer = post(client, "/poort/om?taal=nl", form | {"stap": "kijk", "until": "2001-01-01T00:00"})
    assert answer.status_code == 400
    assert "Er zijn 3 dingen te verbeteren" in answer.text
    assert re.search(r'class="summary"[^>]* role="alert" tabindex="-1" autofocus', answer.text)
    for field in ("rate", "who", "until"):
        assert f'<a href="#{field}">' in answer.text
        tag = re.search(rf'<\w+ [^>]*id="{field}"[^>]*>', answer.text)
        assert tag is not None
        assert 'aria-invalid="true"' in tag[0]
        assert f"{field}-fault" in tag[0]
        assert f'id="{field}-fault"' in answer.text
    assert 'value="heel veel"' in answer.text
    assert "Omdat &lt;b&gt;het&lt;/b&gt; moet" in answer.text
    assert "<title>Fout: " in answer.text


def test_changing_something_brings_the_form_back_as_it_was(client: Client, source: FakeSource) -> None:
    form = token(client) | ORDER | {"stap": "kijk", "kind": "judgment", "evidence": "NCSC-2025-0196"}
    confirm = post(client, "/poort/om", form)
    again = post(client, "/poort/om", Form(confirm.text).values | {"stap": "wijzig"})
    values = Form(again.text).values
    assert (again.status_code, source.orders) == (200, [])
    assert (values["why"].strip(), values["evidence"], values["state"]) == (ORDER["why"], "NCSC-2025-0196", "closed")
    assert '<option value="judgment" selected>' in again.text


def test_what_a_node_refuses_is_said_and_nothing_is_lost(client: Client, source: FakeSource) -> None:
    for refusal in (Conflict("gate.other", expected="no newer order"), Unavailable("store.full", expected="space")):
        source.refusal = refusal
        answer = post(client, "/poort/om", token(client) | ORDER | {"stap": "doe"})
        assert answer.status_code == refusal.status
        assert "The order was not carried out." in answer.text
        assert ORDER["why"] in answer.text


def test_a_form_of_another_site_moves_no_gate(client: Client, source: FakeSource) -> None:
    good = token(client)
    attacks: list[tuple[dict[str, str], dict[str, str]]] = [
        ({}, {}),
        ({"formulier": "x" * 43}, {}),
        (good, {"Origin": "https://elsewhere.example"}),
        (good, {"Origin": "null"}),
    ]
    for stolen, headers in attacks:
        answer = post(client, "/poort/om", stolen | ORDER | {"stap": "doe"}, **headers)
        assert answer.status_code == 403
        assert ORDER["why"] in answer.text
    client.cookies.clear()
    assert post(client, "/poort/om", good | ORDER | {"stap": "doe"}).status_code == 403
    assert post(client, "/bediening", good | {"actie": "pause"}).status_code == 403
    assert (source.orders, source.controls) == ([], [])


def test_the_cookie_of_a_form_stays_on_this_site(client: Client) -> None:
    cookie = client.get("/poort/om").headers["Set-Cookie"]
    assert "SameSite=strict" in cookie
    assert "HttpOnly" in cookie


def test_a_made_up_result_says_nothing(client: Client) -> None:
    assert client.get("/poort/om/gedaan?state=burned").status_code == 404
    assert client.get("/poort/om/gedaan?state=closed&peer=nobody").status_code == 404
    assert "Open again" not in client.get("/poort/om/gedaan?state=closed&was=<script>").text
    assert client.get("/poort/nobody").status_code == 404


# -- the demo's clock --------------------------------------------------------------------------------------------


def test_the_demos_clock_is_paused_and_sped_up_by_plain_buttons(client: Client, source: FakeSource) -> None:
    for form in ({"actie": "pause"}, {"actie": "resume"}, {"snelheid": "86400"}):
        assert post(client, "/bediening", token(client) | form).status_code == 303
    assert source.controls == [{"action": "pause"}, {"action": "resume"}, {"action": "speed", "factor": 86_400.0}]
    assert post(client, "/bediening", token(client) | {"snelheid": "1e9"}).status_code == 400


def test_a_scenario_that_has_ended_offers_no_buttons_for_its_clock(client: Client, source: FakeSource) -> None:
    for status in source.all:
        status["now"] = "2025-12-01T00:00:00Z"
    text = client.get("/").text
    assert "The scenario has come to its end" in text
    assert 'name="snelheid"' not in text
    assert 'name="actie"' not in text


def test_a_real_clock_has_no_buttons() -> None:
    source = FakeSource("cut", only="om", demo=False)
    with TestClient(application(source)) as client:
        assert post(client, "/bediening", token(client) | {"actie": "pause"}).status_code == 404
        assert "/bediening" not in client.get("/").text
    assert source.controls == []


# -- faults and live regions -------------------------------------------------------------------------------------


def test_a_fault_is_told_calmly_and_shows_no_inside(source: FakeSource) -> None:
    def broken() -> Any:
        raise RuntimeError("secret of the house")

    source.statuses = broken  # type: ignore[method-assign]
    with TestClient(application(source), raise_server_exceptions=False) as client:
        answer = client.get("/", headers={"Accept-Language": "nl"})
    assert answer.status_code == 500
    assert "Hier ging iets mis" in answer.text
    assert "secret" not in answer.text


def test_a_form_that_is_far_too_large_is_refused(client: Client, source: FakeSource) -> None:
    answer = post(client, "/poort/om", token(client) | ORDER | {"why": "x" * 200_000})
    assert answer.status_code == 413
    assert source.orders == []


def test_the_script_gets_the_live_regions_of_the_same_page_and_no_more(client: Client) -> None:
    for path in ("/", "/herzieningen", "/tijdlijn"):
        whole, part = client.get(path), client.get(path, headers={"Keersluis-Part": "live"})
        regions = re.findall(r'id="([\w-]+)" data-live', whole.text)
        assert set(re.findall(r'id="([\w-]+)" data-live', part.text)) == set(regions) - {"clock-controls"}
        assert "page-header" not in part.text
        assert len(part.content) < len(whole.content)


def test_words_of_others_are_never_taken_for_markup(source: FakeSource) -> None:
    for status in source.all:
        status["gates"] = [
            {
                "peer": "*", "direction": "in", "kind": "*", "state": "closed", "rate": None, "who": "<i>who</i>",
                "why": "<script>why</script>", "until": None, "evidence": "<b>", "at": status["now"],
            }
        ]  # fmt: skip
        for entry in status["timeline"]["entries"]:
            entry["text_en"] = "<img src=x>"
    with TestClient(application(source)) as client:
        text = client.get("/", headers={"Accept-Language": "en"}).text
    for bad in ("<i>who", "<script>why", "<b>", "<img src=x"):
        assert bad not in text
    assert "&lt;script&gt;why" in text
