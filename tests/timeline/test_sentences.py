"""Every kind of entry and every finding is told in Dutch and in English."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from keersluis import timeline
from keersluis.chain import load_chain
from keersluis.timeline import Entry, Finding, LogReport, Report, texts, verdicts
from timeline.logs import ALPHA, START
from timeline.plan_bodies import PLANS
from timeline.recovery_bodies import RECOVERY
from timeline.return_bodies import RETURN

CHAIN = load_chain("nl-justice")
STREAM = next(kind for kind in CHAIN.kinds.values() if kind.action != "answer")
OIN = CHAIN.organisations[STREAM.source].oin
ORIGIN, TIME = f"{OIN}/{STREAM.path}/1", "2025-07-17T04:00:00Z"
GATE = {
    "peer": "*",
    "direction": "in",
    "kind": "*",
    "state": "closed",
    "rate": None,
    "who": "duty officer",
    "why": "abuse",
}
RECORD = {"record": "mail", "who": "duty officer"}
KEY = {"oin": OIN, "key": "0a1b2c3d", "who": "duty officer"}
COUNT = {"kind": STREAM.path, "count": 4, "through": TIME}

BODIES: list[tuple[str, dict[str, Any], str]] = [
    ("gate.moved", GATE, "duty officer closed the gate for all that comes in: abuse"),
    ("gate.moved", GATE | {"state": "metered", "rate": 2.5}, "at 2.5 events a second: abuse"),
    ("gate.moved", GATE | {"state": "metered", "byte_rate": 5e5}, "at 500000 bytes a second: abuse"),
    ("gate.moved", GATE | {"starts": TIME}, "As of 17 July 06:00: duty officer closed the gate for all that comes in"),
    ("gate.moved", GATE | {"undoes": 3}, "(takes back order 3)"),
    ("gate.moved", GATE | {"window": "22:00-06:00 Europe/Amsterdam", "outside": "open"}, "Daily 22:00-06:00"),
    ("gate.took-effect", GATE | {"number": 4, "starts": TIME}, "What was ordered before takes effect."),
    ("gate.called-off", GATE | {"number": 4}, "called off order 4 before it took effect: abuse"),
    ("gate.moved", GATE | {"state": "open", "direction": "out"}, "duty officer opened the gate for all that goes out"),
    ("gate.moved", GATE | {"peer": STREAM.source}, f"the gate from {CHAIN.organisations[STREAM.source].name['en']}"),
    ("gate.moved", GATE | {"kind": STREAM.path}, f"the gate for {STREAM.title['en']} from all"),
    ("batch.offered", {"origin": ORIGIN, "to": STREAM.source, "from": 1, "through": 1500}, "Events 1 to 1,500 of"),
    (
        "batch.applied",
        {"origin": ORIGIN, "from": 1, "through": 1, "watermark": TIME},
        "applied: complete through 17 July 06:00",
    ),
    ("batch.receipted", {"origin": ORIGIN, "by": STREAM.source, "size": 9}, "up to event 9"),
    (
        "batch.quarantined",
        {"origin": ORIGIN, "code": "batch.wrong-root", "place": "4"},
        "quarantine (batch.wrong-root)",
    ),
    ("bundle.exported", {"to": STREAM.source, "count": 1, "streams": []}, "was made, with 1 event."),
    ("bundle.kept", {"from": STREAM.source, "part": 3, "of": 7}, "Part 3 of 7 of a bundle of"),
    ("bundle.imported", {"from": STREAM.source, "holds": "events", "count": 2}, "taken in: 2 events were new."),
    ("bundle.imported", {"from": STREAM.source, "holds": "receipts", "count": 0}, "with the receipts of"),
    ("bundle.refused", {"from": STREAM.source, "code": "exchange.forked"}, "was refused (exchange.forked)."),
    ("bundle.confirmed", {"to": STREAM.source}, "with receipts for"),
    ("letter.printed", {"origin": ORIGIN, "to": STREAM.source, "from": 3, "through": 9}, "Events 3 to 9 of"),
    ("letter.entered", {"origin": ORIGIN, "position": 3, "outcome": "applied"}, "brought event 3 of"),
    ("letter.entered", {"origin": ORIGIN, "position": 3, "outcome": "kept"}, "waits its turn"),
    ("letter.entered", {"origin": ORIGIN, "position": 3, "outcome": "known"}, "which was here"),
    ("watermark.moved", {"origin": ORIGIN, "watermark": TIME}, "goes on"),
    ("watermark.stopped", {"origin": ORIGIN, "watermark": TIME, "stated": 9, "received": 7}, "counted 9, 7 came"),
    ("watermark.stopped", {"origin": ORIGIN, "watermark": TIME, "code": "x"}, "stands still at 17 July 06:00."),
    ("promise.broken", {"origin": ORIGIN, "count": 2, "events": ["a", "b"], "promised": TIME}, "2 acts of before"),
    ("promise.broken", {"kind": STREAM.path, "count": 1, "events": ["a"], "promised": TIME}, "1 act of before"),
    ("gap.declared", {"kind": STREAM.path, "since": TIME, "until": TIME}, "A gap was found"),
    ("gap.filled", {"kind": STREAM.path, "since": TIME, "until": TIME}, "is filled"),
    ("lookup", {"who": OIN, "name": "x", "records": [["a", "b", "c"]]}, "1 look-up for"),
    ("answer.given", {"asker": STREAM.source, "answers": ["1", "2"]}, "2 answers given to"),
    ("decision.taken", {"decisions": ["1"]}, "1 decision taken."),
    ("decision.settled", {"count": 3}, "3 decisions settled."),
    ("decision.settled", {"decisions": ["1"], "revisit": ["2", "3"]}, "settled. 2 decisions must be looked at again."),
    ("decision.settled", {"decisions": [], "revisit": ["2"]}, "1 decision must be looked at again."),
    ("decision.revisit", {"decision": "abc", "was": 0, "now": 1}, "1 decision must be looked at again."),
    ("revisit.closed", {"decision": "1", "undone": True, "who": "clerk", "why": "error"}, "back on the desk: error"),
    ("hold.released", {"decisions": ["1", "2"], "why": "covered"}, "2 decisions that were held are issued"),
    ("hold.released", {"decisions": ["1"], "who": "clerk", "why": "urgent"}, "clerk issued a decision"),
    ("revisit.closed", {"decision": "1", "who": "duty officer", "why": "nothing changes"}, "nothing changes"),
    ("promise.kept", {"count": 2, "checkpoints": []}, "Signed what 2 streams hold"),
    (
        "isolation.verified",
        {"origin": ORIGIN, "checkpoints": 40, "from": TIME, "through": TIME, "size": 9},
        "was not rewritten while it was cut off: 40 signed states",
    ),
    (
        "service.state",
        {"title": {"nl": "E-mail", "en": "E-mail"}, "organisation": "om", "state": "down", "who": "desk", "why": "cut"},
        "desk: “E-mail” of Public Prosecution Service is down. cut",
    ),
    ("record.opened", RECORD | {"organisation": STREAM.source}, "opened the decision record “mail” of"),
    ("record.noted", RECORD | {"item": "k", "kind": "known"}, "added what was known to the decision record “mail” (k)"),
    ("record.decided", RECORD | {"item": "d", "kind": "decision"}, "who decided what"),
    ("record.reviewed", RECORD | {"item": "r", "kind": "review"}, "added a review"),
    ("record.corrected", RECORD | {"item": "c", "kind": "known", "why": "report"}, "the old stays: report"),
    ("clock.started", {}, "started"),
    ("key.rotated", {"oin": OIN}, "signs with a new key"),
    (
        "key.rotated",
        {"oin": OIN, "key": "0a1b2c3d", "from": TIME},
        "signs with a new key (0a1b2c3d) from 17 July 06:00",
    ),
    ("key.revoked", {"oin": OIN, "key": "0a1b2c3d", "from": TIME}, "revoked its key 0a1b2c3d from 17 July 06:00"),
    ("key.revoked", KEY | {"from": TIME, "why": "stolen"}, "duty officer revoked the key 0a1b2c3d of"),
    ("key.added", KEY | {"from": TIME, "why": "shown in person"}, "duty officer trusts the key 0a1b2c3d of"),
    ("intake.waiting", {"count": 2, "kinds": [STREAM.path]}, "2 acts wait to be entered"),
    ("intake.waiting", {"count": 2, "kinds": [STREAM.path], "late": 1}, "1 of these was registered too late"),
    ("intake.withdrawn", {"count": 1, "kinds": [STREAM.path], "who": "clerk", "why": "twice"}, "withdrew 1 act"),
    ("intake.mailbag", {"kind": STREAM.path, "bag": "b", "count": 40, "oldest": TIME}, "About 40 acts wait unopened"),
    ("intake.opened", {"kind": STREAM.path, "bag": "b", "count": 5, "left": 35}, "5 of a mailbag were opened, 35"),
    ("intake.closed", {"kind": STREAM.path, "bag": "b", "left": 0, "who": "clerk", "why": "empty"}, "closed a mailbag"),
    (
        "lag.exceeded",
        {"kind": STREAM.path, "declared_seconds": 43_200, "measured_seconds": 90_000, "samples": 1200},
        "takes up to 1 day and 1 hour, longer than the 12 hours declared",
    ),
    ("lag.kept", {"kind": STREAM.path, "declared_seconds": 43_200, "measured_seconds": 9, "samples": 1200}, "again."),
    ("ledger.stated", {"kind": STREAM.path, "periods": 4, "count": 9, "differ": 0}, "in 4 periods: all as published"),
    (
        "ledger.stated",
        {"kind": STREAM.path, "periods": 4, "count": 9, "differ": 1, "since": TIME, "until": TIME},
        "1 differ, first 17 July 06:00",
    ),
    ("ledger.compared", {"kind": STREAM.path, "peer": STREAM.source, "agrees": True, "under_way": 0}, "it is the same"),
    (
        "ledger.compared",
        {
            "kind": STREAM.path,
            "peer": STREAM.source,
            "agrees": False,
            "under_way": 2,
            "since": TIME,
            "until": TIME,
        },
        "2 events are under way",
    ),
    ("gap.stated", {"kind": STREAM.path, "since": TIME, "until": TIME, "count": 3}, "3 acts of"),
    ("gap.mended", {"kind": STREAM.path, "since": TIME, "until": TIME, "count": 3}, "counts and digest agree"),
    ("gap.heard", {"origin": ORIGIN, "since": TIME, "until": TIME}, "The source says that acts of"),
    ("gap.heard-filled", {"origin": ORIGIN, "since": TIME, "until": TIME}, "has come"),
    ("counts.stated", {"counts": [COUNT]}, "counts 4 acts through"),
    ("counts.stated", {"counts": [COUNT, COUNT | {"count": 5}]}, "the acts of 2 kinds: 9 in all"),
    ("batch.asked-again", {"origin": ORIGIN, "by": STREAM.source, "from": 3}, "they go again from event 3"),
    ("head.witnessed", {"of": f"{OIN}/timeline/1", "size": 40, "note": ""}, "with 40 entries"),
    ("head.contradicted", {"of": f"{OIN}/timeline/1", "why": "other-root"}, "cannot both be true"),
    *RECOVERY,
    *RETURN,
    *PLANS,
]


def entry(kind: str, body: dict[str, Any]) -> Entry:
    return Entry(1, START, "exchange", kind, 0, body)


@pytest.mark.parametrize(("kind", "body", "part"), BODIES)
def test_an_entry_is_told_in_both_languages(kind: str, body: dict[str, Any], part: str) -> None:
    english, dutch = (texts.sentence(entry(kind, body), language, CHAIN) for language in ("en", "nl"))
    assert part in english
    assert dutch != english
    assert OIN not in english
    assert texts.sentence(entry(kind, body), "en")


def test_every_kind_of_entry_has_a_sentence() -> None:
    assert {kind for kind, _body, _part in BODIES} == set(texts.KINDS)


@pytest.mark.parametrize("kind", ["of.a.later.version", *texts.KINDS])
def test_an_entry_with_an_unforeseen_body_is_told_in_less_detail(kind: str) -> None:
    for body in ({}, {"origin": 5, "watermark": "soon", "from": None, "peer": [], "kinds": 3}):
        assert texts.sentence(entry(kind, body), "nl", CHAIN)


def test_every_finding_has_a_sentence() -> None:
    """Every code that the source raises, and no other."""
    folder = Path(timeline.__file__).parent
    sources = "".join((folder / name).read_text(encoding="utf-8") for name in ("audit.py", "verify.py"))
    raised = set(re.findall(r'(?:add|Finding)\(\s*"(timeline\.[a-z-]+)"', sources))
    raised |= set(re.findall(r'code = "(timeline\.[a-z-]+)"', sources))
    raised |= {"timeline.entry-unreadable", "timeline.entry-removed"}
    raised |= {f"timeline.{what}-miscounted" for what in ("entries", "heads", "witnessed")}
    assert verdicts.codes() == raised


@pytest.mark.parametrize("code", sorted(verdicts.codes()))
def test_a_finding_is_told_in_both_languages(code: str) -> None:
    facts = {"why": "x", "of": ALPHA, "by": ALPHA, "since": "4", "said": "4", "there": "5"}
    finding = Finding(code, ALPHA, "entry", 17, 17, facts)
    english, dutch = (verdicts.finding_sentence(finding, language) for language in ("en", "nl"))
    assert english.startswith("entry 17: ")
    assert dutch.startswith("regel 17: ")
    assert english.split(": ", 1)[1] != dutch.split(": ", 1)[1]
    assert "{" not in english + dutch


def test_a_report_is_told_with_its_counts() -> None:
    good = LogReport(ALPHA, "node.db", 1200, 30, 0, ())
    bad = LogReport(ALPHA, "node.db", 1200, 30, 0, (Finding("timeline.entry-altered", ALPHA, "entry", 4, 6),), 2)
    assert verdicts.report_sentence(Report((good,)), "en").startswith(
        "1,200 entries and 30 signed heads checked: nothing"
    )
    assert verdicts.report_sentence(Report((good, bad)), "nl").endswith("3 dingen kloppen niet.")
    assert bad.findings[0].place == "entries 4-6"
