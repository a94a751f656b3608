"""Reads the plans of a chain folder: `plans/NAME.toml`, one file for each, all faults of a plan reported at once.

A node keeps the version that it adopted as it was read; the file may change, or go.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Collection
from pathlib import Path

from keersluis.chain import GATE_KINDS, Chain
from keersluis.errors import Incorrect
from keersluis.exchange.gates import ALL, WAYS, Scope
from keersluis.recovery.plans import (
    LEAST_VOTES,
    PHASES,
    SORTS,
    Criterion,
    Plan,
    PlanGate,
    Role,
    Stage,
    Team,
    faults_of,
    unknown_services,
)
from keersluis.recovery.servicefiles import FILE, services_of
from keersluis.sections import Faults, Section, nearest, read_section

FOLDER = "plans"
"""Where a chain folder keeps its plans."""

_KEY = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_ENTRY = re.compile(r"[a-z]+(-[a-z]+)*(\.[a-z]+(-[a-z]+)*)?")
LONGEST_KEY = 60
MOST_VOTES = 20
MOST_EVIDENCE = 1000


def plans(chain: Chain) -> tuple[str, ...]:
    """Names of the plans in the chain's folder."""
    return tuple(sorted(path.stem for path in (chain.folder / FOLDER).glob("*.toml")))


def find_plan(name_or_path: str, chain: Chain) -> Path:
    """The file of a plan, by its name or its path. Raises Incorrect `plan.not-found`."""
    known = plans(chain)
    if name_or_path in known:
        return chain.folder / FOLDER / f"{name_or_path}.toml"
    if name_or_path.endswith(".toml") and Path(name_or_path).is_file():
        return Path(name_or_path)
    expected = "a plan's file, or one of " + (", ".join(known) or "none")
    raise Incorrect("plan.not-found", expected=expected, got=repr(name_or_path) + nearest(name_or_path, known))


def load_plan(path: Path, chain: Chain) -> Plan:
    """The plan of a file of `chain`, held against the chain's inventory of services where it has one.

    Raises Incorrect `plan.broken` whose `.faults` names every fault; `services.broken`.
    """
    faults = Faults()
    try:
        data = path.read_bytes()
    except OSError:
        read_section(faults, path, path.name)
        data = b""
    services = services_of(chain) if (chain.folder / FILE).exists() else None
    plan = _read(faults, path.stem, path.name, data, chain, services)
    faults.stop("plan.broken", expected="a plan without faults", where=str(path))
    return plan


def parse_plan(name: str, data: bytes, chain: Chain, services: Collection[str] | None = None) -> Plan:
    """As `load_plan`, of the bytes of a file; `services`: the names of an inventory (None: not looked at)."""
    faults = Faults()
    plan = _read(faults, name, f"{name}.toml", data, chain, services)
    faults.stop("plan.broken", expected="a plan without faults", where=f"{name}.toml")
    return plan


def digest_of(data: bytes) -> str:
    """By which a version of a plan is named: SHA-256 of the file, in hex."""
    return hashlib.sha256(data).hexdigest()


def _read(faults: Faults, name: str, file: str, data: bytes, chain: Chain, services: Collection[str] | None) -> Plan:
    section = _section(faults, file, data)
    plan = _Reader(chain, section).read(name, digest_of(data))
    if section.values:
        told = [*faults_of(plan), *(() if services is None else unknown_services(plan, services))]
        for where, expected, got in told:
            faults.add(file, where, expected, got)
    return plan


def _section(faults: Faults, file: str, data: bytes) -> Section:
    values: dict[str, object] = {}
    if not faults.found:
        try:
            values = tomllib.loads(data.decode("utf-8"))
            return Section(faults, file, "", values)
        except UnicodeDecodeError as error:
            faults.add(file, f"byte {error.start}", "text in UTF-8", "other bytes")
        except tomllib.TOMLDecodeError as error:
            faults.add(file, "", "TOML", str(error))
    return Section(Faults(), file, "", values)


