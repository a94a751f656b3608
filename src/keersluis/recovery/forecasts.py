"""A forecast as a statement: what was said of one backlog, when, and on what. Pure.

Whichever way it was made (by the record of its own errors, or by simulated paths), it says for each coming step how
large the backlog will be, as quantiles, and when it will be gone. It is kept as it was said and compared later with
what came; its bytes, and so its digest, are the same wherever they are made.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np

from keersluis.errors import Incorrect
from keersluis.recovery.dates import FARTHEST, GRID, Gone, gone
from keersluis.recovery.history import Numbers
from keersluis.recovery.outlook import Forecaster, alone
from keersluis.times import DAY, HOUR, Instant, format_instant, parse_instant

if TYPE_CHECKING:
    from keersluis.recovery.accounts import Account

STATED = tuple(sorted({*GRID, 0.85, 0.9625}))
"""Quantiles of a statement: those of dates, and the upper bounds that stand alone above a lower one of zero."""

FAR = 26
"""Steps for which the size is stated at least."""

_LATEST: Instant = parse_instant("3000-01-01T00:00:00Z")

Method = Literal["record", "paths"]


@dataclass(frozen=True)
class Assumption:
    """What a forecast takes for granted: a code and its numbers, worded in `assumptions`."""

    code: str
    values: Mapping[str, float | int | str]


@dataclass(frozen=True)
class Forecast:
    """One statement. `made`: when; `as_of`: the end of the last known step, with `stock` there then; `quantiles[h][q]`:
    the size at `as_of + (h + 1) * step`, for each of `levels` (ascending); `gone`: steps from `as_of` until it is at
    most `normal`; `inputs`: the digest of the account that it was made from; `left_out`: (code, number) of what was
    wrong with the input; `seed`: None where nothing was drawn; `stretch`: by which factor each step's quantiles were
    stretched around their middle for what earlier statements missed (none: not at all)."""

    backlog: str
    made: Instant
    as_of: Instant
    step: Instant
    stock: int
    normal: int
    method: Method
    levels: tuple[float, ...]
    quantiles: tuple[tuple[float, ...], ...]
    gone: Gone
    assumptions: tuple[Assumption, ...]
    left_out: tuple[tuple[str, int], ...]
    inputs: str
    seed: int | None = None
    stretch: tuple[float, ...] = ()

    @property
    def ahead(self) -> int:
        """For how many steps the size is stated."""
        return len(self.quantiles)

    def at(self, h: int) -> Instant:
        """The moment h steps on (1: the first)."""
        return self.as_of + h * self.step

    def quantile(self, h: int, level: float) -> float:
        """The size h steps on that is not exceeded with probability `level`."""
        return float(np.interp(level, self.levels, self.quantiles[h - 1]))

    def interval(self, h: int, level: float) -> tuple[float, float]:
        """Bounds of the size h steps on that hold with probability `level`. A lower bound of zero cannot be missed:
        part of its doubt moves above."""
        low = self.quantile(h, 0.5 - level / 2)
        return low, self.quantile(h, 0.5 + level / 2 if low > 0 else alone(level))

    def encode(self) -> bytes:
        """Its bytes: JSON with the fields in order and instants as RFC 3339 (docs/formats.md)."""
        return msgspec.json.encode(self.document())

    @property
    def digest(self) -> str:
        """SHA-256 of its bytes, hexadecimal."""
        return hashlib.sha256(self.encode()).hexdigest()

    def document(self) -> dict[str, Any]:
        """As in JSON."""
        told: dict[str, Any] = msgspec.to_builtins(self)
        return told | {"made": format_instant(self.made), "as_of": format_instant(self.as_of)}


def decode(statement: bytes) -> Forecast:
    """The forecast of `encode`. Raises Incorrect `forecast.unreadable`."""
    try:
        told = msgspec.json.decode(statement, type=dict[str, Any])
        told |= {name: parse_instant(told[name]) for name in ("made", "as_of")}
        said = msgspec.convert(told, Forecast)
    except (msgspec.MsgspecError, KeyError, TypeError) as error:
        raise Incorrect("forecast.unreadable", expected="a forecast as it was kept", got=str(error)) from None
    if wrong := _wrong(said):
        raise Incorrect("forecast.unreadable", expected="a forecast that can be", got="; ".join(wrong), faults=wrong)
    return said


def _wrong(said: Forecast) -> list[str]:
    """What no forecast can say."""
    ends = [said.gone.middle, *(bound for _level, *bounds in said.gone.intervals for bound in bounds)]
    rows = [*said.quantiles, *((0.0, *row) for row in said.quantiles)]
    found = {
        "a backlog's name of 1 to 200 characters": 0 < len(said.backlog) <= 200,
        "a step of an hour to a year": HOUR <= said.step <= 366 * DAY,
        "levels between 0 and 1, ascending": len(said.levels) > 1 and _ascends((0.0, *said.levels, 1.0), strictly=True),
        f"1 to {FARTHEST} steps with a size for each level": 0 < said.ahead <= FARTHEST
        and all(len(row) == len(said.levels) for row in said.quantiles),
        "sizes of 0 or more, ascending": all(map(_ascends, rows)) and min(said.stock, said.normal) >= 0,
        "an end in 0 to 10000 steps": all(end is None or 0 <= end <= 10_000 for end in ends),
        "a time before the year 3000": max(said.made, said.as_of) < _LATEST,
        "a factor of stretching for each step": len(said.stretch) in (0, said.ahead),
    }
    return [f"not {what}" for what, holds in found.items() if not holds]


def _ascends(values: Sequence[float], *, strictly: bool = False) -> bool:
    return all(one < other or (one == other and not strictly) for one, other in pairwise(values))


def by_record(
    account: Account,
    forecaster: Forecaster,
    backlog: str,
    made: Instant,
    normal: int,
    assumptions: Sequence[Assumption],
) -> Forecast:
    """What `forecaster`, which learned from the account's past, says at its end."""
    t = account.past.steps - 1
    return stated(
        account,
        backlog,
        made,
        "record",
        STATED,
        forecaster.at(t, STATED).quantiles,
        gone(forecaster, t, normal),
        assumptions,
    )


def stated(
    account: Account,
    backlog: str,
    made: Instant,
    method: Method,
    levels: Sequence[float],
    quantiles: Numbers,
    end: Gone,
    assumptions: Sequence[Assumption],
    seed: int | None = None,
) -> Forecast:
    """The statement of `quantiles[h - 1, q]`, by either method, on an account; sizes to one decimal."""
    sizes = tuple(tuple(row) for row in np.maximum(quantiles, 0.0).round(1).tolist())
    return Forecast(
        backlog,
        made,
        account.end,
        account.step,
        int(account.past.stock[-1]),
        end.normal,
        method,
        tuple(levels),
        sizes,
        end,
        tuple(assumptions),
        tuple((each.code, each.number) for each in account.left_out),
        inputs(account),
        seed,
    )


def inputs(account: Account) -> str:
    """SHA-256 over all that the account says: whoever has it can make the same digest."""
    past, digest = account.past, hashlib.sha256(f"{account.start} {account.step}\n".encode())
    for counts in (past.arrivals, past.departures, past.stock, past.held, past.left):
        digest.update(np.ascontiguousarray(counts, dtype="<i8").tobytes())
    return digest.hexdigest()
