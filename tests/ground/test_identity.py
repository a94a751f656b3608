"""Key files, keyrings and the change of a key."""

from __future__ import annotations

import json
import os
import stat
import traceback
from base64 import b64encode
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from keersluis.errors import Conflict, Forbidden, Incorrect, Untrusted
from keersluis.identity import (
    KeyRing,
    PublicKey,
    finish_rotation,
    generate_key,
    key_path,
    load_key,
    prepare_rotation,
    rotate,
)
from keersluis.signing import Signer, add_signature, sign_note, unverified_text, verify_note
from keersluis.times import HOUR, parse_instant

OIN = "00000001000000000001"
OTHER = "00000001000000000002"
MORNING = parse_instant("2025-07-17T06:00:00Z")
OLD = Signer.from_seed(OIN, b"1" * 32)
NEW = Signer.from_seed(OIN, b"2" * 32)
THIRD = Signer.from_seed(OIN, b"3" * 32)
STRANGER = Signer.from_seed(OTHER, b"4" * 32)


def ring() -> KeyRing:
    return KeyRing([PublicKey(OIN, OLD.public), PublicKey(OTHER, STRANGER.public)])


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def refused(keys: KeyRing, statement: str, code: str = "identity.rotation-refused") -> None:
    before = keys.entries()
    with pytest.raises(Untrusted) as caught:
        keys.apply_rotation(statement)
    assert caught.value.code == code
    assert keys.entries() == before


# --- Key files ------------------------------------------------------------------------------------


def test_generated_key_is_in_a_file_of_mode_600(tmp_path: Path) -> None:
    signer = generate_key(tmp_path / "keys", OIN)
    path = key_path(tmp_path / "keys", OIN)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert files(path.parent) == [f"{OIN}.key"]
    again = load_key(tmp_path / "keys", OIN)
    assert (again.name, again.public) == (OIN, signer.public)
    assert again.sign(b"text") == signer.sign(b"text")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o601, 0o700, 0o777])
def test_key_file_open_to_others_is_refused_with_the_mend(tmp_path: Path, mode: int) -> None:
    generate_key(tmp_path, OIN)
    path = key_path(tmp_path, OIN)
    path.chmod(mode)
    with pytest.raises(Forbidden) as caught:
        load_key(tmp_path, OIN)
    error = caught.value
    assert error.code == "identity.key-file-open"
    assert "600" in error.expected
    assert f"{mode:o}" in error.got
    assert error.mend == f"chmod 600 {path}"
    path.chmod(0o600)
    load_key(tmp_path, OIN)


def test_key_file_that_its_owner_may_only_read_is_accepted(tmp_path: Path) -> None:
    generate_key(tmp_path, OIN)
    key_path(tmp_path, OIN).chmod(0o400)
    load_key(tmp_path, OIN)


def test_generation_never_overwrites(tmp_path: Path) -> None:
    generate_key(tmp_path, OIN)
    before = key_path(tmp_path, OIN).read_bytes()
    with pytest.raises(Conflict) as caught:
        generate_key(tmp_path, OIN)
    assert caught.value.code == "identity.key-exists"
    assert key_path(tmp_path, OIN).read_bytes() == before
    assert files(tmp_path) == [f"{OIN}.key"]


def test_full_disk_leaves_no_half_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        generate_key(tmp_path, OIN)
    assert files(tmp_path) == []


def test_missing_key_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(Incorrect) as caught:
        load_key(tmp_path, OIN)
    assert caught.value.code == "identity.key-missing"
    assert caught.value.where == str(key_path(tmp_path, OIN))


def pem_of_another_kind() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def pem_under_a_password() -> bytes:
    key = ed25519.Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))


@pytest.mark.parametrize("content", [b"", b"rubbish", pem_of_another_kind(), pem_under_a_password()])
def test_file_without_an_ed25519_key_is_refused(tmp_path: Path, content: bytes) -> None:
    path = key_path(tmp_path, OIN)
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(Incorrect) as caught:
        load_key(tmp_path, OIN)
    assert caught.value.code == "identity.key-unreadable"


