"""The proposed order of a plan as its page shows it: sentences and rows. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from keersluis.recovery import order_words as words
from keersluis.web.scene import Scene


class Row(NamedTuple):
    """A stage in the proposed order; figures are counts of decisions."""

    title: str
    start: str
    end: str
    planned: str
    settles: int
    holds_up: int


def sentences(scene: Scene, order: Mapping[str, Any]) -> list[str]:
    """What it says, how sure that is, and what to know before using it."""
    _, named = scene._, _named(scene, order)
    found = [words.headline(_, order)]
    if order["stages"]:
        found.append(words.certainty(_, order))
    return [*found, words.counted(_, named), *words.reservations(_, named)]


def _named(scene: Scene, order: Mapping[str, Any]) -> dict[str, Any]:
    """With the organisations' names in place of their keys."""
    counted = [each | {"organisation": scene.short(each["organisation"])} for each in order["counted"]]
    return {**order, "counted": counted, "missing": [scene.short(key) for key in order["missing"]]}


def rows(scene: Scene, order: Mapping[str, Any]) -> list[Row]:
    """The stages that are left, as proposed."""
    return [
        Row(
            scene._.pick(stage["title"]),
            scene.short_moment(stage["start"]) or "–",
            scene.short_moment(stage["end"]) or "–",
            scene.short_moment(stage["planned_end"]) or "–",
            stage["settles"],
            stage["holds_up"],
        )
        for stage in order["stages"]
    ]


def costs(scene: Scene, order: Mapping[str, Any]) -> Sequence[str]:
    """Waiting under the proposed order, the planned one and the planned dates."""
    return list(words.compared(scene._, order, scene.chain.timezone))
