"""Signed notes: readable by others' tools, and refused when anything about them was altered (P5)."""

from __future__ import annotations

from base64 import b64decode, b64encode
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from keersluis.errors import Incorrect, Untrusted
from keersluis.signing import (
    MOST_SIGNATURES,
    Signer,
    add_signature,
    key_hash,
    sign_bytes,
    sign_note,
    unverified_text,
    verify_bytes,
    verify_note,
)

SOURCE = Signer.from_seed("00000001000000000001", b"s" * 32)
RECEIVER = Signer.from_seed("00000001000000000002", b"r" * 32)
STRANGER = Signer.from_seed("00000001000000000009", b"x" * 32)
IMPOSTOR = Signer.from_seed(SOURCE.name, b"i" * 32)
KEYS = {SOURCE.name: [SOURCE.public], RECEIVER.name: [RECEIVER.public]}
TEXT = "00000001000000000001/conviction/1\n2\nroot\n"

texts = st.text(st.characters(min_codepoint=32, codec="utf-8") | st.just("\n")).map(lambda text: text + "\n")

# A checkpoint of the Go checksum database with its published key: another signed-note implementation.
GO_KEY = b64decode("Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8")[1:]
GO_NOTE = """\
go.sum database tree
15368405
/g9am3I6YWNKaZX/jkne1fqd9zEyjss+JXyPXG0WfkY=

— sum.golang.org Az3grqJGUaSGukG9p8nI2vKgiFn7qGHxn0W+mrwyI6Gz3F0t1J3LzmWk/p96Ybf295EjwdSwlzgijq5WA9d1Ded7owM=
"""


class Ring:
    """Keys by a method, as a keyring gives them."""

    def keys(self, name: str, /) -> list[bytes]:
        return KEYS.get(name, [])


def refused(note: str, code: str) -> None:
    with pytest.raises(Untrusted) as caught:
        verify_note(note, KEYS)
    assert caught.value.code == code


# --- The form -------------------------------------------------------------------------------------


def test_note_of_another_implementation_verifies() -> None:
    assert key_hash("sum.golang.org", GO_KEY).hex() == "033de0ae"
    note = verify_note(GO_NOTE, {"sum.golang.org": [GO_KEY]})
    assert note.signers == ("sum.golang.org",)
    assert note.text.startswith("go.sum database tree\n15368405\n")


def test_note_is_the_c2sp_form_to_the_byte() -> None:
    text, line = TEXT, sign_note(TEXT, SOURCE).removeprefix(TEXT + "\n")
    dash, name, encoded = line.removesuffix("\n").split(" ")
    blob = b64decode(encoded)
    assert (dash.encode(), name) == (b"\xe2\x80\x94", SOURCE.name)
    assert blob[:4] == sha256(SOURCE.name.encode() + b"\n\x01" + SOURCE.public).digest()[:4]
    Ed25519PublicKey.from_public_bytes(SOURCE.public).verify(blob[4:], text.encode())


@given(texts)
def test_any_text_comes_back_as_it_was_signed(text: str) -> None:
    note = add_signature(sign_note(text, SOURCE), RECEIVER)
    assert unverified_text(note) == text
    assert verify_note(note, KEYS).text == text
    assert verify_note(note, Ring()).signers == (SOURCE.name, RECEIVER.name)


@pytest.mark.parametrize("text", ["", "no newline", "tab\t\n", "return\r\n", "nul\x00\n", "half \ud800\n"])
def test_text_that_is_none_is_not_signed(text: str) -> None:
    with pytest.raises(Incorrect) as caught:
        sign_note(text, SOURCE)
    assert caught.value.code == "note.bad-text"


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u00a0b", "a\nb"])
def test_name_that_is_none_does_not_sign(name: str) -> None:
    with pytest.raises(Incorrect):
        Signer.from_seed(name, b"n" * 32)


def test_signing_twice_changes_nothing() -> None:
    note = sign_note(TEXT, SOURCE)
    assert add_signature(note, SOURCE) == note
    once = add_signature(note, RECEIVER)
    assert add_signature(once, RECEIVER) == once != note


def test_signer_shows_nothing_of_its_private_key() -> None:
    shown = repr(SOURCE) + str(SOURCE)
    for secret in (b"s" * 32, (b"s" * 32).hex().encode(), b64encode(b"s" * 32)):
        assert secret not in shown.encode()
    assert SOURCE.name in shown


# --- Who signed -----------------------------------------------------------------------------------


def test_unknown_signer_is_passed_over() -> None:
    note = add_signature(add_signature(sign_note(TEXT, STRANGER), SOURCE), RECEIVER)
    assert verify_note(note, KEYS).signers == (SOURCE.name, RECEIVER.name)


def test_note_without_a_known_signer_is_refused() -> None:
    refused(sign_note(TEXT, STRANGER), "note.no-known-signer")


def test_known_name_with_another_key_is_refused() -> None:
    refused(sign_note(TEXT, IMPOSTOR), "note.bad-signature")


def test_impostor_beside_an_honest_signer_is_refused() -> None:
    refused(add_signature(sign_note(TEXT, RECEIVER), IMPOSTOR), "note.bad-signature")


def test_any_of_an_organisations_keys_will_do() -> None:
    keys = {SOURCE.name: [IMPOSTOR.public, SOURCE.public]}
    both = add_signature(sign_note(TEXT, SOURCE), IMPOSTOR)
    assert verify_note(both, keys).signers == (SOURCE.name,)