class _Reader:
    """One file. Reads on after a fault, to find the others."""

    def __init__(self, chain: Chain, section: Section) -> None:
        self.chain, self.it = chain, section
        self.nodes = [each.key for each in chain.nodes]

    def read(self, name: str, digest: str) -> Plan:
        it = self.it
        title, summary = it.words("title"), it.words("summary", {"nl": "-", "en": "-"})
        self.organisation = it.choice("organisation", self.nodes)
        self.roles = {key: self._role(key, row) for key, row in it.section("roles").sections()}
        self.teams = {
            key: self._team(key, row) for key, row in (it.section("teams").sections() if it.has("teams") else ())
        }
        stages = it.section("stages")
        tables = list(stages.sections())
        found = {key: self._stage(key, row) for key, row in tables}
        if not found and it.has("stages"):
            stages.fault("", "at least one stage", "none")
        public = it.flag("public", False)
        it.done()
        return Plan(name, title, summary, self.organisation, self.roles, found, self.teams, digest, public)

    def _key(self, table: Section, key: str) -> None:
        if not _KEY.fullmatch(key) or len(key) > LONGEST_KEY:
            table.fault("", f"a key of at most {LONGEST_KEY} small letters, digits and hyphens", repr(key))

    def _role(self, key: str, table: Section) -> Role:
        self._key(table, key)
        role = Role(key, table.words("title"), table.flag("go", False), table.flag("sign", False))
        if not role.go and not role.sign:
            table.fault("", "go or sign", "neither: a role that may do nothing")
        table.done()
        return role

    def _team(self, key: str, table: Section) -> Team:
        self._key(table, key)
        team = Team(key, table.words("title", {"nl": key, "en": key}), table.whole("capacity", 1, least=1))
        table.done()
        return team

    def _stage(self, key: str, table: Section) -> Stage:
        self._key(table, key)
        zone = self.chain.timezone
        start, end = table.instant("start", zone), table.instant("end", zone)
        stage = Stage(
            key=key,
            title=table.words("title"),
            phase=table.choice("phase", PHASES),
            start=start,
            end=end,
            duration=table.duration("duration") if table.has("duration") else max(0, end - start),
            go=table.choices("go", self._may("go"), self._may("go")),
            votes=self._votes(table),
            depends_on=table.texts("depends_on", ()),
            services=table.texts("services", ()),
            gates=self._gates(table),
            criteria=self._criteria(table),
            team=table.choice("team", list(self.teams)) if table.has("team") else "",
            weight=self._weight(table),
        )
        table.done()
        return stage

    def _may(self, what: str) -> tuple[str, ...]:
        return tuple(key for key, role in self.roles.items() if getattr(role, what))

    def _votes(self, table: Section) -> int:
        votes = table.whole("votes", LEAST_VOTES, least=LEAST_VOTES)
        if votes > MOST_VOTES:
            table.fault("votes", f"at most {MOST_VOTES}", str(votes))
        return min(votes, MOST_VOTES)

    def _weight(self, table: Section) -> float:
        if not table.has("weight"):
            return 1.0
        return table.number("weight", "a number from 0 to 1e12", lambda value: 0 <= value <= 1e12)

    def _gates(self, table: Section) -> tuple[PlanGate, ...]:
        """Those that are right: what a typing error would be taken for may overlap with another."""
        found = []
        for row in table.rows("gates") if table.has("gates") else ():
            before = len(row.faults.found)
            gate = self._gate(row)
            if len(row.faults.found) == before:
                found.append(gate)
        return tuple(found)

    def _gate(self, row: Section) -> PlanGate:
        chain = self.chain
        organisation = row.choice("organisation", self.nodes, self.organisation)
        peer = row.choice("peer", [ALL, *(key for key in chain.organisations if key != organisation)])
        kinds = [ALL, *GATE_KINDS, *chain.groups, *chain.kinds]
        scope = Scope(
            peer,
            row.choice("direction", ("out", "in")),  # type: ignore[arg-type]
            row.choice("kind", kinds),
            row.choice("link", (ALL, *WAYS), ALL),
        )
        row.done()
        return PlanGate(organisation, scope)

    def _criteria(self, table: Section) -> dict[str, Criterion]:
        if not table.has("criteria"):
            return {}
        return {key: self._criterion(key, each) for key, each in table.section("criteria").sections()}

    def _criterion(self, key: str, table: Section) -> Criterion:
        self._key(table, key)
        found = Criterion(
            key=key,
            title=table.words("title"),
            sort=table.choice("sort", SORTS),
            sign=table.choices("sign", self._may("sign"), self._may("sign")),
            entries=table.texts("entries", ()),
            least=table.whole("least", 1, least=1),
            partners=table.choices("partners", tuple(self.chain.organisations), ()),
        )
        if not found.sign:
            table.fault("sign", "at least one role that may sign", "none")
        if found.least > MOST_EVIDENCE:
            table.fault("least", f"at most {MOST_EVIDENCE}", str(found.least))
        if (found.sort == "partner-consulted") != bool(found.partners):
            got = ", ".join(found.partners) or "none"
            table.fault("partners", "the partners that are consulted, for the sort partner-consulted alone", got)
        for each in found.entries:
            if not _ENTRY.fullmatch(each):
                table.fault("entries", "kinds of entries of the timeline, as gate.moved", repr(each))
        table.done()
        return found
