"""The pages of backlogs: worst first, with their sentences, charts and tables; counts imported by a form."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from keersluis.errors import Incorrect
from keersluis.recovery.imports import of_table
from web.conftest import application
from web.fixtures import FakeSource

Client = TestClient[Litestar]
FORM = "/herstel/doen/om/tellingen-importeren"


@pytest.fixture
def source() -> FakeSource:
    return FakeSource("cut")


@pytest.fixture
def client(source: FakeSource) -> Iterator[Client]:
    with TestClient(application(source)) as opened:
        yield opened


def test_the_list_leads_to_each_backlog_with_what_holds_the_register_back(client: Client, source: FakeSource) -> None:
    text = client.get("/herstel/achterstanden", headers={"Accept-Language": "nl"}).text
    told = json.loads(source.answers["/v0/achterstanden"])
    assert told["holding"]["sentence_nl"] in text
    found = re.findall(r'href="/herstel/achterstanden/om/([^"]+)"', text)
    assert found == [each["key"] for each in told["backlogs"]]
    assert found[0] == "om-paper"
    above = [each for each in told["backlogs"] if each["stock"] > each["normal"]]
    assert text.count('class="chart chart--narrow"') == len(above) > 0
    assert all(each["lasts_nl"] in text for each in above)


def test_a_backlog_has_a_fan_of_three_intervals_and_the_same_numbers_in_a_table(
    client: Client, source: FakeSource
) -> None:
    text = client.get("/herstel/achterstanden/om/om-paper", headers={"Accept-Language": "en"}).text
    assert [text.count(f'class="chart-band chart-band--{level}"') for level in (50, 80, 95)] == [3, 3, 3]
    said = json.loads(source.answers["/v0/prognoses/1"])["statement"]
    rows = re.search(r'id="fan-caption".*?</table>', text, re.S)
    assert rows is not None
    assert rows[0].count('<th scope="row">') == len(said["quantiles"])
    assert f"{round(said['quantiles'][3][said['levels'].index(0.5)]):,}" in rows[0]


def test_a_backlog_that_nobody_counts_is_not_found(client: Client) -> None:
    assert client.get("/herstel/achterstanden/om/om-papr").status_code == 404
    assert client.get("/herstel/achterstanden/nobody/om-paper").status_code == 404


def test_a_table_is_imported_by_a_form_and_its_faults_go_along(client: Client, source: FakeSource) -> None:
    source.answers["/v0/achterstanden/_importeer"] = b'{"again": false, "came": 20, "left": 16}'
    token = re.search(r'name="formulier" value="([^"]+)"', client.get(FORM + "?backlog=om-calls").text)
    assert token is not None
    table = b"date;arrivals;completions\n2025-07-01;10;8\n2025-07-02;10;8\n2025-07-03;-1;8\n"
    form = {"formulier": token[1], "backlog": "om-calls", "who": "planner", "why": "count"}
    answer = client.post(FORM, data=form, files={"file": ("c.csv", table, "text/csv")})
    assert answer.status_code == 200
    organisation, path, body = source.calls[-1]
    sent = json.loads(body or b"")
    assert (organisation, path, sent["achterstand"], sent["stap"]) == (
        "om",
        "/v0/achterstanden/_importeer",
        "om-calls",
        1,
    )
    assert [row[1:3] for row in sent["perioden"]] == [[10, 8], [10, 8]]
    assert sent["weggelaten"] == [{"code": "negative-count", "number": 1, "places": ["line 4"]}]


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"\xff\xfe\x00", b"date,arrivals\n2025-07-01,3\n"])
def test_what_is_no_table_of_counts_is_refused(content: bytes) -> None:
    from zoneinfo import ZoneInfo

    with pytest.raises(Incorrect, match=r"backlog\.columns|log\.not-csv"):
        of_table(content, ZoneInfo("Europe/Amsterdam"))
