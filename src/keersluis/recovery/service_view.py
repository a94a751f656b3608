"""The services of the whole chain, from what each node says of those whose state it tells. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keersluis.recovery.services import Inventory, Service, state_of, taken_along, usability

_UNHEARD = {"state": None, "procedure": None, "since": None, "expected": None, "overdue": False, "change": None}


def described(service: Service) -> dict[str, Any]:
    """A service as the inventory has it, as JSON."""
    return {
        "key": service.key,
        "organisation": service.organisation,
        "kept_by": service.keeper,
        "title": dict(service.title),
        "sort": service.sort,
        "phase": service.phase,
        "owner": dict(service.owner),
        "depends_on": list(service.depends_on),
        "public": service.public,
        "procedures": [
            {"key": each.key, "title": dict(each.title), "through": each.through}
            | {way: dict(words) for way, words in each.ways.items()}
            for each in service.procedures
        ],
    }


def across(inventory: Inventory, told: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every service as `/v0/diensten` has it, with what can be used judged over all nodes. `told`: organisation -> what
    its node answered there. `state` is None where no node says it; `takes_along` are those that suffer from it.

    An answer about a service that the inventory does not have, or from a node that does not keep it, counts for
    nothing.
    """
    heard = {
        each["key"]: each
        for keeper, answer in told.items()
        for each in answer.get("services", ())
        if each["key"] in inventory and inventory[each["key"]].keeper == keeper
    }
    states = {key: state_of(each["state"], each["procedure"]) for key, each in heard.items()}
    usable = usability(inventory, states)
    along = taken_along(inventory, usable)
    return [
        described(service)
        | {name: heard.get(key, _UNHEARD)[name] for name in _UNHEARD}
        | {
            "usable": usable[key].usable,
            "due_to": list(usable[key].due_to),
            "unsure": list(usable[key].unsure),
            "takes_along": list(along.get(key, ())),
            "history": list(heard.get(key, {}).get("history", ())),
        }
        for key, service in inventory.items()
    ]
