"""Keys that change while nodes run: no restart, no gap, and what was signed before goes on to count."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from keersluis import keeping
from keersluis.chain import Chain, load_chain
from keersluis.errors import Forbidden, Incorrect, KeersluisError, Unavailable, Untrusted
from keersluis.exchange import keys
from keersluis.identity import KeyRing, key_path, load_key
from keersluis.service import Node, make_home, open_node
from keersluis.signing import Signer, sign_note, verify_note
from keersluis.timeline import log, texts
from keersluis.timeline.verify import verify_path
from keersluis.times import HOUR, MINUTE, SECOND, ManualClock, format_instant, parse_instant

KIND = "prosecution-decision.serious"
START = parse_instant("2026-03-02T08:00:00Z")
CLERK = {"who": "clerk", "why": "yearly"}


class Net:
    """Carries everything between nodes of homes of their own; `cut` are those that nobody reaches."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self.cut: set[str] = set()

    def link(self, me: str) -> Net._Link:
        return Net._Link(self, me)

    class _Link:
        def __init__(self, net: Net, me: str) -> None:
            self.net, self.me = net, me

        def send(self, peer: str, path: str, body: bytes) -> bytes:
            node = self.net.nodes.get(peer)
            if node is None or {peer, self.me} & self.net.cut:
                raise Unavailable("link.unreachable", expected="an answer", got="none")
            oin = node.chain.organisations[self.me].oin
            if path == keys.STATEMENTS:
                keeping.take(node, keys.read(body), oin)
                return b"{}"
            return node.receive(body, oin)


@pytest.fixture(scope="module")
def chain() -> Chain:
    return load_chain("nl-justice")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def net() -> Net:
    return Net()


@pytest.fixture
def om(chain: Chain, net: Net, clock: ManualClock, tmp_path: Path) -> Iterator[Node]:
    """The source; the register stands beside it in a home of its own, as in earnest."""
    make_home(chain, tmp_path / "om")
    other = tmp_path / "justid"
    make_home(chain, other)
    ring = KeyRing.load(tmp_path / "om" / "keys.json")
    for home in (tmp_path / "om", other):
        both = KeyRing(
            key if key.oin != chain.organisations["justid"].oin else kept
            for key in ring.entries()
            for kept in KeyRing.load(other / "keys.json").entries()
            if kept.oin == key.oin
        )
        both.save(home / "keys.json")
    for key in ("om", "justid"):
        net.nodes[key] = open_node(chain, key, tmp_path / key, clock, net.link(key))
    yield net.nodes["om"]
    for node in net.nodes.values():
        node.close()


@pytest.fixture
def justid(om: Node, net: Net) -> Node:
    return net.nodes["justid"]


def publish(node: Node, number: int) -> None:
    chain = node.chain
    told = {
        "specversion": "1.0",
        "id": f"e-{number}",
        "source": f"urn:nld:oin:{node.me.oin}:systeem:test",
        "type": chain.ce_type(chain.kinds[KIND]),
        "occurred": format_instant(node.clock.now() - SECOND),
        "data": {"subject": "skn:T0000001", "content": {"offence": "generated", "maximum_months": 96}},
    }
    node.accept([msgspec.json.encode(told)])


def sent(node: Node) -> dict[str, str]:
    """What was refused towards the register, by kind."""
    return node.pump(peers=["justid"]).sent["justid"].refused


def kinds(node: Node) -> list[str]:
    with node.store.read() as tx:
        return [entry.kind for entry in log.entries(tx, 0, 1000)]


def key_in_use(node: Node) -> bytes:
    return node.ctx.signer.at().public


def test_P1_P5_a_rotation_leaves_no_gap_and_the_log_verifies_offline(
    om: Node, justid: Node, clock: ManualClock
) -> None:
    before = key_in_use(om)
    publish(om, 1)
    assert sent(om) == {}
    keeping.rotate(om, START + MINUTE, **CLERK)
    assert keeping.tell(om) > 0, "those who do not run are told later"
    publish(om, 2)
    assert (sent(om), key_in_use(om)) == ({}, before)
    clock.set(START + MINUTE)
    publish(om, 3)
    assert sent(om) == {}
    assert key_in_use(om) != before
    clock.set(START + HOUR)
    publish(om, 4)
    assert sent(om) == {}
    home = om.ctx.keyring.path
    assert home is not None
    for node in (om, justid):
        assert "key.rotated" in kinds(node)
    report = verify_path(home.parent)
    assert report.good, report


def test_P5_a_head_signed_across_the_moment_is_by_the_key_of_its_own_moment(om: Node, clock: ManualClock) -> None:
    old = key_in_use(om)
    keeping.rotate(om, START + MINUTE, **CLERK)
    ring = om.ctx.keyring
    clock.set(START + MINUTE)
    for at, wanted in ((START + MINUTE - 1, old), (START + MINUTE, key_in_use(om))):
        assert om.ctx.signer.at(at).public == wanted
        assert ring.keys(om.me.oin, at) == (wanted,)


def test_a_new_key_survives_a_restart_before_and_after_its_moment(
    om: Node, net: Net, clock: ManualClock, chain: Chain
) -> None:
    old = key_in_use(om)
    keeping.rotate(om, START + MINUTE, **CLERK)
    path = om.ctx.keyring.path
    assert path is not None
    for moment, is_old in ((START, True), (START + MINUTE, False), (START + HOUR, False)):
        clock.set(moment)
        net.nodes["om"].close()
        net.nodes["om"] = open_node(chain, "om", path.parent, clock, net.link("om"))
        assert (key_in_use(net.nodes["om"]) == old) == is_old
    assert not list((path.parent / "om").glob("*.next.key")), "the old key is gone in the end"
    assert load_key(path.parent / "om", om.me.oin).public == key_in_use(net.nodes["om"])


