"""Until when each source is complete, per kind: first in sentences, then as rows. Pure.

A kind is up to date when its promise reaches to within its usual entry lag and one heartbeat of now.
Anything else is said as it is, whatever the links look like (P7: silence is a state).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from markupsafe import Markup

from keersluis.times import MINUTE, Instant, format_instant, parse_instant
from keersluis.web import canals
from keersluis.web.scene import Scene, Status, told

STATES = ("never", "stopped", "silent", "behind", "current", "unused")
"""Worst first."""

_LISTED = ("stopped", "silent", "behind")
_FEW = 2
"""States in which kinds stopped each at its own moment; from more moments than this they become a list."""


@dataclass(frozen=True)
class Row:
    """One stream as this receiver knows it; `share` is how far it is behind, on a scale of 0 to 1."""

    receiver: str
    source: str
    path: str
    kind: str
    state: str
    through: Instant
    heard: str | None
    reason: str
    size: int
    share: float = 0.0

    @property
    def through_text(self) -> str | None:
        return format_instant(self.through) if self.through > 0 else None


@dataclass(frozen=True)
class Passage:
    """A sentence, and where kinds stopped at many different moments a list that it introduces."""

    sentence: Markup
    items: tuple[Markup, ...] = ()


@dataclass(frozen=True)
class Account:
    """What receivers have of one source, in sentences."""

    title: str
    state: str
    passages: tuple[Passage, ...]
    rows: tuple[Row, ...]


def state_words(scene: Scene, state: str) -> str:
    _ = scene._
    return {
        "never": _("no promise yet"),
        "stopped": _("stopped"),
        "silent": _("silent"),
        "behind": _("behind"),
        "current": _("up to date"),
        "unused": _("not in use"),
    }[state]


def rows(scene: Scene) -> list[Row]:
    """All streams that the nodes receive, registers first, each source's kinds together."""
    order = sorted(scene.statuses, key=lambda status: "register" not in status["roles"])
    found = [_row(scene, status, mark) for status in order for mark in status["watermarks"]]
    longest = max((scene.now - row.through for row in found if row.through), default=0)
    return [_scaled(row, scene.now, longest) for row in found]


def _row(scene: Scene, status: Status, mark: dict[str, Any]) -> Row:
    through = parse_instant(mark["complete_through"]) if mark["complete_through"] else 0
    reason = mark.get("reason") or {}
    return Row(
        receiver=status["organisation"],
        source=mark["source"],
        path=mark["kind"],
        kind=scene.kind(mark["kind"]),
        state=_state(scene, status, mark, through),
        through=through,
        heard=mark.get("heard_at"),
        reason=reason.get(f"text_{scene._.language}", ""),
        size=mark.get("size", 0),
    )


def _state(scene: Scene, status: Status, mark: dict[str, Any], through: Instant) -> str:
    state = _promised(scene, mark, through)
    if state in ("current", "stopped") or not scene.spare(mark["kind"]):
        return state
    links = canals.canals(scene)
    closed = canals.lane_between(links, mark["source"], status["organisation"]).shown == "unused"
    return "unused" if closed or not scene.permitted(mark["kind"]) else state


def _promised(scene: Scene, mark: dict[str, Any], through: Instant) -> str:
    if mark["state"] == "stopped":
        return "stopped"
    if through <= 0:
        return "never"
    if mark["state"] != "flowing":
        return str(mark["state"])
    kind = scene.chain.kinds.get(mark["kind"])
    allowed = (kind.lag if kind else 0) + scene.chain.heartbeat + 2 * scene.chain.skew
    return "current" if scene.now - through <= allowed else "behind"


def _scaled(row: Row, now: Instant, longest: int) -> Row:
    if not row.through:
        return replace(row, share=1.0)
    return row if row.state in ("current", "unused") else replace(row, share=(now - row.through) / max(1, longest))


def streams(scene: Scene) -> list[tuple[tuple[str, str], list[Row]]]:
    """The rows of each source and receiver, in the order of `rows`."""
    grouped: dict[tuple[str, str], list[Row]] = {}
    for row in rows(scene):
        grouped.setdefault((row.source, row.receiver), []).append(row)
    return list(grouped.items())


def accounts(scene: Scene) -> list[Account]:
    """What each receiver has of each source, in the order of `rows`; receivers that are all up to date on one
    source are told of together."""
    by_source: dict[tuple[str, bool], list[list[Row]]] = {}
    for (source, receiver), group in streams(scene):
        calm = all(row.state == "current" for row in group)
        by_source.setdefault((source if calm else f"{source}/{receiver}", calm), []).append(group)
    return [_account(scene, groups) for groups in by_source.values()]


def _account(scene: Scene, groups: Sequence[Sequence[Row]]) -> Account:
    group = [row for each in groups for row in each]
    alike: dict[tuple[str, str], list[Row]] = {}
    for row in sorted(group, key=lambda row: (STATES.index(row.state), row.through)):
        alike.setdefault((row.state, row.reason), []).append(row)
    return Account(
        title=scene.name(group[0].source),
        state=min((row.state for row in group), key=STATES.index),
        passages=tuple(passage for rows_ in alike.values() for passage in _passages(scene, rows_, len(alike) == 1)),
        rows=tuple(group),
    )


