"""A forecast as a statement: its bytes are its own, and what it says can be read from them alone."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest

from keersluis.errors import Incorrect
from keersluis.recovery.accounts import Account, Fault
from keersluis.recovery.assumptions import of_record, worded
from keersluis.recovery.forecasts import FAR, Forecast, by_record, decode, inputs
from keersluis.recovery.outlook import Forecaster
from keersluis.times import DAY, parse_instant
from keersluis.words import translator
from recovery.made_logs import made

START = parse_instant("2024-01-01T00:00:00+01:00")


def account(sort: str, steps: int = 60, seed: int = 1) -> Account:
    return Account(START, 7 * DAY, made(sort, steps, seed), (Fault("duplicate", 2, ("line 4",)),), False, False)


def said(of: Account, normal: int = 0) -> Forecast:
    return by_record(of, Forecaster(of.past, FAR), "om/post", of.end + 5, normal, of_record(of, 52))


@pytest.mark.parametrize("sort", ["stable", "growing", "cut and return", "tiny"])
def test_what_was_said_is_read_back_to_the_last_byte(sort: str) -> None:
    statement = said(account(sort))
    assert decode(statement.encode()) == statement
    assert decode(statement.encode()).encode() == statement.encode()
    assert statement.digest == hashlib.sha256(statement.encode()).hexdigest()
    told = json.loads(statement.encode())
    assert told["as_of"] == "2025-02-23T23:00:00Z"
    assert told["left_out"] == [["duplicate", 2]]
    assert len(told["quantiles"]) == FAR
    assert all(len(row) == len(told["levels"]) for row in told["quantiles"])


def test_the_interval_is_that_of_the_forecaster_to_a_decimal() -> None:
    of = account("tiny")
    bounds = Forecaster(of.past, FAR).interval(of.past.steps - 1, 0.8)
    statement = said(of)
    for h in range(1, FAR + 1):
        assert statement.interval(h, 0.8) == pytest.approx(bounds[h - 1], abs=0.051)


def test_two_accounts_have_two_digests_and_one_has_one() -> None:
    one, other = account("stable"), account("stable", seed=2)
    assert inputs(one) == inputs(account("stable")) != inputs(other)
    past = one.past
    moved = past.__class__(past.arrivals, past.departures, past.stock, np.roll(past.held, 1, axis=1), past.left)
    assert inputs(Account(one.start, one.step, moved, (), False, False)) != inputs(one)


@pytest.mark.parametrize("wrong", [b"", b"[]", b"{}", b'{"made": "soon", "as_of": "2024-01-01T00:00:00Z"}'])
def test_what_is_no_forecast_is_refused(wrong: bytes) -> None:
    with pytest.raises(Incorrect):
        decode(wrong)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("levels", []),
        ("levels", [0.5, 0.2]),
        ("quantiles", []),
        ("quantiles", [[1.0]]),
        ("stock", -1),
        ("step", 0),
        ("stretch", [1.0]),
        ("as_of", "9000-01-01T00:00:00Z"),
        ("backlog", ""),
    ],
)
def test_what_no_forecast_can_say_is_refused(field: str, value: object) -> None:
    with pytest.raises(Incorrect, match=r"forecast\.unreadable"):
        decode(json.dumps(said(account("stable")).document() | {field: value}).encode())


def test_assumptions_are_worded_in_both_languages() -> None:
    of = account("stable")
    dutch, english = (worded(of_record(of, 52), translator(language)) for language in ("nl", "en"))
    assert len(dutch) == len(english) == 4
    assert not set(dutch) & set(english)
    assert any("52" in sentence for sentence in dutch)
