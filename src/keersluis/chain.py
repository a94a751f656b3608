"""A chain as data: its organisations, kinds of facts and emergency routes, read from one folder.

The core knows nothing of justice; everything that it needs to know of a chain is in the values of this file.
A broken folder is reported whole: all its faults at once.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from keersluis.errors import Conflict, Incorrect
from keersluis.sections import Faults, Section, Words, nearest, read_section
from keersluis.times import Instant

ROLES = ("source", "register", "decider", "partner")
RESOLUTIONS = ("instant", "day")
ACTIONS = ("record", "end", "correct", "withdraw", "answer")
EFFECTS = ("adds", "takes-away", "either")
WEIGHTS = ("indication", "full")  # what a fact of an emergency route proves, the least first
GATE_KINDS = ("question", "answer")
"""Kinds that pass gates without being streams."""

ANSWER_END = "answer-end"
"""Under this path each decider has a stream, on which the register says how its answers ended."""

SHIPPED = Path(__file__).parent / "chains"

_KEY = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_PATH = re.compile(rf"{_KEY.pattern}(\.{_KEY.pattern})*")
_OIN = re.compile(r"[0-9]{20}")
_TYPE_PREFIX = re.compile(r"[a-z][a-z0-9-]*(\.[a-z][a-z0-9-]*)*")


@dataclass(frozen=True, slots=True)
class Organisation:
    """One member of the chain; only those with `node` run Keersluis."""

    key: str
    oin: str
    name: Words
    roles: tuple[str, ...]
    node: bool


@dataclass(frozen=True, slots=True)
class Kind:
    """A leaf of the tree of kinds. With its source it is one stream.

    `lag` (microseconds) is the usual time between an act and its entry at the source; `drain` gives the order
    in which streams go after a cut, low first; with `purposes` only questions for those may see its facts.
    """

    path: str
    title: Words
    source: str
    receivers: tuple[str, ...]
    resolution: str
    action: str
    effect: str
    lag: int
    counts: bool
    drain: int
    purposes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Route:
    """An emergency route: what is under `kind` stands in for what is under `covers`, for some purposes. Its fact and a
    regular one about the same subject are one act when the fields `match` of their contents agree (none: never)."""

    key: str
    kind: str
    covers: str
    permitted_by: Words
    ground: Words
    start: Instant
    until: Instant | None
    purposes: tuple[str, ...]
    weight: str = "indication"
    match: tuple[str, ...] = ()


@dataclass(frozen=True)
class Chain:
    """A whole chain. `kinds` holds the leaves, `groups` the titles of the inner nodes of their tree."""

    name: str
    title: Words
    type_prefix: str
    timezone: ZoneInfo
    skew: int
    heartbeat: int
    organisations: Mapping[str, Organisation]
    kinds: Mapping[str, Kind]
    routes: Mapping[str, Route]
    folder: Path
    purposes: Mapping[str, Words] = field(default_factory=dict)
    groups: Mapping[str, Words] = field(default_factory=dict)

    @property
    def register(self) -> Organisation:
        """The organisation that keeps the register (one per chain)."""
        return next(each for each in self.organisations.values() if "register" in each.roles)

    @property
    def nodes(self) -> tuple[Organisation, ...]:
        """The organisations that run Keersluis."""
        return tuple(each for each in self.organisations.values() if each.node)

    def organisation_by_oin(self, oin: str) -> Organisation:
        """Raises Incorrect `chain.unknown-organisation`."""
        for each in self.organisations.values():
            if each.oin == oin:
                return each
        expected = f"the OIN of an organisation of {self.name}"
        raise Incorrect("chain.unknown-organisation", expected=expected, got=repr(oin))

    def ce_type(self, kind: Kind) -> str:
        """The CloudEvents type of the kind's events."""
        return f"{self.type_prefix}.{kind.path}"

    def kind_of_type(self, ce_type: str) -> Kind:
        """Raises Incorrect `chain.unknown-kind`."""
        prefix, path = ce_type[: len(self.type_prefix) + 1], ce_type[len(self.type_prefix) + 1 :]
        if prefix == self.type_prefix + "." and path in self.kinds:
            return self.kinds[path]
        known = [self.ce_type(kind) for kind in self.kinds.values()]
        raise Incorrect(
            "chain.unknown-kind",
            expected=f"{self.type_prefix}.<kind of {self.name}>",
            got=repr(ce_type) + nearest(ce_type, known),
            where="type",
        )

    def under(self, path: str) -> tuple[Kind, ...]:
        """The leaves at or below `path`, in the order of the folder; ``""`` gives all."""
        return tuple(kind for kind in self.kinds.values() if _within(kind.path, path))


