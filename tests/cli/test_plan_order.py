"""`keersluis plan weigh` and `plan schedule`: counted at the deciders' nodes, ordered at the source's, and on files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient

from decisions.deciders import CUT, FIRST, MOMENT, answer, marks
from keersluis.chain import copy_template, load_chain
from keersluis.cli.main import run
from keersluis.decisions import desk
from keersluis.exchange.wire import Wire
from keersluis.service import Node, make_home, open_node
from keersluis.times import SystemClock
from keersluis.web.app import node_app
from web.conftest import application
from web.fixtures import FakeSource

PLAN = """
title = { nl = "Terug", en = "Back" }
organisation = "om"
[roles.manager]
title = { nl = "m", en = "m" }
go = true
[roles.ciso]
title = { nl = "c", en = "c" }
go = true
[teams.links]
capacity = 1
"""
STAGE = """
[stages.{key}]
title = {{ nl = "{key}", en = "{key}" }}
phase = "trial"
start = {start}
end = {end}
duration = "{days}d"
team = "links"
[[stages.{key}.gates]]
peer = "justid"
direction = "out"
kind = "{kind}"
"""


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    """A chain folder with one plan, whose first stage takes long and helps few."""
    folder = copy_template("nl-justice", tmp_path / "chain")
    for each in (folder / "plans").glob("*.toml"):
        each.unlink()
    stages = [("slow", "2025-08-01", "2025-08-09", 8, "judgment"), ("quick", "2025-08-09", "2025-08-10", 1, FIRST)]
    text = "".join(STAGE.format(key=k, start=s, end=e, days=d, kind=kind) for k, s, e, d, kind in stages)
    (folder / "plans" / "back.toml").write_text(PLAN + text)
    make_home(load_chain(folder), folder / "run")
    (folder / "run" / "addresses.json").write_text("{}")
    return folder


def node(chain: Path, key: str) -> Node:
    return open_node(load_chain(chain), key, chain / "run", SystemClock(), Wire({}))


def decide(chain: Path, number: int) -> None:
    """Justis decides `number` times while FIRST alone is missing, and once while judgments are too."""
    justis = node(chain, "justis")
    few = [answer(f"d{n}", watermarks=marks(MOMENT * 2, prosecution__decision_serious=CUT)) for n in range(number)]
    more = marks(MOMENT * 2, prosecution__decision_serious=CUT, judgment_other=CUT)
    answers = [*few, answer("both", watermarks=more)]
    asked = [
        {"id": each.id, "policy": "vog-standard", "subject": each.subject, "moment": each.moment} for each in answers
    ]
    justis.store.write(lambda tx: desk.take(tx, justis.ctx, asked, answers, "00", MOMENT))
    justis.close()


def told(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    capsys.readouterr()
    assert run([*words, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_what_waits_is_counted_at_the_deciders_and_orders_the_plan(
    chain: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    decide(chain, 9)
    weighed = told(capsys, "plan", "weigh", "-d", str(chain))
    assert {each["organisation"]: each["decisions"] for each in weighed["counted"]} == {
        "justis": 10,
        "rvdk": 0,
        "ind": 0,
    }
    assert weighed["missing"] == []
    assert [(row["kind"], row["decisions"], row["alone"]) for row in weighed["streams"]] == [
        (FIRST, 10, 9),
        ("judgment.other", 1, 0),
    ]
    assert [(row["stage"], row["settles"], row["alone"], row["holds_up"]) for row in weighed["stages"]] == [
        ("slow", 0, 0, 1),
        ("quick", 10, 9, 10),
    ]
    order = told(capsys, "plan", "schedule", "back", "-d", str(chain))
    assert [(row["key"], row["settles"]) for row in order["stages"]] == [("quick", 9), ("slow", 1)]
    assert order["proposed"]["decision_days"] == 9 * 1 + 1 * 9
    assert order["planned_order"]["more_days"] == 10 * 9 - (9 + 9)
    assert order["proven"]


def test_counts_that_were_written_elsewhere_are_added_and_who_is_missing_is_told(
    chain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    decide(chain, 4)
    file = tmp_path / "justis.json"
    file.write_text(json.dumps(told(capsys, "plan", "weigh", "-d", str(chain), "--at", "justis")))
    order = told(capsys, "plan", "schedule", "-d", str(chain), "--file", str(file))
    assert order["missing"] == ["rvdk", "ind"]
    assert order["decisions"] == 5
    both = told(capsys, "plan", "schedule", "-d", str(chain), "--file", str(file), "--at", "rvdk", "--at", "justis")
    assert (both["missing"], both["decisions"]) == (["ind"], 5)


def test_a_chain_that_was_never_started_is_ordered_by_its_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = copy_template("nl-justice", tmp_path / "chain")
    order = told(capsys, "plan", "schedule", "-d", str(folder))
    assert order["weights"] == "plan"
    assert order["missing"] == ["justis", "rvdk", "ind"]
    assert order["stages"][0]["start"] == order["from"] == "2025-07-17T22:00:00Z"


@pytest.mark.parametrize("language", ["nl_NL", "en_GB"])
def test_it_is_said_in_words(
    chain: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, language: str
) -> None:
    monkeypatch.setenv("LC_ALL", language)
    decide(chain, 9)
    capsys.readouterr()
    assert run(["plan", "schedule", "-d", str(chain)]) == 0
    said = capsys.readouterr().out
    assert (
        "Bewezen: er is geen betere volgorde." if language == "nl_NL" else "Proven: there is no better order."
    ) in said
    assert "72" in said
    assert run(["plan", "weigh", "-d", str(chain)]) == 0
    assert FIRST in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["weigh", "--at", "nobody"], "cli.organisation"),
        (["weigh", "--file", "/nowhere.json"], "weights.unreadable"),
        (["schedule", "none"], "plan.not-found"),
        (["schedule", "--branches", "-1"], "plan.branches"),
    ],
)
def test_wrong_input_is_named(chain: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: str) -> None:
    assert run(["plan", *words, "-d", str(chain), "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["code"] == code


def test_the_api_counts_and_orders_and_refuses_nonsense(chain: Path) -> None:
    decide(chain, 2)
    justis, om = node(chain, "justis"), node(chain, "om")
    with TestClient(node_app(justis), base_url="http://127.0.0.1") as client:
        tally = client.get("/v0/herstelplannen/_telling").json()
        assert sum(group["decisions"] for group in tally["groups"]) == 3
        assert "skn" not in json.dumps(tally)
    with TestClient(node_app(om), base_url="http://127.0.0.1") as client:
        body = {"tellingen": [tally], "takken": 10}
        order = client.post("/v0/herstelplannen/back/_volgorde", json=body)
        assert (order.status_code, order.json()["decisions"]) == (200, 3)
        assert client.post("/v0/herstelplannen/back/_wegen", json={"tellingen": [tally]}).json()["stages"]
        assert client.post("/v0/herstelplannen/none/_volgorde", json=body).json()["code"] == "plan.not-found"
        for wrong in ({"takken": -1}, {"tellingen": [{}]}, {"tellingen": [tally | {"organisation": "x"}]}, [], "x"):
            answered = client.post("/v0/herstelplannen/back/_volgorde", json=wrong)
            assert answered.status_code == 400, wrong
    justis.close()
    om.close()


def test_the_page_shows_the_order_with_the_counts_of_those_who_decide() -> None:
    source = FakeSource("cut")
    with TestClient(application(source), base_url="http://127.0.0.1") as client:
        page = client.get("/herstel/plan?taal=en").text
        live = client.get("/herstel/plan?taal=en", headers={"keersluis-part": "live"}).text
    assert "Proven: there is no better order." in page
    assert "1,204" in page
    asked = [(organisation, path) for organisation, path, _body in source.calls if "_telling" in path]
    assert {organisation for organisation, _path in asked} == {"justis", "rvdk", "ind"}
    (body,) = [json.loads(body) for _o, path, body in source.calls if path.endswith("/_volgorde") and body]
    assert len(body["tellingen"]) == 3
    assert "there is no better order" not in live, "an order is no news of every second"
