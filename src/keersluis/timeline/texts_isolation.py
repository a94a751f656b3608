"""Sentences for entries about what a source signed while it was cut off. Pure. `texts` gives them what they tell of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keersluis.timeline.texts import _Told

Telling = Callable[["_Told"], str]


def _kept(told: _Told) -> str:
    return told._.plural(
        "Signed what {count} stream holds, though somebody cannot be reached.",
        "Signed what {count} streams hold, though somebody cannot be reached.",
        told.count("count", "checkpoints"),
    )


def _verified(told: _Told) -> str:
    return told._.plural(
        "{stream} was not rewritten while it was cut off: {count} signed state from {since} to {until} shows it.",
        "{stream} was not rewritten while it was cut off: {count} signed states from {since} to {until} show it.",
        told.count("checkpoints"),
        stream=told.stream(),
        since=told.moment("from"),
        until=told.moment("through"),
    )


NOTABLE = frozenset({"isolation.verified"})
"""The kinds that people want to know of."""

SENTENCES: Mapping[str, Telling] = {"promise.kept": _kept, "isolation.verified": _verified}
