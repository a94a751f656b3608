"""Letters between whole nodes: the registers are equal whatever brought the events (P1, P2, P3); command and API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest
from litestar.testing import TestClient

from homes import fresh_home
from keersluis import letters_desk
from keersluis.chain import copy_template, load_chain
from keersluis.cli.main import run
from keersluis.errors import Incorrect, Unavailable
from keersluis.exchange.gates import GateOrder
from keersluis.service import make_home, open_node
from keersluis.times import HOUR, ManualClock, format_instant, parse_instant
from keersluis.web.app import node_app
from paper.scans import as_file, black, pages

START = parse_instant("2025-07-01T12:00:00+02:00")
HERE = "http://127.0.0.1"
SERIOUS = "prosecution-decision.serious"


class Two:
    """The prosecution service and the register on one clock, with a wire that carries only when asked."""

    def __init__(self, home: Path) -> None:
        self.chain = load_chain("nl-justice")
        fresh_home(home, "om", "justid")
        self.clock = ManualClock(START)
        self.om, self.justid = (
            open_node(self.chain, key, home, self.clock, self, inline=True) for key in ("om", "justid")
        )

    def send(self, peer: str, _path: str, body: bytes) -> bytes:
        if peer != "justid":
            raise Unavailable("link.unreachable", expected=f"an answer of {peer}")
        return self.justid.receive(body)

    def close(self) -> None:
        self.om.close()
        self.justid.close()

    def event(self, number: int, kind: str = SERIOUS, refers_to: str | None = None) -> bytes:
        data: dict[str, Any] = {"subject": f"skn:T{number % 3:07d}", "content": {"offence": f"generated {number}"}}
        data |= {"refers_to": refers_to} if refers_to else {}
        body = {"specversion": "1.0", "id": f"e-{number}", "source": f"urn:nld:oin:{self.om.me.oin}:systeem:test"}
        body |= {"type": self.chain.ce_type(self.chain.kinds[kind]), "data": data}
        return msgspec.json.encode(body | {"occurred": format_instant(self.clock.now() - HOUR)})


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Two]:
    with ExitStack() as stack:
        made = Two(tmp_path)
        stack.callback(made.close)
        yield made


def test_a_letter_is_printed_scanned_and_entered_over_the_api(two: Two) -> None:
    two.om.accept([two.event(n) for n in range(3)])
    with (
        TestClient(node_app(two.om), base_url=HERE) as source,
        TestClient(node_app(two.justid), base_url=HERE) as register,
    ):
        answer = source.post("/v0/brieven/_pdf", json={"soort": SERIOUS, "van": 2, "tot": 3, "taal": "en"})
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
        told = register.post("/v0/brieven/_scan?naam=scan.pdf", content=answer.content)
        assert told.status_code == 200
        report = told.json()
        assert [(each["position"], each["outcome"]) for each in report["entered"]] == [(2, "applied"), (3, "applied")]
        assert report["failed"] == []
        torn = black(pages(answer.content, 150)[0], [0, 1, 2])
        report = register.post("/v0/brieven/_scan", content=as_file([torn])).json()
        assert [each["problem"]["code"] for each in report["failed"]] == ["letter.incomplete"]
        listed = register.get("/v0/brieven").json()
        assert sorted(each["position"] for each in listed["in"]) == [2, 3]
        assert source.get("/v0/brieven").json()["letters_out"] == 2
        for path, body in (
            ("/v0/brieven", b'{"soort": "x"}'),
            ("/v0/brieven", b"{}"),
            ("/v0/brieven", b'{"gebeurtenis": "nobody"}'),
            ("/v0/brieven", b'{"soort": "%s", "van": 3, "tot": 1}' % SERIOUS.encode()),
            ("/v0/brieven", b'{"wachtOp": "nobody"}'),
            ("/v0/brieven/_pdf", b'{"soort": "%s", "taal": "fr"}' % SERIOUS.encode()),
            ("/v0/brieven/_inkomend", b'{"brieven": ["&"]}'),
            ("/v0/brieven/_scan", b"nonsense"),
        ):
            refused = source.post(path, content=body)
            assert (refused.status_code, refused.json()["code"][:5]) in [(400, "lette"), (400, "scan.")], refused.text
        nonsense = source.post("/v0/brieven/_inkomend", json={"brieven": ["AAAA"]}).json()
        assert nonsense["results"][0]["problem"]["code"] == "letter.unreadable"


def test_P5_printing_is_an_entry_and_names_no_person(two: Two) -> None:
    from keersluis import status

    two.om.accept([two.event(n) for n in range(3)])
    letters_desk.post(two.om, letters_desk.Wish(event="e-1"))
    entries = status.entries(two.om, 0, 100)
    printed = [each for each in entries if each["kind"] == "letter.printed"]
    assert len(printed) == 1
    assert "skn:" not in json.dumps(entries)


def test_P4_a_gate_that_is_shut_for_paper_prints_nothing(two: Two) -> None:
    two.om.accept([two.event(0)])
    two.om.order_gate([GateOrder(START, "*", "out", "*", "closed", "duty officer", "test")])
    with pytest.raises(Unavailable):
        letters_desk.post(two.om, letters_desk.Wish(waiting_for="justid"))
    assert letters_desk.overview(two.om)["letters_out"] == 0


def test_an_event_too_large_for_a_letter_is_refused_with_numbers(two: Two) -> None:
    import secrets

    big = two.event(0).replace(b"generated 0", secrets.token_hex(15_000).encode())
    two.om.accept([big, two.event(1)])
    with pytest.raises(Incorrect) as caught:
        letters_desk.post(two.om, letters_desk.Wish(event="e-0"))
    assert caught.value.code == "letter.too-large"
    printed = letters_desk.post(two.om, letters_desk.Wish(waiting_for="justid"))
    assert ([each.position for each in printed.too_large], len(printed.letters)) == ([1], 1)


def test_the_command_prints_and_scans_and_says_what_it_could_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = copy_template("nl-justice", tmp_path / "chain")
    chain = load_chain(folder)
    make_home(chain, folder / "run")
    (folder / "run" / "addresses.json").write_text(json.dumps(dict.fromkeys(("om", "justid"), "http://127.0.0.1:9")))
    two = Two(tmp_path / "other")
    events = tmp_path / "events.jsonl"
    events.write_bytes(b"\n".join(two.event(n) for n in range(3)))
    two.close()
    here = ["-d", str(folder), "--json"]
    assert run(["publish", str(events), "-o", "om", *here]) == 0
    capsys.readouterr()
    assert run(["paper", "print", "-o", "om", "--kind", SERIOUS, "--out", str(tmp_path / "out"), *here]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [Path(each).name for each in told["files"]] == [f"{SERIOUS}-{n:06d}-justid.pdf" for n in (1, 2, 3)]
    blank = tmp_path / "blank.png"
    blank.write_bytes(as_file([black(pages(Path(told["files"][0]).read_bytes(), 150)[0], [1, 2])]))
    assert run(["paper", "scan", told["files"][2], str(blank), told["files"][1], "-o", "justid", *here]) == 1
    report = json.loads(capsys.readouterr().out)
    assert sorted(each["position"] for each in report["entered"]) == [2, 3]
    assert [(each["problem"]["code"], each["pages"]) for each in report["failed"]] == [
        ("letter.incomplete", [{"file": str(blank), "page": 1}])
    ]
    assert run(["paper", "scan", *told["files"], "-o", "justid", *here]) == 0
    report = json.loads(capsys.readouterr().out)
    assert sorted((each["position"], each["outcome"]) for each in report["entered"]) == [
        (1, "applied"),
        (2, "known"),
        (3, "known"),
    ]
    assert [len(each["receipt"]) > 100 for each in report["entered"] if "receipt" in each] == [True]
    assert run(["paper", "list", "-o", "justid", *here]) == 0
    assert json.loads(capsys.readouterr().out)["letters_in"] == 3
    assert run(["paper", "print", "-o", "om", "--event", "nobody", *here]) == 2
