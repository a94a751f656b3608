"""Which entries of a timeline take earlier ones back, so that these are evidence of nothing any more. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from keersluis.timeline.model import Entry
from keersluis.times import parse_instant

NOTED = "plan.noted"
"""Kind of an entry that only says something: a note with what was found, for evidence to refer to."""

_Takes = Callable[[Entry, Entry], bool]


def _same(*names: str) -> _Takes:
    def takes(later: Entry, earlier: Entry) -> bool:
        return all(name in earlier.body and later.body.get(name) == earlier.body[name] for name in names)

    return takes


def _undoes(later: Entry, earlier: Entry) -> bool:
    return later.body.get("undoes") is not None and later.body["undoes"] == earlier.body.get("number")


def _overlaps(later: Entry, earlier: Entry) -> bool:
    """A period that was filled is open again."""
    names = ("kind", "since", "until")
    if not all(name in each.body for name in names for each in (later, earlier)):
        return False
    if later.body["kind"] != earlier.body["kind"]:
        return False
    (since, until), (first, last) = ([parse_instant(each.body[n]) for n in names[1:]] for each in (later, earlier))
    return since <= last and first <= until


_TAKES: Mapping[str, Mapping[str, _Takes]] = {
    "gate.moved": {"gate.moved": _undoes, "gate.took-effect": _undoes},
    "gate.called-off": {"gate.moved": _same("number")},
    "key.revoked": {"key.rotated": _same("oin", "key"), "key.added": _same("oin", "key")},
    "gap.declared": {"gap.filled": _overlaps},
    "gap.stated": {"gap.mended": _overlaps},
    "reservation.lifted": {"reservation.set": _same("n")},
}
"""Kind of the later entry -> kind of the earlier one -> whether it takes that back."""

WITHDRAWN = "plan.note-withdrawn"
"""Kind of an entry that withdraws the entry that it names (`withdraws`: its number)."""

UNDOING = frozenset((*_TAKES, WITHDRAWN))
"""The kinds of entries that may take an earlier one back."""


def taken_back(earlier: Entry, later: Iterable[Entry]) -> Entry | None:
    """The first of `later` that takes `earlier` back."""
    return next((each for each in later if each.n > earlier.n and _takes(each, earlier)), None)


def _takes(later: Entry, earlier: Entry) -> bool:
    if later.kind == WITHDRAWN:
        return bool(later.body.get("withdraws") == earlier.n)
    takes = _TAKES.get(later.kind, {}).get(earlier.kind)
    return takes is not None and takes(later, earlier)
