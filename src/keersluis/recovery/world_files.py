"""Reading a plan for a forecast: `forecasts/NAME.toml` in a chain folder, or a file. All faults at once."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

from keersluis.recovery.accounts import LARGEST
from keersluis.recovery.arrivals import OFFICE
from keersluis.recovery.capacity import Capacity, Shift
from keersluis.recovery.levels import Given
from keersluis.recovery.network import cycles, told
from keersluis.recovery.world_rows import (
    boost,
    day,
    gate,
    is_number,
    newcomers,
    number,
    overtime,
    passage,
    shift,
    variant,
    whole,
)
from keersluis.recovery.worlds import (
    DAY_NOISE,
    DOUBT,
    HORIZON,
    NOISE,
    PATHS,
    CapacityPlan,
    ClassPlan,
    ForecastPlan,
    OrganisationPlan,
)
from keersluis.sections import Faults, Section, read_section

ORDERS = ("oldest-first", "priority", "as-it-comes")

_MOST = float(LARGEST)


def read_plan(path: Path) -> ForecastPlan:
    """Raises Incorrect `forecast.plan` with all faults."""
    faults = Faults()
    plan = _plan(read_section(faults, path, path.name))
    faults.stop("forecast.plan", expected="a plan for a forecast (docs/forecasts.md)", where=str(path))
    return plan


def _plan(top: Section) -> ForecastPlan:
    title = top.words("title", {"nl": "Prognose", "en": "Forecast"})
    organisations = tuple(_organisation(each) for each in top.rows("organisation"))
    keys = [each.key for each in organisations]
    if not keys:
        top.fault("organisation", "at least one [[organisation]]", "nothing")
    if len(set(keys)) < len(keys):
        top.fault("organisation", "different keys", repr(keys))
    if len(keys) > 50:
        top.fault("organisation", "at most 50", str(len(keys)))
    plan = ForecastPlan(
        title,
        day(top, "from") if top.has("from") else None,
        whole(top, "horizon_days", HORIZON, 28, 3640),
        whole(top, "paths", PATHS, 100, 20_000),
        whole(top, "seed", 1, 0, 2**53),
        _holidays(top),
        organisations,
        tuple(passage(each, {one.key: one for one in organisations}) for each in top.rows("passage")),
        tuple(variant(each, {one.key: one for one in organisations}) for each in top.rows("variant")),
    )
    _check(top, plan)
    top.done()
    return plan


def _check(top: Section, plan: ForecastPlan) -> None:
    graph: dict[str, list[str]] = {each.key: [] for each in plan.organisations}
    for each in plan.passages:
        if each.target in graph:
            graph[each.target].append(each.source)
    for loop in told(cycles(graph)):
        top.fault("passage", "organisations in a row, without loops", loop)
    variants = [each.key for each in plan.variants]
    if len(set(variants)) < len(variants):
        top.fault("variant", "different keys", repr(variants))
    alone = [each.key for each in plan.organisations if not each.has_account]
    if plan.first is None and len(alone) == len(plan.organisations):
        top.fault("from", "the first day of the forecast, as no organisation has an account", "nothing")


def _holidays(top: Section) -> str | tuple[date, ...]:
    if not top.has("holidays"):
        return "nl"
    value = top.values["holidays"]
    if value in ("nl", "none"):
        return str(value)
    if isinstance(value, list) and all(isinstance(each, date) and not isinstance(each, datetime) for each in value):
        return tuple(value)
    top.fault("holidays", '"nl", "none" or a list of dates', repr(value))
    return ()


# -- an organisation


def _organisation(row: Section) -> OrganisationPlan:
    key = row.text("key")
    classes = tuple(_class(each) for each in row.rows("class"))
    backlog, log = row.text("backlog", ""), row.text("log", "")
    stock = whole(row, "stock", 0, 0, LARGEST) if row.has("stock") else None
    arrivals, weekdays = _arrivals(row)
    plan = OrganisationPlan(
        key,
        row.words("title", {"nl": key or "?", "en": key or "?"}),
        backlog,
        log,
        stock,
        whole(row, "oldest_days", 0, 0, 36_500),
        whole(row, "normal", 0, 0, LARGEST),
        row.choice("order", ORDERS, "priority" if classes else "oldest-first"),
        classes,
        arrivals,
        weekdays,
        _capacity(row),
        tuple(gate(each, classes) for each in row.rows("gate")),
    )
    _check_organisation(row, plan)
    row.done()
    return plan


def _check_organisation(row: Section, plan: OrganisationPlan) -> None:
    if plan.classes and plan.order != "priority":
        row.fault("order", "'priority', as there are classes", repr(plan.order))
    if plan.classes and abs(sum(each.share for each in plan.classes) - 1) > 0.001:
        row.fault("class", "shares that add up to 1", str(round(sum(each.share for each in plan.classes), 3)))
    if len({each.key for each in plan.classes}) < len(plan.classes):
        row.fault("class", "different keys", repr([each.key for each in plan.classes]))
    if plan.has_account:
        return
    if plan.stock is None and (not plan.classes or any(each.stock is None for each in plan.classes)):
        row.fault("stock", "how many wait now, or the backlog or log that tells it", "nothing")
    if plan.capacity.output is None:
        row.fault("capacity", "per_person_day or per_week, or the backlog or log to learn it from", "nothing")


def _class(row: Section) -> ClassPlan:
    key = row.text("key")
    found = ClassPlan(
        key,
        row.words("title", {"nl": key or "?", "en": key or "?"}),
        row.share("share"),
        whole(row, "stock", 0, 0, LARGEST) if row.has("stock") else None,
        whole(row, "oldest_days", 0, 0, 36_500),
        number(row, "work", 1.0, 0.01, 1000),
        whole(row, "deadline_days", 0, 0, 36_500) if row.has("deadline_days") else None,
    )
    row.done()
    return found


def _arrivals(row: Section) -> tuple[Given | None, tuple[float, ...] | None]:
    if not row.has("arrivals"):
        return None, None
    section = row.section("arrivals")
    rate = Given(
        number(section, "per_week", None, 0, _MOST),
        number(section, "doubt", DOUBT, 0, 2),
        number(section, "noise", NOISE, 0, 10_000),
    )
    weekdays = _weekday_factors(section) if section.has("weekdays") else OFFICE
    section.done()
    return rate, weekdays


def _weekday_factors(section: Section) -> tuple[float, ...]:
    """Seven numbers, Monday first, as factors with mean 1."""
    value = section.values["weekdays"]
    right = isinstance(value, list) and len(value) == 7
    numbers = [float(each) for each in value if is_number(each) and each >= 0] if isinstance(value, list) else []
    if not right or len(numbers) < 7 or sum(numbers) <= 0:
        section.fault("weekdays", "seven numbers of at least 0, Monday first", repr(value))
        return OFFICE
    return tuple(7 * each / sum(numbers) for each in numbers)


def _capacity(row: Section) -> CapacityPlan:
    if not row.has("capacity"):
        return CapacityPlan(Capacity(()), None, DAY_NOISE, team=True)
    section = row.section("capacity")
    shifts = tuple(shift(each) for each in section.rows("shift"))
    capacity = Capacity(
        shifts,
        number(section, "workplaces", 0.0, 0, _MOST) if section.has("workplaces") else None,
        day(section, "home_from") if section.has("home_from") else None,
        section.share("home_share", 1.0),
        section.share("presence", 1.0),
        tuple(newcomers(each) for each in section.rows("newcomers")),
        tuple(overtime(each) for each in section.rows("overtime")),
        tuple(boost(each) for each in section.rows("boost")),
    )
    output, with_team = _output(section, capacity)
    noise = number(section, "day_noise", DAY_NOISE, 0, 2)
    section.done()
    return CapacityPlan(with_team, output, noise, not capacity.shifts)


def _output(section: Section, capacity: Capacity) -> tuple[Given | None, Capacity]:
    """Per person and day; or per week, for a team that counts as one."""
    doubt = number(section, "doubt", DOUBT, 0, 2)
    if section.has("per_person_day") and section.has("per_week"):
        section.fault("per_week", "either per_person_day or per_week", "both")
    if section.has("per_week"):
        capacity = capacity if capacity.shifts else replace(capacity, shifts=(Shift(1.0),))
        days = sum(each.staff * len(each.days) for each in capacity.shifts if each.first is None) or 5.0
        return Given(number(section, "per_week", None, 0, _MOST) / days, doubt, 0.0), capacity
    if section.has("per_person_day"):
        if not capacity.shifts:
            section.fault("shift", "at least one shift with its staff, as per_person_day is given", "nothing")
        return Given(number(section, "per_person_day", None, 0, _MOST), doubt, 0.0), capacity
    return None, capacity
