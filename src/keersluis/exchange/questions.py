"""Questions and answers on the wire: signed over their exact bytes, passing gates like everything else. Pure.

Format: docs/formats.md, "signed message".
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from keersluis.errors import Incorrect
from keersluis.signing import Keys, Signer, sign_bytes, verify_bytes

QUESTIONS = "/v0/vragen"


class Signed(msgspec.Struct, frozen=True):
    """`payload` exactly as signed; `signature` is a signed note over its SHA-256."""

    signature: str
    payload: msgspec.Raw


def sign(payload: Any, context: str, signer: Signer) -> bytes:
    """JSON-encode and sign; `context` says what the payload is, so that no question passes for an answer."""
    body = msgspec.json.encode(payload)
    return msgspec.json.encode(Signed(sign_bytes(body, context, signer), msgspec.Raw(body)))


def opened(message: bytes, context: str, keys: Keys) -> tuple[str, bytes]:
    """(OIN of the signer, payload bytes). Raises Incorrect `exchange.unreadable`, Untrusted on a bad signature."""
    try:
        signed = msgspec.json.decode(message, type=Signed)
    except msgspec.MsgspecError as error:
        raise Incorrect("exchange.unreadable", expected="a signed message (docs/formats.md)", got=str(error)) from None
    payload = bytes(signed.payload)
    return verify_bytes(payload, signed.signature, context, keys), payload


def digest(message: bytes) -> str:
    """Hex SHA-256 by which a stored answer document is known."""
    return hashlib.sha256(message).hexdigest()
