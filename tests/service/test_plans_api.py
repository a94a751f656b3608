"""Plans over HTTP and from the command line: the same acts, the same refusals."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient

from homes import fresh_home
from keersluis.cli.main import run
from keersluis.cli.target import RUN
from keersluis.web.app import node_app
from recovery.plan_harness import PLAN, Office, chain_with

PLANS = "/v0/herstelplannen"
BACK = f"{PLANS}/back"


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient[Any]]:
    office = Office(tmp_path)
    with TestClient(node_app(office.node), base_url="http://127.0.0.1:8600") as opened:
        yield opened
    office.node.close()


def by(role: str, **rest: Any) -> dict[str, Any]:
    return {"wie": f"the {role}", "rol": role, "waarom": "because", **rest}


GATE = {"peer": "justid", "richting": "uit", "soort": "judgment", "stand": "open", "wie": "m", "waarom": "w"}


def test_a_plan_from_adoption_to_rollback(client: TestClient[Any]) -> None:
    assert [each["state"] for each in client.get(PLANS).json()["plans"]] == ["not-adopted"]
    assert client.post(f"{BACK}/_vaststellen", json=by("manager")).status_code == 200
    refused = client.post("/v0/poorten", json=GATE)
    assert refused.status_code == 409
    problem = refused.json()
    assert problem["code"] == "plan.no-go"
    assert [each["stage"] for each in problem["stages"]] == ["first"]
    assert problem["stages"][0]["needs"][0] == {"waits_for": "evidence", "criterion": "patched", "missing": 1}
    undo = {"peer": "*", "richting": "*", "soort": "*", "wie": "m", "waarom": "w"}
    assert client.post("/v0/poorten/_herstel", json=undo).json()["code"] == "plan.no-go"
    shown = client.post(f"{BACK}/_bewijs", json=by("forensics", fase="first", criterium="patched", notitie="x"))
    assert shown.status_code == 200
    for role in ("manager", "ciso"):
        assert client.post(f"{BACK}/_besluit", json=by(role, fase="first", go=True)).status_code == 200
    assert client.post("/v0/poorten", json=GATE).json()["moved"]
    told = client.get(BACK).json()
    assert {stage["key"]: stage["state"] for stage in told["stages"]}["first"] == "go"
    body = by("ciso", fase="first", ook_afhankelijke=True)
    dry = client.post(f"{BACK}/_terugdraaien", json=body | {"proef": True}).json()
    assert dry["dry_run"]
    done = client.post(f"{BACK}/_terugdraaien", json=body).json()
    assert done["stages"] == dry["stages"]
    assert client.post("/v0/poorten", json=GATE).status_code == 409
    no_go = client.post(f"{BACK}/_besluit", json=by("manager", fase="first", go=False)).json()["number"]
    assert client.post(f"{BACK}/_no-go-intrekken", json=by("manager", nummer=no_go)).status_code == 200
    number = shown.json()["number"]
    assert client.post(f"{BACK}/_bewijs-intrekken", json=by("forensics", nummer=number)).status_code == 200
    end = by("manager", hoe="withdrawn", tweede="the ciso", tweede_rol="ciso")
    assert client.post(f"{BACK}/_beeindigen", json=end).status_code == 200
    assert client.post("/v0/poorten", json=GATE).status_code == 200


def test_the_nodes_own_page_shows_the_plan_before_and_after_its_adoption(client: TestClient[Any]) -> None:
    before = client.get("/herstel/plan", headers={"Accept-Language": "en"}).text
    assert "not adopted: it guards nothing" in before
    client.post(f"{BACK}/_vaststellen", json=by("manager", wie="<b>the manager</b>"))
    after = client.get("/herstel/plan", headers={"Accept-Language": "en"}).text
    assert "Adopted by &lt;b&gt;the manager&lt;/b&gt; on" in after
    assert "“1” waits for: evidence of “p”; 2 goes" in after


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (f"{BACK}/_vaststellen", {"wie": 3}),
        (f"{BACK}/_bewijs", by("forensics", fase="first", criterium="patched", regel=-1)),
        (f"{BACK}/_bewijs", by("forensics", fase="first", criterium="patched", onbekend=1)),
        (f"{BACK}/_bewijs-intrekken", by("forensics", nummer=2**60)),
        (f"{PLANS}/none/_vaststellen", by("manager")),
        ("/v0/notities", {"notitie": "", "wie": ""}),
        ("/v0/notities/_intrekken", {"regel": 1, "wie": "a", "waarom": "b"}),
    ],
)
def test_nonsense_is_a_problem_of_the_caller(client: TestClient[Any], path: str, body: Any) -> None:
    answer = client.post(path, json=body)
    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("application/problem+json")


def test_no_file_outside_the_chain_is_read_over_the_api(client: TestClient[Any]) -> None:
    for name in ("..%2Fchain", "%2Fetc%2Fpasswd", "back.toml", "x" * 5000):
        assert client.get(f"{PLANS}/{name}").status_code in (400, 404)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    chain_with(tmp_path / "chain", back=PLAN)
    fresh_home(tmp_path / "chain" / RUN, "om")
    (tmp_path / "chain" / RUN / "addresses.json").write_text(json.dumps({"om": "http://127.0.0.1:9"}))
    return tmp_path / "chain"


def command(folder: Path, capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> Any:
    assert run(["plan", *words, "--json", "-d", str(folder)]) == code
    return json.loads(capsys.readouterr().out)


def test_a_plan_from_the_command_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def act(name: str, *words: str, role: str, code: int = 0) -> Any:
        who = ["--who", f"the {role}", "--role", role, "--why", "because"]
        return command(folder, capsys, name, "-o", "om", "back", *words, *who, code=code)

    assert command(folder, capsys, "check")[0]["stages"] == ["first", "second", "third"]
    assert command(folder, capsys, "list", "-o", "om")[0]["state"] == "not-adopted"
    act("adopt", role="manager")
    who = ["--who", "w", "--why", "w", "-d", str(folder), "--json"]
    assert run(["gate", "close", "-o", "om", *who]) == 0
    capsys.readouterr()
    assert run(["gate", "open", "-o", "om", *who]) == 2
    assert json.loads(capsys.readouterr().out)["code"] == "plan.no-go"
    assert act("go", "first", role="manager", code=2)["code"] == "plan.not-ready"
    entry = command(folder, capsys, "note", "-o", "om", "patched", "--who", "the writer")["entry"]
    number = act("evidence", "first", "patched", "--entry", str(entry), role="forensics")["number"]
    act("go", "first", role="manager")
    assert act("go", "first", role="ciso")["stood"] == ["first"]
    assert act("rollback", "first", "--dry-run", role="ciso")["falls"] == ["first"]
    assert act("withdraw-evidence", str(number), role="forensics")["fell"] == ["first"]
    told = command(folder, capsys, "show", "-o", "om", "back")
    assert {stage["key"]: stage["state"] for stage in told["stages"]}["first"] == "fell"
    assert act("no-go", "second", role="manager")["number"]
    assert act("end", "withdrawn", "--second", "the ciso", "--second-role", "ciso", role="manager")["ended"]
    assert run(["plan", "show", "-o", "om", "back", "-d", str(folder)]) == 0
    assert "withdrawn: it guards nothing any more" in capsys.readouterr().out


def test_check_tells_every_fault_and_ends_with_2(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "plans" / "one.toml").write_text("stages = 3")
    (folder / "plans" / "two.toml").write_text("nonsense")
    assert run(["plan", "check", "-d", str(folder)]) == 2
    said = capsys.readouterr().err
    assert "one.toml: stages: expected a table" in said
    assert "two.toml: expected TOML" in said