@pytest.mark.parametrize("cut", range(10, 120, 7))
def test_broken_key_file_is_refused_and_not_quoted(tmp_path: Path, cut: int) -> None:
    generate_key(tmp_path, OIN)
    path = key_path(tmp_path, OIN)
    secret = path.read_text().splitlines()[1]
    path.write_text(path.read_text()[:-cut])
    with pytest.raises(Incorrect) as caught:
        load_key(tmp_path, OIN)
    assert secret[16:24] not in "".join(traceback.format_exception(caught.value)) + str(caught.value.problem())


@pytest.mark.parametrize("oin", ["", "../1", "a/b", ".hidden", "a b", "1.next"])
def test_oin_that_would_leave_the_folder_is_refused(tmp_path: Path, oin: str) -> None:
    with pytest.raises(Incorrect) as caught:
        generate_key(tmp_path, oin)
    assert caught.value.code == "identity.bad-oin"


# --- Keyrings -------------------------------------------------------------------------------------


@given(
    st.lists(
        st.builds(
            PublicKey,
            oin=st.sampled_from([OIN, OTHER]),
            public=st.binary(min_size=32, max_size=32),
            start=st.integers(0, 10**15),
            until=st.none() | st.integers(10**15, 2 * 10**15),
        ),
        unique_by=lambda key: (key.oin, key.public),
    )
)
def test_keyring_comes_back_as_it_was_saved(tmp_path_factory: pytest.TempPathFactory, keys: list[PublicKey]) -> None:
    path = tmp_path_factory.mktemp("ring") / "keys.json"
    KeyRing(keys).save(path)
    assert KeyRing.load(path).entries() == KeyRing(keys).entries()
    assert set(KeyRing(keys).entries()) == set(keys)


def test_keyring_file_is_the_published_form(tmp_path: Path) -> None:
    KeyRing([PublicKey(OIN, OLD.public, MORNING)]).save(tmp_path / "keys.json")
    public = b64encode(OLD.public).decode()
    assert json.loads((tmp_path / "keys.json").read_text()) == [
        {"oin": OIN, "public": public, "from": "2025-07-17T06:00:00Z", "until": None}
    ]
    assert files(tmp_path) == ["keys.json"]


def test_keyring_is_saved_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "keys.json"
    ring().save(path)
    before = path.read_bytes()

    def crash(source: Path, target: Path) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "replace", crash)
    with pytest.raises(OSError, match="Input/output"):
        KeyRing().save(path)
    assert path.read_bytes() == before
    assert files(tmp_path) == ["keys.json"]


def test_broken_keyring_is_reported_whole(tmp_path: Path) -> None:
    public = b64encode(OLD.public).decode()
    good = {"oin": OIN, "public": public, "from": "2025-07-17T06:00:00Z", "until": None}
    entries = [
        good,
        good | {"public": "AAAA"},
        {"oin": OIN},
        good | {"from": "yesterday"},
        "rubbish",
        good | {"oin": 7},
        good | {"public": "%%%"},
        good | {"until": "2025-07-16T06:00:00Z"},
    ]
    (tmp_path / "keys.json").write_text(json.dumps(entries))
    with pytest.raises(Incorrect) as caught:
        KeyRing.load(tmp_path / "keys.json")
    assert caught.value.code == "identity.keys-broken"
    assert [fault.split(":")[0] for fault in caught.value.faults] == [f"key {n}" for n in range(2, 9)]
    assert str(tmp_path / "keys.json") in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"{}", b"\xff\xfe", b"7"])
def test_file_that_is_no_keyring_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "keys.json").write_bytes(content)
    with pytest.raises(Incorrect) as caught:
        KeyRing.load(tmp_path / "keys.json")
    assert caught.value.code == "identity.keys-broken"


def test_missing_keyring_is_named(tmp_path: Path) -> None:
    with pytest.raises(Incorrect) as caught:
        KeyRing.load(tmp_path / "keys.json")
    assert caught.value.code == "identity.keys-missing"


def test_key_counts_from_its_start_until_before_its_end() -> None:
    keys = KeyRing()
    keys.add(OIN, OLD.public, MORNING, MORNING + HOUR)
    assert keys.keys(OIN, at=MORNING - 1) == ()
    assert keys.keys(OIN, at=MORNING) == keys.keys(OIN, at=MORNING + HOUR - 1) == (OLD.public,)
    assert keys.keys(OIN, at=MORNING + HOUR) == ()
    assert keys.keys(OIN) == (OLD.public,)
    assert keys.keys(OTHER) == ()


