"""The simulator's world: who did what when, who asked what. Drawn from a seed; no product code decides anything here.

True time is the one that nobody's clock shows exactly. Acts happen at a true moment and say so, by the instant or by
the day; each organisation enters them within a third of its usual lag, and now and then at the last moment, unless the
plan of faults says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from keersluis.chain import Chain, Kind, Route, load_chain
from keersluis.times import DAY, HOUR, MINUTE, SECOND, Instant, When

FOLDER = Path(__file__).parent / "small-chain"
"""The chain of the simulator, as data."""

START: Instant = 1_743_246_000 * SECOND
"""Noon of 29 March 2025 in Amsterdam: in the night that follows the clocks there go forward."""

HOURS = 27
END: Instant = START + HOURS * HOUR

SUBJECTS = tuple(f"person:T{n:07d}" for n in range(1, 5))

LAST_MOMENT = 0.3
"""The part of the acts that is entered within minutes of the time when it is promised: so late that a clock that is
ahead promises too much, which only the bound on clock differences makes up for."""

LATE = 3 * HOUR + HOUR // 2
"""More than a third of the longest lag, and less than the whole of the shortest."""

REFERS_TO: Mapping[str, tuple[str, ...]] = {
    "police.dropped": ("police.report",),
    "court.reversal": ("court.conviction", "court.reversal", "police.report", "police.dropped", "bank.debt"),
    "bank.correction": ("bank.debt", "bank.payment"),
}
"""Kinds that act on an earlier act, and on which."""

_WEIGHTS = {
    "police.report": 5,
    "police.dropped": 3,
    "court.conviction": 4,
    "court.reversal": 3,
    "bank.debt": 4,
    "bank.payment": 4,
    "bank.correction": 2,
}
_CLOSE = {
    "bank.debt": "credit",
    "bank.correction": "credit",
    "court.reversal": "credit",
}
_POLICIES = ("screening", "screening", "credit", "credit", "watch")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Act:
    """One act. `when` is what its event says, `entered` the true moment at which it is entered in the uncut chain."""

    id: str
    kind: str
    organisation: str
    subject: str
    happened: Instant
    when: When
    occurred: str
    entered: Instant
    refers_to: str | None
    valid_from: Instant | None
    valid_to: Instant | None
    content: Mapping[str, Any]

    @property
    def at_the_last_moment(self) -> bool:
        """Entered when its usual lag is all but over."""
        return self.happened > START and self.entered - self.happened > LATE


@dataclass(frozen=True, slots=True)
class Ask:
    """A decision that somebody needs at true moment `at`, for `moment` as their clock has it, or an earlier one."""

    id: str
    decider: str
    policy: str
    subject: str
    moment: Instant
    at: Instant

    def request(self) -> dict[str, Any]:
        """What the decider's node is asked."""
        return {"id": self.id, "policy": self.policy, "subject": self.subject, "moment": text(self.moment)}


@dataclass(frozen=True)
class World:
    """All that happened, in order of true time."""

    chain: Chain
    acts: tuple[Act, ...]
    asks: tuple[Ask, ...]

    def of(self, organisation: str) -> list[Act]:
        return [act for act in self.acts if act.organisation == organisation]


@cache
def small_chain() -> Chain:
    """The chain, read once in a process."""
    return load_chain(FOLDER)


def text(instant: Instant) -> str:
    """RFC 3339 in UTC, with microseconds."""
    return (_EPOCH + timedelta(microseconds=instant)).isoformat()


def day(instant: Instant, tz: ZoneInfo) -> tuple[str, When]:
    """The local day of an instant, as a date and as its first and last microsecond."""
    date = (_EPOCH + timedelta(microseconds=instant)).astimezone(tz).date()
    first = datetime(date.year, date.month, date.day, tzinfo=tz)
    after = date + timedelta(days=1)
    following = datetime(after.year, after.month, after.day, tzinfo=tz)
    return date.isoformat(), When(int(first.timestamp()) * SECOND, int(following.timestamp()) * SECOND - 1)


def draw(seed: int) -> World:
    """The world of a seed: the same each time."""
    chain, random = small_chain(), Random(f"{seed}/world")
    acts = _acts(chain, random)
    asks = [*_asks(random, acts, chain), *_close_asks(random, acts)]
    apart = Random(f"{seed}/routes")
    chain = replace(chain, routes=_routes(apart))
    asks += _covered_asks(apart) if chain.routes else ()
    return World(chain, tuple(acts), tuple(sorted(asks, key=lambda ask: (ask.at, ask.id))))


_ROUTES = (("bank.payment", "bank.debt"), ("police.report", "court.conviction"), ("police.report", "court.reversal"))


def _routes(random: Random) -> dict[str, Route]:
    """In two seeds of five emergency routes, drawn apart from the rest; for whom and how long differs."""
    words = {"nl": "Voor de simulator", "en": "For the simulator"}
    routes = {}
    for kind, covers in _ROUTES if random.random() < 0.4 else ():
        start = START + random.randrange(-DAY, 10 * HOUR)
        until = random.choice((None, start + random.randrange(6 * HOUR, 2 * DAY)))
        purposes = random.choice((("licence",), ("licence", "care"), ("care",), ()))
        key = covers.replace(".", "-")
        routes[key] = Route(key, kind, covers, words, words, start, until, purposes)
    return routes


def _covered_asks(random: Random) -> list[Ask]:
    """Decisions for moments that a route has mostly come to, and the kind that it covers has not."""
    asks = []
    for n in range(4):
        at = START + random.randrange(10 * HOUR, HOURS * HOUR)
        moment, subject = at - random.randrange(4 * HOUR, 9 * HOUR), random.choice(SUBJECTS)
        asks.append(Ask(f"licensing-covered-{n}", "licensing", "credit", subject, moment, at))
    return asks


