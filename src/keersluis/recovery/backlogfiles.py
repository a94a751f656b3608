"""Reads `backlogs.toml` of a chain folder: which backlogs are counted, and how. All faults are reported at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from keersluis.chain import Chain
from keersluis.decisions.policyfiles import policies_of
from keersluis.exchange.staying import CHANNELS as ENTRY_CHANNELS
from keersluis.recovery.stock import CHANNELS, ORDERS, PROCESSES, SOURCES, Backlog, PriorityClass
from keersluis.sections import Faults, Section, Words, read_section
from keersluis.times import DAY

FILE = "backlogs.toml"

Backlogs = Mapping[str, Backlog]

_STEPS = {"1d": DAY, "7d": 7 * DAY}
_ALL: Words = {"nl": "Alle", "en": "All"}
_OTHER: Words = {"nl": "Overig", "en": "Other"}
_NO_SOURCE: Words = {"nl": "", "en": ""}


def load_backlogs(chain: Chain) -> Backlogs:
    """The backlogs of the chain by key; none when the folder has no `backlogs.toml`.

    Raises Incorrect `backlogs.broken` whose `.faults` names every fault.
    """
    path = chain.folder / FILE
    if not path.is_file():
        return {}
    faults = Faults()
    found = {key: _backlog(section, key, chain) for key, section in read_section(faults, path, FILE).sections()}
    faults.stop("backlogs.broken", expected="backlogs without faults", where=str(path))
    return found


_read: dict[Path, Backlogs] = {}


def backlogs_of(chain: Chain) -> Backlogs:
    """As `load_backlogs`, read once for each folder."""
    folder = chain.folder.resolve()
    if folder not in _read:
        _read[folder] = load_backlogs(chain)
    return _read[folder]


def _backlog(section: Section, key: str, chain: Chain) -> Backlog:
    organisation = section.choice("organisation", [each.key for each in chain.nodes])
    counts = section.choice("counts", SOURCES)
    of = _of(section, "of", counts, organisation, chain)
    normal = section.whole("normal", 0)
    backlog = Backlog(
        key=key,
        organisation=organisation,
        process=section.choice("process", PROCESSES),
        channel=section.choice("channel", CHANNELS),
        title=section.words("title"),
        counts=counts,
        of=of,
        waits=section.choices("waits", ENTRY_CHANNELS, ()),
        peers=section.choices("peers", tuple(chain.organisations), _peers(counts, of, organisation, chain)),
        normal=normal,
        step=_STEPS[section.choice("step", tuple(_STEPS), "1d")],
        order="as-it-comes" if section.choice("order", ORDERS, ORDERS[0]) == "as-it-comes" else "oldest-first",
        classes=_classes(section, of, counts, organisation, chain),
        arrival=section.texts("arrival", ()),
        completion=section.texts("completion", ()),
        public=section.flag("public", False),
    )
    if bool(backlog.arrival) != bool(backlog.completion):
        section.fault("completion", "activities beside those of `arrival`, or neither", "one of the two")
    section.done()
    return backlog


def _of(section: Section, key: str, counts: str, organisation: str, chain: Chain) -> tuple[str, ...]:
    """What is counted: leaves at or below the kinds that are named, or policies; by default all of the organisation."""
    if counts in ("revisit", "provisional"):
        policies = tuple(each.id for each in policies_of(chain).values() if each.decider == organisation)
        return section.choices(key, policies, policies)
    if counts in ("entry", "delivery"):
        own = {k.path for k in chain.kinds.values() if k.source == organisation}
        named = section.choices(key, _paths(own), tuple(sorted(own)))
        return tuple(dict.fromkeys(k.path for path in named for k in chain.under(path) if k.path in own))
    return section.texts(key, ())


def _paths(leaves: Collection[str]) -> list[str]:
    """The leaves and the groups that they are in."""
    parts = (path.split(".") for path in leaves)
    return sorted({".".join(each[:n]) for each in parts for n in range(1, len(each) + 1)})


def _peers(counts: str, of: tuple[str, ...], organisation: str, chain: Chain) -> tuple[str, ...]:
    """By default all receivers of these kinds; all sources of what comes in."""
    if counts == "delivery":
        return tuple(sorted({peer for path in of for peer in chain.kinds[path].receivers}))
    if counts == "quarantine":
        return tuple(sorted({kind.source for kind in chain.kinds.values() if organisation in kind.receivers}))
    return ()


def _classes(
    section: Section, of: tuple[str, ...], counts: str, organisation: str, chain: Chain
) -> tuple[PriorityClass, ...]:
    """In the order of the file; what is in none of them is in a last one, unless nothing is left."""
    minutes = _minutes(section)
    days = section.whole("days", 0, least=0) or None
    source = _source(section, _NO_SOURCE)
    found: list[PriorityClass] = []
    left = dict.fromkeys(of)
    for row in section.rows("classes") if section.has("classes") else []:
        mine = tuple(path for path in _of(row, "of", counts, organisation, chain) if path in left)
        for path in mine:
            del left[path]
        term = row.whole("days", days or 0, least=0) or None
        each = PriorityClass(
            row.text("key"), row.words("title"), mine, _minutes(row, minutes), term, _source(row, source)
        )
        if not each.key or each.key in [known.key for known in found]:
            row.fault("key", "a key of its own", repr(each.key))
        row.done()
        found.append(each)
    if left or not found:
        found.append(PriorityClass("other", _OTHER if found else _ALL, tuple(left), minutes, days, source))
    return tuple(found)


def _source(section: Section, default: Words) -> Words:
    """Where the term comes from."""
    return section.words("source") if section.has("source") else default


def _minutes(section: Section, default: float = 0.0) -> float:
    """The work in one item, in minutes."""
    if not section.has("minutes"):
        return default
    return section.number("minutes", "minutes, from 0 to 100,000", lambda value: 0 <= value <= 100_000)
