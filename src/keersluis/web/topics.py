"""What an organisation's exchange page tells of besides links and backlog: one topic each, with what can be done.

Pure. A topic reads one address of the node's API, shows it as a table, and offers the API's operations as actions.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from keersluis.web.actions import Action
from keersluis.web.scene import Scene

API = "/v0"


@dataclass(frozen=True)
class Table:
    """A caption, the heads of its columns, and rows of cells (texts or markup)."""

    caption: str
    heads: Sequence[str]
    rows: Sequence[Sequence[Any]]


@dataclass(frozen=True)
class Topic:
    """`reads` is an address of the API; `tables` makes of its answer what is shown, `none` is said where that is
    empty. `alarm` are sentences with what is amiss."""

    key: str
    title: str
    actions: Sequence[Action]
    reads: str | None = None
    tables: Callable[[Any], Sequence[Table]] = field(default=lambda _answer: ())
    alarm: Callable[[Any], Sequence[str]] = field(default=lambda _answer: ())
    none: str = ""


def own_kinds(scene: Scene, organisation: str) -> list[tuple[str, str]]:
    """(path, title) of the kinds of facts of which an organisation is the source; ends of answers go by themselves."""
    kinds = [kind for kind in scene.chain.kinds.values() if kind.source == organisation and kind.action != "answer"]
    return [(kind.path, scene.kind(kind.path)) for kind in kinds]


def fact_kinds(scene: Scene) -> list[tuple[str, str]]:
    """(path, title) of all kinds of facts of the chain."""
    return [(path, scene.kind(path)) for path, kind in scene.chain.kinds.items() if kind.action != "answer"]


def as_json(value: Any) -> bytes:
    """The request's body; what was left open is not in it."""
    if isinstance(value, dict):
        value = {name: each for name, each in value.items() if each not in (None, "")}
    return json.dumps(value).encode()


def at(path: str) -> Callable[[Any], str]:
    """An address that does not depend on what was filled in."""
    return lambda _values: API + path
