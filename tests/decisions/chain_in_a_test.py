"""Sources, a register and a decider in one process: acts late and on paper, a cut, answers and events under way.

The register and the decider are the real ones, without a wire between: what the register publishes comes to the
decider in order, some steps later; answers take a way of their own and may be overtaken.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

import msgspec

from decisions.deciders import Decider, open_decider
from keersluis.chain import Chain
from keersluis.decisions import desk
from keersluis.decisions.policies import Known, outcome
from keersluis.exchange.envelope import Received
from keersluis.register import intake
from keersluis.register.answers import Answer
from keersluis.register.facts import Fact, in_force
from keersluis.times import DAY, HOUR, Instant, format_instant
from keersluis.watermarks import promise
from register.harness import CHAIN, START, Desk, event, open_desk

STEP = 6 * HOUR
STEPS = 80
BEGIN = START + 10 * DAY
SUBJECTS = tuple(f"skn:{n}" for n in range(6))
POLICIES = ("vog-standard", "screening-child-care", "vog-taxi")
OM = tuple(kind for kind in CHAIN.kinds.values() if kind.source == "om")


@dataclass
class Act:
    """An act on its way: done, entered (late, if it lies on paper), delivered."""

    received: Received
    entered: Instant
    paper: bool

    @property
    def kind(self) -> str:
        return self.received.kind.path


@dataclass
class Run:
    """One world; after `go`, `decider` has decided all."""

    seed: int
    chain: Chain = CHAIN
    register: Desk = field(default_factory=lambda: open_desk(at=BEGIN))
    decider: Decider = field(default_factory=lambda: open_decider("justis", CHAIN, at=BEGIN))
    acts: list[Act] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)
    marks: dict[str, Instant] = field(default_factory=dict)
    delivered: dict[str, int] = field(default_factory=dict)
    passed_on: int = 0
    under_way: list[tuple[int, dict[str, str], Answer]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        first, last = sorted(self.random.sample(range(10, 60), 2))
        self.cut = (BEGIN + first * STEP, BEGIN + last * STEP)
        self._draw_acts()

    def _draw_acts(self) -> None:
        random = self.random
        for n in range(random.randint(15, 40)):
            kind = random.choice(OM)
            at = BEGIN + random.randrange(-20 * 24, STEPS * 6 - 48) * HOUR
            more = {}
            subject = random.choice(SUBJECTS)
            if kind.action != "record":
                before = [act for act in self.acts if act.received.when.start < at]
                if not before:
                    continue
                target = random.choice(before).received
                subject, more = self._about(target, kind.action)
            occurred = format_instant(at)
            if kind.resolution == "day":
                occurred = occurred[:10]
            content = {"maximum_months": random.choice([12, 96]), "sentence_months": random.choice([0, 12])}
            received = event(kind.path, f"a{n}", subject, occurred, position=n + 1, content=content, **more)
            paper = self.cut[0] <= received.when.start < self.cut[1] and random.random() < 0.5
            entered = received.when.end + random.randrange(0, 4) * HOUR
            if paper:
                entered = self.cut[1] + random.randrange(0, 40) * STEP
            self.acts.append(Act(received, entered, paper))

    def _about(self, target: Received, action: str) -> tuple[str, dict[str, Any]]:
        data = msgspec.json.decode(target.envelope.data)
        more: dict[str, Any] = {"refers_to": target.envelope.id}
        return data["subject"], more

    def go(self) -> Run:
        for step in range(STEPS + 60):
            now = BEGIN + step * STEP
            self.register.clock.set(now)
            self.decider.clock.set(now)
            self._deliver(now)
            if step < STEPS:
                self._ask(step, now)
            self._take(step)
            self._pass_on(step)
        self._take(STEPS + 99)
        self._pass_on(STEPS + 99)
        return self

    def _deliver(self, now: Instant) -> None:
        """Streams go in order, each through its own gate; a promise counts when all it speaks of is here."""
        marks, batch = {}, []
        for kind in OM:
            if self.cut[0] <= now < self.cut[1] + self.random.randrange(0, 10) * STEP:
                continue
            stream = sorted(
                (a for a in self.acts if a.kind == kind.path), key=lambda a: (a.entered, a.received.position)
            )
            entered = [act for act in stream if act.entered <= now]
            have = self.delivered.get(kind.path, 0)
            portion = entered[have : have + self.random.choice([1, 2, 99])]
            batch += [act.received for act in portion]
            self.delivered[kind.path] = have + len(portion)
            waiting = [
                act.received.when.start for act in stream if act.entered > now and act.received.when.start <= now
            ]
            before = self.marks.get(kind.path, 0)
            promised = promise(now, kind.lag, min(waiting, default=None), before)
            if have + len(portion) == len(entered):
                marks[kind.path] = self.marks[kind.path] = promised
        if batch:
            self.register.apply(*batch)
        self.register.moved(marks)

    def _ask(self, step: int, now: Instant) -> None:
        name = self.random.choice(POLICIES)
        moment = now - self.random.choice([0, 0, 3 * DAY])
        request = {"id": f"d{step}", "policy": name, "subject": self.random.choice(SUBJECTS)}
        request["moment"] = format_instant(moment)
        (question,) = desk.questions_for(self.chain, desk.policies_of(self.chain), [request])
        (answer,) = self.register.ask(question)
        self.asked.append(request)
        self.under_way.append((step + self.random.choice([0, 0, 1, 5]), request, answer))

    def _take(self, step: int) -> None:
        for arrives, request, answer in list(self.under_way):
            if arrives <= step:
                self.decider.take(answer, policy=request["policy"])
                self.under_way.remove((arrives, request, answer))

    def _pass_on(self, step: int) -> None:
        upto = len(self.register.sent)
        if step < STEPS:
            upto = max(self.passed_on, upto - self.random.choice([0, 0, 3, 30]))
        bodies = [sent.data for sent in self.register.sent[self.passed_on : upto]]
        self.passed_on = upto
        if bodies:
            self.decider.hear(*bodies)

    def facts(self, subject: str) -> list[Fact]:
        found = [intake.fact(act.received, 0, self.chain.timezone) for act in self.acts]
        return [fact for fact in found if fact.subject == subject]

    def truth(self) -> Mapping[str, int]:
        """Decision -> the level that all acts give; with the decisions that follow from standing answers."""
        levels = {}
        for request in self.asked:
            policy = desk.policies_of(self.chain)[request["policy"]]
            moment = desk.parse_instant(request["moment"])
            mine = self.facts(request["subject"])
            names = {request["id"]: moment}
            if policy.standing:
                later = [fact for fact in mine if fact.when.start > moment]
                names |= {f"{request['id']}/{fact.id}": fact.when.end for fact in later}
            for name, at in names.items():
                known = [
                    Known(f.id, f.kind, f.when, msgspec.json.decode(f.content))
                    for f in in_force(mine, moment=at, valid_at=at)
                ]
                levels[name] = outcome(policy.at(at), known, at).level
        return levels

    def outcomes(self) -> dict[str, tuple[int, bool]]:
        with self.decider.store.read() as tx:
            return {name: (level, final) for name, _state, level, _issued, final in desk.all_outcomes(tx)}

    def falsely_settled(self) -> list[str]:
        """Decisions that were ever called final at another level than the truth."""
        truth = self.truth()
        with self.decider.store.read() as tx:
            return [each.decision for each in desk.ever_settled(tx) if truth.get(each.decision) != each.level]
