"""Reads the policies of a chain folder: `policies/<id>.toml`, one file for each, all faults reported at once.

The format is described in docs/policies.md of the project, by example in every shipped file. A policy that could
not be settled soundly is refused here: one that sees a fact but not what may undo it (P2).
"""

from __future__ import annotations

import hashlib
import json
import re
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

from keersluis.chain import ANSWER_END, WEIGHTS, Chain, Kind
from keersluis.decisions.policies import (
    ON_PROVISIONAL,
    UNDOING,
    Condition,
    Exists,
    Policies,
    Policy,
    PolicyVersion,
    Rule,
    Source,
    Sum,
    Term,
    rule_kinds,
)
from keersluis.sections import Faults, Section, Words, nearest, read_section

FOLDER = "policies"
"""Where a chain folder keeps its policies."""

_WITHIN = re.compile(r"([1-9][0-9]*) (year|month)s?")
_TESTS = ("equals", "in", "at_least")


def load_policies(chain: Chain) -> Policies:
    """All policies of the chain by id; none when the folder has no `policies`.

    Raises Incorrect `policies.broken` whose `.faults` names every fault of every file.
    """
    faults, found = Faults(), {}
    for path in sorted((chain.folder / FOLDER).glob("*.toml")):
        policy = _policy(read_section(faults, path, f"{FOLDER}/{path.name}"), path, chain)
        found[policy.id] = policy
    faults.stop("policies.broken", expected="policies without faults", where=str(chain.folder / FOLDER))
    return found


_read: dict[Path, Policies] = {}


def policies_of(chain: Chain) -> Policies:
    """As `load_policies`, read once for each folder: a running node does not change its rules by itself."""
    folder = chain.folder.resolve()
    if folder not in _read:
        _read[folder] = load_policies(chain)
    return _read[folder]


def _policy(section: Section, path: Path, chain: Chain) -> Policy:
    key = section.text("id")
    if key and key != path.stem:
        section.fault("id", f"the name of the file, {path.stem!r}", repr(key))
    purpose = _purpose(section, chain)
    levels = _levels(section)
    on_provisional = section.choice("on_provisional", ON_PROVISIONAL)
    policy = Policy(
        id=path.stem,
        title=section.words("title"),
        decider=_decider(section, chain),
        purpose=purpose,
        standing=section.flag("standing", False),
        levels=levels,
        on_provisional=on_provisional,
        versions=_versions(section, path.stem, purpose, levels, chain),
        hold_from_level=_hold_from(section, on_provisional, levels),
        weight=section.whole("weight", 1, least=1),
        covered_by=section.choice("covered_by", WEIGHTS, WEIGHTS[0]),
        file=path.name,
    )
    if policy.standing and len({version.needs for version in policy.versions}) > 1:
        section.fault("versions", "the same needs in all versions of a standing policy", "different needs")
    section.done()
    return policy


def _purpose(section: Section, chain: Chain) -> str:
    if not chain.purposes:
        return section.text("purpose")
    return section.choice("purpose", tuple(chain.purposes))


def _decider(section: Section, chain: Chain) -> str:
    deciders = tuple(each.key for each in chain.organisations.values() if "decider" in each.roles)
    if not deciders:
        section.fault("decider", "a decider of organisations.toml", "none there")
        return section.text("decider")
    return section.choice("decider", deciders)


def _levels(section: Section) -> tuple[Words, ...]:
    levels = []
    for row in section.rows("levels"):
        levels.append(row.words("name"))
        row.done()
    if len(levels) < 2:
        section.fault("levels", "at least two levels, the first for nothing found", str(len(levels)))
    return tuple(levels)


def _hold_from(section: Section, on_provisional: str, levels: tuple[Words, ...]) -> int:
    if on_provisional != "hold":
        if section.has("hold_from_level"):
            section.fault("hold_from_level", 'on_provisional = "hold" beside it', repr(on_provisional))
        return 0
    level = section.whole("hold_from_level")
    if level >= len(levels) > 0:
        section.fault("hold_from_level", f"a level from 0 to {len(levels) - 1}", str(level))
    return level


def _versions(
    section: Section, policy: str, purpose: str, levels: tuple[Words, ...], chain: Chain
) -> tuple[PolicyVersion, ...]:
    versions = tuple(_version(row, policy, purpose, levels, chain) for row in section.rows("versions"))
    if not versions:
        section.fault("versions", "at least one version", "none")
    for earlier, later in pairwise(versions):
        if later.number <= earlier.number or later.start <= earlier.start:
            expected = f"a number and a start after those of version {earlier.number}"
            section.fault("versions", expected, f"version {later.number}")
    return versions


def _version(row: Section, policy: str, purpose: str, levels: tuple[Words, ...], chain: Chain) -> PolicyVersion:
    rules = tuple(_rule(each, levels, chain) for each in row.rows("rules"))
    if not rules:
        row.fault("rules", "at least one rule", "none")
    version = PolicyVersion(
        policy=policy,
        number=row.whole("number", least=1),
        start=row.instant("start", chain.timezone),
        source=_source(row.section("source"), chain),
        text=row.words("text"),
        kinds=_kinds(row, "needs", chain),
        rules=rules,
        timezone=chain.timezone,
        digest=_digest(row, levels),
    )
    _check_needs(row, version, purpose, chain)
    row.done()
    return version


def _source(section: Section, chain: Chain) -> Source:
    title, url = section.text("title"), section.text("url")
    if url and not url.startswith("https://"):
        section.fault("url", "an address that begins with https://, or an empty text", repr(url))
    section.when("date", chain.timezone)
    date = str(section.values.get("date", ""))
    section.done()
    return Source(title, url, date)


