"""How the event log of others becomes acts in a chain: a map, written as TOML.

A map says where a log keeps case, activity and time, which kind of fact each activity is, what goes into its
content, who its subject is, and what happens in the cut. A broken map is reported whole.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from keersluis.chain import SHIPPED, Chain, Kind, load_chain
from keersluis.errors import Incorrect
from keersluis.eventlogs import Columns
from keersluis.exchange.channels import CHANNELS
from keersluis.fields import Field, read_field
from keersluis.sections import Faults, Section, Words, nearest, read_section
from keersluis.times import DAY, HOUR

MAP = "map.toml"

LONGEST_DAY = 25 * HOUR
"""When summer time ends. An act known by day is entered up to this long after its start, beside the tick."""

_SCHEME = re.compile(r"[a-z][a-z0-9-]*")


@dataclass(frozen=True, slots=True)
class Activity:
    """An activity of the log is an act of `kind`; one that ends, corrects or withdraws refers to the latest event
    of activity `refers_to` in its case."""

    name: str
    kind: Kind
    fields: tuple[Field, ...]
    refers_to: str | None


@dataclass(frozen=True, slots=True)
class Subjects:
    """The first `cases` cases of the log are subject 1, and so on; `case_field` of the content says which case."""

    scheme: str
    cases: int
    case_field: str | None


@dataclass(frozen=True, slots=True)
class Cut:
    """Who is cut off, which share of its acts lies on paper meanwhile, and within how long they are entered."""

    organisation: str
    paper: float
    entered_within: int
    channel: str
    why: str


@dataclass(frozen=True, slots=True)
class Questions:
    """How many decisions `organisation` takes by `policy`, and which share of them in the time of the cut."""

    organisation: str
    policy: str
    number: int
    in_cut: float


@dataclass(frozen=True)
class LogMap:
    """A whole map. `tick` in microseconds: acts are entered at the end of their tick; `counts` is how often the
    sources state counts (0: never)."""

    name: str
    title: Words
    chain: Chain
    columns: Columns
    zone: ZoneInfo
    tick: int
    counts: int
    subjects: Subjects
    activities: Mapping[str, Activity]
    ignore: frozenset[str]
    cut: Cut
    questions: Questions


def shipped_maps() -> tuple[str, ...]:
    """Names of the maps that come with Keersluis; each lies in the folder of its chain."""
    return tuple(sorted(path.parent.name for path in SHIPPED.glob(f"*/{MAP}")))


def map_file(name_or_path: str | Path) -> Path:
    """The file of a shipped map, or the path itself. Raises Incorrect `map.not-found`."""
    if isinstance(name_or_path, str) and name_or_path in shipped_maps():
        return SHIPPED / name_or_path / MAP
    path = Path(name_or_path)
    path = path / MAP if path.is_dir() else path
    if path.is_file():
        return path
    raise Incorrect(
        "map.not-found",
        expected="the file of a map, or one of " + ", ".join(shipped_maps()),
        got=repr(str(name_or_path)) + nearest(str(name_or_path), shipped_maps()),
    )


def load_map(name_or_path: str | Path) -> LogMap:
    """Read a map and its chain. ``chain`` names a shipped chain, or a folder seen from the map; it may be left out
    when the map lies in the folder of its chain.

    Raises Incorrect `map.not-found`, `chain.broken` or `map.broken`; `.faults` names every fault.
    """
    path = map_file(name_or_path)
    faults = Faults()
    section = read_section(faults, path, path.name)
    chain = _chain(section, path)
    found = _whole(section, path, chain) if chain else None
    faults.stop("map.broken", expected="a map without faults", where=str(path))
    if found is None:
        raise Incorrect("map.broken", expected="a map without faults", got="none that can be read", where=str(path))
    return found


def _chain(section: Section, path: Path) -> Chain | None:
    beside = (path.parent / "chain.toml").is_file()
    named = section.text("chain", "" if beside else None)
    if not named and not beside:
        return None
    folder = path.parent / named
    try:
        return load_chain(folder if folder.is_dir() else named)
    except Incorrect as error:
        if error.code != "chain.not-found":
            raise
        section.fault("chain", error.expected, error.got)
        return None


def _whole(section: Section, path: Path, chain: Chain) -> LogMap:
    log = section.section("log")
    columns = Columns(log.text("case"), log.text("activity"), log.text("time"))
    zone = _zone(log, chain)
    ignore = frozenset(log.texts("ignore", ()))
    log.done()
    pace = section.section("pace")
    tick = pace.duration("tick")
    counts = pace.duration("counts", "")
    pace.done()
    activities = _activities(section.section("activities"), chain, ignore)
    _check_tick(pace, tick, activities)
    if counts < tick and any(kind.counts for kind in chain.kinds.values()):
        # A receiver takes no promise of such a kind without a count that agrees with what it has.
        pace.fault("counts", "a tick or more, because kinds of the chain state counts", repr(pace.values.get("counts")))
    found = LogMap(
        name=path.parent.name if path.name == MAP else path.stem,
        title=section.words("title"),
        chain=chain,
        columns=columns,
        zone=zone,
        tick=tick,
        counts=counts,
        subjects=_subjects(section.section("subjects")),
        activities=activities,
        ignore=ignore,
        cut=_cut(section.section("cut"), chain),
        questions=_questions(section.section("questions"), chain),
    )
    section.done()
    return found


def _zone(log: Section, chain: Chain) -> ZoneInfo:
    name = log.text("zone", chain.timezone.key)
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        log.fault("zone", "a name of the IANA time zone database such as Europe/Rome", repr(name))
        return chain.timezone


def _check_tick(pace: Section, tick: int, activities: Mapping[str, Activity]) -> None:
    """Promises stay true only while acts are entered within the lag of their kind."""
    if not tick:
        pace.fault("tick", "a duration of more than nothing", repr(pace.values.get("tick", "nothing")))
    for kind in {activity.kind.path: activity.kind for activity in activities.values()}.values():
        day = LONGEST_DAY if kind.resolution == "day" else 0
        if tick + day > kind.lag:
            beside = ", and a day of 25 hours beside it," if day else ""
            expected = f"a tick that fits{beside} in the lag of {kind.path}, {_length(kind.lag)}"
            pace.fault("tick", expected, repr(pace.values.get("tick")))


def _length(duration: int) -> str:
    return f"{duration / DAY:g} days"


def _activities(section: Section, chain: Chain, ignore: frozenset[str]) -> dict[str, Activity]:
    tables = dict(section.sections())
    if not tables:
        section.fault("", "at least one activity", "none")
    for name in ignore & tables.keys():
        section.fault(name, "an activity that is either mapped or in log.ignore", "both")
    return {name: found for name, table in tables.items() if (found := _activity(name, table, tables, chain))}


def _activity(name: str, table: Section, tables: Mapping[str, Section], chain: Chain) -> Activity | None:
    path = table.text("kind")
    kinds = {path: kind for path, kind in chain.kinds.items() if kind.action != "answer"}
    refers_to = table.text("refers_to", "") or None
    content = table.section("content") if table.has("content") else None
    fields = [read_field(key, each) for key, each in content.sections()] if content else []
    table.done()
    if path not in kinds:
        if path:
            table.fault("kind", f"a kind of {chain.name} (a leaf)", repr(path) + nearest(path, kinds))
        return None
    _check_reference(table, kinds[path], refers_to, tables)
    return Activity(name, kinds[path], tuple(fields), refers_to)


def _check_reference(table: Section, kind: Kind, refers_to: str | None, tables: Mapping[str, Section]) -> None:
    if refers_to is not None and refers_to not in tables:
        table.fault("refers_to", "an activity of this map", repr(refers_to) + nearest(refers_to, tables))
    if (kind.action == "record") != (refers_to is None):
        expected = "nothing" if kind.action == "record" else f"the activity that it refers to, to {kind.action} it"
        table.fault("refers_to", expected, repr(refers_to) if refers_to else "nothing")


def _subjects(table: Section) -> Subjects:
    scheme = table.text("scheme")
    if scheme and not _SCHEME.fullmatch(scheme):
        table.fault("scheme", "small letters, digits and hyphens", repr(scheme))
    found = Subjects(scheme, table.whole("cases", 1, least=1), table.text("case_field", "") or None)
    table.done()
    return found


def _cut(table: Section, chain: Chain) -> Cut:
    found = Cut(
        organisation=_member(table, "source", chain),
        paper=table.share("paper", 0.0),
        entered_within=table.duration("entered_within", "0s"),
        channel=table.choice("channel", CHANNELS, "paper"),
        why=table.text("why", "The replayed cut"),
    )
    if found.paper and not found.entered_within:
        table.fault("entered_within", "a duration such as 90d, because a share lies on paper", "nothing")
    table.done()
    return found


def _questions(table: Section, chain: Chain) -> Questions:
    policies = sorted(path.stem for path in chain.folder.glob("policies/*.toml"))
    policy = table.choice("policy", policies) if policies else table.text("policy")
    found = Questions(
        organisation=_member(table, "decider", chain),
        policy=policy,
        number=table.whole("number"),
        in_cut=table.share("in_cut", 0.0),
    )
    table.done()
    return found


def _member(table: Section, role: str, chain: Chain) -> str:
    return table.choice("organisation", [each.key for each in chain.organisations.values() if role in each.roles])
