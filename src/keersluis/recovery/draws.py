"""Times that are drawn, and the items of a class as a source gives them: rows of arrivals and of services. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from keersluis.errors import Incorrect
from keersluis.recovery.history import Numbers


class Times(Protocol):
    """A distribution of times (gaps between arrivals, services)."""

    @property
    def mean(self) -> float: ...

    def draw(self, rng: np.random.Generator, out: Numbers) -> None:
        """Fill `out` (contiguous) in the order in which it lies, so that the size of a block changes nothing."""


def _positive(code: str, *values: float) -> None:
    if not all(0 < each < float("inf") for each in values):
        raise Incorrect(code, expected="times above 0", got=str(values))


@dataclass(frozen=True)
class Exponential:
    mean: float

    def __post_init__(self) -> None:
        _positive("queue.times", self.mean)

    def draw(self, rng: np.random.Generator, out: Numbers) -> None:
        rng.standard_exponential(out=out)
        out *= self.mean


@dataclass(frozen=True)
class Fixed:
    mean: float

    def __post_init__(self) -> None:
        _positive("queue.times", self.mean)

    def draw(self, rng: np.random.Generator, out: Numbers) -> None:
        out[:] = self.mean


@dataclass(frozen=True)
class Lognormal:
    """By its mean and its standard deviation."""

    mean: float
    deviation: float

    def __post_init__(self) -> None:
        _positive("queue.times", self.mean, self.deviation)

    def draw(self, rng: np.random.Generator, out: Numbers) -> None:
        spread = np.log1p((self.deviation / self.mean) ** 2)
        rng.standard_normal(out=out)
        out *= np.sqrt(spread)
        out += np.log(self.mean) - spread / 2
        np.exp(out, out=out)


@dataclass(frozen=True)
class Measured:
    """Times as they were measured, each as likely as it was."""

    values: tuple[float, ...]

    def __post_init__(self) -> None:
        _positive("queue.times", sum(self.values))
        if min(self.values) < 0:
            raise Incorrect("queue.times", expected="times of 0 or more", got=str(min(self.values)))

    @property
    def mean(self) -> float:
        return sum(self.values) / len(self.values)

    def draw(self, rng: np.random.Generator, out: Numbers) -> None:
        rng.random(out=out)
        out *= len(self.values)
        out[...] = np.array(self.values).take(out.astype(np.intp), mode="clip")


class Source(Protocol):
    def fill(self, arrivals: Numbers, services: Numbers) -> None:
        """The next items, as many as there are rows; both are (items, paths)."""


class Drawn:
    """Stock at moment 0, then an item after each gap, up to and including `until`; nothing before `opens`. After the
    last item on a path come items at `far`."""

    def __init__(
        self, service: Times, gaps: Times | None, stock: int, opens: float, until: float, far: float,
        seed: np.random.SeedSequence,
    ) -> None:  # fmt: skip
        self.service, self.gaps, self.stock, self.opens, self.until, self.far = service, gaps, stock, opens, until, far
        own = [np.random.Generator(np.random.SFC64(each)) for each in seed.spawn(2)]
        self.of_gaps, self.of_services = own
        self.latest: Numbers | None = None
        self.ended = gaps is None

    def fill(self, arrivals: Numbers, services: Numbers) -> None:
        self.service.draw(self.of_services, services)
        rows = min(self.stock, len(arrivals))
        self.stock -= rows
        arrivals[:rows] = self.opens
        self._new(arrivals[rows:])

    def _new(self, arrivals: Numbers) -> None:
        if self.ended or self.gaps is None:
            arrivals[:] = self.far
            return
        if not len(arrivals):
            return
        self.gaps.draw(self.of_gaps, arrivals)
        if self.latest is not None:
            arrivals[0] += self.latest
        for row in range(1, len(arrivals)):
            np.add(arrivals[row], arrivals[row - 1], out=arrivals[row])
        self.latest = arrivals[-1].copy()
        over = arrivals > self.until if self.latest.max() > self.until else None
        self.ended = bool(self.latest.min() > self.until)
        if self.opens:
            np.maximum(arrivals, self.opens, out=arrivals)
        if over is not None:
            np.copyto(arrivals, self.far, where=over)


class Given:
    """Items as they are given, the same on every run."""

    def __init__(self, arrivals: Numbers, services: Numbers, far: float) -> None:
        self.arrivals, self.services, self.far, self.row = arrivals, services, far, 0

    def fill(self, arrivals: Numbers, services: Numbers) -> None:
        rows = min(len(arrivals), len(self.arrivals) - self.row)
        here = slice(self.row, self.row + rows)
        arrivals[:rows], services[:rows] = self.arrivals[here], self.services[here]
        arrivals[rows:], services[rows:] = self.far, 0.0
        self.row += rows
