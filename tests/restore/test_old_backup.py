"""A source whose store was put back from an old copy: it finds out before it sends, and loses nothing (issue 3, 13)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keersluis import restoring
from keersluis.errors import Conflict, Forbidden, Untrusted
from keersluis.exchange import _store, _store_epochs, questions
from keersluis.exchange.batches import Parcel, decode
from keersluis.exchange.epochs import GIVE_BACK, STANDS, Asked, Returned, Stand, Stands, Wanted
from keersluis.exchange.gates import GateOrder
from keersluis.exchange.sender import BATCHES
from keersluis.merkle import Frontier, leaf_hash
from keersluis.signing import Signer, add_signature, sign_note
from keersluis.timeline import log
from keersluis.times import HOUR, MINUTE, format_instant
from keersluis.watermarks import Checkpoint
from restore.town import KIND, Town, make_town


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    town = make_town(tmp_path)
    yield town
    town.close()


def lose(town: Town, *, before: int = 5, lost: int = 4, politie_saw: int = 4) -> None:
    """`before` events reach everybody and are backed up, `lost` more reach justid and some of them politie; then the
    copy is put back."""
    town.publish(range(before))
    town.pump()
    copy = town.back_up("om")
    town.publish(range(before, before + politie_saw))
    town.pump()
    town.down.add("politie")
    if lost > politie_saw:
        town.publish(range(before + politie_saw, before + lost))
        town.pump()
    town.down.discard("politie")
    town.put_back("om", copy)


def entries(town: Town, key: str = "om") -> Counter[str]:
    with town.nodes[key].store.read() as tx:
        return Counter(entry.kind for entry in log.entries(tx, 0, 100_000))


def events_sent(town: Town) -> list[str]:
    """What left in batches since the list was emptied."""
    parcels = [decode(body, Parcel) for _peer, path, body in town.sent if path == BATCHES]
    return [msgspec.json.decode(raw)["id"] for each in parcels for batch in each.batches for raw in batch.events]


def test_it_finds_out_before_it_sends_and_gives_no_number_twice(town: Town) -> None:
    lose(town)
    town.sent.clear()
    town.publish([100, 101])  # publishing goes on (P1)
    sent = town.pump()
    assert sent["justid"].refused[KIND] == "restore.behind"
    assert events_sent(town) == []
    assert entries(town)["stream.behind"] == 2
    assert {each["peer"] for each in restoring.state(town.nodes["om"])["behind"]} == {"justid", "politie"}


def test_no_heartbeat_promises_over_what_was_lost(town: Town) -> None:
    """P2: a receiver that holds only what the copy holds would take a heartbeat for completeness."""
    lose(town, politie_saw=0)
    before = town.watermark("politie")
    town.pump(hours=500)
    assert town.watermark("politie") == before


def test_P1_what_was_lost_comes_back_and_what_came_meanwhile_follows(town: Town) -> None:
    lose(town, politie_saw=2)
    town.publish([100, 101, 6])  # 6 was lost and is published again
    town.pump()
    told = restoring.take_back(town.nodes["om"], "operator", "disk broke")
    assert [(each["first"], each["through"], each["again"], each["duplicates"]) for each in told["taken"]] == [
        (6, 9, 2, 1)
    ]
    assert told["behind"] == []
    assert told["conflicts"] == []
    town.pump()
    expected = [f"e-{n}" for n in (*range(9), 100, 101)]
    assert town.held_by("justid") == expected
    assert town.held_by("politie") == expected
    assert town.own_ids() == expected
    assert town.facts("justid") == town.facts("politie")
    with pytest.raises(Conflict, match="key-reused"):
        town.publish([7], offence="another")
    town.publish([7])  # the key that came back still makes the same the same
    assert town.own().size == 11


def test_taking_back_twice_is_as_once(town: Town) -> None:
    lose(town)
    restoring.take_back(town.nodes["om"], "operator", "disk broke")
    before = town.own_ids()
    again = restoring.take_back(town.nodes["om"], "operator", "disk broke")
    assert (again["taken"], again["behind"], town.own_ids()) == ([], [], before)


def test_P2_nothing_is_promised_until_somebody_checked_the_system_of_record(town: Town) -> None:
    lose(town)
    restoring.take_back(town.nodes["om"], "operator", "disk broke")
    town.pump(hours=500)
    stands_at = town.watermark("justid")
    assert restoring.state(town.nodes["om"])["unconfirmed"] == [KIND]
    town.pump(hours=500)
    assert town.watermark("justid") == stands_at
    assert restoring.confirm(town.nodes["om"], [], "operator", "compared")["confirmed"] == [KIND]
    town.pump(hours=1)
    assert town.watermark("justid") > stands_at + 400 * HOUR


def test_P2_what_follows_on_what_came_back_and_breaks_a_lost_promise_is_noted_at_the_source_too(town: Town) -> None:
    """The promise was made after the copy: when the act was accepted, this node did not know of it."""
    town.publish(range(5))
    town.pump()
    copy = town.back_up("om")
    town.publish([5])
    town.pump(hours=500)
    noted = entries(town, "justid")["promise.broken"]
    town.put_back("om", copy)
    town.publish([30 * HOUR])  # occurred after the first promise and before the lost one
    assert entries(town)["promise.broken"] == 0
    restoring.take_back(town.nodes["om"], "operator", "disk broke")
    assert entries(town)["promise.broken"] == 1
    town.pump()
    assert entries(town, "justid")["promise.broken"] == noted + 1


def test_P5_the_timeline_says_that_a_partner_agrees_again(town: Town) -> None:
    lose(town)
    restoring.check(town.nodes["om"])
    assert entries(town)["stream.behind"] == 2
    restoring.take_back(town.nodes["om"], "operator", "disk broke")
    told = entries(town)
    assert (told["stream.taken-back"], told["stream.agreed"]) == (1, 1), "who gave it back, and the other"
    restoring.check(town.nodes["om"])
    assert entries(town)["stream.agreed"] == 1, "nothing changed"


def test_the_others_have_one_deadline_together(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many partners are far away, a start waits no longer."""
    clock = [0.0]

    class FarAway:
        def __init__(self, **_how: object) -> None:
            pass

        def start(self) -> None:
            pass

        def join(self, timeout: float) -> None:
            clock[0] += timeout

    monkeypatch.setattr(restoring, "monotonic", lambda: clock[0], raising=False)
    monkeypatch.setattr("keersluis.restoring.threading.Thread", FarAway)
    watch = restoring.Watch(town.nodes["om"])
    watch.node.senders |= dict.fromkeys(("politie", "justid", "justis"), watch.node.senders["justid"])
    monkeypatch.setattr(watch, "open_kinds", lambda _peer: frozenset({KIND}))
    watch.ask_others("justid")
    assert clock[0] == restoring.AWAIT_OTHERS


