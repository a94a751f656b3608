"""Reads a scenario of a chain (`scenarios/NAME.toml`) and gives the feed that it describes.

All faults of a scenario are reported at once, as those of a chain are.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from keersluis.chain import Chain, Kind
from keersluis.errors import Incorrect
from keersluis.exchange.channels import CHANNELS
from keersluis.sections import Faults, Section, nearest, read_section
from keersluis.simulation.drawing import Content, Flow, Mirror
from keersluis.simulation.feed import GateOrder, Request
from keersluis.simulation.generated import Cut, GeneratedFeed, Loss, Questions, Reconciliation, Scenario
from keersluis.simulation.requests import REFUSALS, WORLD, as_json, references
from keersluis.times import Instant

LEAST_PERSONS = 100
STATES = ("closed", "metered", "open")


def scenarios(chain: Chain) -> tuple[str, ...]:
    """Names of the scenarios in the chain's folder."""
    return tuple(sorted(path.stem for path in (chain.folder / "scenarios").glob("*.toml")))


def load_scenario(
    name_or_path: str | Path, chain: Chain, *, persons: int | None = None, seed: int | None = None
) -> GeneratedFeed:
    """The feed of a scenario of `chain`, by name or path; `persons` and `seed` replace those of the file.

    Acts and questions shrink and grow with the persons. Raises Incorrect `scenario.not-found`, `scenario.persons`,
    or `scenario.broken` whose `.faults` names every fault.
    """
    path, faults = _path(name_or_path, chain), Faults()
    section = read_section(faults, path, path.name)
    scenario = _Reader(chain, path.stem, section).read()
    faults.stop("scenario.broken", expected="a scenario without faults", where=str(path))
    scenario = replace(
        scenario,
        persons=scenario.persons if persons is None else persons,
        seed=scenario.seed if seed is None else seed,
    )
    if scenario.persons < LEAST_PERSONS:
        expected = f"at least {LEAST_PERSONS} persons"
        raise Incorrect("scenario.persons", expected=expected, got=str(scenario.persons), where="persons")
    if scenario.seed < 0:
        raise Incorrect("scenario.seed", expected="a seed of 0 or more", got=str(scenario.seed), where="seed")
    return GeneratedFeed(chain, scenario)


def _path(name_or_path: str | Path, chain: Chain) -> Path:
    known = scenarios(chain)
    if isinstance(name_or_path, str) and name_or_path in known:
        return chain.folder / "scenarios" / f"{name_or_path}.toml"
    if Path(name_or_path).is_file():
        return Path(name_or_path)
    raise Incorrect(
        "scenario.not-found",
        expected="a scenario file, or one of " + (", ".join(known) or "none"),
        got=repr(str(name_or_path)) + nearest(str(name_or_path), known),
    )


