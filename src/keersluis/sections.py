"""Reading TOML that people write: every fault is collected with its place, and all are reported at once.

A `Section` is one TOML table. Asking it for a key notes that the key is known, so that `done()` can name the
others as probable typing errors. A faulty value is answered with a neutral one, so that reading goes on.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import TypeAlias, TypeVar
from zoneinfo import ZoneInfo

from keersluis.errors import Incorrect
from keersluis.times import Instant, When, parse_duration, parse_when

Words: TypeAlias = dict[str, str]
"""A text for people, by language: ``nl`` and ``en``."""

LANGUAGES = ("nl", "en")

T = TypeVar("T")


def nearest(got: str, known: Collection[str]) -> str:
    """A hint such as `` (did you mean 'receivers'?)``; empty when nothing is near."""
    found = get_close_matches(got, list(known), n=1)
    return f" (did you mean {found[0]!r}?)" if found else ""


@dataclass
class Faults:
    """What is wrong with a set of files, each as one sentence: ``file: where: expected .., got ..``."""

    found: list[str] = field(default_factory=list)

    def add(self, file: str, where: str, expected: str, got: str) -> None:
        place = f"{file}: {where}" if where else file
        self.found.append(f"{place}: expected {expected}, got {got}")

    def stop(self, code: str, *, expected: str, where: str) -> None:
        """Raise Incorrect `code` with all faults, if there are any."""
        if not self.found:
            return
        number = len(self.found)
        raise Incorrect(
            code,
            expected=expected,
            got=f"{number} fault{'s' if number > 1 else ''}, the first is {self.found[0]}",
            where=where,
            faults=list(self.found),
        )


class Section:
    """One TOML table. Values that are missing or of the wrong type become a fault and a neutral value."""

    def __init__(self, faults: Faults, file: str, where: str, values: Mapping[str, object]) -> None:
        self.faults, self.file, self.where, self.values = faults, file, where, values
        self._asked: dict[str, None] = {}

    def fault(self, key: str, expected: str, got: str) -> None:
        where = ".".join(part for part in (self.where, key) if part)
        self.faults.add(self.file, where, expected, got)

    def has(self, key: str) -> bool:
        self._asked[key] = None
        return key in self.values

    def _value(self, key: str, kind: type[T], expected: str, default: T | None, neutral: T) -> T:
        if not self.has(key):
            if default is None:
                self.fault(key, expected, "nothing")
                return neutral
            return default
        value = self.values[key]
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            self.fault(key, expected, repr(value))
            return neutral
        return value

    def text(self, key: str, default: str | None = None) -> str:
        return self._value(key, str, "a text", default, "")

    def flag(self, key: str, default: bool | None = None) -> bool:
        return self._value(key, bool, "true or false", default, False)

    def whole(self, key: str, default: int | None = None, *, least: int = 0) -> int:
        number = self._value(key, int, f"a whole number of at least {least}", default, least)
        if number < least:
            self.fault(key, f"a whole number of at least {least}", str(number))
        return max(number, least)

    def number(self, key: str, expected: str, fits: Callable[[float], bool]) -> float:
        """A whole or broken number that `fits` accepts, or 0."""
        value = self.values.get(key, "nothing") if self.has(key) else "nothing"
        if isinstance(value, int | float) and not isinstance(value, bool) and fits(value):
            return float(value)
        self.fault(key, expected, value if value == "nothing" else repr(value))
        return 0.0

    def share(self, key: str, default: float | None = None) -> float:
        """A number from 0 to 1."""
        if default is not None and not self.has(key):
            return default
        return self.number(key, "a number from 0 to 1", lambda value: 0 <= value <= 1)

    def texts(self, key: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """A list of texts, without doubles."""
        values = self._value(key, list, "a list of texts", None if default is None else list(default), [])
        texts = tuple(value for value in values if isinstance(value, str))
        if len(texts) < len(values) or len(set(texts)) < len(texts):
            self.fault(key, "a list of different texts", repr(values))
        return texts

    def words(self, key: str, default: Words | None = None) -> Words:
        """A text in each of the languages."""
        neutral: dict[str, object] = dict.fromkeys(LANGUAGES, "?")
        given: dict[str, object] | None = None if default is None else dict(default)
        value = self._value(key, dict, "a text in nl and en", given, neutral)
        for language in LANGUAGES:
            if not isinstance(value.get(language), str) or not value[language]:
                self.fault(f"{key}.{language}", "a text", repr(value.get(language, "nothing")))
        for language in value.keys() - set(LANGUAGES):
            self.fault(f"{key}.{language}", "only nl and en", repr(language))
        return {language: str(value.get(language, "?")) for language in LANGUAGES}

    def choice(self, key: str, options: Collection[str], default: str | None = None) -> str:
        expected = "one of " + ", ".join(options)
        value = self._value(key, str, expected, default, next(iter(options)))
        if value not in options:
            self.fault(key, expected, repr(value) + nearest(value, options))
            return next(iter(options))
        return value

    def choices(self, key: str, options: Collection[str], default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        texts = self.texts(key, default)
        for value in texts:
            if value not in options:
                expected = "one of " + (", ".join(options) or "nothing")
                self.fault(key, expected, repr(value) + nearest(value, options))
        return tuple(value for value in texts if value in options)

    def _parsed(self, key: str, parse: Callable[[str], T], default: str | None, neutral: T) -> T:
        text = self.text(key, default)
        if not text and (default == "" or key not in self.values):
            return neutral
        try:
            return parse(text)
        except Incorrect as error:
            self.fault(key, error.expected, error.got)
            return neutral

    def duration(self, key: str, default: str | None = None, *, least: int = 0) -> int:
        """``6h`` -> microseconds, at least `least` of them."""
        number = self._parsed(key, parse_duration, default, least)
        if number < least:
            self.fault(key, "a duration of more than nothing", repr(self.values.get(key)))
        return max(number, least)

    def when(self, key: str, tz: ZoneInfo) -> When:
        """A day in `tz` or an RFC 3339 time; a TOML date without quotes is as good."""
        if self.has(key) and hasattr(self.values[key], "isoformat"):
            self.values = {**self.values, key: self.values[key].isoformat()}  # type: ignore[attr-defined]
        return self._parsed(key, lambda text: parse_when(text, tz), None, When(0, 0))

    def instant(self, key: str, tz: ZoneInfo) -> Instant:
        """The first moment of `when`."""
        return self.when(key, tz).start

    def section(self, key: str) -> Section:
        """A table inside this one; an empty one, and a fault, when it is missing."""
        values = self._value(key, dict, "a table", None, {})
        return Section(self.faults, self.file, f"{self.where}.{key}" if self.where else key, values)

    def sections(self) -> Iterator[tuple[str, Section]]:
        """All tables of this one by name; anything else is a fault."""
        for key in self.values:
            if isinstance(self.values[key], dict):
                yield key, self.section(key)
            else:
                self.has(key)
                self.fault(key, "a table", repr(self.values[key]))

    def rows(self, key: str) -> list[Section]:
        """An array of tables (``[[key]]``); none when it is missing."""
        values = self._value(key, list, "tables", [], [])
        where = f"{self.where}.{key}" if self.where else key
        rows = [
            Section(self.faults, self.file, f"{where}[{n}]", row)
            for n, row in enumerate(values, 1)
            if isinstance(row, dict)
        ]
        if len(rows) < len(values):
            self.fault(key, "tables", repr(values))
        return rows

    def done(self) -> None:
        """Every key that nobody asked for is a fault."""
        for key in self.values:
            if key not in self._asked:
                expected = "a known key: " + ", ".join(self._asked)
                self.fault(key, expected, repr(key) + nearest(key, self._asked))


def read_section(faults: Faults, path: Path, name: str) -> Section:
    """The TOML file as a section; an empty one, and a fault, when it is missing or not TOML."""
    try:
        return Section(faults, name, "", tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        faults.add(name, "", "a file that can be read", error.strerror or type(error).__name__)
    except UnicodeDecodeError as error:
        faults.add(name, f"byte {error.start}", "text in UTF-8", "other bytes")
    except tomllib.TOMLDecodeError as error:
        faults.add(name, "", "TOML", str(error))
    return Unreadable(faults, name, "", {})


class Unreadable(Section):
    """Stands in for a file that could not be read: its one fault is known, no others are added for it."""

    def fault(self, key: str, expected: str, got: str) -> None:
        return

    def section(self, key: str) -> Section:
        return Unreadable(self.faults, self.file, key, {})