def test_key_added_twice_is_there_once() -> None:
    keys = ring()
    keys.add(OIN, OLD.public)
    assert keys.keys(OIN) == (OLD.public,)
    with pytest.raises(Conflict) as caught:
        keys.add(OIN, OLD.public, MORNING)
    assert caught.value.code == "identity.key-known"


@pytest.mark.parametrize("public", [b"", b"1" * 31, b"1" * 33])
def test_key_of_another_length_is_refused(public: bytes) -> None:
    with pytest.raises(Incorrect) as caught:
        KeyRing().add(OIN, public)
    assert caught.value.code == "identity.bad-public-key"


def test_keyring_verifies_notes() -> None:
    assert verify_note(sign_note("text\n", OLD), ring()).signers == (OIN,)


def test_revoked_key_signs_nothing_new_and_what_it_signed_stays() -> None:
    keys, note = ring(), sign_note("text\n", OLD)
    keys.revoke(OIN, OLD.public, MORNING)
    assert verify_note(note, keys.at(MORNING - 1)).signers == (OIN,)
    assert verify_note(note, keys).signers == (OIN,)
    with pytest.raises(Untrusted):
        verify_note(note, keys.at(MORNING))


def test_revoking_later_does_not_lengthen_a_key() -> None:
    keys = ring()
    keys.revoke(OIN, OLD.public, MORNING)
    assert keys.revoke(OIN, OLD.public, MORNING + HOUR).until == MORNING
    with pytest.raises(Incorrect) as caught:
        keys.revoke(OIN, NEW.public, MORNING)
    assert caught.value.code == "identity.key-unknown"


# --- Rotation -------------------------------------------------------------------------------------


def test_rotation_ends_the_old_key_where_the_new_one_starts() -> None:
    keys = ring()
    assert keys.apply_rotation(rotate(OLD, NEW.public, MORNING)) == PublicKey(OIN, NEW.public, MORNING)
    assert keys.keys(OIN, MORNING - 1) == (OLD.public,)
    assert keys.keys(OIN, MORNING) == (NEW.public,)
    assert keys.keys(OIN) == (OLD.public, NEW.public)
    assert keys.keys(OTHER, MORNING) == (STRANGER.public,)


def test_rotation_applied_twice_changes_nothing() -> None:
    keys, statement = ring(), rotate(OLD, NEW.public, MORNING)
    first = keys.apply_rotation(statement)
    before = keys.entries()
    assert keys.apply_rotation(statement) == first
    assert keys.entries() == before


def test_rotations_follow_each_other() -> None:
    keys = ring()
    keys.apply_rotation(rotate(OLD, NEW.public, MORNING))
    keys.apply_rotation(rotate(NEW, THIRD.public, MORNING + HOUR))
    assert keys.keys(OIN, MORNING + HOUR) == (THIRD.public,)


def test_rotation_signed_by_another_organisation_is_refused() -> None:
    text = unverified_text(rotate(OLD, NEW.public, MORNING))
    refused(ring(), sign_note(text, STRANGER), "note.no-known-signer")


def test_rotation_signed_by_the_new_key_itself_is_refused() -> None:
    text = unverified_text(rotate(OLD, NEW.public, MORNING))
    refused(ring(), sign_note(text, NEW), "note.bad-signature")
    refused(ring(), add_signature(sign_note(text, STRANGER), NEW), "note.bad-signature")


def test_rotation_of_a_key_that_nobody_knows_is_refused() -> None:
    refused(ring(), rotate(THIRD, NEW.public, MORNING))


def test_rotation_of_another_organisations_key_is_refused() -> None:
    """The stranger holds a known key, but of its own: it cannot speak for another OIN with it."""
    refused(ring(), rotate(Signer.from_seed(OIN, b"4" * 32), NEW.public, MORNING))


def test_rotation_by_a_revoked_key_is_refused_even_when_dated_before() -> None:
    keys = ring()
    keys.revoke(OIN, OLD.public, MORNING)
    refused(keys, rotate(OLD, NEW.public, MORNING + HOUR))
    refused(keys, rotate(OLD, NEW.public, MORNING - HOUR))
    refused(keys, rotate(OLD, NEW.public, MORNING))


