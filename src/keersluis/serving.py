"""The state of services, told and asked at a node: on top of the service, as functions that take the Node."""

from __future__ import annotations

from typing import Any

from keersluis.recovery import service_states
from keersluis.recovery.changes import Told, as_json
from keersluis.recovery.servicefiles import services_of
from keersluis.service import Node


def change(node: Node, service: str, told: Told) -> dict[str, Any]:
    """Tell the state of a service; durable on return. Returns {"service", "changed", "stands",
    "entry" (of the timeline)}.

    Raises Incorrect `service.unknown`, `service.elsewhere`, `service.refused`; Conflict `service.key-reused`.
    """
    inventory = services_of(node.chain)
    made, changed = node.store.write(
        lambda tx: service_states.change(tx, node.ctx, inventory, service, told, node.clock.now())
    )
    return {"service": service, "changed": changed, "stands": as_json(made), "entry": made.entry}


def undo(node: Node, service: str, who: str, why: str, key: str | None = None) -> dict[str, Any]:
    """Take the last change back. Returns {"service", "changed", "undone" (its number), "stands" (None: up), "entry"}.

    Raises as `change`, and Incorrect `service.nothing-to-undo`.
    """
    inventory = services_of(node.chain)
    stands, made, changed = node.store.write(
        lambda tx: service_states.undo(tx, node.ctx, inventory, service, who, why, key, node.clock.now())
    )
    told = as_json(stands) if stands else None
    return {"service": service, "changed": changed, "undone": made.undoes, "stands": told, "entry": made.entry}


def listed(node: Node) -> dict[str, Any]:
    """The services whose state is told here, each with its history."""
    with node.store.read() as tx:
        return service_states.listed(tx, node.ctx, services_of(node.chain), node.clock.now())


def one(node: Node, service: str) -> dict[str, Any]:
    """One of them. Raises Incorrect `service.unknown`, `service.elsewhere`."""
    with node.store.read() as tx:
        return service_states.one(tx, node.ctx, services_of(node.chain), service, node.clock.now())
