"""What must hold at the end of a run: nothing lost, doubled or disordered (P1), nothing ever falsely settled (P2),
register and decisions equal to the truth, and to the chain that was never cut (P3)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import msgspec
from sqlalchemy import Connection

from keersluis.decisions import desk as decisions
from keersluis.exchange import inbox, overview
from keersluis.register import desk as register
from keersluis.service import Node
from keersluis.simulation.faults import DECIDERS, REGISTER
from keersluis.simulation.truth import NEEDS, Due, Held, Truth
from keersluis.simulation.watch import Watch
from keersluis.simulation.world import Act, text
from keersluis.watermarks import stream_origin

_content = msgspec.json.Decoder().decode


@dataclass
class Found:
    """What is stored when a run has ended: facts by id, and each decision's level by decider and id."""

    facts: dict[str, Held] = field(default_factory=dict)
    levels: dict[tuple[str, str], int] = field(default_factory=dict)


def at_the_end(watch: Watch, truth: Truth, nodes: dict[str, Node]) -> Found:
    """Hold everything against the truth; violations go to `watch`. The run must have drained."""
    found = Found()
    with nodes[REGISTER].store.read() as tx:
        _check_effects(watch, tx)
        _check_register(watch, truth, tx, found)
    for key, node in nodes.items():
        _check_backlog(watch, key, node)
    due = truth.due()
    for decider in DECIDERS:
        with nodes[decider].store.read() as tx:
            mine = {each.id: each for each in due if each.decider == decider}
            _check_settlements(watch, truth, mine, tx)
            _check_decisions(watch, truth, mine, tx, found)
    return found


def same(watch: Watch, cut: Found, uncut: Found) -> None:
    """P3: the cut chain has become what the other always was."""
    for key in _differing(cut.facts, uncut.facts):
        watch.violated("P3", f"fact {key} is not as in the chain that was never cut")
    for decider, decision in _differing(cut.levels, uncut.levels):
        watch.violated("P3", f"decision {decision} of {decider} is not as in the chain that was never cut")


def _differing(ours: dict[Any, Any], theirs: dict[Any, Any]) -> Iterator[Any]:
    missing = object()
    return (key for key in sorted({*ours, *theirs}) if ours.get(key, missing) != theirs.get(key, missing))


# -- P1 ------------------------------------------------------------------------------------------------------------


def _check_effects(watch: Watch, tx: Connection) -> None:
    """Each act took effect once, under the number it was accepted under; the store says the same as the effects."""
    effects = watch.effects.get(REGISTER, {})
    stored: dict[str, list[str]] = {}
    for origin, position, event in inbox.stored(tx):
        ids = stored.setdefault(origin, [])
        ids.append(str(_content(event)["id"]))
        if position != len(ids):
            watch.violated("P1", f"{origin} event {position} is stored as number {len(ids)}")
    for origin in sorted({*effects, *stored}):
        if [each for _, each in sorted(effects.get(origin, {}).items())] != stored.get(origin, []):
            watch.violated("P1", f"what took effect of {origin} is not what is stored of it")
    for act in watch.world.acts:
        _check_act(watch, act, effects)


def _check_act(watch: Watch, act: Act, effects: dict[str, dict[int, str]]) -> None:
    origin = stream_origin(watch.chain.organisations[act.organisation].oin, act.kind)
    places = [n for n, each in effects.get(origin, {}).items() if each == act.id]
    if act.id not in watch.accepted:
        watch.violated("P1", f"{act.id} could not be entered, however often it was tried")
    elif not places:
        watch.violated("P1", f"{act.id} was accepted and did not arrive")
    elif len(places) > 1:
        watch.violated("P1", f"{act.id} took effect {len(places)} times")
    elif places != [watch.accepted[act.id].position]:
        said = f"{act.id} was accepted as number {watch.accepted[act.id].position}, applied as {places[0]}"
        watch.violated("P1", said)


def _check_backlog(watch: Watch, key: str, node: Node) -> None:
    with node.store.read() as tx:
        for stream in overview.own_streams(tx, node.ctx):
            for peer in stream["peers"]:
                if peer["backlog"]:
                    watch.violated(
                        "P1", f"{peer['backlog']} events of {stream['kind']} of {key} never left for {peer['peer']}"
                    )


# -- P2 ------------------------------------------------------------------------------------------------------------


def _check_settlements(watch: Watch, truth: Truth, due: dict[str, Due], tx: Connection) -> None:
    """Every settlement ever made, whatever became of it since, has the level of the truth.

    Only an act of which the source broke its promise may have been missing; then the level is that without it, and the
    decision was called final again later, at the right level.
    """
    settled: dict[str, list[int]] = {}
    for change in decisions.ever_settled(tx):
        settled.setdefault(change.decision, []).append(change.level)
    for decision, levels in settled.items():
        if decision not in due:
            watch.violated("P2", f"decision {decision} was settled, and nobody needed it")
            continue
        true = truth.level(due[decision])
        allowed = {true, *_without_broken(watch, truth, due[decision])}
        for level in levels:
            if level not in allowed:
                watch.violated("P2", f"{_named(due[decision])} was settled at level {level}, the truth is {true}")
        if levels[-1] != true:
            watch.violated("P2", f"{_named(due[decision])} stayed settled at level {levels[-1]}, the truth is {true}")


def _without_broken(watch: Watch, truth: Truth, due: Due) -> Iterator[int]:
    """The levels that a decision could have while some acts of broken promises had not come."""
    broken = [
        act.id
        for act in watch.world.acts
        if act.subject == due.subject and act.kind in NEEDS[due.policy] and act.when.start <= due.moment
        and not watch.kept(act)
    ]  # fmt: skip
    for number in range(1, len(broken) + 1):
        for without in combinations(broken, number):
            yield truth.level(due, without)


def _named(due: Due) -> str:
    return f"decision {due.id} of {due.decider} for {text(due.moment)}"


# -- P3 ------------------------------------------------------------------------------------------------------------


def _check_register(watch: Watch, truth: Truth, tx: Connection, found: Found) -> None:
    for fact, kind, subject, when, valid_from, valid_to, refers_to, content in register.contents(tx):
        if fact in found.facts:
            watch.violated("P1", f"fact {fact} is in the register twice")
        found.facts[fact] = Held(kind, subject, when, valid_from, valid_to, refers_to, _content(content))
    wanted = truth.register()
    for key in _differing(found.facts, wanted):
        watch.violated("P3", f"the register holds {found.facts.get(key)} as {key}, the truth is {wanted.get(key)}")


def _check_decisions(watch: Watch, truth: Truth, due: dict[str, Due], tx: Connection, found: Found) -> None:
    seen = set()
    for decision, state, level, issued, final in decisions.all_outcomes(tx):
        seen.add(decision)
        if decision not in due:
            watch.violated("P3", f"decision {decision} was taken, and nobody needed it")
            continue
        each = due[decision]
        found.levels[each.decider, decision] = level
        true = truth.level(each)
        if level != true:
            watch.violated("P3", f"{_named(each)} ended at level {level}, the truth is {true}")
        if not final:
            watch.violated("P3", f"{_named(each)} is still {state} after the drain")
        elif state != ("settled" if issued == level else "revisit"):
            watch.violated("P3", f"{_named(each)} is {state}, issued at {issued} and found at {level}")
    _check_all_there(watch, (each for each in due.values() if each.id not in seen))


def _check_all_there(watch: Watch, missing: Iterable[Due]) -> None:
    for each in missing:
        watch.violated("P3", f"{_named(each)} was never taken")