def test_second_rotation_by_a_rotated_key_is_refused() -> None:
    keys = ring()
    keys.apply_rotation(rotate(OLD, NEW.public, MORNING))
    refused(keys, rotate(OLD, THIRD.public, MORNING + HOUR))
    refused(keys, rotate(OLD, THIRD.public, MORNING))


def test_rotation_back_to_an_ended_key_is_refused() -> None:
    keys = ring()
    keys.apply_rotation(rotate(OLD, NEW.public, MORNING))
    refused(keys, rotate(NEW, OLD.public, MORNING + HOUR))


def test_rotation_to_before_the_old_keys_start_is_refused() -> None:
    keys = KeyRing([PublicKey(OIN, OLD.public, MORNING)])
    refused(keys, rotate(OLD, NEW.public, MORNING - 1))
    refused(keys, rotate(OLD, NEW.public, MORNING))


def test_rotation_to_the_same_key_is_not_made() -> None:
    with pytest.raises(Incorrect) as caught:
        rotate(OLD, OLD.public, MORNING)
    assert caught.value.code == "identity.same-key"


@given(st.data())
def test_rotation_statement_altered_is_refused(data: st.DataObject) -> None:
    statement = rotate(OLD, NEW.public, MORNING)
    at = data.draw(st.integers(0, len(statement) - 1))
    other = data.draw(st.characters(codec="utf-8").filter(lambda one: one != statement[at]))
    keys = ring()
    with pytest.raises(Untrusted):
        keys.apply_rotation(statement[:at] + other + statement[at + 1 :])
    assert keys.entries() == ring().entries()


@pytest.mark.parametrize(
    "text",
    [
        "text\n",
        f"{OIN}/key-rotation\n",
        f"{OIN}/key-rotation\nold \nnew \nfrom 2025-07-17T06:00:00Z\n",
        unverified_text(rotate(OLD, NEW.public, MORNING)) + "more\n",
        unverified_text(rotate(OLD, NEW.public, MORNING)) + "\nmore\n",
        unverified_text(rotate(OLD, NEW.public, MORNING)).replace("Z\n", "+00:00\n"),
        unverified_text(rotate(OLD, NEW.public, MORNING)).replace("key-rotation", "checkpoint"),
    ],
)
def test_other_statement_of_the_old_key_is_no_rotation(text: str) -> None:
    refused(ring(), sign_note(text, OLD))


# --- Rotation of key files ------------------------------------------------------------------------


def test_key_file_is_rotated(tmp_path: Path) -> None:
    old = generate_key(tmp_path, OIN)
    keys = KeyRing([PublicKey(OIN, old.public)])
    rotation = prepare_rotation(tmp_path, OIN, MORNING)
    assert load_key(tmp_path, OIN).public == old.public
    keys.apply_rotation(rotation.statement)
    assert finish_rotation(tmp_path, OIN).public == rotation.signer.public == load_key(tmp_path, OIN).public
    assert keys.keys(OIN, MORNING) == (rotation.signer.public,)
    assert files(tmp_path) == [f"{OIN}.key"]
    assert stat.S_IMODE(key_path(tmp_path, OIN).stat().st_mode) == 0o600


def test_rotation_after_a_crash_goes_on_with_the_same_key(tmp_path: Path) -> None:
    generate_key(tmp_path, OIN)
    first = prepare_rotation(tmp_path, OIN, MORNING)
    assert prepare_rotation(tmp_path, OIN, MORNING).statement == first.statement


def test_rotation_that_was_not_prepared_does_not_finish(tmp_path: Path) -> None:
    old = generate_key(tmp_path, OIN)
    with pytest.raises(Incorrect) as caught:
        finish_rotation(tmp_path, OIN)
    assert caught.value.code == "identity.key-missing"
    assert load_key(tmp_path, OIN).public == old.public


def test_key_file_appears_only_when_it_is_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P1 for keys: the content reaches the disk before the name does, and then the folder."""
    order: list[str] = []
    fsync, link = os.fsync, os.link

    def record_fsync(descriptor: int) -> None:
        order.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    def record_link(source: Path, target: Path) -> None:
        order.append("name")
        link(source, target)

    monkeypatch.setattr(os, "fsync", record_fsync)
    monkeypatch.setattr(os, "link", record_link)
    generate_key(tmp_path, OIN)
    assert order == ["file", "name", "folder"]
