"""Errors: one root, few families by whose fault it is, a stable code, what was expected and what was got.

Text for people is made at the edge (`cli`, `web`); `str()` gives one plain English sentence for logs.
"""

from __future__ import annotations

from typing import ClassVar


class KeersluisError(Exception):
    """Root of all errors that Keersluis raises on purpose.

    `code` is stable, such as ``exchange.key-reused``; `where` names file, line, field or position;
    `mend` says what the reader can do; `facts` are further values for machines.
    """

    status: ClassVar[int] = 500

    def __init__(
        self,
        code: str,
        *,
        expected: str = "",
        got: str = "",
        mend: str = "",
        where: str = "",
        **facts: object,
    ) -> None:
        super().__init__(code)
        self.code, self.expected, self.got, self.mend, self.where = code, expected, got, mend, where
        self.facts = facts

    def __str__(self) -> str:
        parts = [f"{self.where}: " if self.where else ""]
        parts.append(f"expected {self.expected}" if self.expected else self.code)
        if self.got:
            parts.append(f", got {self.got}")
        if self.mend:
            parts.append(f"; {self.mend}")
        return "".join(parts) + f" [{self.code}]"

    def problem(self) -> dict[str, object]:
        """The error as an RFC 9457 problem object."""
        body: dict[str, object] = {
            "type": f"urn:keersluis:problem:{self.code}",
            "title": type(self).__name__,
            "status": self.status,
            "detail": str(self),
            "code": self.code,
        }
        for name in ("expected", "got", "mend", "where"):
            if getattr(self, name):
                body[name] = getattr(self, name)
        return body | self.facts


class Incorrect(KeersluisError):
    """The caller sent something that cannot be right."""

    status = 400

    @property
    def faults(self) -> list[str]:
        """All faults found at once, one sentence each (empty when there is only this one)."""
        faults = self.facts.get("faults", [])
        return list(faults) if isinstance(faults, list) else []


class Forbidden(KeersluisError):
    """The caller may not do this."""

    status = 403


class Conflict(KeersluisError):
    """Right in itself, but at odds with what is already here."""

    status = 409


class Untrusted(KeersluisError):
    """A signature, hash or proof does not hold."""

    status = 422


class Unavailable(KeersluisError):
    """Not now: a gate is closed, a link is down, a disk is full. Trying later is right."""

    status = 503


class Fault(KeersluisError):
    """Ours."""

    status = 500
