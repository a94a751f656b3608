"""A key was compromised from A to B: what was signed since is in doubt, and reaffirmed in bulk (issue 3, 13)."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keersluis import keeping, reserving
from keersluis.errors import Conflict, Forbidden, Incorrect, Unavailable, Untrusted
from keersluis.exchange import inbox
from keersluis.exchange.gates import GateOrder
from keersluis.exchange.reaffirmation import Reaffirmation
from keersluis.register.facts import Fact
from keersluis.register.reservations import Reservation, touching
from keersluis.signing import Signer, sign_note, unverified_text
from keersluis.times import HOUR, Instant, When
from restore.test_old_backup import entries
from restore.town import KIND, Town, make_town

ABOUT = "skn:T0000001"


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    town = make_town(tmp_path)
    yield town
    town.close()


def days_pass(town: Town, rounds: int = 5) -> None:
    """Everybody promises, the register settles and says so."""
    for _ in range(rounds):
        town.clock.set(town.clock.now() + 24 * HOUR)
        for key in ("om", "politie", "justid"):
            town.nodes[key].pump()


def settled(town: Town) -> Instant:
    """One fact came in before the compromise, one during it; a decision on both is settled. Returns A."""
    town.publish([8])  # about T0000001, as 1 is
    days_pass(town, 2)
    since = town.clock.now()
    town.publish([1])
    days_pass(town, 2)
    town.nodes["justis"].decide([{"id": "d-1", "policy": "vog-standard", "subject": ABOUT}])
    days_pass(town)
    assert town.nodes["justis"].decision("d-1")["state"] in ("settled", "revisit")
    return since


def decision(town: Town) -> dict[str, Any]:
    found: dict[str, Any] = town.nodes["justis"].decision("d-1")
    return found


def answered(town: Town, subject: str = ABOUT) -> Any:
    return town.nodes["justid"].look_up(subject, "desk 3", "vog", None, None)


def reserve(town: Town, since: Instant, **more: Any) -> dict[str, Any]:
    return reserving.reserve(town.nodes["justid"], "om", [], since, None, "security", "key stolen", **more)


def test_what_was_settled_on_it_is_provisional_again_and_says_so(town: Town) -> None:
    since = settled(town)
    before = town.watermark("justid")
    made = reserve(town, since)
    assert (made["n"], made["facts"], made["answers"]) == (1, 1, 1)
    shown = answered(town)
    assert shown.state == "provisional"
    assert [(each.n, each.facts) for each in shown.reservations] == [(1, ["e-1"])]
    days_pass(town)
    told = decision(town)
    assert told["state"] == "provisional"
    assert "reservation" in told["missing"]
    assert town.watermark("justid") > before, "a reservation moves no watermark, and holds none"
    assert entries(town, "justid")["reservation.set"] == 1


def test_who_asks_while_it_stands_is_told_and_who_asks_of_others_is_not(town: Town) -> None:
    since = settled(town)
    reserve(town, since)
    for name, subject in (("d-2", ABOUT), ("d-3", "skn:T0000005")):
        town.nodes["justis"].decide([{"id": name, "policy": "vog-standard", "subject": subject}])
    days_pass(town)
    assert "reservation" in town.nodes["justis"].decision("d-2")["missing"]
    assert town.nodes["justis"].decision("d-3")["state"] == "settled"


def named_settled(town: Town) -> list[str]:
    """The answers that the register told justis have ended, in order."""
    with town.nodes["justis"].store.read() as tx:
        ends = [msgspec.json.decode(event)["data"] for _origin, _n, event in inbox.stored(tx)]
    return [name for end in ends for name in end.get("settled", ())]


def test_the_register_calls_no_answer_settled_that_rests_on_doubt(town: Town) -> None:
    since = settled(town)
    reserve(town, since)
    before = named_settled(town)
    days_pass(town)
    assert named_settled(town) == before
    reserving.lift(town.nodes["justid"], 1, "security", "the logs show nothing")
    days_pass(town, 2)
    assert len(named_settled(town)) == len(before) + 1


def test_lifting_settles_again(town: Town) -> None:
    since = settled(town)
    state = decision(town)["state"]
    reserve(town, since)
    days_pass(town)
    assert reserving.lift(town.nodes["justid"], 1, "security", "the logs show nothing")["answers"] == 1
    days_pass(town, 2)
    assert decision(town)["state"] == state
    assert decision(town)["missing"] == []
    assert answered(town).reservations == []
    assert reserving.lift(town.nodes["justid"], 1, "security", "again")["answers"] == 0
    assert entries(town, "justid")["reservation.lifted"] == 1


def test_set_twice_is_as_once_and_survives_gaps_and_restarts(town: Town) -> None:
    since = settled(town)
    reserve(town, since)
    assert reserve(town, since) == {"n": 1, "facts": 1, "answers": 0}
    justid = town.nodes["justid"]
    justid.declare_gap(KIND, since, since + HOUR)
    justid.fill_gap(KIND, since, since + HOUR)
    days_pass(town)
    town.nodes.pop("justid").close()
    town.open("justid")
    days_pass(town, 2)
    assert "reservation" in decision(town)["missing"]


def test_the_source_stands_by_it_in_bulk_after_its_own_check(town: Town) -> None:
    since = settled(town)
    reserve(town, since)
    days_pass(town, 2)
    told = reserving.reaffirm(town.nodes["om"], [KIND], "om security", "compared with the files")
    at_justid = next(each for each in told["told"] if each["peer"] == "justid")
    assert (at_justid["code"], at_justid["reservations"], at_justid["ended"]) == ("", [1], [1])
    days_pass(town, 2)
    assert decision(town)["missing"] == []
    assert reserving.listed(town.nodes["justid"])[0]["lifted_by"] == "om"
    assert entries(town, "om")["reservation.reaffirmed"] == 1
    assert entries(town, "justid")["reservation.reaffirmed"] == 1


def test_what_the_source_finds_false_it_withdraws_and_the_rest_stands(town: Town) -> None:
    since = settled(town)
    reserve(town, since)
    leaf = town.chain.kinds["withdrawal"]
    om = town.nodes["om"]
    withdrawal = {
        "specversion": "1.0",
        "id": "w-1",
        "source": f"urn:nld:oin:{om.me.oin}:systeem:test",
        "type": town.chain.ce_type(leaf),
        "occurred": "2025-07-01" if leaf.resolution == "day" else "2025-07-01T12:00:00Z",
        "data": {"subject": ABOUT, "content": {}, "refers_to": "e-1"},
    }
    om.accept([msgspec.json.encode(withdrawal)])
    days_pass(town, 2)
    reserving.reaffirm(om, [], "om security", "one was false, and is withdrawn")
    days_pass(town, 2)
    shown = answered(town)
    assert [fact.id for fact in shown.facts] == ["e-8"]
    assert shown.reservations == []


def statement(town: Town, **other: Any) -> str:
    note = reserving.reaffirm(town.nodes["om"], [KIND], "om security", "checked")["statements"][KIND]
    said = Reaffirmation.parse(unverified_text(note))
    parts = {name: getattr(said, name) for name in ("origin", "size", "root", "at", "who", "why")} | other
    return sign_note(Reaffirmation(**parts).text(), parts.pop("signer", town.nodes["om"].ctx.signer))


def test_attack_a_statement_with_the_revoked_key_or_another_root_or_from_before_the_check(town: Town) -> None:
    since = settled(town)
    early = statement(town)
    town.clock.set(town.clock.now() + HOUR)
    reserve(town, since)
    town.clock.set(town.clock.now() + HOUR)
    justid, om = town.nodes["justid"], town.nodes["om"]
    with pytest.raises(Conflict, match="too-early"):
        reserving.reaffirmed(justid, early)
    said = Reaffirmation.parse(unverified_text(early))
    now = town.clock.now()

    def signed(signer: Signer, size: int = said.size, root: bytes = said.root, at: Instant = now) -> str:
        return sign_note(Reaffirmation(said.origin, size, root, at, "x", "y").text(), signer)

    for note in (signed(Signer.from_seed(om.me.oin, b"x" * 32)), signed(om.ctx.signer, root=b"r" * 32)):
        with pytest.raises(Untrusted):
            reserving.reaffirmed(justid, note)
    with pytest.raises(Conflict, match="gap"):
        reserving.reaffirmed(justid, signed(om.ctx.signer, size=99))
    with pytest.raises(Forbidden):
        reserving.reaffirmed(justid, signed(om.ctx.signer), by=town.nodes["politie"].me.oin)
    with pytest.raises(Untrusted):
        reserving.reaffirmed(justid, signed(town.nodes["politie"].ctx.signer))
    justid.ctx.keyring.revoke(om.me.oin, om.ctx.signer.public, since)
    with pytest.raises(Untrusted):
        reserving.reaffirmed(justid, signed(om.ctx.signer))
    assert reserving.listed(justid)[0]["lifted_at"] is None


def test_attack_a_statement_from_before_the_doubt_is_shown_again(town: Town) -> None:
    """The period in doubt was over when it was made, but nobody doubted yet, so nobody checked."""
    since = settled(town)
    until = town.clock.now()
    town.clock.set(until + HOUR)
    early = statement(town)
    town.clock.set(until + 2 * HOUR)
    reserving.reserve(town.nodes["justid"], "om", [], since, until, "register", "its key was stolen")
    with pytest.raises(Conflict, match="too-early"):
        reserving.reaffirmed(town.nodes["justid"], early)


def test_P4_a_closed_gate_takes_no_statement(town: Town) -> None:
    reserve(town, settled(town))
    town.clock.set(town.clock.now() + HOUR)
    town.nodes["justid"].order_gate([GateOrder(town.clock.now(), "om", "in", "*", "closed", "crisis team", "test")])
    with pytest.raises(Unavailable, match="closed"):
        reserving.reaffirmed(town.nodes["justid"], statement(town))


def test_a_part_that_is_reaffirmed_leaves_the_rest_in_doubt(town: Town) -> None:
    since = settled(town)
    reserve(town, since)
    town.publish([15])  # entered after the reservation's end
    days_pass(town, 1)
    told = reserving.reaffirm(town.nodes["om"], ["disposal"], "om security", "checked")
    assert told["statements"] == {}, "nothing to stand by"
    assert reserving.listed(town.nodes["justid"])[0]["facts"] == 1


def test_wrong_orders_are_refused_with_all_faults(town: Town) -> None:
    justid = town.nodes["justid"]
    now = town.clock.now()
    with pytest.raises(Incorrect) as refused:
        reserving.reserve(justid, "om", [], now, now - HOUR, " ", "")
    assert len(refused.value.faults) == 3
    with pytest.raises(Incorrect):
        reserving.reserve(justid, "om", ["police-data.serious"], now, None, "a", "b")
    with pytest.raises(Incorrect):
        reserving.lift(justid, 7, "a", "b")
    with pytest.raises(Incorrect):
        reserving.reserve(justid, "nobody", [], now, None, "a", "b")


@given(entered=st.integers(0, 9), recorded=st.integers(0, 9), since=st.integers(0, 9), length=st.integers(0, 9))
@settings(deadline=None)
def test_both_clocks_count_and_what_is_reaffirmed_does_not(
    entered: int, recorded: int, since: int, length: int
) -> None:
    until = since + length
    fact = Fact("e", "skn:1", "1/a/1", 3, "a", "record", When(0, 0), entered, recorded, None, None, None, b"{}")
    doubt = Reservation(1, "1", frozenset({"a"}), since, until, "who", "why", until)
    inside = since <= entered <= until or since <= recorded <= until
    assert doubt.covers(fact) == inside
    assert bool(touching([doubt], [fact], {"a"}, 0)) == inside
    for reaffirmed, left in ((("1/a/1", 3), False), (("1/a/1", 2), inside), (("1/a/2", 9), inside)):
        part = Reservation(1, "1", frozenset({"a"}), since, until, "who", "why", until, (reaffirmed,))
        assert part.covers(fact) == left
    assert not touching([doubt], [fact], {"b"}, 0)
    assert not touching([doubt], [fact], {"a"}, -1)


def test_a_key_that_is_revoked_as_of_the_past_puts_what_came_since_in_doubt(town: Town) -> None:
    """The old key was stolen at A; om signs with a new one, says so, and stands by its stream with that."""
    since = settled(town)
    justid, om = town.nodes["justid"], town.nodes["om"]
    new = Signer.from_seed(om.me.oin, b"n" * 32)
    now = town.clock.now()
    keeping.add(justid, om.me.oin, b64encode(new.public).decode(), now, "security", "met in person")
    old = next(key for key in justid.ctx.keyring.entries() if key.oin == om.me.oin and key.public != new.public)
    for _ in range(2):
        keeping.revoke(justid, om.me.oin, b64encode(old.public).decode(), since, "security", "stolen")
    (made,) = reserving.listed(justid)
    assert (made["source"], made["facts"], made["who"]) == ("om", 1, "security")
    assert answered(town).state == "provisional"
    town.clock.set(town.clock.now() + HOUR)
    said = Reaffirmation.parse(unverified_text(statement(town)))
    with pytest.raises(Untrusted):
        reserving.reaffirmed(justid, sign_note(said.text(), om.ctx.signer))
    assert reserving.reaffirmed(justid, sign_note(said.text(), new))["ended"] == [1]


def test_a_key_that_ends_now_puts_nothing_in_doubt(town: Town) -> None:
    settled(town)
    justid, om = town.nodes["justid"], town.nodes["om"]
    old = next(key for key in justid.ctx.keyring.entries() if key.oin == om.me.oin)
    later = town.clock.now() + HOUR
    keeping.revoke(justid, om.me.oin, b64encode(old.public).decode(), later, "security", "retired")
    assert reserving.listed(justid) == []