def shipped_chains() -> tuple[str, ...]:
    """Names of the chains that come with Keersluis."""
    return tuple(sorted(each.parent.name for each in SHIPPED.glob("*/chain.toml")))


def chain_folder(name_or_path: str | Path) -> Path:
    """The folder of a shipped chain, or the path itself. Raises Incorrect `chain.not-found`."""
    if isinstance(name_or_path, str) and name_or_path in shipped_chains():
        return SHIPPED / name_or_path
    folder = Path(name_or_path)
    if folder.is_dir():
        return folder
    raise Incorrect(
        "chain.not-found",
        expected="a chain folder, or one of " + ", ".join(shipped_chains()),
        got=repr(str(name_or_path)) + nearest(str(name_or_path), shipped_chains()),
    )


def load_chain(name_or_path: str | Path) -> Chain:
    """Read a chain folder: chain.toml, organisations.toml, kinds.toml and, if it is there, routes.toml.

    Raises Incorrect `chain.not-found`, or `chain.broken` whose `.faults` names every fault of the folder.
    """
    folder, faults = chain_folder(name_or_path), Faults()
    chain = _head(read_section(faults, folder / "chain.toml", "chain.toml"), folder)
    organisations = _organisations(read_section(faults, folder / "organisations.toml", "organisations.toml"))
    chain = replace(chain, organisations=organisations)
    groups, kinds = _kinds(read_section(faults, folder / "kinds.toml", "kinds.toml"), chain)
    chain = replace(chain, groups=groups, kinds=kinds | _answer_ends(chain))
    if (folder / "routes.toml").exists():
        section = read_section(faults, folder / "routes.toml", "routes.toml")
        chain = replace(chain, routes=_routes(section, chain))
    faults.stop("chain.broken", expected="a chain folder without faults", where=str(folder))
    return chain


def copy_template(name: str, directory: str | Path) -> Path:
    """Copy a shipped chain to `directory`, to edit; no file is left half-written.

    Raises Incorrect `chain.not-found`, Conflict `chain.directory-not-empty`.
    """
    source, target = chain_folder(name), Path(directory)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        got = f"{str(target)!r}, which is not"
        raise Conflict("chain.directory-not-empty", expected="a new or empty directory", got=got)
    target.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".new-", dir=target) as part:
        copied = Path(part) / "chain"
        shutil.copytree(source, copied, copy_function=shutil.copyfile)
        for each in copied.iterdir():
            each.rename(target / each.name)
    return target


def _within(path: str, ancestor: str) -> bool:
    return ancestor == "" or path == ancestor or path.startswith(ancestor + ".")


def _head(section: Section, folder: Path) -> Chain:
    name = section.text("name")
    if name and not _KEY.fullmatch(name):
        section.fault("name", "small letters, digits and hyphens", repr(name))
    prefix = section.text("type_prefix")
    if prefix and not _TYPE_PREFIX.fullmatch(prefix):
        section.fault("type_prefix", "a reversed domain such as nl.justitie", repr(prefix))
    chain = Chain(
        name=name,
        title=section.words("title"),
        type_prefix=prefix,
        timezone=_timezone(section),
        skew=section.duration("skew"),
        heartbeat=section.duration("heartbeat", least=1),
        organisations={},
        kinds={},
        routes={},
        folder=folder,
        purposes=_purposes(section),
    )
    section.done()
    return chain


def _timezone(section: Section) -> ZoneInfo:
    name = section.text("timezone")
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        section.fault("timezone", "a name of the IANA time zone database, as Europe/Amsterdam", repr(name))
        return ZoneInfo("UTC")


