"""Texts for people: every message that the code says has Dutch beside it, with the same places for facts."""

import re
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po

from keersluis import words

PACKAGE = Path(words.__file__).parent
CATALOGS = sorted((PACKAGE / "locale" / "nl" / "LC_MESSAGES").glob("*.po"))
KEYWORDS = {"_": None, "plural": (1, 2), "plural_form": (1, 2)}
AMSTERDAM = ZoneInfo("Europe/Amsterdam")
CUT = 1752724800 * 1_000_000  # 17 July 2025 06:00 in Amsterdam


def said() -> Iterator[tuple[str, str | tuple[str, ...]]]:
    """Every message in the package's Python files and templates, with the place where it is said."""
    for path in sorted(PACKAGE.rglob("*")):
        how = {".py": "python", ".html": "jinja2.ext:babel_extract"}.get(path.suffix)
        if how is None or path.name == "words.py":
            continue
        for line, message, _comments, _context in extract_from_file(how, path, keywords=KEYWORDS):
            yield f"{path.relative_to(PACKAGE)}:{line}", message


def translated() -> dict[str | tuple[str, ...], tuple[str, ...]]:
    """Message -> its Dutch forms, from all catalogs; an empty one counts as missing."""
    found: dict[str | tuple[str, ...], tuple[str, ...]] = {}
    for path in CATALOGS:
        for message in read_po(path.read_bytes().splitlines(keepends=True)):
            forms = message.string if isinstance(message.string, (list, tuple)) else (message.string,)
            if message.id and all(forms):
                found[message.id] = tuple(str(form) for form in forms)
    return found


def places(text: str) -> set[str]:
    return set(re.findall(r"{(\w+)}", text))


def test_every_message_has_dutch_beside_it() -> None:
    dutch = translated()
    missing = sorted({f"{where}: {message!r}" for where, message in said() if message not in dutch})
    assert missing == []


def test_no_dutch_for_a_message_that_nobody_says() -> None:
    spoken = {message for _where, message in said()} | {form[1:] for form in words._STEPS}
    assert sorted(str(message) for message in translated() if message not in spoken) == []


def test_no_message_is_in_two_catalogs() -> None:
    seen: dict[object, str] = {}
    for path in CATALOGS:
        for message in read_po(path.read_bytes().splitlines(keepends=True)):
            if message.id:
                assert message.id not in seen, f"{path.name} and {seen[message.id]}"
                seen[message.id] = path.name


def test_dutch_has_the_same_places_for_facts() -> None:
    for message, forms in translated().items():
        wanted = places(message if isinstance(message, str) else message[1])
        for form in forms:
            assert places(form) <= wanted, form
        assert places(forms[-1]) == wanted, message


@pytest.mark.parametrize(
    ("language", "moment", "span", "number"),
    [
        ("nl", "donderdag 17 juli 2025 06:00", "43 dagen en 2 uur", "1.204"),
        ("en", "Thursday 17 July 2025 06:00", "43 days and 2 hours", "1,204"),
    ],
)
def test_times_and_numbers_are_written_as_people_there_do(language: str, moment: str, span: str, number: str) -> None:
    _ = words.translator(language)
    assert _.moment(CUT, AMSTERDAM) == moment
    assert _.duration((43 * 86_400 + 2 * 3_600 + 59 * 60) * 1_000_000) == span
    assert _("{n}", n=1204) == number
    assert _("{n}", n="1204") == "1204"


@pytest.mark.parametrize(
    ("asked", "kept", "browser", "language"),
    [
        ("en", "nl", "nl", "en"),
        (None, "nl", "en", "nl"),
        (None, None, "fr, en;q=0.5, nl;q=0.8", "nl"),
        ("xx", None, "de", "en"),
        (None, None, "nl;q=x", "en"),
        (None, None, "nl;q=0", "en"),
        (None, None, "", "en"),
    ],
)
def test_the_link_goes_before_the_cookie_before_the_browser(
    asked: str | None, kept: str | None, browser: str, language: str
) -> None:
    assert words.negotiate(asked, kept, browser) == language
