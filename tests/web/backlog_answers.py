"""What nodes answer of backlogs and forecasts, for the pages: made of made-up stays by the nodes' own code."""

from __future__ import annotations

from functools import cache
from random import Random
from typing import Any

from keersluis import counting
from keersluis.chain import load_chain
from keersluis.recovery.assumptions import of_record
from keersluis.recovery.backlogfiles import backlogs_of
from keersluis.recovery.forecast_views import told as told_forecast
from keersluis.recovery.forecasts import by_record
from keersluis.recovery.outlook import Forecaster
from keersluis.recovery.stock import edges, standing, worst_first
from keersluis.recovery.verification import Kept
from keersluis.stays import Stay
from keersluis.times import DAY, HOUR, format_instant, parse_instant

CHAIN = load_chain("nl-justice")
NOW = parse_instant("2025-09-25T12:00:00+02:00")
CUT = parse_instant("2025-07-17T06:00:00+02:00")


def _stays(seed: int, scale: float) -> list[Stay]:
    """Acts come from the cut on; from 1 September on they are worked off, oldest first."""
    random, line, found = Random(seed), [], []
    for n in range(70):
        at = CUT + n * DAY
        line += [at + 3 * HOUR] * int(scale * random.uniform(0.6, 1.4))
        if n > 46:
            done = int(scale * random.uniform(1.8, 3.0))
            found += [Stay(1, since - 2 * DAY, since, at + 9 * HOUR) for since in line[:done]]
            line = line[done:]
    return found + [Stay(1, since - 2 * DAY, since, None) for since in line]


@cache
def backlog_answers() -> dict[str, Any]:
    """By address; of the prosecution service, whichever node is asked."""
    zone, at = CHAIN.timezone, edges(NOW, DAY, CHAIN.timezone)
    found = []
    for seed, backlog in enumerate(each for each in backlogs_of(CHAIN).values() if each.organisation == "om"):
        stays = _stays(seed, 9.0 / (seed + 1))
        parted = {each.key: stays[n :: len(backlog.classes)] for n, each in enumerate(backlog.classes)}
        found.append(standing(backlog, parted, at, NOW))
    paper = next(each for each in found if each.backlog.key == "om-paper")
    said = by_record(
        paper.account, Forecaster(paper.account.past, 26, 52), "om-paper", NOW, 20, of_record(paper.account, 52)
    )
    kept = Kept(1, said, {}, {})
    imports = [{"n": 1, "digest": "ab" * 32, "at": format_instant(NOW), "who": "planner", "why": "weektelling"}]
    imports[0] |= {"until": format_instant(NOW), "came": 812, "left": 640, "left_out": [], "undone": None}
    holding = {
        "sentence_nl": "Het register is pas volledig tot en met 2 augustus 2025.",
        "sentence_en": "Complete only so far.",
    }
    whole = {"organisation": "om", "now": format_instant(NOW), "holding": holding}
    return {
        "/v0/achterstanden": whole | {"backlogs": [counting.told(each, zone) for each in worst_first(found)]},
        "/v0/prognoses": {"forecasts": [told_forecast(kept, zone)], "number": 1, "records": [], "spoken": [4, 13]},
        "/v0/prognoses?achterstand=om-paper": {"forecasts": [told_forecast(kept, zone)]},
        "/v0/prognoses/1": told_forecast(kept, zone, range(1, said.ahead + 1)) | {"statement": said.document()},
    } | {
        f"/v0/achterstanden/{each.backlog.key}": counting.told(each, zone)
        | {"steps": counting.steps(each.account), "imports": imports if each.backlog.counts == "import" else []}
        for each in found
    }