def event(act: Act, chain: Chain, **other: Any) -> bytes:
    """The publisher's CloudEvent of an act; `other` content gives an event that differs under the same key."""
    data: dict[str, Any] = {"subject": act.subject, "content": {**act.content, **other}}
    if act.valid_from is not None:
        data["valid_from"] = text(act.valid_from)
    if act.valid_to is not None:
        data["valid_to"] = text(act.valid_to)
    if act.refers_to is not None:
        data["refers_to"] = act.refers_to
    oin = chain.organisations[act.organisation].oin
    return msgspec.json.encode(
        {
            "specversion": "1.0",
            "id": act.id,
            "source": f"urn:nld:oin:{oin}:systeem:administration",
            "type": f"{chain.type_prefix}.{act.kind}",
            "occurred": act.occurred,
            "datacontenttype": "application/json",
            "data": data,
        }
    )


def _acts(chain: Chain, random: Random) -> list[Act]:
    """Some of before the chain began, entered when it begins; the others as they happen."""
    before = sorted(START - random.randrange(HOUR, 45 * DAY) for _ in range(random.randrange(4, 14)))
    later = sorted(START + random.randrange(HOURS * HOUR) for _ in range(random.randrange(24, 40)))
    acts: list[Act] = []
    for happened in [*before, *later]:
        act = _act(chain, random, acts, happened)
        if act is not None:
            acts.append(act)
    return acts


def _act(chain: Chain, random: Random, before: Sequence[Act], happened: Instant) -> Act | None:
    path = random.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
    kind, subject = chain.kinds[path], random.choice(SUBJECTS)
    refers_to = None
    if path in REFERS_TO:
        pool = [act for act in before if act.kind in REFERS_TO[path] and act.subject == subject]
        if not pool:
            return None
        refers_to = random.choice(pool[-4:]).id
    entered = max(START, happened + random.randrange(kind.lag // 3))
    if happened > START and random.random() < LAST_MOMENT * (2 if path == "bank.debt" else 1):
        happened += random.randrange(6 * MINUTE, 10 * MINUTE) - happened % HOUR
        entered = happened - happened % HOUR + kind.lag
    occurred, when = _when(kind, happened, chain)
    valid_from, valid_to = _period(random, kind, happened)
    return Act(
        f"{kind.source}-{len(before):03d}", path, kind.source, subject, happened, when, occurred, entered, refers_to,
        valid_from, valid_to, _content(random, path),
    )  # fmt: skip


def _when(kind: Kind, happened: Instant, chain: Chain) -> tuple[str, When]:
    if kind.resolution == "day":
        return day(happened, chain.timezone)
    return text(happened), When(happened, happened)


def _period(random: Random, kind: Kind, happened: Instant) -> tuple[Instant | None, Instant | None]:
    """Mostly from the act on; now and then an act reaches back, or says until when it holds."""
    begins = happened - random.randrange(DAY) if random.random() < 0.15 else None
    ends = happened + random.randrange(HOUR, 3 * DAY) if random.random() < 0.15 and kind.action == "record" else None
    return begins, ends


def _content(random: Random, path: str) -> dict[str, Any]:
    if path == "police.report":
        return {"offence": random.choice(("violence", "threat", "theft", "fraud"))}
    if path == "court.conviction":
        return {"gravity": random.randrange(1, 6)}
    if path.startswith("bank."):
        return {"amount": random.randrange(50, 400)}
    return {}


def _asks(random: Random, acts: Sequence[Act], chain: Chain) -> list[Ask]:
    """Half of them while an act of the same person is on its way to the register."""
    moving = [act for act in acts if START + HOUR < act.entered < END]
    asks = []
    for n in range(random.randrange(9, 18)):
        policy = random.choice(_POLICIES)
        decider = "childcare" if policy == "watch" else "licensing"
        at, subject = START + random.randrange(HOUR, HOURS * HOUR), random.choice(SUBJECTS)
        if moving and random.random() < 0.5:
            act = random.choice(moving)
            at, subject = max(act.happened, act.entered - random.randrange(HOUR)), act.subject
        moment = _moment(random, acts, at, chain.skew)
        asks.append(Ask(f"{decider}-{n:03d}", decider, policy, subject, moment, at))
    return asks


def _close_asks(random: Random, acts: Sequence[Act]) -> list[Ask]:
    """Decisions about the very persons whose acts are entered at the last moment, for a moment just after those."""
    late = [act for act in acts if act.kind in _CLOSE and act.at_the_last_moment]
    return [
        Ask(
            f"licensing-close-{n}", "licensing", _CLOSE[act.kind], act.subject,
            act.when.end + random.choice((0, 1, random.randrange(3 * MINUTE))),
            act.happened + random.randrange(2 * HOUR),
        )
        for n, act in enumerate(late)
    ]  # fmt: skip


def _moment(random: Random, acts: Sequence[Act], at: Instant, skew: int) -> Instant:
    """Mostly the present by the asker's clock; now and then the past, or just beside what an act says of itself."""
    case = random.random()
    edges = [edge for act in acts for edge in act.when if at - DAY < edge <= at]
    if case < 0.2 and edges:
        return random.choice(edges) + random.choice((-1, 0, 1))
    if case < 0.35:
        return at - random.randrange(DAY)
    return at + random.randrange(-skew, skew + 1) - random.randrange(MINUTE)