class _Reader:
    """One scenario file. Reads on after a fault, to find the others."""

    def __init__(self, chain: Chain, name: str, section: Section) -> None:
        self.chain, self.name, self.section, self.tz = chain, name, section, chain.timezone

    def read(self) -> Scenario:
        it = self.section
        self._times()
        scenario = Scenario(
            name=self.name,
            title=it.words("title"),
            summary=it.words("summary"),
            history=self.history,
            start=self.start,
            last=self.last,
            end=self.end,
            tick=it.duration("tick", least=1),
            seed=it.whole("seed"),
            persons=it.whole("persons", 100_000, least=LEAST_PERSONS),
            known=it.share("known"),
            flows=self._flows(),
            mirrors=tuple(self._mirror(row) for row in it.rows("mirrors")),
            questions=tuple(self._questions(row) for row in it.rows("questions")),
            orders=tuple(self._order(row) for row in it.rows("orders")),
            cut=self._cut(it.section("cut")) if it.has("cut") else None,
            loss=self._loss(it.section("loss")) if it.has("loss") else None,
            reconciliations=tuple(self._reconciliation(row) for row in it.rows("reconciliations")),
            requests=tuple(self._request(row, n) for n, row in enumerate(it.rows("requests"), 1)),
        )
        self._check_loss(scenario)
        self._check_names(scenario)
        it.done()
        return scenario

    def _check_loss(self, it: Scenario) -> None:
        """What is lost must come at last, or the two variants end apart."""
        loss = it.loss
        if loss and not any(r.publish and r.kind == loss.kind and r.at >= loss.found for r in it.reconciliations):
            expected = "a reconciliation of its kind that publishes, after the fault is found"
            self.section.fault("loss", expected, "none")

    def _check_names(self, it: Scenario) -> None:
        """A request may refer to one before it only: its answer must be there."""
        known: list[str] = []
        for row in sorted(it.requests, key=lambda row: row.at):
            for name in sorted((references(row.body) | references(row.path)) - set(known)):
                expected = "the name of an earlier request"
                self.section.fault(row.place.rpartition(": ")[2], expected, repr(name) + nearest(name, known))
            if row.name in known:
                self.section.fault(f"{row.place.rpartition(': ')[2]}.name", "a name of its own", repr(row.name))
            known += [row.name] if row.name else []

    def _times(self) -> None:
        """`history`, `start`, `last` and `end` of the scenario, in that order in time."""
        it = self.section
        self.history, self.start = it.instant("history", self.tz), it.instant("start", self.tz)
        self.last, self.end = it.when("last", self.tz).end, it.when("end", self.tz).end
        moments = (self.history, self.start, self.last, self.end)
        names = ("history", "start", "last", "end")
        for n in range(3):
            if 0 not in moments and moments[n] >= moments[n + 1]:
                it.fault(names[n + 1], f"a time after {names[n]}", repr(it.values[names[n + 1]]))

    def _kind(self, row: Section, key: str) -> Kind:
        got, known = row.text(key), self.chain.kinds
        if got in known:
            return known[got]
        if got:
            row.fault(key, "a leaf of kinds.toml", repr(got) + nearest(got, list(known)))
        return next(iter(known.values()))

    def _organisation(self, row: Section, key: str, role: str) -> str:
        known = [each.key for each in self.chain.nodes if role == "node" or role in each.roles]
        got = row.text(key)
        if got and got not in known:
            row.fault(key, f"a {role} of this chain ({', '.join(known)})", repr(got) + nearest(got, known))
        return got

    def _instant(self, row: Section, key: str) -> Instant:
        """A moment within the scenario."""
        at = row.instant(key, self.tz)
        if at and self.start and not self.start <= at <= self.end:
            row.fault(key, "a time between start and end of the scenario", repr(row.values[key]))
        return at

    def _flows(self) -> tuple[Flow, ...]:
        flows: list[Flow] = []
        for row in self.section.rows("flows"):
            flow = self._flow(row, [each.kind.path for each in flows])
            if flow.kind.path in [each.kind.path for each in flows]:
                row.fault("kind", "one flow for each kind", f"another for {flow.kind.path!r}")
            flows.append(flow)
        return tuple(flows)

    def _flow(self, row: Section, earlier: list[str]) -> Flow:
        after = tuple(path for under in row.texts("after", ()) for path in self._after(row, under, earlier))
        flow = Flow(
            kind=self._kind(row, "kind"),
            system=row.text("system"),
            history=row.whole("history", 0),
            count=row.whole("count"),
            contents=tuple(self._content(each) for each in row.rows("contents")),
            after=after,
            least=row.duration("least", "0s"),
            closes=row.flag("closes", False),
            amends=row.flag("amends", False),
        )
        if flow.kind.action not in ("record", "answer") and not row.has("after"):
            row.fault("after", f"the kinds that a flow of action {flow.kind.action!r} refers to", "nothing")
        row.done()
        return flow

    def _after(self, row: Section, under: str, earlier: list[str]) -> list[str]:
        paths = [kind.path for kind in self.chain.under(under) if kind.path in earlier]
        if not paths:
            row.fault("after", "kinds of flows above this one", repr(under) + nearest(under, earlier))
        return paths

    def _content(self, row: Section) -> Content:
        fields: dict[str, str | int] = {}
        ranges: dict[str, tuple[int, int]] = {}
        for key, value in (row.section("fields").values if row.has("fields") else {}).items():
            if isinstance(value, str | int):
                fields[key] = value
            else:
                row.fault(f"fields.{key}", "a text or a whole number", repr(value))
        for key, value in (row.section("ranges").values if row.has("ranges") else {}).items():
            match value:
                case [int(low), int(high)] if low <= high:
                    ranges[key] = (low, high)
                case _:
                    row.fault(f"ranges.{key}", "the lowest and the highest whole number", repr(value))
        content = Content(row.whole("weight", 1, least=1), fields, ranges)
        row.done()
        return content

    def _mirror(self, row: Section) -> Mirror:
        mirror = Mirror(
            kind=self._kind(row, "kind"),
            system=row.text("system"),
            of=self._kind(row, "of").path,
            share=row.share("share"),
            earlier=(row.duration("earlier_from"), row.duration("earlier_to")),
            first=self._instant(row, "first"),
            last=self._instant(row, "last"),
        )
        if mirror.earlier[0] > mirror.earlier[1]:
            row.fault("earlier_to", "no less than earlier_from", repr(row.values["earlier_to"]))
        if mirror.of not in [flow.get("kind") for flow in self._raw("flows")]:
            row.fault("of", "the kind of a flow", repr(mirror.of))
        row.done()
        return mirror

    def _raw(self, key: str) -> list[dict[str, object]]:
        values = self.section.values.get(key, [])
        return [each for each in values if isinstance(each, dict)] if isinstance(values, list) else []

    def _questions(self, row: Section) -> Questions:
        questions = Questions(
            organisation=self._organisation(row, "organisation", "decider"),
            policy=row.text("policy"),
            count=row.whole("count"),
            known=row.share("known"),
            at_start=row.flag("at_start", False),
        )
        known = sorted(path.stem for path in (self.chain.folder / "policies").glob("*.toml"))
        if known and questions.policy and questions.policy not in known:
            row.fault("policy", "a file of policies/", repr(questions.policy) + nearest(questions.policy, known))
        row.done()
        return questions

    def _order(self, row: Section) -> GateOrder:
        state = row.choice("state", STATES)
        order = GateOrder(
            at=self._instant(row, "at"),
            organisation=self._organisation(row, "organisation", "node"),
            peer=row.choice("peer", ["*", *(each.key for each in self.chain.nodes)], "*"),
            direction=row.choice("direction", ("*", "in", "out"), "*"),
            kind=row.choice("kind", ["*", "question", "answer", *self.chain.groups, *self.chain.kinds], "*"),
            state=state,
            rate=row.number("rate", "events per second", lambda it: it > 0) if state == "metered" else None,
            who=row.text("who"),
            why=row.text("why"),
            until=row.text("until") if row.has("until") else None,
            evidence=row.text("evidence", ""),
        )
        row.done()
        return order

    def _cut(self, row: Section) -> Cut:
        cut = Cut(
            organisation=self._organisation(row, "organisation", "source"),
            start=self._instant(row, "start"),
            end=self._instant(row, "end"),
            paper=row.share("paper"),
            channels=row.texts("channels"),
            entry=(self._instant(row, "entry_from"), self._instant(row, "entry_to")),
        )
        if cut.start and cut.end and cut.start >= cut.end:
            row.fault("end", "a time after start", repr(row.values["end"]))
        if cut.entry[0] and cut.entry[1] and cut.entry[0] >= cut.entry[1]:
            row.fault("entry_to", "a time after entry_from", repr(row.values["entry_to"]))
        if not cut.channels or set(cut.channels) - set(CHANNELS):
            row.fault("channels", f"some of {', '.join(CHANNELS)}", repr(row.values.get("channels")))
        row.done()
        return cut

    def _loss(self, row: Section) -> Loss:
        loss = Loss(
            self._kind(row, "kind").path, row.share("share"), self._instant(row, "start"), self._instant(row, "found")
        )
        if loss.start and loss.found and loss.start >= loss.found:
            row.fault("found", "a time after start", repr(row.values["found"]))
        row.done()
        return loss

    def _reconciliation(self, row: Section) -> Reconciliation:
        kind = self._kind(row, "kind")
        found = Reconciliation(
            self._instant(row, "at"), self._organisation(row, "organisation", "source"), kind.path,
            row.flag("publish", True),
        )  # fmt: skip
        if found.organisation != kind.source:
            row.fault("organisation", f"the source of the kind, {kind.source!r}", repr(found.organisation))
        row.done()
        return found

    def _request(self, row: Section, number: int) -> Request:
        request = Request(
            at=self._instant(row, "at"),
            organisation=self._organisation(row, "organisation", "node"),
            path=row.text("path"),
            body=self._body(row) if row.has("body") else None,
            name=row.text("name", ""),
            expect=row.whole("expect", 200),
            uncut=row.flag("uncut", False),
            place=f"{self.name}: requests[{number}]",
        )
        if request.path and not request.path.startswith("/v0/"):
            row.fault("path", "an address of the API, which begins with /v0/", repr(request.path))
        if request.path.startswith(WORLD) and not request.uncut:
            expected = (
                "flows and questions for what belongs to the world, or `uncut = true`: both variants must have it"
            )
            row.fault("path", expected, repr(request.path))
        if request.expect not in (200, *REFUSALS):
            expected = "200, or a refusal: " + ", ".join(map(str, REFUSALS))
            row.fault("expect", expected, str(request.expect))
        row.done()
        return request

    def _body(self, row: Section) -> Any:
        try:
            return as_json(row.values["body"])
        except Incorrect as error:
            row.fault("body", error.expected, error.got)
            return {}