def test_a_key_with_other_content_lies_on_a_desk_and_in_no_stream(town: Town) -> None:
    lose(town)
    town.publish([6], offence="another")
    told = restoring.take_back(town.nodes["om"], "operator", "disk broke")
    assert [each["id"] for each in told["conflicts"]] == ["e-6"]
    town.pump()
    assert Counter(town.held_by("justid"))["e-6"] == 1
    assert restoring.solve_conflict(town.nodes["om"], KIND, "e-6", "operator", "published as e-600")
    assert restoring.state(town.nodes["om"])["conflicts"] == []


def test_a_partner_that_is_far_away_keeps_nobody_waiting_and_is_asked_when_it_is_back(town: Town) -> None:
    lose(town, politie_saw=4)
    town.down.add("justid")
    assert restoring.check(town.nodes["om"])["answers"] == {"justid": "link.unreachable", "politie": ""}
    told = restoring.take_back(town.nodes["om"], "operator", "disk broke")
    assert [each["peer"] for each in told["taken"]] == ["politie"]
    town.down.clear()
    town.pump()
    assert town.held_by("justid") == town.held_by("politie") == [f"e-{n}" for n in range(9)]


def test_it_comes_back_in_parts_and_goes_on_after_a_broken_line(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keersluis.exchange.stands.BATCH_EVENTS", 3)
    lose(town, lost=10, politie_saw=0)
    asked = []

    def spoil(peer: str, path: str, answer: bytes) -> bytes:
        if path == GIVE_BACK:
            asked.append(peer)
            if len(asked) == 2:
                town.down.add("justid")
                return town.send("justid", path, b"")
        return answer

    monkeypatch.setattr(town, "spoil", spoil)
    told = restoring.take_back(town.nodes["om"], "operator", "disk broke")
    assert [each["code"] for each in told["refused"]] == ["link.unreachable"]
    town.down.clear()
    told = restoring.take_back(town.nodes["om"], "operator", "disk broke")
    assert [each["through"] for each in told["taken"]] == [15]
    assert len(asked) == 5, "the first part was not asked again"


# -- attacks -------------------------------------------------------------------------------------------------------


def forged_stands(town: Town, stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on justid answers with this stand of our stream."""
    node = town.nodes["justid"]

    def spoil(peer: str, path: str, answer: bytes) -> bytes:
        if (peer, path) != ("justid", STANDS):
            return answer
        said = msgspec.json.decode(msgspec.json.decode(answer, type=questions.Signed).payload, type=Stands)
        return questions.sign(Stands(said.about, [stand], []), "stands", node.ctx.signer)

    monkeypatch.setattr(town, "spoil", spoil)


def test_attack_a_partner_claims_more_under_a_checkpoint_that_we_never_signed(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    town.publish(range(3))
    town.pump()
    row = town.own()
    leaves = [leaf_hash(b"forged %d" % n) for n in range(9)]
    said = Checkpoint(row.origin, 9, Frontier().extend(leaves).root(), 0, 0)
    stranger = Signer.from_seed(town.nodes["om"].me.oin, b"x" * 32)
    for note in (sign_note(said.text(), town.nodes["justid"].ctx.signer), sign_note(said.text(), stranger)):
        forged_stands(town, Stand(row.origin, 9, add_signature(note, town.nodes["justid"].ctx.signer)), monkeypatch)
        town.nodes.pop("om").close()
        town.open("om")
        assert restoring.check(town.nodes["om"])["answers"]["justid"] in ("restore.not-ours", "note.bad-signature")
        assert restoring.state(town.nodes["om"])["behind"] == []
        town.publish([10])
        refused = town.pump()["justid"].refused
        assert refused[KIND] in ("restore.not-ours", "note.bad-signature"), "nothing goes to a partner that lies"
        assert "e-10" in town.held_by("politie")


def test_attack_events_that_come_back_altered_left_out_or_added_are_refused(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose(town, politie_saw=0)
    before = town.own_ids()
    for change in (
        lambda events: [events[0].replace(b"generated", b"GENERATED"), *events[1:]],
        lambda events: events[1:],
        lambda events: [*events[1:], events[0]],
        lambda events: [events[0], *events],
    ):

        def spoil(peer: str, path: str, answer: bytes, change=change) -> bytes:
            if path != GIVE_BACK:
                return answer
            said = msgspec.json.decode(msgspec.json.decode(answer, type=questions.Signed).payload, type=Returned)
            events = [msgspec.Raw(each) for each in change([bytes(raw) for raw in said.events])]
            told = Returned(said.about, said.origin, said.first, events)
            return questions.sign(told, "events", town.nodes[peer].ctx.signer)

        monkeypatch.setattr(town, "spoil", spoil)
        told = restoring.take_back(town.nodes["om"], "operator", "disk broke")
        assert told["taken"] == []
        assert told["refused"][0]["code"] in ("restore.altered", "restore.withheld", "note.bad-signature")
        assert town.own_ids() == before
    monkeypatch.undo()
    assert restoring.take_back(town.nodes["om"], "operator", "disk broke")["behind"] == []


def test_attack_an_old_answer_is_no_answer(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    town.publish(range(2))
    town.pump()
    town.sent.clear()
    kept: list[bytes] = []
    monkeypatch.setattr(town, "spoil", lambda _peer, path, answer: kept.append(answer) or answer)
    restoring.check(town.nodes["om"])
    monkeypatch.setattr(town, "spoil", lambda peer, path, answer: kept[0] if peer == "justid" else answer)
    assert restoring.check(town.nodes["om"])["answers"]["justid"] == "restore.other-answer"


def wanted(town: Town, signer: Signer, *, to: str = "justid", late: int = 0) -> bytes:
    at = format_instant(town.clock.now() - late)
    origin = town.own().origin
    return questions.sign(Wanted(town.chain.organisations[to].oin, at, "n", origin, 0, 100), "events-wanted", signer)


def test_attack_events_go_to_their_own_source_alone(town: Town) -> None:
    town.publish(range(3))
    town.pump()
    om, politie, justid = (town.nodes[key] for key in ("om", "politie", "justid"))
    with pytest.raises(Forbidden, match="not-yours"):
        restoring.give_back(justid, wanted(town, politie.ctx.signer))
    with pytest.raises(Untrusted):
        restoring.give_back(justid, wanted(town, Signer.from_seed(om.me.oin, b"x" * 32)))
    with pytest.raises(Forbidden, match="not-for-us"):
        restoring.give_back(politie, wanted(town, om.ctx.signer))
    with pytest.raises(Forbidden, match="stale"):
        restoring.give_back(justid, wanted(town, om.ctx.signer, late=60 * MINUTE))
    restoring.give_back(justid, wanted(town, om.ctx.signer))


@pytest.mark.parametrize("direction", ["in", "out"])
def test_P4_a_closed_gate_gives_nothing_back_and_says_nothing_of_its_kinds(town: Town, direction: str) -> None:
    lose(town, politie_saw=0)
    justid = town.nodes["justid"]
    order = GateOrder(town.clock.now(), "om", direction, "*", "closed", "crisis team", "test")  # type: ignore[arg-type]
    justid.order_gate([order])
    told = restoring.take_back(town.nodes["om"], "operator", "disk broke")
    assert told["taken"] == []
    if direction == "in":
        asked = Asked(justid.me.oin, format_instant(town.clock.now()), "n", {})
        answer = restoring.tell(justid, questions.sign(asked, "stands-asked", town.nodes["om"].ctx.signer))
        said = msgspec.json.decode(msgspec.json.decode(answer, type=questions.Signed).payload, type=Stands)
        assert (said.stands, KIND in said.closed) == ([], True)
    else:
        assert told["refused"][0]["code"] == "gate.closed"
    justid.order_gate([GateOrder(town.clock.now(), "om", direction, "*", "open", "crisis team", "over")])  # type: ignore[arg-type]
    assert len(restoring.take_back(town.nodes["om"], "operator", "disk broke")["taken"]) == 1


def test_numbers_that_left_twice_are_not_taken_back_over(town: Town) -> None:
    """Justid held more and could not be reached: politie was sent other events under the same numbers."""
    lose(town, politie_saw=0)
    town.down.add("justid")
    town.publish([100, 101])
    town.pump()
    assert town.held_by("politie")[-2:] == ["e-100", "e-101"]
    town.down.clear()
    town.pump()
    told = restoring.take_back(town.nodes["om"], "operator", "disk broke")
    assert [each["code"] for each in told["refused"]] == ["restore.given-twice"]
    assert told["behind"] != []
    town.sent.clear()
    town.pump()
    assert events_sent(town) == []


@given(
    before=st.integers(0, 6),
    lost=st.integers(1, 6),
    seen=st.integers(0, 6),
    meanwhile=st.lists(st.integers(0, 20), max_size=8),
    pumped=st.booleans(),
)
@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
def test_P3_after_recovery_the_registers_are_those_of_a_chain_that_lost_nothing(
    tmp_path_factory: pytest.TempPathFactory, before: int, lost: int, seen: int, meanwhile: list[int], pumped: bool
) -> None:
    """Whatever was lost, seen and published meanwhile: every key exactly once, at every receiver."""
    healthy = make_town(tmp_path_factory.mktemp("healthy"))
    town = make_town(tmp_path_factory.mktemp("restored"))
    try:
        lose(town, before=before, lost=lost, politie_saw=min(seen, lost))
        if meanwhile:
            town.publish(meanwhile)
        if pumped:
            town.pump()
        assert restoring.take_back(town.nodes["om"], "operator", "disk broke")["behind"] == []
        town.pump()
        healthy.publish([*range(before + lost), *meanwhile])
        healthy.pump()
        everything = {f"e-{n}" for n in [*range(before + lost), *meanwhile]}
        for receiver in ("justid", "politie"):
            assert Counter(town.held_by(receiver)) == Counter(everything)
            assert town.facts(receiver) == healthy.facts(receiver)
        assert Counter(town.own_ids()) == Counter(everything)
    finally:
        town.close()
        healthy.close()


def test_the_register_itself_comes_back_and_its_answers_get_numbers_of_their_own(town: Town) -> None:
    town.publish(range(3))
    town.pump()
    justis, justid = town.nodes["justis"], town.nodes["justid"]
    copy = town.back_up("justid")
    justis.decide([{"id": "d-1", "policy": "vog-standard", "subject": "skn:T0000001"}])
    for _ in range(3):
        town.pump("om", hours=30)
        town.pump("politie", hours=1)
        town.pump("justid", hours=1)
    with justis.store.read() as tx:
        had = next(row.size for row in _store.all_in_streams(tx) if row.kind == "answer-end.justis")
    assert had > 0
    justid = town.put_back("justid", copy)
    assert town.pump("justid")["justis"].refused["answer-end.justis"] == "restore.behind"
    assert restoring.take_back(justid, "operator", "disk broke")["behind"] == []
    justis.decide([{"id": "d-2", "policy": "vog-standard", "subject": "skn:T0000002"}])
    for _ in range(3):
        town.pump("om", hours=30)
        assert town.pump("justid", hours=1)["justis"].refused == {}
    with justis.store.read() as tx:
        assert next(row.size for row in _store.all_in_streams(tx) if row.kind == "answer-end.justis") > had


def test_nothing_is_left_aside_after_taking_back(town: Town) -> None:
    lose(town)
    restoring.take_back(town.nodes["om"], "operator", "disk broke")
    with town.nodes["om"].store.read() as tx:
        assert _store_epochs.last_taken(tx, town.own().stream) == 0