def _purposes(section: Section) -> dict[str, Words]:
    if not section.has("purposes"):
        return {}
    inner = section.section("purposes")
    return {key: inner.words(key) for key in inner.values}


def _organisations(section: Section) -> dict[str, Organisation]:
    found: dict[str, Organisation] = {}
    holders: dict[str, str] = {}
    for key, table in section.sections():
        _check_key(table, key)
        found[key] = Organisation(
            key=key,
            oin=_oin(table, holders),
            name=table.words("name"),
            roles=table.choices("roles", ROLES),
            node=table.flag("node", True),
        )
        if not found[key].node and set(found[key].roles) != {"partner"}:
            table.fault("node", "true for a source, register or decider", "false")
        table.done()
    registers = [each.key for each in found.values() if "register" in each.roles]
    if len(registers) != 1:
        section.fault("", "exactly one organisation with the role register", ", ".join(registers) or "none")
    return found


def _check_key(table: Section, key: str) -> None:
    if not _KEY.fullmatch(key):
        table.fault("", "a key of small letters, digits and hyphens", repr(key))


def _oin(table: Section, holders: dict[str, str]) -> str:
    oin = table.text("oin")
    if oin and not _OIN.fullmatch(oin):
        table.fault("oin", "an OIN of 20 digits", repr(oin))
    elif oin in holders:
        table.fault("oin", "an OIN of its own", f"that of {holders[oin]}, {oin!r}")
    if oin:
        holders.setdefault(oin, table.where)
    return oin


_SETTINGS = ("source", "receivers", "resolution", "action", "effect", "lag", "counts", "drain", "purposes")


def _kinds(section: Section, chain: Chain) -> tuple[dict[str, Words], dict[str, Kind]]:
    """Inner nodes give their settings to the kinds below them; leaves must end up with all of them."""
    tables = dict(section.sections())
    parents = {path.rpartition(".")[0] for path in tables} - {""}
    groups: dict[str, Words] = {}
    kinds: dict[str, Kind] = {}
    for path, table in tables.items():
        _check_path(table, path, tables)
        own = table.words("title")
        for setting in _SETTINGS:
            table.has(setting)
        table.done()
        if path in parents:
            groups[path] = own
        else:
            kinds[path] = _leaf(path, own, _inherited(section, path, tables), chain)
    if not kinds:
        section.fault("", "at least one kind", "none")
    return groups, kinds


def _check_path(table: Section, path: str, tables: Mapping[str, Section]) -> None:
    parent = path.rpartition(".")[0]
    if not _PATH.fullmatch(path):
        table.fault("", 'a dotted path such as ["judgment.serious"]', repr(path))
    elif path.partition(".")[0] in (ANSWER_END, *GATE_KINDS):
        table.fault("", "another name; this one is the system's own", repr(path))
    elif parent and parent not in tables:
        table.fault("", f"a parent kind [{parent!r}]", f"none{nearest(parent, tables)}")


def _inherited(section: Section, path: str, tables: Mapping[str, Section]) -> Section:
    parts = path.split(".")
    values: dict[str, object] = {}
    for n in range(1, len(parts) + 1):
        above = tables.get(".".join(parts[:n]))
        values |= {key: value for key, value in above.values.items() if key in _SETTINGS} if above else {}
    return Section(section.faults, section.file, path, values)


def _leaf(path: str, title: Words, table: Section, chain: Chain) -> Kind:
    sources = [each.key for each in chain.nodes if "source" in each.roles]
    kind = Kind(
        path=path,
        title=title,
        source=_organisation(table, "source", table.text("source"), sources, "source"),
        receivers=tuple(
            _organisation(table, "receivers", key, [each.key for each in chain.nodes], "node")
            for key in table.texts("receivers")
        ),
        resolution=table.choice("resolution", RESOLUTIONS),
        action=table.choice("action", ACTIONS[:-1]),
        effect=table.choice("effect", EFFECTS),
        lag=table.duration("lag"),
        counts=table.flag("counts", False),
        drain=table.whole("drain"),
        purposes=table.choices("purposes", tuple(chain.purposes), ()),
    )
    if kind.source in kind.receivers:
        table.fault("receivers", "others than the source itself", repr(kind.source))
    if not kind.receivers and table.values.get("receivers") == []:
        table.fault("receivers", "at least one organisation", "none")
    return kind


