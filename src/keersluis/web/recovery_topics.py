"""The pages of the return, and everything that can be done from them: one section each. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keersluis.recovery.servicefiles import services_of
from keersluis.web import (
    topic_backlogs,
    topic_plan,
    topic_records,
    topic_services,
    view_backlogs,
    view_forecasts,
    view_plan,
    view_records,
    view_services,
)
from keersluis.web.actions import Action
from keersluis.web.scene import Scene

FORMS = "/herstel/doen"
"""Where the forms are: `FORMS`/{organisation}/{action}."""

Answers = Mapping[str, Any]
"""Organisation -> what its node answered; those that did not answer are not in it."""


def _silent(_scene: Scene, _answers: Answers) -> Sequence[str]:
    return ()


@dataclass(frozen=True)
class Section:
    """A page of the return. On the first one stand its title, its `lede`, and the sentences that `says` makes of what
    the nodes answer at `reads`, an address of the API."""

    path: str
    title: str
    lede: str
    reads: str | None = None
    says: Callable[[Scene, Answers], Sequence[str]] = _silent


def sections(scene: Scene) -> list[Section]:
    """In the order in which they are shown."""
    _ = scene._
    return [
        _services(scene),
        _plan(scene),
        Section(
            view_backlogs.PATH,
            _("Backlogs"),
            _("How much waits at each organisation, digital and on paper, how old it is, and until when it lasts."),
            view_backlogs.API,
            view_backlogs.says,
        ),
        Section(
            view_records.PATH,
            _("Decisions"),
            _("What was known and unknown when it was decided to cut off, to stay or to return."),
            view_records.API,
            view_records.says,
        ),
        Section(
            "/herstel/prognoses",
            _("Forecasts"),
            _("What was foretold of each backlog, what came, and how often such statements came true."),
            view_forecasts.API,
            view_forecasts.says,
        ),
    ]


def _plan(scene: Scene) -> Section:
    _ = scene._
    lede = _("In which stages it reopens, on what evidence, and whose go each stage waits for.")
    return Section(view_plan.PAGE, _("Plan"), lede, view_plan.API, view_plan.says)


def _services(scene: Scene) -> Section:
    _ = scene._
    return Section(
        topic_services.PAGE,
        _("Services"),
        _("What works, what rests on what, and how to deliver meanwhile."),
        reads="/v0/diensten",
        says=lambda each, told: view_services.says(each, services_of(each.chain), told),
    )


def actions(scene: Scene, organisation: str) -> list[Action]:
    """Everything that can be done at one organisation; each names its `page`."""
    return [
        *topic_backlogs.actions(scene, organisation),
        *topic_services.actions(scene, organisation, services_of(scene.chain)),
        *topic_plan.actions(scene, organisation),
        *topic_records.actions(scene, organisation),
    ]