def test_signature_put_under_another_name_is_refused() -> None:
    refused(sign_note(TEXT, SOURCE).replace(f"— {SOURCE.name}", f"— {RECEIVER.name}"), "note.bad-signature")


def test_signature_moved_to_another_text_is_refused() -> None:
    signature = sign_note(TEXT, SOURCE).removeprefix(TEXT)
    refused(TEXT.replace("2", "3") + signature, "note.bad-signature")


# --- Alterations ----------------------------------------------------------------------------------


@given(st.data())
def test_any_altered_character_is_refused(data: st.DataObject) -> None:
    note = sign_note(TEXT, SOURCE)
    at = data.draw(st.integers(0, len(note) - 1))
    other = data.draw(st.characters(codec="utf-8").filter(lambda one: one != note[at]))
    with pytest.raises(Untrusted):
        verify_note(note[:at] + other + note[at + 1 :], KEYS)


@given(st.data())
def test_any_lost_or_inserted_character_is_refused(data: st.DataObject) -> None:
    note = sign_note(TEXT, SOURCE)
    at = data.draw(st.integers(0, len(note) - 1))
    with pytest.raises(Untrusted):
        verify_note(note[:at] + note[at + 1 :], KEYS)
    with pytest.raises(Untrusted):
        verify_note(note[:at] + data.draw(st.characters(codec="utf-8")) + note[at:], KEYS)


@pytest.mark.parametrize("at", range(4))
def test_signature_that_names_another_key_is_refused(at: int) -> None:
    named = bytearray(SOURCE.key_hash)
    named[at] ^= 1
    line = f"— {SOURCE.name} {b64encode(bytes(named) + SOURCE.sign(TEXT.encode())).decode()}"
    refused(f"{TEXT}\n{line}\n", "note.bad-signature")


def test_second_spelling_of_a_signature_is_refused() -> None:
    """68 bytes leave two bits over in base64: setting them must not give a second note that verifies as well."""
    note = sign_note(TEXT, SOURCE)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    last = note[-3]
    twin = note[:-3] + alphabet[alphabet.index(last) ^ 1] + note[-2:]
    assert b64decode(twin.split(" ")[-1]) == b64decode(note.split(" ")[-1])
    refused(twin, "note.malformed")


@given(st.text())
def test_rubbish_is_refused_and_never_anything_else(rubbish: str) -> None:
    for note in (rubbish, TEXT + "\n" + rubbish, rubbish + sign_note(TEXT, STRANGER)):
        with pytest.raises(Untrusted):
            verify_note(note, KEYS)


@pytest.mark.parametrize("tail", ["x", " ", "\n", "— ", f"— {SOURCE.name} AAAA"])
def test_note_with_something_behind_it_is_refused(tail: str) -> None:
    refused(sign_note(TEXT, SOURCE) + tail, "note.malformed")


@pytest.mark.parametrize("text", ["tab\t\n", "return\r\n", "nul\x00\n"])
def test_note_with_control_characters_is_refused_though_signed(text: str) -> None:
    """What a person reads on a screen must be what was signed."""
    signature = b64encode(SOURCE.key_hash + SOURCE.sign(text.encode())).decode()
    refused(f"{text}\n— {SOURCE.name} {signature}\n", "note.malformed")


def test_flood_of_signatures_is_refused() -> None:
    note = sign_note(TEXT, SOURCE)
    line = note.removeprefix(TEXT + "\n")
    assert verify_note(note + line * (MOST_SIGNATURES - 1), KEYS).signers == (SOURCE.name,)
    refused(note + line * MOST_SIGNATURES, "note.malformed")


# --- Detached -------------------------------------------------------------------------------------


@given(st.binary(max_size=200))
def test_signed_bytes_verify(payload: bytes) -> None:
    note = sign_bytes(payload, "answer", SOURCE)
    digest = b64encode(sha256(payload).digest()).decode()
    assert unverified_text(note) == f"{SOURCE.name}/answer\n{digest}\n"
    assert verify_bytes(payload, note, "answer", KEYS) == SOURCE.name


@given(st.binary(max_size=20), st.binary(max_size=20))
def test_other_bytes_are_refused(payload: bytes, other: bytes) -> None:
    if payload == other:
        other += b"!"
    with pytest.raises(Untrusted) as caught:
        verify_bytes(other, sign_bytes(payload, "answer", SOURCE), "answer", KEYS)
    assert caught.value.code == "signed.altered"


def test_question_passed_off_as_an_answer_is_refused() -> None:
    with pytest.raises(Untrusted) as caught:
        verify_bytes(b"{}", sign_bytes(b"{}", "question", SOURCE), "answer", KEYS)
    assert caught.value.code == "signed.altered"


def test_answer_in_the_name_of_another_organisation_is_refused() -> None:
    """The receiver signs a text that says that the source answered."""
    text = unverified_text(sign_bytes(b"{}", "answer", SOURCE))
    with pytest.raises(Untrusted) as caught:
        verify_bytes(b"{}", sign_note(text, RECEIVER), "answer", KEYS)
    assert caught.value.code == "signed.altered"


def test_cosigned_answer_is_by_the_organisation_that_it_names() -> None:
    note = add_signature(sign_bytes(b"{}", "answer", SOURCE), RECEIVER)
    assert verify_bytes(b"{}", note, "answer", KEYS) == SOURCE.name
