"""Maps: how a log becomes acts. A broken map is reported whole."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keersluis.errors import Incorrect
from keersluis.fields import Field, Value, convert
from keersluis.simulation.maps import load_map, map_file, shipped_maps
from keersluis.times import DAY

SOUND = """
chain = "road-fines"
title = { nl = "Proef", en = "Test" }
[log]
case = "case"
activity = "activity"
time = "time"
[pace]
tick = "7d"
counts = "14d"
[subjects]
scheme = "debtor"
[cut]
organisation = "police"
[questions]
organisation = "treasury"
policy = "open-fines"
number = 3
[activities."Create Fine"]
kind = "police.fine"
content.amount = { from = "amount", type = "integer", times = 100 }
"""


def faults(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "my-map.toml"
    path.write_text(text)
    with pytest.raises(Incorrect) as caught:
        load_map(path)
    assert caught.value.code == "map.broken"
    assert all(fault.startswith("my-map.toml: ") for fault in caught.value.faults)
    return [fault.removeprefix("my-map.toml: ") for fault in caught.value.faults]


@pytest.mark.parametrize("name", shipped_maps())
def test_a_shipped_map_uses_every_kind_of_its_chain(name: str) -> None:
    log_map = load_map(name)
    assert log_map.name == name
    own = {path for path, kind in log_map.chain.kinds.items() if kind.action != "answer"}
    assert {activity.kind.path for activity in log_map.activities.values()} == own


@pytest.mark.parametrize("name", shipped_maps())
def test_a_shipped_map_asks_by_a_policy_of_its_chain(name: str) -> None:
    log_map = load_map(name)
    assert (log_map.chain.folder / "policies" / f"{log_map.questions.policy}.toml").is_file()


def test_a_small_map_is_enough(tmp_path: Path) -> None:
    path = tmp_path / "my-map.toml"
    path.write_text(SOUND)
    log_map = load_map(path)
    assert (log_map.name, log_map.tick, log_map.counts, log_map.zone.key) == (
        "my-map",
        7 * DAY,
        14 * DAY,
        "Europe/Rome",
    )
    assert (log_map.cut.paper, log_map.subjects.cases, log_map.ignore) == (0.0, 1, frozenset())


def test_all_faults_of_a_map_are_told_at_once(tmp_path: Path) -> None:
    text = SOUND
    for sound, broken in {
        'case = "case"': "case = 3",
        'scheme = "debtor"': 'scheme = "Debtor!"',
        'organisation = "police"': 'organisation = "treasury"\npaper = 1.5',
        'kind = "police.fine"': 'kind = "police.fines"',
        'type = "integer"': 'type = "text"',
        "number = 3": 'number = -1\nquestoins = "x"',
    }.items():
        assert sound in text
        text = text.replace(sound, broken)
    found = faults(tmp_path, text)
    for place in (
        "log.case: expected a text, got 3",
        "subjects.scheme: expected small letters",
        "cut.organisation: expected one of police",
        "cut.paper: expected a number from 0 to 1",
        "activities.Create Fine.kind: expected a kind of road-fines (a leaf), got 'police.fines' (did you mean",
        "activities.Create Fine.content.amount.type: expected integer or number, because there is times",
        "questions.number: expected a whole number of at least 0",
        "questions.questoins: expected a known key",
    ):
        assert any(fault.startswith(place) for fault in found), (place, found)


def test_acts_entered_later_than_the_lag_would_break_promises(tmp_path: Path) -> None:
    """P2: a tick as long as the lag leaves no room for the day that an act is known by."""
    (found,) = faults(tmp_path, SOUND.replace('"7d"', '"9d"'))
    assert found.startswith(
        "pace.tick: expected a tick that fits, and a day of 25 hours beside it, in the lag of police.fine, 9 days"
    )


def test_promises_of_counted_kinds_need_counts(tmp_path: Path) -> None:
    (found,) = faults(tmp_path, SOUND.replace('counts = "14d"', ""))
    assert found.startswith("pace.counts: expected a tick or more")


def test_paper_needs_a_time_within_which_it_is_entered(tmp_path: Path) -> None:
    (found,) = faults(tmp_path, SOUND.replace('"police"', '"police"\npaper = 0.5'))
    assert found.startswith("cut.entered_within: expected a duration")


@pytest.mark.parametrize(
    ("kind", "reference", "expected"),
    [
        ("reception.adjusted", "", "expected the activity that it refers to, to correct it, got nothing"),
        ("reception.adjusted", 'refers_to = "T2"', "expected an activity of this map, got 'T2'"),
        ("reception.receipt", 'refers_to = "T1"', "expected nothing, got 'T1'"),
    ],
)
def test_a_correction_refers_to_an_activity_and_a_record_does_not(
    tmp_path: Path, kind: str, reference: str, expected: str
) -> None:
    text = SOUND.replace("road-fines", "permits").replace("7d", "1d").replace("police.fine", "reception.checked")
    text = text.replace('"police"', '"legal"').replace("treasury", "permit-desk").replace("open-fines", "hold")
    (found,) = faults(tmp_path, f'{text}\n[activities."T1"]\nkind = "{kind}"\n{reference}')
    assert f"activities.T1.refers_to: {expected}" in found


@pytest.mark.parametrize("text", ["", "this is no TOML", 'chain = "road-fins"'])
def test_a_file_that_is_no_map_is_refused(tmp_path: Path, text: str) -> None:
    assert faults(tmp_path, text)


def test_an_unknown_name_is_told_with_the_known_ones() -> None:
    with pytest.raises(Incorrect) as caught:
        map_file("road-fine")
    assert "did you mean 'road-fines'" in str(caught.value)


# --- values

ROME = ZoneInfo("Europe/Rome")


def value(kind: str, text: str, times: int = 1) -> Value:
    return convert(Field("f", "s", kind, times, (), False), text, ROME)


@given(st.integers(-(10**9), 10**9))
def test_euros_become_the_very_cents(cents: int) -> None:
    assert value("integer", f"{cents / 100:.2f}", 100) == cents


def test_values_get_the_type_of_their_field() -> None:
    assert value("text", "NIL") == "NIL"
    assert value("number", "35.0") == 35.0
    assert value("flag", "True") is True
    assert value("time", "2004-07-01 00:00:00") == "2004-06-30T22:00:00Z"


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("integer", "35.5"),
        ("integer", "x"),
        ("number", "NaN"),
        ("number", "Infinity"),
        ("flag", "maybe"),
        ("time", "x"),
    ],
)
def test_a_value_that_does_not_fit_its_type_is_refused(kind: str, text: str) -> None:
    with pytest.raises(ValueError):
        value(kind, text)
