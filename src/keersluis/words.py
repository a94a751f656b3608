"""Words for people, in Dutch and English.

A message is written in English in the code and looked up by that text. `translator(language)` gives a
callable that every room uses as `_`. The Dutch texts lie in `locale/nl/LC_MESSAGES/*.po`, one file for each
room; they are read at first use, so that there is no build step. A message without a translation stays
English; a test sees to it that there is none.
"""

import tomllib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from importlib.resources import files

from babel.dates import format_datetime
from babel.lists import format_list
from babel.messages.pofile import read_po
from babel.numbers import format_decimal

LANGUAGES = ("nl", "en")
_LOCALES = {"nl": "nl_NL", "en": "en_GB"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STEPS = (
    (86_400, "{count} day", "{count} days"),
    (3_600, "{count} hour", "{count} hours"),
    (60, "{count} minute", "{count} minutes"),
    (1, "{count} second", "{count} seconds"),
)


class Translator:
    """The words of one language. Numbers in `facts` are written with that language's separators."""

    def __init__(self, language: str, texts: Mapping[str, str], plurals: Mapping[str, tuple[str, str]]) -> None:
        self.language = language
        self.locale = _LOCALES[language]
        self._texts = texts
        self._plurals = plurals

    def __call__(self, message: str, /, **facts: object) -> str:
        """The message in this language; each `{name}` is filled in, unless there are no `facts` at all."""
        text = self._texts.get(message, message)
        return text.format(**self._written(facts)) if facts else text

    def plural(self, one: str, many: str, count: int, /, **facts: object) -> str:
        """`one` when `count` is 1, else `many`; both may use `{count}`."""
        return self.plural_form(one, many, count).format(**self._written({"count": count, **facts}))

    def plural_form(self, one: str, many: str, count: int, /) -> str:
        """As `plural`, but with the places of the facts still open."""
        return self._plurals.get(one, (one, many))[0 if count == 1 else 1]

    def pick(self, words: Mapping[str, str]) -> str:
        """The text of `words` (data in several languages) in this language, else in whichever there is."""
        return words.get(self.language) or next(iter(words.values()), "")

    def problem(self, code: str) -> str:
        """What an error of this code means, in one plain sentence; "" where there is none."""
        return self.pick(_problems().get(code, {"nl": "", "en": ""}))

    def number(self, value: float) -> str:
        """1204 -> "1.204" (nl), "1,204" (en)."""
        return str(format_decimal(value, locale=self.locale))

    def moment(self, instant: int, zone: tzinfo) -> str:
        """Microseconds since 1970 -> "Thursday 17 July 2025 06:00"."""
        return self._time(instant, zone, "EEEE d MMMM y HH:mm")

    def short_moment(self, instant: int, zone: tzinfo) -> str:
        """Microseconds since 1970 -> "17 July 06:00"; for places where the year is plain."""
        return self._time(instant, zone, "d MMMM HH:mm")

    def day(self, instant: int, zone: tzinfo) -> str:
        """Microseconds since 1970 -> "17 July 2025"."""
        return self._time(instant, zone, "d MMMM y")

    def axis_day(self, instant: int, zone: tzinfo) -> str:
        """Microseconds since 1970 -> "17 Jul"; for axes of charts."""
        return self._time(instant, zone, "d MMM").rstrip(".")

    def axis_month(self, instant: int, zone: tzinfo) -> str:
        """Microseconds since 1970 -> "Jul 2025"; for axes of charts."""
        return self._time(instant, zone, "MMM y")

    def duration(self, microseconds: int) -> str:
        """At most two units, rounded down: "43 days and 2 hours"; under a second is "0 seconds"."""
        seconds = max(0, microseconds // 1_000_000)
        start = next((n for n, step in enumerate(_STEPS) if seconds >= step[0]), len(_STEPS) - 1)
        parts: list[str] = []
        for size, one, many in _STEPS[start : start + 2]:
            count, seconds = divmod(seconds, size)
            if count or not parts:
                parts.append(self.plural(one, many, count))
        return self.join(parts)

    def join(self, parts: Iterable[str]) -> str:
        """Several things in one sentence: "a, b and c"."""
        return str(format_list(list(parts), locale=self.locale))

    def _time(self, instant: int, zone: tzinfo, pattern: str) -> str:
        there = (_EPOCH + timedelta(microseconds=instant)).astimezone(zone)
        return str(format_datetime(there, pattern, locale=self.locale))

    def _written(self, facts: Mapping[str, object]) -> dict[str, object]:
        return {
            name: self.number(fact) if isinstance(fact, int) and not isinstance(fact, bool) else fact
            for name, fact in facts.items()
        }


@lru_cache
def translator(language: str) -> Translator:
    """The words of "nl" or "en"; any other language gets English."""
    if language not in LANGUAGES or language == "en":
        return Translator("en", {}, {})
    texts: dict[str, str] = {}
    plurals: dict[str, tuple[str, str]] = {}
    for catalog in sorted(_catalogs(language), key=lambda item: item[0]):
        _read(catalog[1], texts, plurals)
    return Translator(language, texts, plurals)


@lru_cache
def _problems() -> Mapping[str, Mapping[str, str]]:
    return tomllib.loads((files("keersluis") / "locale" / "problems.toml").read_text(encoding="utf-8"))


def _catalogs(language: str) -> list[tuple[str, bytes]]:
    folder = files("keersluis") / "locale" / language / "LC_MESSAGES"
    return [(entry.name, entry.read_bytes()) for entry in folder.iterdir() if entry.name.endswith(".po")]


def _read(catalog: bytes, texts: dict[str, str], plurals: dict[str, tuple[str, str]]) -> None:
    for message in read_po(catalog.splitlines(keepends=True)):
        texts_here = message.string if isinstance(message.string, (list, tuple)) else (message.string or "",)
        if not all(texts_here) or not message.id:
            continue
        if isinstance(message.id, str):
            texts[message.id] = texts_here[0]
        else:
            plurals[message.id[0]] = (texts_here[0], texts_here[1])


def negotiate(asked: str | None, kept: str | None, accept_language: str) -> str:
    """The reader's language: what the link asked, else what was kept before, else the browser's best."""
    for choice in (asked, kept):
        if choice in LANGUAGES:
            return str(choice)
    wishes = []
    for part in accept_language.split(","):
        tag, _, weight = part.strip().partition(";q=")
        try:
            wishes.append((float(weight or 1), tag.split("-")[0].lower()))
        except ValueError:
            continue
    wishes.sort(key=lambda wish: -wish[0])
    known = [tag for weight, tag in wishes if weight > 0 and tag in LANGUAGES]
    return known[0] if known else "en"
