"""Decision records at a node: every addition is an entry, nothing is overwritten, both times are kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from litestar.testing import TestClient

from homes import fresh_home
from keersluis import dossiers
from keersluis.chain import load_chain
from keersluis.cli.main import run
from keersluis.errors import Conflict, Incorrect
from keersluis.exchange.wire import Wire
from keersluis.recovery import recordbook
from keersluis.service import Node, open_node
from keersluis.timeline import log
from keersluis.timeline.texts import sentence
from keersluis.times import DAY, ManualClock, parse_instant, parse_when
from keersluis.web.app import node_app

CHAIN = load_chain("nl-justice")
NOW = parse_instant("2025-07-23T12:00:00+02:00")
RECORDS = "/v0/besluitdossiers"
WHO = {"wie": "secretaris crisisteam"}
OPEN = {"naam": "mail", "titel": "Mail", "vraag": "Kan de mail weer open?", "sinds": "2025-07-20"} | WHO
OPEN |= {"opties": {"open": "Open", "closed": {"nl": "Dicht", "en": "Closed"}}}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def node(tmp_path: Path, clock: ManualClock) -> Iterator[Node]:
    fresh_home(tmp_path, "om")
    opened = open_node(CHAIN, "om", tmp_path, clock, Wire({}), inline=True)
    yield opened
    opened.close()


@pytest.fixture
def api(node: Node) -> Iterator[TestClient[Any]]:
    with TestClient(node_app(node), base_url="http://127.0.0.1:8600") as opened:
        yield opened


def post(api: TestClient[Any], path: str, body: dict[str, Any], status: int = 200) -> Any:
    answer = api.post(RECORDS + path, json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


def note(api: TestClient[Any], kind: str, text: str, status: int = 200, **more: Any) -> Any:
    return post(api, "/mail/aantekeningen", {"soort": kind, "tekst": text, **WHO, **more}, status)


def shown(api: TestClient[Any], **query: str) -> Any:
    answer = api.get(f"{RECORDS}/mail", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def entries(node: Node) -> list[Any]:
    with node.store.read() as tx:
        return [entry for entry in log.entries(tx, 0, 1000) if entry.kind.startswith("record.")]


def keys(told: list[dict[str, Any]]) -> list[str]:
    return [each["key"] for each in told]


def test_a_record_from_its_opening_to_its_review(api: TestClient[Any], node: Node, clock: ManualClock) -> None:
    post(api, "", OPEN)
    first = note(api, "known", "De mailserver is onderzocht", sinds="2025-07-22", bron="rapport", sleutel="checked")
    note(api, "unknown", "Is alle mail binnen?", sleutel="all-in")
    note(api, "advice", "Open gaan", optie="open", door="beveiliging")
    clock.set(NOW + DAY)
    decided = {"tekst": "De mail gaat open", "optie": "open", "door": "crisismanager", "herzien": "2025-07-30"} | WHO
    post(api, "/mail/besluiten", decided | {"bewijs": first["entry"]})
    told = shown(api)
    assert (told["state"], told["chosen"], told["due"], told["overdue"]) == ("decided", "open", "2025-07-30", False)
    assert told["decisions"][0]["evidence"] == first["entry"]
    assert shown(api, geldigOp="2025-07-23")["state"] == "open"
    clock.set(parse_instant("2025-08-01T00:00:00+02:00"))
    assert shown(api)["overdue"], "the day to look again passed and nobody did"
    post(api, "/mail/herzieningen", {"tekst": "Blijft open", "door": "crisismanager"} | WHO)
    assert (shown(api)["overdue"], shown(api)["due"]) == (False, None)
    assert [entry.kind for entry in entries(node)] == [
        "record.opened", *["record.noted"] * 5, "record.decided", "record.reviewed"
    ]  # fmt: skip
    assert all(entry.body["who"] == WHO["wie"] for entry in entries(node))
    assert all("mail" in sentence(entry, language, CHAIN) for entry in entries(node) for language in ("nl", "en"))


def test_what_was_written_down_later_says_so_and_was_not_on_record_before(
    api: TestClient[Any], clock: ManualClock
) -> None:
    post(api, "", OPEN)
    clock.set(NOW + 9 * DAY)
    note(api, "known", "Er was al een waarschuwing", sinds="2025-07-21", sleutel="warned")
    (late,) = shown(api, geldigOp="2025-07-21")["known"]
    assert (late["recorded_later"], late["recorded"][:10]) == (True, "2025-08-01")
    assert shown(api, geldigOp="2025-07-21", beschikbaarOp="2025-07-31")["known"] == []


def test_a_correction_keeps_both_and_needs_a_reason(api: TestClient[Any], node: Node) -> None:
    post(api, "", OPEN)
    note(api, "known", "Niemand was binnen", sinds="2025-07-21", sleutel="none")
    new = {"sinds": "2025-07-22", "vervangt": ["none"], "sleutel": "some"}
    assert "waarom" in note(api, "known", "Toch wel", 400, **new)["faults"][0]
    note(api, "known", "Toch wel", **new, waarom="forensisch rapport")
    told = shown(api)
    assert (keys(told["known"]), keys(told["corrected"])) == (["some"], ["none"])
    assert keys(shown(api, geldigOp="2025-07-21")["known"]) == ["none"]
    assert entries(node)[-1].kind == "record.corrected"
    again = note(api, "known", "Nog anders", 400, **new | {"sleutel": "third"}, waarom="x")
    assert "replaced by 'some'" in again["faults"][0]


def test_the_same_twice_is_as_once_and_another_under_the_same_key_is_refused(api: TestClient[Any], node: Node) -> None:
    assert (post(api, "", OPEN)["new"], post(api, "", OPEN)["new"]) == (True, False)
    assert post(api, "", OPEN | {"vraag": "Iets anders?"}, 409)["code"] == "record.name-reused"
    told = [note(api, "known", "x", sinds="2025-07-21", sleutel="k") for _ in range(2)]
    assert [each["new"] for each in told] == [True, False]
    assert note(api, "known", "y", 409, sinds="2025-07-21", sleutel="k")["code"] == "record.key-reused"
    assert len(entries(node)) == 4


def test_everything_that_is_wrong_is_told_at_once_in_the_names_of_the_api(api: TestClient[Any]) -> None:
    post(api, "", OPEN)
    wrong = {"sinds": "2025-09-01", "optie": "opn", "weegt": "maybe", "bewijs": 900, "organisatie": "om"}
    faults = note(api, "argument", "x", 400, **wrong)["faults"]
    assert sorted(fault.partition(":")[0] for fault in faults) == ["bewijs", "optie", "organisatie", "sinds", "weegt"]
    assert "did you mean 'open'?" in "".join(faults)
    unread = note(api, "known", "x", 400, sinds="soon", herzien="later", bron={"fr": "x"})["faults"]
    assert len(unread) == 3
    assert api.get(RECORDS, params={"geldigOp": "x", "beschikbaarOp": "y"}).json()["faults"][1].startswith("beschik")
    assert api.get(f"{RECORDS}/mial").status_code == 400
    assert post(api, "", OPEN | {"naam": "A b"}, 400)["faults"][0].startswith("naam")


def test_what_is_not_public_is_counted_outside_and_its_text_is_in_no_entry(api: TestClient[Any], node: Node) -> None:
    post(api, "", OPEN)
    note(api, "known", "Een geheim", openbaar=False)
    assert keys(shown(api)["known"]) == ["known-3"]
    told = shown(api, openbaar="true")
    assert (told["known"], told["left_out"]) == ([], 1)
    post(api, "", OPEN | {"naam": "secret", "openbaar": False})
    told = api.get(RECORDS, params={"openbaar": "true"}).json()
    assert ([each["name"] for each in told["records"]], told["left_out"]) == (["mail"], 1)
    assert api.get(f"{RECORDS}/secret", params={"openbaar": "true"}).status_code == 400
    assert "geheim" not in json.dumps([entry.body for entry in entries(node)])


def test_a_shipped_record_is_written_down_as_it_becomes_known(
    api: TestClient[Any], node: Node, clock: ManualClock
) -> None:
    """The virtual clock of a demo: brought in again and again, each time what is known by then."""
    order = {"naam": "om-disconnect"} | WHO
    told = post(api, "/_invoer", order)
    assert (told["opened"], told["added"], told["there"]) == (True, 15, 0)
    assert post(api, "/_invoer", order)["added"] == 0
    clock.set(parse_instant("2025-08-04T12:00:00+02:00"))
    assert post(api, "/_invoer", order)["there"] == 15
    found = api.get(f"{RECORDS}/om-disconnect").json()
    assert keys(found["unknown"]) == ["how-long"]
    assert keys(found["known"])[-1] == "not-public"
    assert dossiers.verified(node)["faults"] == []


def test_p5_a_record_that_was_altered_or_removed_is_found(api: TestClient[Any], node: Node) -> None:
    post(api, "/_invoer", {"naam": "om-disconnect"} | WHO)
    assert dossiers.verified(node) == {"records": 1, "items": 15, "faults": []}
    node.store.write(lambda tx: tx.execute(sa.text("update decision_items set body = '{}' where key = 'notice'")))
    node.store.write(lambda tx: tx.execute(sa.text("delete from decision_items where key = 'own-work'")))
    changed, gone = api.get(f"{RECORDS}/_controle").json()["faults"]
    assert "item 'notice': altered since entry" in changed
    assert "something that is gone" in gone
    assert api.get(f"{RECORDS}/om-disconnect").json()["code"] == "record.altered"


def test_p5_what_no_entry_tells_of_is_found(api: TestClient[Any], node: Node) -> None:
    post(api, "", OPEN)
    copy = (
        "insert into decision_items select record, 'made-up', recorded, 999, who, why, salt, body from decision_items"
    )
    node.store.write(lambda tx: tx.execute(sa.text(copy + " where key = 'open'")))
    assert "item 'made-up': entry 999 of the timeline does not tell of it" in dossiers.verified(node)["faults"][0]


def test_all_or_nothing_when_a_record_that_is_brought_in_clashes(node: Node, api: TestClient[Any]) -> None:
    post(api, "", OPEN | {"naam": "om-disconnect"})
    before = len(entries(node))
    with pytest.raises(Conflict):
        dossiers.brought(node, "om-disconnect", "secretaris", "")
    assert len(entries(node)) == before
    with pytest.raises(Incorrect):
        dossiers.brought(node, "om-disconnet", "secretaris", "")


def test_a_command_works_beside_a_node_that_does_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from keersluis.chain import copy_template

    folder = copy_template("nl-justice", tmp_path / "chain")
    fresh_home(folder / "run", "om")
    (folder / "run" / "addresses.json").write_text(json.dumps({"om": "http://127.0.0.1:9"}))
    at = ["-o", "om", "-d", str(folder), "--json"]
    who = ["--who", "secretaris"]

    def told(*words: str, code: int = 0) -> Any:
        capsys.readouterr()
        assert run(["record", *words, *at]) == code
        return json.loads(capsys.readouterr().out)

    told(
        "open", "mail", "--title", "Mail", "--question", "Open?", "--option", "open=Open", *who, "--since", "2025-07-20"
    )
    made = told("note", "mail", "--kind", "unknown", "--text", "Is alles binnen?", *who, "--since", "2025-07-21")
    assert made["key"] == "unknown-2"
    by = ["--by", "crisismanager", "--text", "Open", *who]
    told("decide", "mail", "--option", "open", *by, "--since", "2025-07-22", "--review", "2025-07-29")
    assert told("list")["records"][0]["overdue"]
    told("review", "mail", *by, "--since", "2025-08-01", "--next", "2025-09-01")
    assert told("show", "mail", "--known-on", "2025-07-21")["state"] == "open"
    assert told("show", "mail", "--known-on", "2025-08-02")["due"] == "2025-09-01"
    assert told("import", "om-return", *who)["later"] == 0
    assert told("check") == {"records": 2, "items": 17, "faults": []}
    assert told("note", "mail", "--kind", "knwon", "--text", "x", *who, code=2)["faults"][0].startswith("soort")
    assert run(["record", "show", "mail", "-o", "om", "-d", str(folder)]) == 0
    assert "Is alles binnen?" in capsys.readouterr().out


def test_the_shipped_records_are_read_without_a_node(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["record", "show", "om-disconnect", "-d", "nl-justice", "--known-on", "2025-07-23", "--public"]) == 0
    said = capsys.readouterr().out
    assert "Was the vulnerability used" in said or "Is van de kwetsbaarheid gebruikgemaakt" in said
    assert "orensi" not in said, "forensic research was not known yet"
    assert run(["record", "check", "-d", "nl-justice", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["records"] == 3
    assert run(["record", "show", "om-return", "-d", "nl-justice", "--known-on", "2025-07-23"]) == 2


def test_a_day_is_known_from_its_first_moment(node: Node) -> None:
    with node.store.read() as tx:
        assert recordbook.every(tx, node.ctx) == []
    look = dossiers.looking(node, "2025-07-23", None, outside=False)
    assert look.known_on == parse_when("2025-07-23", CHAIN.timezone).end
