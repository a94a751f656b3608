"""One act that came two ways, by its regular stream and by an emergency route, is one fact with two proofs. Pure.

Which facts are one depends on the set of facts alone, never on which came first (P3). The regular source counts: where
it says otherwise, or has withdrawn what it said, what the route brought does not count beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from keersluis.chain import WEIGHTS, Kind, Route
from keersluis.register.facts import Fact, Key, order


class Proof(msgspec.Struct, frozen=True, omit_defaults=True):
    """One of the ways by which an act is known: an event of a stream, and what it proves. `route` is empty for the
    regular stream; `differs` names the fields of the content in which it says otherwise than the fact that counts."""

    id: str
    origin: str
    position: int
    weight: str
    route: str = ""
    differs: list[str] = []


@dataclass(frozen=True)
class Links:
    """`counts` is, for a fact that does not count itself, the id of the one that counts in its place; `proofs` has all
    proofs of a fact that counts, where there is more than one."""

    counts: Mapping[Key, str] = field(default_factory=dict)
    proofs: Mapping[Key, list[Proof]] = field(default_factory=dict)

    def same_as(self, fact: Fact) -> str:
        return self.counts.get(fact.key, "")

    def proofs_of(self, fact: Fact) -> list[Proof]:
        return self.proofs.get(fact.key, [])


NO_LINKS = Links()

_Act = tuple[str, tuple[str, ...], tuple[bytes, ...]]


def link(
    routes: Iterable[tuple[Route, Kind]], regular: Sequence[Fact], in_force: Iterable[Fact], brought: Sequence[Fact]
) -> Links:
    """The facts of one subject that are one act. `regular` are the records of the covered streams, withdrawn ones among
    them; `in_force` those that count; `brought` what the routes brought and is in force."""
    by_kind: dict[str, list[Route]] = {}
    for route, kind in routes:
        if route.match:
            by_kind.setdefault(kind.path, []).append(route)
    if not by_kind or not brought:
        return NO_LINKS
    acts: dict[_Act, list[tuple[Route, Fact]]] = {}
    for fact in brought:
        for route in by_kind.get(fact.kind, ()):
            if (act := _act(route, fact)) is not None:
                acts.setdefault(act, []).append((route, fact))
    counting = {fact.key for fact in in_force}
    return _links(acts, regular, counting)


def _links(acts: Mapping[_Act, list[tuple[Route, Fact]]], regular: Sequence[Fact], counting: set[Key]) -> Links:
    counts: dict[Key, str] = {}
    proofs: dict[Key, list[Proof]] = {}
    for act in sorted(acts):
        came = [each for each in acts[act] if each[1].key not in counts]
        mine = [fact for fact in regular if _covered(act[0], fact.kind) and _values(act[1], fact) == act[2]]
        if mine:
            first = min(mine, key=lambda fact: (fact.key not in counting, order(fact)))
            all_proofs = [Proof(first.id, first.origin, first.position, WEIGHTS[-1])]
        elif came:
            route, first = min(came, key=lambda each: (-WEIGHTS.index(each[0].weight), order(each[1])))
            all_proofs = [_proof(route, first, first)]
        else:
            continue
        others = sorted((each for each in came if each[1] is not first), key=lambda each: order(each[1]))
        counts |= {fact.key: first.id for _route, fact in others}
        all_proofs += [_proof(route, fact, first) for route, fact in others]
        if len(all_proofs) > 1:
            proofs[first.key] = all_proofs
    return Links(counts, proofs)


def _covered(covers: str, path: str) -> bool:
    return path == covers or path.startswith(covers + ".")


def _act(route: Route, fact: Fact) -> _Act | None:
    values = _values(route.match, fact)
    return None if values is None else (route.covers, route.match, values)


def _values(fields: Sequence[str], fact: Fact) -> tuple[bytes, ...] | None:
    """What stands in the fields by which acts are matched; None where one is missing: nothing is guessed."""
    content = _content(fact)
    found = [content.get(name) for name in fields]
    return None if any(value in (None, "") for value in found) else tuple(_encode(value) for value in found)


def _proof(route: Route, fact: Fact, counts: Fact) -> Proof:
    return Proof(fact.id, fact.origin, fact.position, route.weight, route.key, _differences(fact, counts))


def _differences(fact: Fact, counts: Fact) -> list[str]:
    """Fields that both have and that differ: what one of them leaves out contradicts nothing."""
    one, other = _content(fact), _content(counts)
    return sorted(name for name in one.keys() & other.keys() if one[name] != other[name])


def _content(fact: Fact) -> dict[str, Any]:
    content = msgspec.json.decode(fact.content)
    return content if isinstance(content, dict) else {}


_encode = msgspec.json.Encoder(order="sorted").encode
