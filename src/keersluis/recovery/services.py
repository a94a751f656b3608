"""What an organisation works with, what rests on what, and what can be used now. Pure.

The inventory is data of the chain (`services.toml`); what state a service is in is told by people, as changes on the
node of whoever answers for it. A service that is up and rests on one that is down cannot be used: `usability` says so,
and names what it is due to.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from keersluis.chain import Chain
from keersluis.recovery import network
from keersluis.sections import Section, Words, nearest

SORTS = ("application", "link", "workplaces", "mail", "telephone")
PHASES = ("investigation", "prosecution", "trial", "execution", "cross-cutting")
"""Of the criminal process, in its order; the last is for what all of them rest on."""

STATES = ("up", "read-only", "emergency", "down")
WAYS = ("post", "hand", "telephone")
"""By which to deliver or to be reached meanwhile; beside them a procedure may go through an organisation."""

KEY = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class Procedure:
    """An emergency procedure: how to deliver meanwhile, by each of `WAYS` that is open; `through` is an organisation
    (its key) that takes it on."""

    key: str
    title: Words
    ways: Mapping[str, Words]
    through: str | None = None


@dataclass(frozen=True, slots=True)
class Service:
    """One thing that an organisation works with. `owner` is a function, never a name. `keeper`: on whose node its
    state is told. `depends_on`: services without which it cannot be used. `public`: whether outsiders hear of it."""

    key: str
    organisation: str
    title: Words
    sort: str
    owner: Words
    phase: str
    keeper: str
    depends_on: tuple[str, ...] = ()
    procedures: tuple[Procedure, ...] = ()
    public: bool = False

    def procedure(self, key: str) -> Procedure | None:
        return next((each for each in self.procedures if each.key == key), None)


Inventory: TypeAlias = Mapping[str, Service]
"""Key -> service, in the order of the file."""


# -- states ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Up:
    """It works."""

    name = "up"


@dataclass(frozen=True, slots=True)
class ReadOnly:
    """It can be consulted, and nothing can be entered."""

    name = "read-only"


@dataclass(frozen=True, slots=True)
class Emergency:
    """It does not work as usual; `procedure` says how it is done meanwhile."""

    procedure: str
    name = "emergency"


@dataclass(frozen=True, slots=True)
class Down:
    """It does not work, and nothing stands in for it."""

    name = "down"


State: TypeAlias = Up | ReadOnly | Emergency | Down

_PLAIN: Mapping[str, State] = {each.name: each for each in (Up(), ReadOnly(), Down())}


def state_of(name: str, procedure: str | None) -> State:
    """The state of a name that `STATES` has; `procedure` goes with an emergency and with nothing else."""
    return Emergency(procedure or "") if name == Emergency.name else _PLAIN[name]


# -- what can be used ------------------------------------------------------------------------------------------------

USABLE = ("yes", "partly", "procedure", "no")


@dataclass(frozen=True, slots=True)
class Usability:
    """`usable` is one of `USABLE`. `due_to`: services that are not up themselves, on which this one rests, so that it
    can be used less than its own state says. `unsure`: services of which nobody said here how they are."""

    usable: str
    due_to: tuple[str, ...] = ()
    unsure: tuple[str, ...] = ()


def usability(inventory: Inventory, states: Mapping[str, State]) -> dict[str, Usability]:
    """What can be used, of each service; `states` has those that are known.

    An emergency procedure stands on its own: what the service rests on otherwise does not matter to it. One that is
    down, or goes by a procedure, accounts for what rests on it; what it rests on itself is not named as well.
    """
    graph = {key: service.depends_on for key, service in inventory.items()}
    found: dict[str, Usability] = {}
    for key in network.order(graph):
        below = [(each, states.get(each), found[each]) for each in graph[key] if each in inventory]
        found[key] = _usable(key, states.get(key), below, states)
    return {key: found[key] for key in inventory}


def with_below(inventory: Inventory, key: str) -> Inventory:
    """The service, and all that it rests on, in the order of the inventory: all that its usability follows from."""
    found, left = {key}, [key]
    while left:
        more = [each for each in inventory[left.pop()].depends_on if each in inventory and each not in found]
        found.update(more)
        left += more
    return {each: service for each, service in inventory.items() if each in found}


def _usable(
    key: str, own: State | None, below: list[tuple[str, State | None, Usability]], states: Mapping[str, State]
) -> Usability:
    if isinstance(own, Emergency):
        return Usability("procedure")
    if isinstance(own, Down):
        return Usability("no")
    due: dict[str, None] = {}
    unsure = {} if own else {key: None}
    for each, state, rests in below:
        if state is not None and not isinstance(state, Up):
            due[each] = None
        if not isinstance(state, Emergency | Down):
            due |= dict.fromkeys(rests.due_to)
            unsure |= dict.fromkeys(rests.unsure)
    down = any(isinstance(states[each], Down) for each in due)
    usable = "no" if down else "partly" if due or isinstance(own, ReadOnly) else "yes"
    return Usability(usable, tuple(due), tuple(unsure))


def taken_along(inventory: Inventory, told: Mapping[str, Usability]) -> dict[str, tuple[str, ...]]:
    """Service that is not up -> those that can be used less for it, in the order of the inventory."""
    found: dict[str, list[str]] = {}
    for key in inventory:
        for cause in told[key].due_to:
            found.setdefault(cause, []).append(key)
    return {cause: tuple(keys) for cause, keys in found.items()}


# -- reading ---------------------------------------------------------------------------------------------------------


def read_inventory(section: Section, chain: Chain) -> dict[str, Service]:
    """All services of a file, every fault noted: unknown names and loops of dependencies whole, each with its place."""
    tables = dict(section.sections())
    found = {key: _service(table, key, chain) for key, table in tables.items()}
    graph = {key: service.depends_on for key, service in found.items()}
    for key, missing in network.unknown(graph):
        others = [name for name in found if name != key]
        tables[key].fault("depends_on", "a service of this file", repr(missing) + nearest(missing, others))
    for loop in network.told(network.cycles(graph)):
        section.fault("", "dependencies without loops", loop)
    return found


def _service(table: Section, key: str, chain: Chain) -> Service:
    if not KEY.fullmatch(key):
        table.fault("", "a key of small letters, digits and hyphens", repr(key))
    organisation = table.choice("organisation", tuple(chain.organisations))
    service = Service(
        key=key,
        organisation=organisation,
        title=_clean(table.words("title")),
        sort=table.choice("sort", SORTS),
        owner=_clean(table.words("owner")),
        phase=table.choice("phase", PHASES),
        keeper=_keeper(table, organisation, chain),
        depends_on=table.texts("depends_on", ()),
        procedures=_procedures(table, chain),
        public=table.flag("public", False),
    )
    table.done()
    return service


def _keeper(table: Section, organisation: str, chain: Chain) -> str:
    nodes = tuple(each.key for each in chain.nodes)
    if table.has("kept_by"):
        return table.choice("kept_by", nodes)
    if organisation not in nodes:
        table.fault("kept_by", f"a node that tells the state, as {organisation} has none", "nothing")
    return organisation


def _procedures(table: Section, chain: Chain) -> tuple[Procedure, ...]:
    found = tuple(_procedure(row, chain) for row in table.rows("procedures"))
    keys = [each.key for each in found]
    for double in dict.fromkeys(key for key in keys if keys.count(key) > 1):
        table.fault("procedures", "procedures with keys of their own", f"{double!r} twice")
    return found


def _procedure(row: Section, chain: Chain) -> Procedure:
    key = row.text("key")
    if key and not KEY.fullmatch(key):
        row.fault("key", "a key of small letters, digits and hyphens", repr(key))
    ways = {way: _clean(row.words(way)) for way in WAYS if row.has(way)}
    through = row.choice("through", tuple(chain.organisations)) if row.has("through") else None
    if not ways and through is None:
        row.fault("", "a way to deliver: post, hand, through or telephone", "none")
    procedure = Procedure(key, _clean(row.words("title")), ways, through)
    row.done()
    return procedure


def _clean(words: Words) -> Words:
    return {language: text.strip() for language, text in words.items()}


def kept_at(inventory: Inventory, organisation: str) -> dict[str, Service]:
    """Those whose state is told on the node of this organisation."""
    return {key: service for key, service in inventory.items() if service.keeper == organisation}


def by_phase(services: Iterable[Service]) -> list[tuple[str, list[Service]]]:
    """(phase, its services), the phases in the order of the process; those without services left out."""
    found: dict[str, list[Service]] = {phase: [] for phase in PHASES}
    for service in services:
        found[service.phase].append(service)
    return [(phase, each) for phase, each in found.items() if each]
