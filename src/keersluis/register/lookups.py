"""Look-up records: who looked at whose data, when and what for, one per data subject per look-up. Pure.

The form is that of the Dutch standard *logboek dataverwerkingen* (LDV). A person's number is in it only as an HMAC,
so that the log can be searched for a person by whoever holds the secret, and by nobody else.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass

from keersluis.times import Instant, format_instant


@dataclass(frozen=True, slots=True)
class Lookup:
    """One record. `n` numbers all look-ups of this register from 1; instants in microseconds."""

    n: int
    trace_id: str
    span_id: str
    status: str
    name: str
    start_time: Instant
    end_time: Instant
    processing_activity_id: str
    data_subject_id: str
    data_subject_id_type: str
    who: str

    def ldv(self) -> dict[str, str]:
        """The record with the names of LDV, times as RFC 3339."""
        return {
            "trace_id": self.trace_id,
            "span_id": self.span_id,
            "status": self.status,
            "name": self.name,
            "start_time": format_instant(self.start_time),
            "end_time": format_instant(self.end_time),
            "dpl.core.processing_activity_id": self.processing_activity_id,
            "dpl.core.data_subject_id": self.data_subject_id,
            "dpl.core.data_subject_id_type": self.data_subject_id_type,
            "who": self.who,
        }


def pseudonym(secret: bytes, subject: str) -> str:
    """HMAC-SHA-256 of a subject, 64 hex digits."""
    return hmac.digest(secret, subject.encode(), "sha256").hex()


def records(
    secret: bytes, oin: str, *, name: str, who: str, looked: Sequence[tuple[str, str]], last: int, at: Instant
) -> list[Lookup]:
    """The records of one request that looks at `looked` (subject, purpose) pairs.

    `last` is the number of the newest look-up before it. Ids follow from that number, so that a run repeats exactly;
    the trace id is an HMAC, so that an outsider cannot guess it.
    """
    trace = hmac.digest(secret, f"trace {last + 1}".encode(), "sha256")[:16].hex()
    return [
        Lookup(
            n=n,
            trace_id=trace,
            span_id=f"{n:016x}",
            status="Ok",
            name=name,
            start_time=at,
            end_time=at,
            processing_activity_id=f"urn:nld:oin:{oin}:verwerking:{purpose}",
            data_subject_id=pseudonym(secret, subject),
            data_subject_id_type=subject.partition(":")[0],
            who=who,
        )
        for n, (subject, purpose) in enumerate(looked, last + 1)
    ]
