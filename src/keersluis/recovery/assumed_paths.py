"""What a simulation takes for granted, each thing learned, given or assumed: codes, numbers and sentences. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

from keersluis.recovery.accounts import Account
from keersluis.recovery.arrivals import OFFICE, Gate
from keersluis.recovery.calendar import Days
from keersluis.recovery.dates import RUN, STAYS
from keersluis.recovery.forecasts import Assumption
from keersluis.recovery.levels import Learned
from keersluis.recovery.paths import Organisation, World
from keersluis.recovery.worlds import ForecastPlan, OrganisationPlan
from keersluis.words import Translator

Values: TypeAlias = dict[str, float | int | str]

NEAR = 91
"""Days over which a rate is told."""


def neat(number: float) -> float | int:
    """No more digits than tell something."""
    short = round(number, 0 if abs(number) >= 100 else 1 if abs(number) >= 10 else 2)
    return int(short) if short == int(short) else short


def general(plan: ForecastPlan, world: World) -> Iterator[Assumption]:
    """Of the simulation as a whole."""
    yield Assumption("paths", {"number": world.paths, "days": world.days.number, "seed": str(world.seed)})
    yield Assumption("paths-unforeseen", {})
    yield Assumption("paths-gone", {"days": STAYS, "run": RUN})
    if plan.holidays != "none":
        yield Assumption("paths-holidays" if plan.holidays == "nl" else "paths-holidays-given", {})
    for each in plan.passages:
        values: Values = {"of": each.source, "to": each.target, "share": neat(100 * each.share), "days": each.delay}
        yield Assumption("paths-passage", values)


def of_organisation(
    told: OrganisationPlan, made: Organisation, account: Account | None, days: Days, spare: bool
) -> Iterator[Assumption]:
    """Of one backlog: its stock, what comes, what can be done, in which order."""
    of: Values = {"of": made.key}
    yield Assumption(
        "paths-stock-given" if account is None else "paths-stock", of | {"stock": made.stock, "normal": made.normal}
    )
    yield from _arrivals(told, made, account, days)
    yield from _capacity(told, made, days)
    if spare:
        yield Assumption("paths-spare", of)
    yield Assumption(f"paths-{made.order}", of)
    yield from (_gate(made.key, gate) for gate in made.gates)


def _arrivals(told: OrganisationPlan, made: Organisation, account: Account | None, days: Days) -> Iterator[Assumption]:
    of: Values = {"of": made.key}
    if made.arrivals is None:
        yield Assumption("paths-no-arrivals", of)
        return
    week = neat(float(made.arrivals.per_day(days)[:NEAR].mean()) * 7)
    if isinstance(made.arrivals.level, Learned):
        steps = len(account.past.arrivals) if account is not None else 0
        yield Assumption("paths-arrivals-learned", of | {"week": week, "steps": steps})
        yield Assumption("paths-season" if made.arrivals.season else "paths-no-season", of)
    else:
        yield Assumption("paths-arrivals-given", of | {"week": week, "doubt": round(100 * made.arrivals.level.doubt)})
    if made.arrivals.weekday == OFFICE:
        yield Assumption("paths-office", of)


def _capacity(told: OrganisationPlan, made: Organisation, days: Days) -> Iterator[Assumption]:
    of: Values = {"of": made.key}
    people = made.capacity.people(days)
    week = neat(float(people[:NEAR].mean()) * made.output.mean * 7)
    if isinstance(made.output, Learned):
        yield Assumption("paths-output-learned", of | {"week": week})
    else:
        each: Values = {"week": week, "each": neat(made.output.mean), "doubt": round(100 * made.output.doubt)}
        yield Assumption("paths-output-week" if told.capacity.team else "paths-output-given", {**of, **each})
    capacity = made.capacity
    if not told.capacity.team:
        present = people[:NEAR][people[:NEAR] > 0]
        yield Assumption("paths-people", of | {"people": neat(float(present.mean()) if len(present) else 0.0)})
    if capacity.workplaces is not None:
        yield Assumption("paths-workplaces", of | {"number": round(capacity.workplaces)})
    if capacity.home_from is not None:
        share = round(100 * capacity.home_share)
        yield Assumption("paths-home", of | {"day": capacity.home_from.isoformat(), "share": share})
    for over in capacity.overtime:
        yield Assumption("paths-overtime", of | {"share": round(100 * over.share), "day": over.last.isoformat()})
    for new in capacity.newcomers:
        values: Values = {"number": neat(new.staff), "day": new.first.isoformat(), "weeks": neat(new.weeks)}
        yield Assumption("paths-newcomers", of | values)
    for boost in capacity.boosts:
        faster: Values = {
            "factor": neat(boost.factor),
            "share": round(100 * boost.share),
            "day": boost.first.isoformat(),
        }
        yield Assumption("paths-boost", of | faster)


def _gate(of: str, gate: Gate) -> Assumption:
    values: Values = {
        "of": of,
        "gate": gate.name,
        "number": round(gate.amount.mean),
        "doubt": round(100 * gate.amount.doubt),
        "day": gate.opens.isoformat(),
        "last": (gate.latest or gate.opens).isoformat(),
        "rate": neat(gate.per_day or 0),
    }
    metered = "" if gate.per_day is None else "-metered"
    return Assumption(f"paths-gate{metered}", values)


def entitled(assumptions: Iterable[Assumption], plan: ForecastPlan, _: Translator) -> list[Assumption]:
    """The same with the titles of organisations where their keys stand."""
    titles = {each.key: _.pick(each.title) for each in plan.organisations}

    def title(value: float | int | str) -> float | int | str:
        return titles.get(value, value) if isinstance(value, str) else value

    def told(values: Mapping[str, float | int | str]) -> Values:
        return {name: title(value) if name in ("of", "to") else value for name, value in values.items()}

    return [Assumption(each.code, told(each.values)) for each in assumptions]


def sentences(_: Translator) -> dict[str, str]:
    """By code."""
    return {
        "paths": _(
            "{number} paths of {days} days were simulated, with seed {seed}: the same again gives the same bytes."
        ),
        "paths-unforeseen": _(
            "Each path draws rates of its own within what is in doubt. "
            "A change that neither the past nor the plan shows is not foreseen."
        ),
        "paths-gone": _(
            "A backlog is gone at the end of the first working day on which it is at most its normal level, if through "
            "the {days} days after it is so on most working days of any {run} days."
        ),
        "paths-holidays": _("On general Dutch holidays nobody works and little comes, as on a Sunday."),
        "paths-holidays-given": _("On the holidays of the plan nobody works and little comes, as on a Sunday."),
        "paths-passage": _("{share} % of what leaves {of} arrives at {to}, {days} days later."),
        "paths-stock": _("{of}: {stock} wait, counted; normal is at most {normal}."),
        "paths-stock-given": _("{of}: {stock} wait, as the plan states; normal is at most {normal}."),
        "paths-no-arrivals": _("{of}: nothing comes from outside, as nothing is stated."),
        "paths-arrivals-learned": _("{of}: about {week} a week come, learned from {steps} steps of the account."),
        "paths-arrivals-given": _("{of}: {week} a week come, as the plan states, in doubt by {doubt} %."),
        "paths-season": _("{of}: more comes in some seasons than in others, as in the years before."),
        "paths-no-season": _("{of}: no season is taken: the account shows none, or is shorter than two years."),
        "paths-office": _("{of}: what comes, comes on working days."),
        "paths-output-learned": _(
            "{of}: about {week} a week can be done, learned from what left when more was waiting."
        ),
        "paths-output-given": _(
            "{of}: about {week} a week can be done: {each} by one a day, as the plan states, in doubt by {doubt} %."
        ),
        "paths-output-week": _("{of}: about {week} a week can be done, as the plan states, in doubt by {doubt} %."),
        "paths-people": _("{of}: on a working day about {people} people are at work, at full speed."),
        "paths-spare": _("{of}: lately there was so little that more could have been done than was: it may go faster."),
        "paths-workplaces": _("{of}: at most {number} can work together in one shift, save who works at home."),
        "paths-home": _("{of}: from {day} on {share} % can work at home."),
        "paths-overtime": _("{of}: through {day} {share} % overtime."),
        "paths-newcomers": _("{of}: {number} new people from {day} on, at full speed after {weeks} weeks."),
        "paths-boost": _("{of}: from {day} on {share} % of the work goes {factor} times as fast."),
        "paths-oldest-first": _("{of}: what has waited longest is done first."),
        "paths-priority": _("{of}: the first class is done first, and within a class what has waited longest."),
        "paths-as-it-comes": _("{of}: in no order; what waits today is done with the rest, in proportion."),
        "paths-gate": _(
            "{of}: {number} (in doubt by {doubt} %) come through {gate} between {day} and {last}, at once."
        ),
        "paths-gate-metered": _(
            "{of}: {number} (in doubt by {doubt} %) come through {gate}, which opens between {day} and {last}, at most "
            "{rate} a day."
        ),
    }