def test_a_rotation_that_was_begun_is_gone_on_with(om: Node, clock: ManualClock) -> None:
    first = keeping.rotate(om, START + MINUTE, **CLERK)
    assert keeping.rotate(om, START + 2 * MINUTE, **CLERK) == first
    assert kinds(om).count("key.rotated") == 1
    clock.set(START + 2 * MINUTE)
    second = keeping.rotate(om, START + 3 * MINUTE, **CLERK)
    assert second != first
    clock.set(START + 3 * MINUTE)
    assert om.ctx.keyring.keys(om.me.oin, clock.now()) == (key_in_use(om),)


def test_a_peer_that_was_cut_off_hears_of_it_when_it_is_back(
    om: Node, justid: Node, net: Net, clock: ManualClock
) -> None:
    net.cut.add("justid")
    keeping.rotate(om, START + MINUTE, **CLERK)
    keeping.tell(om)
    clock.set(START + 400 * 24 * HOUR)
    net.cut.clear()
    publish(om, 1)
    assert set(sent(om).values()) == {"note.bad-signature"}
    keeping.tell(om)
    assert sent(om) == {}
    with om.store.read() as tx:
        assert keys.untold(tx, om.ctx, "justid") == []


def test_a_rotation_that_another_key_signed_is_refused(om: Node, justid: Node) -> None:
    thief = Signer.from_seed(om.me.oin, b"t" * 32)
    old, new = (b64encode(key).decode() for key in (key_in_use(om), thief.public))
    text = f"{om.me.oin}/key-rotation\nold {old}\nnew {new}\nfrom {format_instant(START)}\n"
    with pytest.raises(Untrusted):
        keeping.take(justid, sign_note(text, thief), om.me.oin)
    assert "key.rotated" not in kinds(justid)
    assert justid.ctx.keyring.keys(om.me.oin) == (key_in_use(om),)


def test_nobody_tells_of_the_keys_of_another(om: Node, justid: Node, chain: Chain) -> None:
    statement = keeping.rotate(om, START + MINUTE, **CLERK)
    with pytest.raises(Forbidden) as refused:
        keeping.take(justid, statement, chain.organisations["politie"].oin)
    assert refused.value.code == "link.not-its-own"


def test_a_key_that_is_revoked_signs_nothing_from_that_moment_at_a_running_node(om: Node, justid: Node) -> None:
    publish(om, 1)
    assert sent(om) == {}
    stolen = keys.name_of(next(key for key in om.ctx.keyring.entries() if key.oin == om.me.oin))
    keeping.revoke(justid, om.me.oin, stolen, START, "crisis team", "stolen")
    publish(om, 2)
    assert set(sent(om).values()) == {"note.no-known-signer"}
    with justid.store.read() as tx:
        entry = next(entry for entry in log.entries(tx, 0, 1000) if entry.kind == "key.revoked")
    told = texts.sentence(entry, "nl", om.chain)
    assert "crisis team" in told
    assert stolen in told
    new = load_key_of_a_new_life(om)
    keeping.add(justid, om.me.oin, b64encode(new.public).decode(), START, "crisis team", "seen in person")
    assert verify_note(sign_note("x\n", new), justid.ctx.keyring.at(START)).signers == (om.me.oin,)


def load_key_of_a_new_life(node: Node) -> Signer:
    return Signer.from_seed(node.me.oin, b"n" * 32)


def test_an_organisation_revokes_a_key_of_its_own_and_its_peers_take_it(
    om: Node, justid: Node, clock: ManualClock
) -> None:
    old = next(key for key in om.ctx.keyring.entries() if key.oin == om.me.oin)
    keeping.rotate(om, START + MINUTE, **CLERK)
    keeping.tell(om)
    clock.set(START + HOUR)
    keeping.revoke(om, om.me.oin, keys.name_of(old), START - HOUR, "crisis team", "was stolen before")
    keeping.tell(om)
    for node in (om, justid):
        assert old.public not in node.ctx.keyring.keys(om.me.oin, START)
        assert "key.revoked" in kinds(node)
    publish(om, 1)
    assert sent(om) == {}


def test_a_key_that_has_ended_has_no_say_over_others(om: Node, justid: Node, clock: ManualClock) -> None:
    from keersluis.keystatements import revocation

    path = om.ctx.keyring.path
    assert path is not None
    old = load_key(path.parent / "om", om.me.oin)
    keeping.rotate(om, START + MINUTE, **CLERK)
    keeping.tell(om)
    clock.set(START + HOUR)
    forged = revocation(old, key_in_use(om), START)
    with pytest.raises(Untrusted):
        keeping.take(justid, forged, om.me.oin)


def test_a_file_of_keys_that_breaks_leaves_the_keys_known_before(om: Node) -> None:
    path = om.ctx.keyring.path
    assert path is not None
    known, whole = om.ctx.keyring.entries(), path.read_bytes()
    path.write_text("[{")
    assert om.ctx.keyring.entries() == known
    with pytest.raises(KeersluisError):
        keeping.rotate(om, START + MINUTE, **CLERK)
    path.write_bytes(whole)
    keeping.rotate(om, START + MINUTE, **CLERK)


def test_the_name_of_a_key_that_nobody_knows_is_answered_with_those_known(om: Node) -> None:
    with pytest.raises(Incorrect) as refused:
        keeping.revoke(om, om.me.oin, "00000000", START, "a", "b")
    assert keys.name_of(om.ctx.keyring.entries()[0])[:2].isalnum()
    assert refused.value.code == "identity.key-unknown"
    assert key_path(Path("x"), om.me.oin).name.endswith(".key")
