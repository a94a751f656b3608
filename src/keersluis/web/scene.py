"""What every part of the page needs to speak: the reader's language, the chain, and the nodes' statuses. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

from markupsafe import Markup, escape

from keersluis.chain import Chain
from keersluis.errors import Incorrect
from keersluis.times import Instant, format_instant, parse_instant, parse_when
from keersluis.words import Translator

Status: TypeAlias = Mapping[str, Any]
"""What one node says of itself: the answer to GET /v0/stand."""

ALL = "*"


@dataclass(frozen=True)
class Scene:
    """A moment of the chain, told in one language. `statuses` holds one node, or all that answer."""

    _: Translator
    chain: Chain
    statuses: Sequence[Status]

    @cached_property
    def now(self) -> Instant:
        """The latest moment that a node gives; the nodes' clocks may differ by the chain's skew."""
        return max((parse_instant(status["now"]) for status in self.statuses), default=0)

    @property
    def latest(self) -> str:
        """`now` as RFC 3339."""
        return format_instant(self.now)

    @property
    def alone(self) -> bool:
        """Whether this is the page of one organisation, which sees its own side only."""
        return len(self.statuses) == 1

    @property
    def absent(self) -> list[str]:
        """The organisations whose node should be here and does not answer."""
        return [] if self.alone else [each.key for each in self.chain.nodes if each.key not in self.by_key]

    @cached_property
    def by_key(self) -> Mapping[str, Status]:
        return {status["organisation"]: status for status in self.statuses}

    def ended(self, clock: Mapping[str, Any] | None) -> bool:
        """Whether the demo's clock has reached the end of its scenario."""
        return bool(clock and clock.get("end") and self.now >= parse_instant(clock["end"]))

    def name(self, organisation: str) -> str:
        """An organisation's name; `*` is every partner."""
        if organisation == ALL:
            return self._("all partners")
        known = self.chain.organisations.get(organisation)
        if known:
            return self._.pick(known.name)
        return self._.pick(self.by_key[organisation]["name"]) if organisation in self.by_key else organisation

    def short(self, organisation: str) -> str:
        """The name without what stands in brackets behind it."""
        return self.name(organisation).partition(" (")[0]

    def kind(self, path: str) -> str:
        """The title of a kind or of an inner node of the tree of kinds."""
        special = {ALL: self._("everything"), "question": self._("Questions"), "answer": self._("Answers")}
        if path in special:
            return special[path]
        if path in self.chain.kinds:
            return self._.pick(self.chain.kinds[path].title)
        return self._.pick(self.chain.groups[path]) if path in self.chain.groups else path

    def spare(self, path: str) -> bool:
        """Whether a kind comes by an emergency route: in normal times its gate is closed and nobody misses it."""
        return any(path == route.kind or path.startswith(route.kind + ".") for route in self.chain.routes.values())

    def permitted(self, path: str) -> bool:
        """Whether an emergency route brings the kind and is permitted now."""
        return any(
            (path == route.kind or path.startswith(route.kind + "."))
            and route.start <= self.now
            and (route.until is None or self.now <= route.until)
            for route in self.chain.routes.values()
        )

    def number(self, count: int) -> Markup:
        return Markup("<strong>{}</strong>").format(self._.number(count))

    def moment(self, text: str | None) -> Markup:
        """ "Thursday 17 July 2025 06:00", as a `time` element; nothing for no moment."""
        return self._timed(text, short=False)

    def short_moment(self, text: str | None) -> Markup:
        """ "17 July 06:00", with the year when that is not the present one."""
        return self._timed(text, short=True)

    def _timed(self, text: str | None, *, short: bool) -> Markup:
        if not text:
            return Markup("")
        try:
            instant = parse_when(text, self.chain.timezone).end
        except Incorrect:
            return escape(text)
        zone = self.chain.timezone
        words = self._.short_moment(instant, zone) if short else self._.moment(instant, zone)
        return Markup('<time datetime="{}">{}</time>').format(format_instant(instant), words)

    def since(self, text: str | None) -> int:
        """Microseconds from that moment until now, at least 0."""
        return max(0, self.now - parse_instant(text)) if text else 0


def told(template: str, **facts: object) -> Markup:
    """A translated sentence with facts that may be markup; everything else in it is escaped."""
    return escape(template).format(**facts)
