"""What a node answers of variants: two organisations in a row, the plan as it is and two variants."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

TITLES = {
    "evening": {"nl": "Avonddienst van maandag tot en met donderdag", "en": "An evening shift from Monday to Thursday"},
    "home": {"nl": "Thuiswerken terug op 16 oktober", "en": "Home working back on 16 October"},
}
NAMES = {
    "om-paper": {"nl": "Handelingen op papier bij het OM", "en": "Acts on paper at the prosecution service"},
    "courts": {"nl": "Zaken bij de rechtbanken", "en": "Cases at the courts"},
}
AS_OF = date(2025, 9, 28)


def plans() -> dict[str, Any]:
    organisations = [{"key": key, "title": title} for key, title in NAMES.items()]
    plan = {"backlog": "om-paper", "plan": "om", "title": {"nl": "Terugkeer", "en": "Return"}, "of": NAMES["om-paper"]}
    variants = [{"key": key, "title": title} for key, title in TITLES.items()]
    return {"plans": [plan | {"organisations": organisations, "variants": variants}]}


def compared(language: str) -> dict[str, Any]:
    all_ = {"nl": "alles samen", "en": "all together"}[language]
    organisations = [{"key": key, "title": title[language]} for key, title in NAMES.items()]
    planned = {"nl": "zoals gepland", "en": "as planned"}[language]
    return {
        "title": "Return",
        "as_of": AS_OF.isoformat(),
        "until": (AS_OF + timedelta(days=364)).isoformat(),
        "paths": 500,
        "seed": 2025,
        "organisations": [*organisations, {"key": "", "title": all_}],
        "variants": [
            _variant("", planned, 140, None),
            _variant("evening", TITLES["evening"][language], 100, -40),
            _variant("home", TITLES["home"][language], 139, -1),
        ],
        "assumptions": ["500 paths of 364 days were simulated."],
        "left_out": [{"code": "duplicate", "number": 2, "places": [], "sentence": "2 duplicated rows left out."}],
    }


def _variant(key: str, title: str, gone: int, change: int | None) -> dict[str, Any]:
    middle = [round(max(0.0, 1312 * (1 - 7 * week / gone)), 1) for week in range(1, 53)]
    found = [_one(each, gone, change) | {"middle": middle} for each in NAMES]
    never = {"date": None, "intervals": [{"level": level, "from": None, "to": None} for level in (0.5, 0.8, 0.95)]}
    beyond = _one("", gone, change) | {"gone": never}
    if change is not None:
        beyond["change"] |= {"beyond": 0.8}
    return {"key": key, "title": title, "organisations": [*found, beyond]}


def _one(key: str, gone: int, change: int | None) -> dict[str, Any]:
    def day(n: int) -> str:
        return (AS_OF + timedelta(days=n)).isoformat()

    found: dict[str, Any] = {
        "key": key,
        "gone": {
            "date": day(gone),
            "intervals": [{"level": level, "from": day(gone - 20), "to": day(gone + 30)} for level in (0.5, 0.8, 0.95)],
        },
    }
    if change is not None:
        intervals = [{"level": level, "from": change - 9, "to": change + 4} for level in (0.5, 0.8, 0.95)]
        found["change"] = {"days": change, "intervals": intervals, "sooner": 0.97, "later": 0.01, "beyond": 0.0}
    return found


def answers() -> dict[str, Any]:
    """By address, as the page asks."""
    found: dict[str, Any] = {"/v0/achterstanden/_wat-als": plans()}
    for language in ("nl", "en"):
        for asked in ("variant=evening&variant=home&", "variant=evening&"):
            found[f"/v0/achterstanden/om-paper/wat-als?{asked}paden=500&taal={language}"] = compared(language)
    return found
