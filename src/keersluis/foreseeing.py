"""Forecasts of a node's backlogs by simulated paths, and what could be done otherwise: from the plans of the chain's
folder and from what the node itself counts. For the API, the pages and commands."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import date
from threading import Lock
from typing import Any

from keersluis import counting, forecasting
from keersluis.errors import Incorrect
from keersluis.recovery.accounts import Account
from keersluis.recovery.backlogs import own
from keersluis.recovery.building import Built, build
from keersluis.recovery.forecast_folder import plans_of
from keersluis.recovery.forecasts import inputs
from keersluis.recovery.path_answers import answer, compared, statement
from keersluis.recovery.paths import simulate
from keersluis.recovery.verification import stocks
from keersluis.recovery.whatif import compare
from keersluis.recovery.worlds import ForecastPlan
from keersluis.sections import nearest
from keersluis.service import Node
from keersluis.words import translator

REMEMBERED = 32
"""So many answers are kept: many readers ask the same of the same day."""

_answers: OrderedDict[tuple[object, ...], dict[str, Any]] = OrderedDict()
_lock = Lock()


def plans(node: Node) -> dict[str, Any]:
    """Of which backlogs of this node a plan speaks, and with which variants."""
    mine = [each.key for each in own(node.ctx)]
    return {
        "plans": [
            {
                "backlog": key,
                "plan": name,
                "title": plan.title,
                "organisations": [{"key": each.key, "title": each.title} for each in plan.organisations],
                "of": next(each.title for each in plan.organisations if each.backlog == key),
                "variants": [{"key": each.key, "title": each.title} for each in plan.variants],
            }
            for key in mine
            for name, plan in plans_of(node.chain).items()
            if any(each.backlog == key for each in plan.organisations)
        ]
    }


def forecast(node: Node, key: str, by: date | None, paths: int = 0, language: str = "en") -> dict[str, Any]:
    """One backlog of this node, and those in its row, by simulated paths. Raises Incorrect `forecast.no-plan`,
    `backlog.unknown` and those of `building.build`."""
    built = _built(node, key, paths)
    asked = ("forecast", key, by, language)
    return _once(built, asked, lambda: answer(built, simulate(built.world), by, translator(language)))


def what_if(node: Node, key: str, variants: Sequence[str], language: str = "en", paths: int = 0) -> dict[str, Any]:
    """The plan as it is and its variants (none: all) side by side. Raises Incorrect `forecast.variant` and as
    `forecast`."""
    built = _built(node, key, paths)
    chosen = [built.plan.variant(each) for each in dict.fromkeys(variants)] or list(built.plan.variants)
    asked = ("what-if", key, tuple(each.key for each in chosen), language)
    return _once(built, asked, lambda: compared(built, compare(built, chosen), translator(language)))


def keep(node: Node, key: str, paths: int = 0) -> dict[str, Any]:
    """Make a forecast by paths of a backlog and keep it, to be scored when its dates pass; as `forecasting.keep`."""
    built = _built(node, key, paths)
    at = next(each for each in built.plan.organisations if each.backlog == key)
    if at.key not in built.accounts:
        raise Incorrect("forecast.too-little", expected="at least one whole step that was counted", got="none")
    said = statement(built, simulate(built.world), at.key, key, node.clock.now())
    return forecasting.keep(node, said, stocks(built.accounts[at.key]))


def _built(node: Node, key: str, paths: int) -> Built:
    plan = _plan(node, key)
    mine = {each.key for each in own(node.ctx)}
    accounts = {each.key: counting.account(node, each.backlog) for each in plan.organisations if each.backlog in mine}
    return build(plan, {name: each for name, each in accounts.items() if _told(each)}, paths=paths)


def _told(account: Account) -> bool:
    return account.past.steps > 0


def _plan(node: Node, key: str) -> ForecastPlan:
    mine = [each.key for each in own(node.ctx)]
    if key not in mine:
        expected = "a backlog of this node: " + (", ".join(mine) or "it has none")
        raise Incorrect("backlog.unknown", expected=expected, got=repr(key[:100]) + nearest(key, mine))
    told = plans_of(node.chain).values()
    found = next((plan for plan in told if any(each.backlog == key for each in plan.organisations)), None)
    if found is None:
        expected = f"a plan in forecasts/ of the chain's folder with backlog = {key!r}"
        raise Incorrect("forecast.no-plan", expected=expected, got="none")
    return found


def _once(built: Built, asked: tuple[object, ...], make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The same asked again of the same counts is not simulated again."""
    counted = tuple((key, inputs(each)) for key, each in built.accounts.items())
    name = (*asked, repr(built.plan), built.world.days.first, built.world.paths, built.world.seed, counted)
    with _lock:
        if name in _answers:
            _answers.move_to_end(name)
            return _answers[name]
    made = make()
    with _lock:
        _answers[name] = made
        while len(_answers) > REMEMBERED:
            _answers.popitem(last=False)
    return made
