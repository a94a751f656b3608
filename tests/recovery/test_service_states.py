"""The state of services at a node: told with who and why, kept with its history, told twice as once, taken back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar.testing import TestClient

from homes import fresh_home
from keersluis import serving, status
from keersluis.chain import load_chain
from keersluis.cli.main import run
from keersluis.errors import Conflict, Incorrect
from keersluis.exchange.wire import Wire
from keersluis.recovery import service_states
from keersluis.recovery.changes import Change, Told, names_somebody, standing
from keersluis.recovery.service_view import across
from keersluis.recovery.servicefiles import load_services
from keersluis.recovery.services import Down, Up
from keersluis.service import Node, open_node
from keersluis.timeline import log
from keersluis.times import HOUR, ManualClock, format_instant, parse_instant
from keersluis.web.app import node_app

CHAIN = load_chain("nl-justice")
CUT = parse_instant("2025-07-17T06:00:00+02:00")
DOWN = Told("down", "crisis manager", "Possible abuse of a vulnerability", evidence="notice NCSC")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(CUT)


@pytest.fixture
def node(tmp_path: Path, clock: ManualClock) -> Iterator[Node]:
    fresh_home(tmp_path, "om")
    opened = open_node(CHAIN, "om", tmp_path, clock, Wire({}), inline=True)
    yield opened
    opened.close()


@pytest.fixture
def client(node: Node) -> Iterator[TestClient[Any]]:
    with TestClient(node_app(node), base_url="http://127.0.0.1:8600") as opened:
        yield opened


def entries(node: Node) -> list[dict[str, Any]]:
    with node.store.read() as tx:
        return [each.body for each in log.entries(tx, 0, 1000) if each.kind == "service.state"]


def test_a_state_is_kept_with_who_why_evidence_and_return_and_is_an_entry(node: Node, clock: ManualClock) -> None:
    clock.set(CUT + HOUR)
    told = Told(
        "emergency", "crisis manager", "E-mail is off", "post", format_instant(CUT), "2025-08-08", "letter",
        {"nl": "Stuur post.", "en": "Send post."}, "mail-1",
    )  # fmt: skip
    done = serving.change(node, "om-mail", told)
    assert done["changed"]
    one = serving.one(node, "om-mail")
    assert (one["state"], one["procedure"], one["since"]) == ("emergency", "post", "2025-07-17T04:00:00Z")
    assert (one["usable"], one["expected"], one["overdue"]) == ("procedure", "2025-08-08", False)
    assert one["history"][0]["at"] == "2025-07-17T05:00:00Z"
    (entry,) = entries(node)
    assert {"who", "why", "evidence", "expected", "public", "number"} <= entry.keys()
    (said,) = [each for each in status.entries(node, 0, 100) if each["kind"] == "service.state"]
    assert "E-mail met de buitenwereld" in said["text_nl"]
    assert "under an emergency procedure (By post" in said["text_en"]
    clock.set(CUT + 60 * 24 * HOUR)
    assert serving.one(node, "om-mail")["overdue"]


def test_told_twice_it_is_as_once_and_the_key_stands_for_one_change(node: Node, clock: ManualClock) -> None:
    keyed = Told("down", "crisis manager", "why", key="k")
    assert serving.change(node, "om-internet", keyed)["changed"]
    clock.set(CUT + HOUR)
    assert not serving.change(node, "om-internet", keyed)["changed"]
    assert not serving.change(node, "om-internet", Told("down", "crisis manager", "why"))["changed"]
    assert serving.change(node, "om-internet", Told("up", "crisis manager", "back"))["changed"]
    assert not serving.change(node, "om-internet", keyed)["changed"], "the key stands for what was told under it"
    with pytest.raises(Conflict, match=r"service\.key-reused"):
        serving.change(node, "om-internet", Told("up", "crisis manager", "why", key="k"))
    with pytest.raises(Conflict, match=r"service\.key-reused"):
        serving.change(node, "om-mail", keyed)
    assert [each["state"] for each in entries(node)] == ["down", "up"]


def test_an_undo_brings_back_what_stood_before_and_both_stay_in_the_history(node: Node, clock: ManualClock) -> None:
    serving.change(node, "om-internet", DOWN)
    clock.set(CUT + HOUR)
    serving.change(node, "om-internet", Told("up", "clerk", "mistake"))
    clock.set(CUT + 2 * HOUR)
    back = serving.undo(node, "om-internet", "crisis manager", "It was not up", "u")
    assert (back["stands"]["state"], back["stands"]["since"]) == ("down", "2025-07-17T04:00:00Z")
    again = serving.undo(node, "om-internet", "crisis manager", "It was not up", "u")
    assert (again["changed"], again["undone"]) == (False, back["undone"])
    assert serving.undo(node, "om-internet", "crisis manager", "Never was")["stands"] is None
    one = serving.one(node, "om-internet")
    assert (one["state"], one["since"], len(one["history"])) == ("up", None, 4)
    with pytest.raises(Incorrect, match="nothing-to-undo"):
        serving.undo(node, "om-internet", "crisis manager", "once more")
    sentences = [each["text_en"] for each in status.entries(node, 0, 100) if each["kind"] == "service.state"]
    assert "took back" in sentences[2]
    assert sentences[2].endswith("down.")


def test_all_that_is_wrong_is_told_at_once_and_nothing_is_kept(node: Node, clock: ManualClock) -> None:
    serving.change(node, "om-mail", Told("down", "crisis manager", "why"))
    wrong = Told(
        "emergncy", " ", "about 999993653", None, format_instant(CUT - HOUR), "2025-07-01", "x" * 2000,
        {"nl": "Zaak 01/234567-19", "fr": "x"}, "",
    )  # fmt: skip
    with pytest.raises(Incorrect) as caught:
        serving.change(node, "om-mail", wrong)
    told = " | ".join(caught.value.faults)
    for word in (
        "state:",
        "who:",
        "why:",
        "since:",
        "expected:",
        "evidence:",
        "public.nl",
        "public.en",
        "public.fr",
        "key",
    ):
        assert word in told, word
    assert "did you mean 'emergency'" in told
    assert "999993653" not in told
    for key in ("", "k\x00", "x" * 201):
        with pytest.raises(Incorrect, match="printable"):
            serving.change(node, "om-mail", Told("up", "a", "b", key=key))
        with pytest.raises(Incorrect, match="printable"):
            serving.undo(node, "om-mail", "a", "b", key)
    for stand, procedure in (("emergency", None), ("emergency", "pots"), ("down", "post")):
        with pytest.raises(Incorrect, match="procedure:"):
            serving.change(node, "om-mail", Told(stand, "a", "b", procedure))
    with pytest.raises(Incorrect, match="no return of what is up"):
        serving.change(node, "om-mail", Told("up", "a", "b", expected="2025-12-01"))
    with pytest.raises(Incorrect, match="in the future"):
        serving.change(node, "om-mail", Told("up", "a", "b", since=format_instant(CUT + HOUR)))
    assert len(entries(node)) == 1


def test_the_state_is_told_where_it_is_kept_and_nowhere_else(node: Node) -> None:
    with pytest.raises(Incorrect, match=r"service\.elsewhere") as caught:
        serving.change(node, "justid-register", DOWN)
    assert "justid" in caught.value.mend
    with pytest.raises(Incorrect, match="did you mean 'om-mail'"):
        serving.change(node, "om-mial", DOWN)
    assert serving.change(node, "cjib-collection", DOWN)["changed"], "the agency has no node; the OM tells"


def test_states_of_nodes_together_show_what_one_takes_along_at_another(node: Node) -> None:
    serving.change(node, "om-internet", DOWN)
    services = load_services(CHAIN)
    found = {each["key"]: each for each in across(services, {"om": serving.listed(node)})}
    assert found["politie-to-om"]["due_to"] == ["om-internet"]
    assert (found["politie-to-om"]["usable"], found["politie-to-om"]["state"]) == ("no", None)
    assert {"om-mail", "rechtspraak-hearings"} <= set(found["om-internet"]["takes_along"])
    stolen = {"politie": serving.listed(node)}
    assert all(each["state"] is None for each in across(services, stolen)), "nobody speaks for another's services"


def test_the_api_tells_and_takes_states_and_names_every_fault(client: TestClient[Any]) -> None:
    body = {"stand": "down", "wie": "crisis manager", "waarom": "why", "publiek": {"nl": "Uit.", "en": "Off."}}
    told = client.post("/v0/diensten/om-internet/standen", json=body)
    assert (told.status_code, told.json()["changed"]) == (200, True)
    listed = {each["key"]: each for each in client.get("/v0/diensten").json()["services"]}
    assert (listed["om-mail"]["state"], listed["om-mail"]["usable"]) == ("up", "no")
    assert listed["om-mail"]["due_to"] == ["om-internet"]
    wrong = client.post("/v0/diensten/om-mail/standen", json={"stand": "emergency", "wie": "", "waarom": ""})
    assert (wrong.status_code, len(wrong.json()["faults"])) == (400, 3)
    assert client.get("/v0/diensten/om-nothing").json()["code"] == "service.unknown"
    undone = client.post("/v0/diensten/om-internet/standen/_herstel", json={"wie": "a", "waarom": "b"})
    assert (undone.status_code, undone.json()["stands"]) == (200, None)


@given(st.lists(st.booleans(), max_size=12))
def test_what_stands_is_the_top_of_a_stack_of_what_was_told(moves: list[bool]) -> None:
    changes: list[Change] = []
    stack: list[int] = []
    for number, up in enumerate(moves, 1):
        undoes = stack.pop() if not up and stack else None
        if undoes is None:
            stack.append(number)
        changes.append(Change("s", Down() if up else Up(), number, "w", "y", number, undoes=undoes, number=number))
    found = standing(changes)
    assert (found.number if found else None) == (stack[-1] if stack else None)


def test_numbers_of_persons_and_cases_are_seen_and_other_numbers_are_not() -> None:
    assert names_somebody("BSN 999993653")
    assert names_somebody("zaak 01/234567-19")
    assert not names_somebody("telefoon 088-6991234, OIN 00000099000000001001, 999993654")


# -- commands


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    from keersluis.chain import copy_template

    made = copy_template("nl-justice", tmp_path / "chain")
    fresh_home(made / "run")
    (made / "run" / "addresses.json").write_text(json.dumps(dict.fromkeys(("om", "justid"), "http://127.0.0.1:9")))
    return made


def test_the_commands_work_on_the_store_of_a_node_that_does_not_run(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at = ["-d", str(folder)]
    words = ["--who", "crisis manager", "--why", "off"]
    assert run(["service", "state", "om-mail", "emergency", *words, *at, "--procedure", "post"]) == 0
    assert run(["service", "state", "om-mail", "emergency", *words, *at]) == 2
    capsys.readouterr()
    assert run(["service", "show", "om-mail", *at, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["state"], told["history"][0]["who"]) == ("emergency", "crisis manager")
    assert run(["service", "undo", "om-mail", *words, *at]) == 0
    assert run(["service", "list", *at, "-o", "om", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert {each["organisation"] for each in listed} == {"om"}
    assert {each["state"] for each in listed} == {"up"}


def test_import_shows_differences_first_writes_whole_and_export_gives_the_table_back(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at, table = ["-d", str(folder)], tmp_path / "services.csv"
    file = folder / "services.toml"
    before = file.read_bytes()
    assert run(["service", "export", str(table), *at]) == 0
    capsys.readouterr()
    assert run(["service", "import", str(table), *at, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"services": 36, "written": False, "differences": []}
    rows = table.read_text(encoding="utf-8").replace("hoofd ICT OM", "CIO OM")
    fax = "om-fax,om,,Fax,Fax,telephone,trial,x,x,om-telephone,yes"
    table.write_text(f"{rows}{fax}\n", encoding="utf-8")
    assert run(["service", "import", str(table), *at]) == 2, "a row that is too short"
    table.write_text(f"{rows}{fax}{',' * 10}\n", encoding="utf-8")
    capsys.readouterr()
    assert run(["service", "import", str(table), *at, "--dry-run", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["written"], file.read_bytes()) == (False, before)
    assert {each["change"] for each in told["differences"]} == {"new", "changed"}
    assert run(["service", "import", str(table), *at]) == 0
    assert "om-fax" in load_services(load_chain(folder))
    assert b"# Investigation." in file.read_bytes(), "comments stay"
    assert run(["service", "check", *at]) == 0


def test_a_table_with_a_fault_writes_nothing(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table, file = tmp_path / "services.csv", folder / "services.toml"
    before = file.read_bytes()
    table.write_text("key,depends_on\nom-internet,om-mail nowhere\n", encoding="utf-8")
    assert run(["service", "import", str(table), "-d", str(folder)]) == 2
    said = capsys.readouterr().err
    assert "line 2" in said
    assert "'nowhere'" in said
    assert "om-internet -> om-mail -> om-internet" in said
    assert file.read_bytes() == before


def test_one_service_is_told_as_in_the_list_from_no_more_than_it_rests_on(
    node: Node, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving.change(node, "om-internet", DOWN)
    for hour in range(1, 7):
        clock.set(CUT + hour * HOUR)
        serving.change(
            node,
            "om-mail",
            Told("emergency" if hour % 2 else "up", "crisis manager", "why", "post"[: hour % 2 * 4] or None),
        )
    every = serving.listed(node)["services"]
    assert [serving.one(node, each["key"]) for each in every] == every
    read: list[str] = []
    made = service_states._change

    def noted(row: Any) -> Change:
        read.append(row.service)
        return made(row)

    monkeypatch.setattr(service_states, "_change", noted)
    assert serving.one(node, "om-internet")["state"] == "down"
    assert read == ["om-internet"]
    serving.one(node, "om-mail")
    assert read.count("om-mail") == 6
