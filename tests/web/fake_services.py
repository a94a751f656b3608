"""What the nodes of a made-up chain say of their services in August 2025."""

from typing import Any

from keersluis.chain import Chain
from keersluis.recovery.service_view import described
from keersluis.recovery.servicefiles import load_services

TOLD: dict[str, tuple[str, str | None, str | None, bool]] = {
    "om-internet": ("down", None, "2025-09-25", False),
    "om-remote-access": ("down", None, "2025-10-16", False),
    "om-mail": ("emergency", "post", "2025-08-08", True),
    "om-offices": ("emergency", "shifts", None, False),
    "om-to-justid": ("emergency", "police", None, False),
    "om-files": ("read-only", None, None, False),
    "om-monitoring": ("up", None, None, False),
}
"""Service -> state, procedure, expected return, whether that has passed; all others are up."""


def services_answer(chain: Chain) -> dict[str, Any]:
    """GET /v0/diensten of every node at once; each is believed about its own services."""
    return {
        "organisation": "om",
        "now": "2025-08-18T12:20:00Z",
        "services": [
            described(service) | _stands(number, *TOLD.get(service.key, ("up", None, None, False)), service.key in TOLD)
            for number, service in enumerate(load_services(chain).values(), 1)
        ],
    }


def _stands(
    number: int, state: str, procedure: str | None, expected: str | None, overdue: bool, said: bool
) -> dict[str, Any]:
    change = {"number": number, "state": state, "procedure": procedure, "since": "2025-07-17T04:00:00Z"}
    change |= {
        "expected": expected,
        "who": "Crisismanager OM",
        "why": "Los van het internet",
        "evidence": "melding NCSC",
    }
    change |= {"public": {"nl": "Wij zijn niet bereikbaar per e-mail.", "en": "We cannot be reached by e-mail."}}
    change |= {"undoes": 3 if state == "up" else None, "at": "2025-07-17T04:05:00Z", "entry": 7}
    return {
        "state": state,
        "procedure": procedure,
        "since": change["since"] if said else None,
        "expected": expected,
        "overdue": overdue,
        "change": change if said else None,
        "usable": "yes",
        "due_to": [],
        "unsure": [],
        "history": [change] if said else [],
    }
