"""The plans for forecasts that a chain folder holds: `forecasts/NAME.toml`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from keersluis.chain import Chain
from keersluis.errors import Incorrect
from keersluis.recovery.backlogfiles import backlogs_of
from keersluis.recovery.world_files import read_plan
from keersluis.recovery.worlds import ForecastPlan
from keersluis.sections import nearest

FOLDER = "forecasts"

_read: dict[Path, Mapping[str, ForecastPlan]] = {}


def load_plans(chain: Chain) -> Mapping[str, ForecastPlan]:
    """By name of the file; none where there is no such folder. Raises Incorrect `forecast.plan` with all faults."""
    found: dict[str, ForecastPlan] = {}
    faults: list[str] = []
    for path in sorted((chain.folder / FOLDER).glob("*.toml")):
        try:
            found[path.stem] = plan = read_plan(path)
            faults += _unknown(chain, path.name, plan)
        except Incorrect as error:
            faults += error.faults
    if faults:
        expected, got = "plans for forecasts without faults", f"{len(faults)}, the first is {faults[0]}"
        raise Incorrect("forecast.plan", expected=expected, got=got, where=str(chain.folder / FOLDER), faults=faults)
    return found


def _unknown(chain: Chain, name: str, plan: ForecastPlan) -> list[str]:
    """Backlogs that nobody counts."""
    known = backlogs_of(chain)
    return [
        f"{name}: organisation {each.key}.backlog: expected a backlog of backlogs.toml, got {each.backlog!r}"
        + nearest(each.backlog, known)
        for each in plan.organisations
        if each.backlog and each.backlog not in known
    ]


def plans_of(chain: Chain) -> Mapping[str, ForecastPlan]:
    """As `load_plans`, read once for each folder."""
    folder = chain.folder.resolve()
    if folder not in _read:
        _read[folder] = load_plans(chain)
    return _read[folder]
