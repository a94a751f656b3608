"""The sentences of all topics that have a file of their own, together. Pure: add yours to `_TOPICS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from keersluis.timeline import (
    texts_backlogs,
    texts_bundles,
    texts_completeness,
    texts_forecasts,
    texts_isolation,
    texts_plans,
    texts_records,
    texts_recovery,
    texts_services,
)

_TOPICS: tuple[Any, ...] = (
    texts_recovery,
    texts_bundles,
    texts_completeness,
    texts_isolation,
    texts_services,
    texts_forecasts,
    texts_backlogs,
    texts_plans,
    texts_records,
)

NOTABLE: frozenset[str] = frozenset(kind for topic in _TOPICS for kind in topic.NOTABLE)
SENTENCES: Mapping[str, Callable[[Any], str]] = {
    kind: tell for topic in _TOPICS for kind, tell in topic.SENTENCES.items()
}
