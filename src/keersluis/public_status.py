"""What one node tells partners and the public: on top of the service, as functions that take the Node."""

from __future__ import annotations

from typing import Any

from keersluis import planning, serving, status
from keersluis.recovery import backlogs, public_ahead, recording
from keersluis.recovery.public import feed
from keersluis.recovery.servicefiles import services_of
from keersluis.service import Node
from keersluis.times import HOUR

RELIABLE = 24 * HOUR
"""So long may a status be relied on, unless whoever exports it says otherwise."""


def of(node: Node) -> dict[str, Any]:
    """The public status of this node's own organisation, and of those whose services it keeps."""
    told = status.of(node)
    now = node.clock.now()
    return feed(
        node.chain,
        services_of(node.chain),
        {node.me.key: serving.listed(node)},
        [told],
        expected=[node.me.key],
        made=now,
        until=now + RELIABLE,
        ahead=ahead(node)["ahead"],
    )


def ahead(node: Node) -> dict[str, Any]:
    """What is expected, of this node's plans that stand and of its backlogs' last forecasts, as far as they are
    public: {"ahead": rows for `feed`}."""
    zone, rows = node.chain.timezone, []
    for line in planning.listed(node):
        if line["state"] == "adopted" and line.get("organisation") == node.me.key:
            rows += public_ahead.of_plan(planning.shown(node, line["name"]), zone)
    with node.store.read() as tx:
        newest = {each.forecast.backlog: each.forecast for each in recording.record(tx)}
    return {"ahead": rows + public_ahead.of_backlogs(backlogs.own(node.ctx), newest, zone)}