def _digest(row: Section, levels: tuple[Words, ...]) -> str:
    values = {key: value for key, value in row.values.items() if key not in ("text", "source")}
    written = json.dumps([values, levels], sort_keys=True, default=str)
    return hashlib.sha256(written.encode()).hexdigest()


def _kinds(row: Section, key: str, chain: Chain) -> tuple[Kind, ...]:
    """Kind paths, leaves or inner nodes -> leaves in the chain's order."""
    paths, known = row.texts(key), [*chain.groups, *chain.kinds]
    for path in paths:
        if path not in known or path.partition(".")[0] == ANSWER_END:
            row.fault(key, "a kind of kinds.toml", repr(path) + nearest(path, known))
    found = {kind.path for path in paths if path in known for kind in chain.under(path)}
    return tuple(kind for path, kind in chain.kinds.items() if path in found)


def _check_needs(row: Section, version: PolicyVersion, purpose: str, chain: Chain) -> None:
    undoing = {kind.path for kind in chain.kinds.values() if kind.action in UNDOING}
    looked_at = frozenset[str]().union(*(rule_kinds(rule) for rule in version.rules))
    for path in sorted(looked_at - set(version.needs)):
        row.fault("needs", f"every kind that a rule looks at, so also {path}", "it is missing")
    for path in sorted(undoing - set(version.needs)):
        row.fault("needs", f"every kind that may undo a fact, so also {path}", "it is missing")
    for kind in version.kinds:
        if kind.purposes and purpose not in kind.purposes:
            expected = f"only kinds that purpose {purpose} may see"
            row.fault("needs", expected, f"{kind.path}, for {', '.join(kind.purposes)} only")


def _rule(row: Section, levels: tuple[Words, ...], chain: Chain) -> Rule:
    level = row.whole("level", least=1)
    if levels and level >= len(levels):
        row.fault("level", f"a level from 1 to {len(levels) - 1}", str(level))
    rule: Rule
    if row.has("exists"):
        rule = Exists(
            kinds=_paths(row, "exists", ("adds", "either"), chain),
            level=level,
            where=_where(row),
            months=_months(row),
            extended_by=row.text("extended_by", ""),
        )
    elif row.has("plus"):
        rule = Sum(
            plus=_terms(row, "plus", ("adds", "either"), chain),
            minus=_terms(row, "minus", ("takes-away", "either"), chain) if row.has("minus") else (),
            more_than=_limit(row),
            level=level,
        )
    else:
        row.fault("", "exists (a fact is there) or plus (a sum is more than a limit)", "neither")
        return Exists(frozenset(), level)
    row.done()
    return rule


def _paths(row: Section, key: str, effects: tuple[str, ...], chain: Chain) -> frozenset[str]:
    kinds = _kinds(row, key, chain)
    if not kinds and not row.values.get(key):
        row.fault(key, "at least one kind", "none")
    for kind in kinds:
        if kind.action != "record":
            row.fault(key, "kinds that record facts", f"{kind.path}, of action {kind.action}")
        elif kind.effect not in effects:
            row.fault(key, f"kinds of effect {' or '.join(effects)}", f"{kind.path}, which {kind.effect}")
    return frozenset(kind.path for kind in kinds)


def _months(row: Section) -> int | None:
    text = row.text("within", "always")
    match = _WITHIN.fullmatch(text)
    if match:
        return int(match[1]) * (12 if match[2] == "year" else 1)
    if text != "always":
        row.fault("within", "always, or a time such as 4 years or 30 months", repr(text))
    return None


def _where(row: Section) -> tuple[Condition, ...]:
    if not row.has("where"):
        return ()
    conditions, inner = [], row.section("where")
    for field, table in inner.sections():
        if len(table.values) != 1 or not set(table.values) <= set(_TESTS):
            table.fault("", "one of " + ", ".join(_TESTS), ", ".join(table.values) or "nothing")
            continue
        conditions.append(_condition(table, field))
    return tuple(conditions)


def _condition(table: Section, field: str) -> Condition:
    test, value = next(iter(table.values.items()))
    if test == "in":
        scalars = value if isinstance(value, list) and all(map(_scalar, value)) else []
        if not scalars:
            table.fault(test, "a list of texts or numbers", repr(value))
        return Condition(field, test, tuple(scalars))
    wanted = "a number" if test == "at_least" else "a text or number"
    if not isinstance(value, (str, int, float)) or (test == "at_least" and isinstance(value, (str, bool))):
        table.fault(test, wanted, repr(value))
        return Condition(field, test, 0)
    return Condition(field, test, value)


def _scalar(value: object) -> bool:
    return isinstance(value, (str, int, float))


def _terms(row: Section, key: str, effects: tuple[str, ...], chain: Chain) -> tuple[Term, ...]:
    terms = []
    for each in row.rows(key):
        kinds = _paths(each, "kinds", effects, chain)
        terms.append(Term(kinds, each.text("field"), each.text("largest_per", "")))
        each.done()
    if not terms:
        row.fault(key, "at least one term with kinds and field", "none")
    return tuple(terms)


def _limit(row: Section) -> Decimal:
    value = row.values.get("more_than", 0)
    row.has("more_than")
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
        row.fault("more_than", "an amount of at least 0", repr(value))
        return Decimal(0)
    return Decimal(str(value))


def policies_for(policies: Policies, decider: str) -> Policies:
    """The policies by which one organisation (its key) decides."""
    return {name: policy for name, policy in policies.items() if policy.decider == decider}