def _organisation(table: Section, key: str, got: str, known: list[str], role: str) -> str:
    if got and known and got not in known:
        expected = f"a {role} of organisations.toml ({', '.join(known)})"
        table.fault(key, expected, repr(got) + nearest(got, known))
    return got


def _answer_ends(chain: Chain) -> dict[str, Kind]:
    """One stream from the register to each decider: an answer is owed its end (DESIGN.md, The one idea)."""
    registers = [each for each in chain.organisations.values() if "register" in each.roles]
    deciders = [each for each in chain.organisations.values() if "decider" in each.roles]
    return {
        f"{ANSWER_END}.{decider.key}": _answer_end(registers[0], decider, chain.skew)
        for decider in deciders
        if registers
    }


def _answer_end(register: Organisation, decider: Organisation, skew: int) -> Kind:
    return Kind(
        path=f"{ANSWER_END}.{decider.key}",
        title={
            "nl": f"Hoe antwoorden aan {decider.name['nl']} aflopen",
            "en": f"How answers to {decider.name['en']} end",
        },
        source=register.key,
        receivers=(decider.key,),
        resolution="instant",
        action="answer",
        effect="either",
        lag=skew,
        counts=False,
        drain=0,
    )


def _routes(section: Section, chain: Chain) -> dict[str, Route]:
    found: dict[str, Route] = {}
    for key, table in section.sections():
        _check_key(table, key)
        route = Route(
            key=key,
            kind=_known_path(table, "kind", chain),
            covers=_known_path(table, "covers", chain),
            permitted_by=table.words("permitted_by"),
            ground=table.words("ground"),
            start=table.instant("start", chain.timezone),
            until=table.when("until", chain.timezone).end if table.has("until") else None,
            purposes=table.choices("purposes", tuple(chain.purposes)),
            weight=table.choice("weight", WEIGHTS, "indication"),
            match=_matching(table),
        )
        if route.until is not None and route.until < route.start:
            table.fault("until", "a time after start", repr(table.values["until"]))
        found[key] = route
        table.done()
    _check_cycles(section, found, chain)
    return found


def _matching(table: Section) -> tuple[str, ...]:
    """The fields beside the subject: facts about one subject alone are not yet the same act."""
    names = table.texts("match", ())
    if names and ("subject" not in names or len(names) < 2):
        table.fault("match", "subject and at least one field of the content", repr(list(names)))
    return tuple(name for name in names if name != "subject")


def _known_path(table: Section, key: str, chain: Chain) -> str:
    path, known = table.text(key), [*chain.groups, *chain.kinds]
    if path and known and path not in known:
        table.fault(key, "a kind of kinds.toml", repr(path) + nearest(path, known))
    return path


def _check_cycles(section: Section, routes: Mapping[str, Route], chain: Chain) -> None:
    """A kind that stands in for itself, also by way of others, would make its absence cover itself."""
    stands_for: dict[str, set[str]] = {path: set() for path in chain.kinds}
    for route in routes.values():
        for kind in chain.under(route.kind) if route.kind else ():
            stands_for[kind.path] |= {each.path for each in chain.under(route.covers)}
    for key, route in routes.items():
        starts = [kind.path for kind in chain.under(route.kind)] if route.kind else []
        if any(_reaches(start, start, stands_for) for start in starts):
            expected = "a route from other kinds than those it covers"
            section.fault(key, expected, f"a cycle through {route.kind!r}")


def _reaches(start: str, goal: str, edges: Mapping[str, set[str]]) -> bool:
    seen: set[str] = set()
    ahead = set(edges.get(start, ()))
    while ahead:
        path = ahead.pop()
        if path == goal:
            return True
        if path not in seen:
            seen.add(path)
            ahead |= edges.get(path, set())
    return False
