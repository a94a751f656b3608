"""Which topics an organisation's exchange page has: what it sends and what it keeps decides. Pure."""

from __future__ import annotations

from keersluis.web import (
    topic_bundles,
    topic_gaps,
    topic_gates,
    topic_intake,
    topic_keys,
    topic_letters,
    topic_reconcile,
    topic_reservations,
    topic_restore,
)
from keersluis.web.actions import Action
from keersluis.web.scene import Scene
from keersluis.web.topics import Topic, own_kinds


def of(scene: Scene, organisation: str) -> list[Topic]:
    """The topics of one organisation, in the order in which the page shows them."""
    status = scene.by_key[organisation]
    found = [
        topic_gates.topic(scene, organisation),
        topic_bundles.topic(scene, organisation),
        topic_letters.topic(scene, organisation),
    ]
    if own_kinds(scene, organisation):
        found.append(topic_intake.topic(scene, organisation))
    if "register" in status["roles"]:
        found.append(topic_gaps.topic(scene))
    if "register" in status["roles"] or own_kinds(scene, organisation):
        found.append(topic_reconcile.topic(scene, organisation))
        found.append(topic_reservations.topic(scene, organisation))
    if status["streams"]:
        found.append(topic_restore.topic(scene, organisation))
    return [*found, topic_keys.topic(scene)]


def actions(scene: Scene, organisation: str) -> list[Action]:
    """Everything that can be done at one organisation."""
    return [action for topic in of(scene, organisation) for action in topic.actions]
