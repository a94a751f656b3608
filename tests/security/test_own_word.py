"""Over a connection with a certificate an organisation speaks for itself alone; and what was said twice counts once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keersluis.chain import load_chain
from keersluis.errors import Conflict, Forbidden, Incorrect, Untrusted
from keersluis.exchange import inbox, questions
from keersluis.exchange.batches import Batch, Outcomes, Parcel, decode, encode
from keersluis.merkle import leaf_hash, root
from keersluis.service import Node, make_home, open_node
from keersluis.signing import sign_note
from keersluis.timeline import log
from keersluis.times import HOUR, SECOND, SystemClock, format_instant
from keersluis.watermarks import Checkpoint, stream_origin

KIND = "prosecution-decision.serious"


class Overhears:
    """A link that carries what it is given to one node, as its sender, and keeps a copy."""

    def __init__(self) -> None:
        self.to: Node | None = None
        self.oin = ""
        self.kept: list[tuple[str, bytes]] = []

    def send(self, _peer: str, path: str, body: bytes) -> bytes:
        assert self.to is not None
        self.kept.append((path, body))
        return self.to.receive(body, self.oin) if path.endswith("partijen") else self.to.answer(body, self.oin)


@pytest.fixture
def link() -> Overhears:
    return Overhears()


@pytest.fixture
def nodes(link: Overhears, tmp_path: Path) -> Iterator[dict[str, Node]]:
    chain = load_chain("nl-justice")
    make_home(chain, tmp_path)
    opened = {key: open_node(chain, key, tmp_path, SystemClock(), link) for key in ("om", "justid", "justis")}
    link.to = opened["justid"]
    yield opened
    for node in opened.values():
        node.close()


def event(node: Node) -> bytes:
    chain = node.chain
    told = {
        "specversion": "1.0",
        "id": "e-1",
        "source": f"urn:nld:oin:{node.me.oin}:systeem:test",
        "type": chain.ce_type(chain.kinds[KIND]),
        "occurred": format_instant(SystemClock().now() - 1_000_000),
        "data": {"subject": "skn:T0000001", "content": {"offence": "generated", "maximum_months": 96}},
    }
    return msgspec.json.encode(told)


def applied(node: Node) -> int:
    from keersluis import status

    return next(int(row["size"]) for row in status.of(node)["watermarks"] if row["kind"] == KIND)


def test_a_peer_cannot_deliver_the_parcel_of_another(nodes: dict[str, Node], link: Overhears) -> None:
    link.oin = nodes["om"].me.oin
    nodes["om"].accept([event(nodes["om"])])
    nodes["om"].pump()
    path, body = link.kept[0]
    assert path.endswith("partijen")
    with pytest.raises(Forbidden) as refused:
        nodes["justid"].receive(body, nodes["justis"].me.oin)
    assert refused.value.code == "link.not-its-own"


def test_P1_a_replayed_parcel_is_receipted_again_and_changes_nothing(nodes: dict[str, Node], link: Overhears) -> None:
    link.oin = nodes["om"].me.oin
    nodes["om"].accept([event(nodes["om"])])
    nodes["om"].pump()
    for _path, body in list(link.kept):
        again = decode(nodes["justid"].receive(body, link.oin), Outcomes)
        assert all(outcome.receipt for outcome in again.outcomes)
    assert applied(nodes["justid"]) == 1


def test_nobody_asks_with_the_question_of_another(nodes: dict[str, Node], link: Overhears) -> None:
    link.oin = nodes["justis"].me.oin
    nodes["justis"].decide([{"id": "q-1", "policy": "vog-standard", "subject": "skn:T0000001"}])
    path, message = link.kept[0]
    assert path == questions.QUESTIONS
    with pytest.raises(Forbidden) as refused:
        nodes["justid"].answer(message, nodes["om"].me.oin)
    assert refused.value.code == "link.not-its-own"


def test_a_replayed_question_is_refused_and_makes_no_look_up(nodes: dict[str, Node], link: Overhears) -> None:
    asker, register = nodes["justis"], nodes["justid"]
    link.oin = asker.me.oin
    moment = format_instant(asker.clock.now())
    request = {"id": "q-1", "policy": "vog-standard", "subject": "skn:T0000001", "moment": moment}
    asker.decide([request])
    looked_up = look_ups(register)
    _path, message = link.kept[0]
    with pytest.raises(Conflict) as refused:
        register.answer(message, link.oin)
    assert refused.value.code == "question.replayed"
    assert look_ups(register) == looked_up == 1
    asker.decide([request])  # asking again is signing again: legal, and the same decision


def look_ups(node: Node) -> int:
    with node.store.read() as tx:
        return sum(entry.kind == "answer.given" for entry in log.entries(tx, 0, 1000))


@pytest.mark.parametrize("off", [-questions.FRESH - HOUR, -questions.FRESH - 10 * SECOND, 10 * SECOND, HOUR])
def test_a_question_of_another_time_is_refused(nodes: dict[str, Node], off: int) -> None:
    asker, register = nodes["justis"], nodes["justid"]
    message = questions.ask([], asker.ctx.signer, register.clock.now() + off, "0" * 24)
    with pytest.raises(Untrusted) as refused:
        register.answer(message)
    assert refused.value.code == "question.stale"


@pytest.mark.parametrize("field", ["at", "nonce"])
def test_the_time_and_the_nonce_of_a_question_are_signed(nodes: dict[str, Node], field: str) -> None:
    asker, register = nodes["justis"], nodes["justid"]
    now = register.clock.now()
    told = msgspec.json.decode(questions.ask([], asker.ctx.signer, now, "0" * 24))
    told[field] = format_instant(now + 1) if field == "at" else "1" * 24
    with pytest.raises(Untrusted):
        register.answer(msgspec.json.encode(told))
    del told[field]
    with pytest.raises(Incorrect):
        register.answer(msgspec.json.encode(told))


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(-200, 200)), max_size=40))
def test_no_message_is_heard_twice_whatever_the_order(shown: list[tuple[int, int]]) -> None:
    """A clock that only goes forward; messages of all ages, shown again at any later moment."""
    heard, now, taken = questions.Heard(0, 2 * SECOND), HOUR, set()
    for step, age in shown:
        now += step * 30 * SECOND
        at = HOUR + age * SECOND
        try:
            heard._hear("1", f"n{age}", at, now)
        except (Conflict, Untrusted):
            continue
        assert age not in taken
        taken.add(age)


def test_an_event_of_more_than_64_KiB_is_set_apart_with_its_place(nodes: dict[str, Node], link: Overhears) -> None:
    """Signed by its source, and still not taken."""
    om, register = nodes["om"], nodes["justid"]
    large = b'{"specversion":"1.0","x":"' + b"x" * (64 * 1024) + b'"}'
    now = om.clock.now()
    kind = om.chain.kinds[KIND]
    checkpoint = Checkpoint(stream_origin(om.me.oin, kind.path, 1), 1, root([leaf_hash(large)]), now, now - HOUR)
    batch = Batch(sign_note(checkpoint.text(), om.ctx.signer), 1, [msgspec.Raw(large)])
    (outcome,) = decode(register.receive(encode(Parcel([batch])), om.me.oin), Outcomes).outcomes
    assert outcome.problem is not None
    assert outcome.problem["code"] == "event.too-large"
    assert applied(register) == 0


def nonsense(om: Node, number: int) -> Batch:
    """Events of 64 KiB and more that do not give the root that is signed."""
    events = [msgspec.Raw(b'"' + bytes([97 + number % 26]) * 60_000 + b'"') for _ in range(17)]
    now = om.clock.now()
    kinds = [kind for kind in om.chain.kinds.values() if kind.source == "om" and "justid" in kind.receivers]
    kind = kinds[number % len(kinds)]
    text = Checkpoint(stream_origin(om.me.oin, kind.path, 1), 17, bytes(32), now, now - HOUR - number).text()
    return Batch(sign_note(text, om.ctx.signer), 1, events)


def test_a_peer_that_sends_nonsense_fills_no_disk_and_is_told_so(
    nodes: dict[str, Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    om, register = nodes["om"], nodes["justid"]
    monkeypatch.setattr(inbox, "MOST_OF_A_SOURCE", 4 << 20)
    codes = []
    for number in range(12):
        (outcome,) = decode(register.receive(encode(Parcel([nonsense(om, number)])), om.me.oin), Outcomes).outcomes
        assert outcome.problem is not None
        codes.append(outcome.problem["code"])
    assert codes[:4] == ["exchange.root-differs"] * 4
    assert codes[-1] == "quota.set-apart"
    assert outcome.problem["quota"]["set-apart"] == 4 << 20
    with register.store.read() as tx:
        assert inbox.bytes_apart(tx, "om") <= 4 << 20
