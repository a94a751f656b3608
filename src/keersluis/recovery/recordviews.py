"""A decision record as it was known on a day, as it was recorded on a day, and as others may see it. Pure.

Only what was known by then is shown: nothing that became known later changes what is said of an earlier day.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from keersluis.recovery.records import Dossier, Item, Recorded, to_json
from keersluis.times import Instant, When, format_instant, format_when

STATES = ("open", "decided", "withheld")
"""Not decided by then; decided; decided, by something that is not public."""


@dataclass(frozen=True)
class Looking:
    """From where one looks: what was known by `known_on`, written down by `recorded_on` (None: until now), and with
    `outside` only what is public."""

    known_on: Instant
    recorded_on: Instant | None = None
    outside: bool = False


@dataclass(frozen=True)
class _Seen:
    """All that was there to be seen, in order of becoming known."""

    look: Looking
    tz: ZoneInfo
    rows: Sequence[Recorded]

    def of(self, fits: Callable[[Item], bool]) -> list[Recorded]:
        return [row for row in self.rows if fits(row.item)]

    def shown(self, fits: Callable[[Item], bool]) -> list[dict[str, Any]]:
        """What fits and may be shown, and was not replaced."""
        return [self.told(row) for row in self.of(fits) if self.may(row) and self.replacing(row.item.key) is None]

    def may(self, row: Recorded) -> bool:
        return row.item.public or not self.look.outside

    def replacing(self, key: str) -> Recorded | None:
        return next((row for row in self.rows if key in row.item.replaces), None)

    def answering(self, key: str) -> Recorded | None:
        """What resolved an unknown and still stands."""
        found = (row for row in self.rows if key in row.item.answers and self.replacing(row.item.key) is None)
        return next(found, None)

    def told(self, row: Recorded) -> dict[str, Any]:
        """One item for readers. References to what they may not see are left out."""
        told = to_json(row.item, self.tz) | {"public": row.item.public, "inferred": row.item.inferred}
        hidden = {each.item.key for each in self.rows if not self.may(each)}
        for name in ("replaces", "answers"):
            told[name] = [key for key in told.get(name, ()) if key not in hidden]
        if row.recorded is not None:
            late = row.recorded > row.item.since.end
            told |= {"recorded": format_instant(row.recorded), "recorded_later": late, "entry": row.entry}
            told |= {} if self.look.outside else {"who": row.who, "why": row.why}
        return told

    def pointed(self, name: str, by: Recorded) -> dict[str, Any]:
        """By what, and when, something was replaced or answered; that it is not public is said."""
        key = by.item.key if self.may(by) else None
        return {f"{name}_by": key, f"{name}_on": format_when(by.item.since, self.tz)}


def visible(rows: Sequence[Recorded], look: Looking) -> list[Recorded]:
    """What was known and recorded by then, in order of becoming known; together: as it was written down."""
    found = [row for row in rows if row.item.since.start <= look.known_on and _was_recorded(row, look)]
    return sorted(found, key=lambda row: (row.item.since.start, row.recorded or 0, row.entry or 0))


def _was_recorded(row: Recorded, look: Looking) -> bool:
    return look.recorded_on is None or row.recorded is None or row.recorded <= look.recorded_on


def exists(dossier: Dossier, recorded: Instant | None, look: Looking) -> bool:
    """Whether there was such a question by then, and whether these readers may know of it."""
    there = dossier.opened.start <= look.known_on
    noted = look.recorded_on is None or recorded is None or recorded <= look.recorded_on
    return there and noted and (dossier.public or not look.outside)


def render(dossier: Dossier, rows: Sequence[Recorded], look: Looking, tz: ZoneInfo) -> dict[str, Any]:
    """The dossier as known then, as JSON.

    {name, organisation, title, question, opened, public, known_on, recorded_on, outside, state, standing, options:
    [{…item, chosen, arguments, consequences, advice}], known, unknown, answered, decisions: [{…item, until, due,
    overdue, reviews}], corrected, left_out}. An item is as `records.to_json` has it, with recorded, recorded_later,
    entry, who and why where it was recorded on a node.
    """
    seen = _Seen(look, tz, visible(rows, look))
    decisions = _decisions(seen)
    return summary(dossier, seen, decisions) | {
        "recorded_on": format_instant(look.recorded_on) if look.recorded_on is not None else None,
        "outside": look.outside,
        "options": _options(seen, decisions),
        "known": seen.shown(lambda it: it.kind == "known"),
        "unknown": seen.shown(lambda it: it.kind == "unknown" and seen.answering(it.key) is None),
        "answered": [
            seen.told(row) | seen.pointed("answered", by)
            for row in seen.of(lambda it: it.kind == "unknown")
            if seen.may(row) and (by := seen.answering(row.item.key)) and seen.replacing(row.item.key) is None
        ],
        "decisions": [told for row, told in decisions if seen.may(row)],
        "corrected": [
            seen.told(row) | seen.pointed("replaced", by)
            for row in seen.rows
            if seen.may(row) and (by := seen.replacing(row.item.key))
        ],
    }


def overview(dossier: Dossier, rows: Sequence[Recorded], look: Looking, tz: ZoneInfo) -> dict[str, Any]:
    """The head of `render` alone, for lists: with state, standing decision, due, overdue and the number left out."""
    seen = _Seen(look, tz, visible(rows, look))
    return summary(dossier, seen, _decisions(seen))


def summary(dossier: Dossier, seen: _Seen, decisions: Sequence[tuple[Recorded, dict[str, Any]]]) -> dict[str, Any]:
    """Whose question it is and how it stood."""
    last = decisions[-1] if decisions else None
    shown = last is not None and seen.may(last[0])
    standing: dict[str, Any] = last[1] if last and shown else {}
    return {
        "name": dossier.name,
        "organisation": dossier.organisation,
        "title": dict(dossier.title),
        "question": dict(dossier.question),
        "opened": format_when(dossier.opened, seen.tz),
        "public": dossier.public,
        "known_on": format_instant(seen.look.known_on),
        "state": "open" if last is None else "decided" if shown else "withheld",
        "standing": standing.get("key"),
        "chosen": standing.get("option"),
        "decided": standing.get("since"),
        "due": standing.get("due"),
        "overdue": standing.get("overdue", False),
        "open_questions": len(seen.shown(lambda it: it.kind == "unknown" and seen.answering(it.key) is None)),
        "left_out": sum(not seen.may(row) for row in seen.rows),
    }


def _options(seen: _Seen, decisions: Sequence[tuple[Recorded, dict[str, Any]]]) -> list[dict[str, Any]]:
    last = decisions[-1][0] if decisions else None
    chosen = last.item.option if last and seen.may(last) else None
    found = []
    for option in seen.shown(lambda it: it.kind == "option"):
        keys = _names(seen, option["key"])
        about = {name: _about(seen, kind, keys) for name, kind in _ABOUT.items()}
        found.append(option | about | {"chosen": chosen in keys})
    return found


_ABOUT = {"arguments": "argument", "consequences": "consequence", "advice": "advice"}


def _about(seen: _Seen, kind: str, options: set[str]) -> list[dict[str, Any]]:
    return seen.shown(lambda it: it.kind == kind and it.option in options)


def _names(seen: _Seen, key: str) -> set[str]:
    """The keys by which an option is known: its own, and those of what it corrected."""
    found, ahead = {key}, [key]
    while ahead:
        now = ahead.pop()
        earlier = [old for row in seen.rows if row.item.key == now for old in row.item.replaces]
        ahead += [old for old in earlier if old not in found]
        found.update(earlier)
    return found


def _decisions(seen: _Seen) -> list[tuple[Recorded, dict[str, Any]]]:
    """Every decision that was not corrected, with its reviews: each review belongs to the decision that stood then."""
    made = [row for row in seen.of(lambda it: it.kind == "decision") if seen.replacing(row.item.key) is None]
    reviews = [row for row in seen.of(lambda it: it.kind == "review") if seen.replacing(row.item.key) is None]
    found = []
    for n, row in enumerate(made):
        following = made[n + 1] if n + 1 < len(made) else None
        own = [each for each in reviews if _stood(row, following, each)]
        due = _due(row.item, [each.item for each in own]) if following is None else None
        found.append(
            (
                row,
                seen.told(row)
                | {
                    "until": format_when(following.item.since, seen.tz) if following else None,
                    "due": format_when(due, seen.tz) if due else None,
                    "overdue": due is not None and due.end < seen.look.known_on,
                    "reviews": [seen.told(each) for each in own if seen.may(each)],
                },
            )
        )
    return found


def _stood(decision: Recorded, following: Recorded | None, review: Recorded) -> bool:
    at = review.item.since.start
    return decision.item.since.start <= at and (following is None or at < following.item.since.start)


def _due(decision: Item, reviews: Sequence[Item]) -> When | None:
    """When to look again: what the decision says, until a review says otherwise. A review that names no day ends it."""
    return reviews[-1].review if reviews else decision.review
