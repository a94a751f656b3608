"""What partners and the public may know: nothing more, in both languages, also while all gates are closed, as files."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient

from homes import fresh_home
from keersluis import files, public_status, serving, status
from keersluis.chain import copy_template, load_chain
from keersluis.cli.main import run
from keersluis.exchange.wire import Wire
from keersluis.recovery import public
from keersluis.recovery.changes import Told
from keersluis.recovery.servicefiles import load_services
from keersluis.service import Node, open_node
from keersluis.times import DAY, HOUR, ManualClock, parse_instant
from keersluis.web.app import node_app
from keersluis.web.gate_requests import GateRequest, gate_orders
from keersluis.web.public_files import files as made_files

CHAIN = load_chain("nl-justice")
CUT = parse_instant("2025-07-17T06:00:00+02:00")
SECRET = "the exploit of the week"
SENTENCE = {"nl": "Het OM is los van het internet.", "en": "The prosecution service is off the internet."}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(CUT)


@pytest.fixture
def node(tmp_path: Path, clock: ManualClock) -> Iterator[Node]:
    fresh_home(tmp_path, "om")
    opened = open_node(CHAIN, "om", tmp_path, clock, Wire({}), inline=True)
    yield opened
    opened.close()


def cut_off(node: Node) -> None:
    """The OM as on 17 July, with everything that may not be known said where it must not come out."""
    down = Told("down", SECRET, SECRET, evidence=SECRET, public=SENTENCE)
    serving.change(node, "om-internet", down)
    serving.change(node, "om-remote-access", Told("down", SECRET, SECRET, expected="2025-10-16"))
    serving.change(node, "om-mail", Told("emergency", SECRET, SECRET, "post", expected="2025-08-08"))
    serving.change(node, "om-to-justid", Told("emergency", SECRET, SECRET, "police"))


def services(feed: dict[str, Any]) -> dict[str, Any]:
    return {each["key"]: each for phase in feed["phases"] for each in phase["services"]}


def test_the_feed_says_how_to_deliver_until_when_and_what_changed(node: Node, clock: ManualClock) -> None:
    cut_off(node)
    clock.set(CUT + DAY)
    feed = public_status.of(node)
    found = services(feed)
    mail = found["om-mail"]
    assert (mail["state"], mail["usable"], mail["expected"]) == ("emergency", "procedure", "2025-08-08")
    assert [each["way"] for each in mail["deliver"]] == ["post", "hand", "telephone"]
    assert found["om-to-justid"]["deliver"][-1]["organisation"] == "politie"
    assert found["om-to-cjib"]["usable"] == "no"
    assert [each["key"] for each in found["om-to-cjib"]["due_to"]] == ["om-internet"]
    assert found["om-internet"]["public"] == SENTENCE
    assert parse_instant(feed["valid_until"]) > parse_instant(feed["made"]) == CUT + DAY
    assert [each["service"] for each in feed["history"]] == ["om-to-justid", "om-mail", "om-internet"]
    assert [phase["phase"] for phase in feed["phases"]] == list(public.PHASES)


def test_nothing_comes_out_that_is_not_public(node: Node) -> None:
    cut_off(node)
    feed = public_status.of(node)
    out = json.dumps(feed) + "".join(each.decode() for each in made_files(feed, CHAIN.timezone).values())
    assert SECRET not in out
    for key, service in load_services(CHAIN).items():
        if not service.public:
            assert key not in out
            assert service.title["nl"] not in out
            assert service.title["en"] not in out
    cause = services(feed)["om-home"]["due_to"]
    assert [each["key"] for each in cause] == [None], "that there is a cause is said, its name is not"


def test_it_is_served_while_all_gates_are_closed(node: Node) -> None:
    everything = gate_orders(GateRequest("*", "*", "*", "closed", "crisis team", "cut"), CUT)
    node.order_gate(everything)
    assert {link["out"] for link in status.of(node)["links"]} == {"closed"}
    cut_off(node)
    with TestClient(node_app(node), base_url="http://127.0.0.1:8600") as client:
        feed = client.get("/v0/publieke-stand")
        assert (feed.status_code, services(feed.json())["om-mail"]["usable"]) == (200, "procedure")
        for language, word in (("nl", "noodprocedure"), ("en", "emergency procedure")):
            page = client.get("/stand", headers={"Accept-Language": language})
            assert page.status_code == 200
            assert word in page.text
            assert SENTENCE[language] in page.text
            assert f'<html lang="{language}">' in page.text
            assert "set-cookie" not in page.headers
        assert client.get("/stand.json").json()["history"] == feed.json()["history"]
        assert client.get("/stand.atom?taal=en").headers["content-type"].startswith("application/atom+xml")


def test_a_source_that_is_silent_is_said_to_be_however_the_link_is_told(tmp_path: Path, clock: ManualClock) -> None:
    """P7: nobody has to declare an outage. The link is told to be up; the register has heard nothing for days."""
    fresh_home(tmp_path, "justid")
    register = open_node(CHAIN, "justid", tmp_path, clock, Wire({}), inline=True)
    told = status.of(register)
    for mark in told["watermarks"]:
        mark |= {"state": "silent", "complete_through": "2025-07-16T18:00:00Z", "heard_at": "2025-07-17T04:00:00Z"}
    feed = public.feed(
        CHAIN, load_services(CHAIN), {"justid": serving.listed(register)}, [told], expected=["justid"],
        made=CUT + 3 * DAY, until=CUT + 4 * DAY,
    )  # fmt: skip
    register.close()
    rows = [each for each in feed["sources"] if each["source"]["organisation"] == "om"]
    assert rows
    assert {(each["state"], each["complete_through"]) for each in rows} == {("silent", "2025-07-16T18:00:00Z")}
    assert not [each for each in feed["sources"] if each["source"]["organisation"] == "politie"], (
        "an emergency route is not told of before it is permitted"
    )


def test_a_node_that_says_nothing_is_named_and_its_services_are_not_taken_for_up(node: Node) -> None:
    feed = public.feed(
        CHAIN, load_services(CHAIN), {"om": serving.listed(node)}, [status.of(node)], expected=["om", "justid"],
        made=CUT, until=CUT + HOUR,
    )  # fmt: skip
    assert [each["organisation"] for each in feed["silent"]] == ["justid"]
    assert services(feed)["justid-register"]["state"] is None
    page = made_files(feed, CHAIN.timezone)["index.en.html"].decode()
    assert "There is no word from Justid" in page


def test_the_files_need_no_server_no_script_and_lead_to_each_other_only(node: Node) -> None:
    cut_off(node)
    made = made_files(public_status.of(node), CHAIN.timezone)
    assert made == made_files(public_status.of(node), CHAIN.timezone), "the same status gives the same files"
    for name in ("index.html", "index.en.html"):
        html = made[name].decode()
        assert "<script" not in html
        addresses = set(re.findall(r'(?:src|href)="([^#"]*)"', html))
        assert addresses <= set(made)
        assert addresses - {name} == set(made) - {name} - (
            {"stand.en.atom"} if name == "index.html" else {"stand.atom"}
        )
    assert not re.findall(rb"url\(|@import", made["style.css"])
    for name in ("stand.atom", "stand.en.atom"):
        root = ElementTree.fromstring(made[name])
        entries = root.findall("{http://www.w3.org/2005/Atom}entry")
        assert len(entries) == 3
        assert len({entry.findtext("{http://www.w3.org/2005/Atom}id") for entry in entries}) == 3


def test_what_was_taken_back_stays_in_the_history_and_says_so(node: Node) -> None:
    cut_off(node)
    serving.undo(node, "om-internet", "crisis manager", "mistake")
    feed = public_status.of(node)
    assert feed["history"][0]["undoes"] == feed["history"][-1]["number"]
    assert "taken back; as before: works" in made_files(feed, CHAIN.timezone)["index.en.html"].decode()
    assert services(feed)["om-internet"]["public"] is None, "the sentence went with what was taken back"


# -- as files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = copy_template("nl-justice", tmp_path / "chain")
    fresh_home(made / "run")
    addresses = {each.key: "http://127.0.0.1:9" for each in CHAIN.nodes}
    (made / "run" / "addresses.json").write_text(json.dumps(addresses))
    return made


def test_export_reads_the_stores_of_nodes_that_do_not_run_and_can_be_done_again(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "public"
    words = ["-d", str(folder), "--json"]
    assert run(["status", "export", str(out), *words, "--valid", "2h"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert sorted(each.name for each in out.iterdir()) == told["files"]
    assert parse_instant(told["valid_until"]) - parse_instant(told["made"]) == 2 * HOUR
    (out / "left-over.html").write_text("of an older version")
    assert run(["status", "export", str(out), *words]) == 0
    assert not (out / "left-over.html").exists()
    assert not [each for each in tmp_path.iterdir() if each.name.startswith(".")], "nothing is left beside it"
    assert run(["status", "export", str(out), *words, "--valid", "0h"]) == 2
    feed = json.loads((out / "stand.json").read_bytes())
    assert {each["organisation"] for each in feed["organisations"]} == {each.key for each in CHAIN.nodes}


def test_export_replaces_nothing_of_somebodys_own(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "site"
    out.mkdir()
    (out / "index.html").write_text("our home page")
    assert run(["status", "export", str(out), "-d", str(folder)]) == 2
    assert (out / "index.html").read_text() == "our home page"


def test_status_without_a_command_shows_as_it_did(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (
        ["status", str(folder), "-o", "om"],
        ["status", "-o", "om", str(folder)],
        ["status", "show", str(folder)],
    ):
        assert run(words) == 0
        assert "Public Prosecution Service (om)" in capsys.readouterr().out


@pytest.mark.parametrize("moment", ["write", "exchange"])
@pytest.mark.parametrize("exchanges", [True, False])
def test_a_folder_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str, exchanges: bool
) -> None:
    out = tmp_path / "out"
    files.write_folder(out, {"a": b"1", "b": b"1"})
    if not exchanges:
        monkeypatch.setattr(files, "_exchanged", lambda _one, _other: False)
    done: list[Path] = []

    def failing(path: Path, data: bytes, mode: int = 0o644) -> None:
        if moment == "write" and done:
            raise OSError("disk full")
        done.append(path)
        path.write_bytes(data)

    renamed: list[Any] = []
    rename = files.os.rename

    def failing_rename(one: Any, other: Any) -> None:
        renamed.append(one)
        if moment == "exchange" and len(renamed) == 2:
            raise OSError("busy")
        rename(one, other)

    monkeypatch.setattr(files, "write_whole", failing)
    monkeypatch.setattr(files.os, "rename", failing_rename)
    if moment == "write" or not exchanges:
        with pytest.raises(OSError):
            files.write_folder(out, {"a": b"2", "b": b"2"})
        assert {each.name: each.read_bytes() for each in out.iterdir()} == {"a": b"1", "b": b"1"}
    else:
        files.write_folder(out, {"b": b"2"})
        assert {each.name: each.read_bytes() for each in out.iterdir()} == {"b": b"2"}
    assert [each.name for each in tmp_path.iterdir()] == ["out"]
