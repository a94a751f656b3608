"""Questions and answers on the wire: signed over their exact bytes, passing gates like everything else. Pure.

Format: docs/formats.md, "signed message".
"""

from __future__ import annotations

import hashlib
import threading
from typing import Any

import msgspec

from keersluis.errors import Conflict, Incorrect, Untrusted
from keersluis.exchange.batches import own_word
from keersluis.signing import Keys, Signer, sign_bytes, verify_bytes
from keersluis.times import MINUTE, Instant, format_instant, parse_instant

QUESTIONS = "/v0/vragen"


FRESH = 2 * MINUTE
"""How old a question may be on arrival, besides the difference of clocks."""


class Signed(msgspec.Struct, frozen=True, omit_defaults=True):
    """`payload` exactly as signed; `signature` is a signed note over its SHA-256. A question has `at` and `nonce` too,
    which are signed with it."""

    signature: str
    payload: msgspec.Raw
    at: str = ""
    nonce: str = ""


def sign(payload: Any, context: str, signer: Signer) -> bytes:
    """JSON-encode and sign; `context` says what the payload is, so that no question passes for an answer."""
    body = msgspec.json.encode(payload)
    return msgspec.json.encode(Signed(sign_bytes(body, context, signer), msgspec.Raw(body)))


def opened(message: bytes, context: str, keys: Keys) -> tuple[str, bytes]:
    """(OIN of the signer, payload bytes). Raises Incorrect `exchange.unreadable`, Untrusted on a bad signature."""
    signed = _read(message)
    payload = bytes(signed.payload)
    return verify_bytes(payload, signed.signature, context, keys), payload


def _read(message: bytes) -> Signed:
    try:
        return msgspec.json.decode(message, type=Signed)
    except msgspec.MsgspecError as error:
        raise Incorrect("exchange.unreadable", expected="a signed message (docs/formats.md)", got=str(error)) from None


def ask(payload: Any, signer: Signer, now: Instant, nonce: str) -> bytes:
    """As `sign`, for questions asked at `now`; `nonce` is random, and differs each time."""
    body, at = msgspec.json.encode(payload), format_instant(now)
    signature = sign_bytes(body, _question_context(at, nonce), signer)
    return msgspec.json.encode(Signed(signature, msgspec.Raw(body), at, nonce))


def _question_context(at: str, nonce: str) -> str:
    return f"questions {at} {nonce}"


class Heard:
    """Hears each question once, and none that is old: whoever shows a signed question again learns nothing, and makes
    no look-up. Asking again is signing again; the same `id` is then answered as before.

    What was heard is kept as long as it is fresh. Of before `since`, when the node started, nothing is heard.
    """

    def __init__(self, since: Instant, skew: int) -> None:
        self._since, self._skew = since, skew
        self._heard: dict[tuple[str, str], Instant] = {}
        self._lock = threading.Lock()

    def questions(self, message: bytes, keys: Keys, now: Instant, by: str | None) -> tuple[str, bytes]:
        """(OIN of the asker, payload bytes); `by`: the OIN of whose connection it came over.

        Raises as `opened` and `own_word`, Untrusted `question.stale`, Conflict `question.replayed`.
        """
        signed = _read(message)
        if not 16 <= len(signed.nonce) <= 64:
            raise Incorrect(
                "exchange.unreadable", expected="a nonce of 16 to 64 characters", got=repr(signed.nonce[:64])
            )
        at, payload = parse_instant(signed.at), bytes(signed.payload)
        oin = verify_bytes(payload, signed.signature, _question_context(signed.at, signed.nonce), keys)
        own_word(oin, by)
        self._hear(oin, signed.nonce, at, now)
        return oin, payload

    def _hear(self, oin: str, nonce: str, at: Instant, now: Instant) -> None:
        oldest, newest = max(self._since, now - FRESH) - self._skew, now + self._skew
        if not oldest <= at <= newest:
            expected = f"a question of {format_instant(oldest)} to {format_instant(newest)}"
            mend = "ask again, and see whether the clocks differ"
            raise Untrusted("question.stale", expected=expected, got=f"one of {format_instant(at)}", mend=mend)
        with self._lock:
            if (oin, nonce) in self._heard:
                mend = "to ask again, sign again"
                raise Conflict("question.replayed", expected="a question once", got="the same message", mend=mend)
            while self._heard and next(iter(self._heard.values())) < now - FRESH - 3 * self._skew:
                del self._heard[next(iter(self._heard))]
            self._heard[oin, nonce] = at


def digest(message: bytes) -> str:
    """Hex SHA-256 by which a stored answer document is known."""
    return hashlib.sha256(message).hexdigest()