def _passages(scene: Scene, alike: Sequence[Row], whole: bool) -> list[Passage]:
    """Rows of the same state and reason: a sentence for each minute until which they are complete, or a list."""
    clusters: dict[int, list[Row]] = {}
    for row in alike:
        # What is up to date is one cluster, known to the least of its moments.
        clusters.setdefault(row.through // MINUTE if row.state in _LISTED else 0, []).append(row)
    if len(clusters) <= _FEW:
        return [Passage(_sentence(scene, cluster, whole and len(clusters) == 1)) for cluster in clusters.values()]
    facts, receivers = _facts(scene, alike)
    form = scene._.plural_form("{receiver} is complete on:", "{receiver} are complete on:", receivers)
    because = told(_because(scene, alike[0].state), **facts)
    return [Passage(because + " " + told(form, **facts), tuple(_item(scene, each) for each in clusters.values()))]


def _item(scene: Scene, cluster: Sequence[Row]) -> Markup:
    if cluster[0].through <= 0:
        return told(scene._("{kinds}: no promise yet"), kinds=kinds_in_words(scene, cluster))
    through = Markup("<strong>{}</strong>").format(scene.short_moment(cluster[0].through_text))
    return told(scene._("{kinds} through {through}"), kinds=kinds_in_words(scene, cluster), through=through)


def _facts(scene: Scene, cluster: Sequence[Row]) -> tuple[dict[str, object], int]:
    """What sentences about these rows need, and how many receivers they are about."""
    receivers = [scene.short(each) for each in dict.fromkeys(row.receiver for row in cluster)]
    least = min(row.through for row in cluster)
    facts: dict[str, object] = {
        "receiver": scene._.join(receivers),
        "source": scene.short(cluster[0].source),
        "through": Markup("<strong>{}</strong>").format(scene.moment(format_instant(least))),
        "heard": scene.short_moment(max((row.heard or "" for row in cluster), default="")),
        "reason": cluster[0].reason,
    }
    return facts, len(receivers)


def _sentence(scene: Scene, cluster: Sequence[Row], whole: bool) -> Markup:
    _, state = scene._, cluster[0].state
    facts, receivers = _facts(scene, cluster)
    facts["kinds"] = _("everything") if whole and len(cluster) > 1 else kinds_in_words(scene, cluster)
    if state == "unused":
        return told(_("An emergency route, not in use now."))
    if state == "never" or not any(row.through > 0 for row in cluster):
        return told(_("{receiver} has no promise yet from {source} on {kinds}."), **facts)
    form = _.plural_form(
        "{receiver} is complete on {kinds} through {through}.",
        "{receiver} are complete on {kinds} through {through}.",
        receivers,
    )
    return told(form, **facts) + (" " + told(_because(scene, state), **facts) if state != "current" else "")


def _because(scene: Scene, state: str) -> str:
    _ = scene._
    return {
        "silent": _("Nothing has been heard since {heard}: silent."),
        "stopped": _("There it stopped: {reason}"),
        "behind": _("Messages do arrive, but {source} has not yet entered all that happened after it."),
    }[state]


def kinds_in_words(scene: Scene, cluster: Iterable[Row]) -> str:
    """The kinds of a cluster by title; where all kinds under one node of the tree are there, by that node's."""
    paths = [row.path for row in cluster]
    titles: dict[str, None] = {}
    for path in paths:
        group = path.rpartition(".")[0]
        beside = [kind.path for kind in scene.chain.under(group)] if group in scene.chain.groups else []
        covered = len(beside) > 1 and set(beside) <= set(paths)
        titles[scene.kind(group if covered else path)] = None
    return scene._.join(scene._("“{title}”", title=title) for title in titles)


def routes_in_words(scene: Scene) -> list[Markup]:
    """The emergency routes in force now, with what they stand in for and on whose word."""
    _ = scene._
    sentences = {
        "indication": _("Emergency route: “{kind}” stands in for “{covers}”, as an indication. {permission}."),
        "full": _("Emergency route: “{kind}” stands in for “{covers}”, as full proof. {permission}."),
    }
    return [
        told(
            sentences[route.weight],
            kind=scene.kind(route.kind),
            covers=scene.kind(route.covers),
            permission=_.pick(route.permitted_by).rstrip("."),
        )
        for route in scene.chain.routes.values()
        if scene.permitted(route.kind) and _let_in(scene, route.kind)
    ]


def _let_in(scene: Scene, path: str) -> bool:
    """Whether the register's gate lets a route's kind in: to close it is to end the route."""
    sources = {kind.source for kind in scene.chain.under(path)}
    links = scene.by_key.get(scene.chain.register.key, {}).get("links", ())
    return not any(link["peer"] in sources and link["in"] == "closed" for link in links)
