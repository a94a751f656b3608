"""Pages in any order -> letters, and a list of what could not be read and why. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from keersluis.errors import Incorrect, KeersluisError, Untrusted
from keersluis.exchange.letters import Code, join


@dataclass(frozen=True, slots=True)
class Page:
    """One page: the letters' codes on it, the number of `others`, and what is `wrong` with the page itself."""

    file: str
    number: int
    codes: tuple[Code, ...]
    others: int = 0
    blank: bool = False
    wrong: Incorrect | None = None


@dataclass(frozen=True, slots=True)
class Readable:
    """A letter whose codes were read: its packed bytes, and the pages (file, number) that they were on."""

    letter: str
    packed: bytes
    pages: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """What could not be read, and where. `letter` is empty for a page without any code of a letter."""

    letter: str
    pages: tuple[tuple[str, int], ...]
    error: KeersluisError


def gather(pages: Iterable[Page]) -> tuple[list[Readable], list[Unreadable]]:
    """Letters whole, whatever the order of their pages; a letter that lies there twice is read once."""
    codes: dict[tuple[bytes, int, int], list[Code]] = {}
    places: dict[tuple[bytes, int, int], dict[tuple[str, int], None]] = {}
    failed: list[Unreadable] = []
    for page in pages:
        place = (page.file, page.number)
        if page.wrong is not None or not page.codes:
            failed.append(Unreadable("", (place,), page.wrong or _no_code(page)))
        for code in page.codes:
            codes.setdefault(code.whole, []).append(code)
            places.setdefault(code.whole, {})[place] = None
    read = []
    for whole, found in codes.items():
        where = tuple(places[whole])
        try:
            read.append(Readable(whole[0].hex(), join(found), where))
        except (Incorrect, Untrusted) as error:
            failed.append(Unreadable(whole[0].hex(), where, error))
    return read, failed


def _no_code(page: Page) -> Incorrect:
    got = "a blank page" if page.blank else "no code at all"
    if page.others:
        got = f"{page.others} codes, none of a letter"
    return Incorrect(
        "scan.no-code",
        expected="a page of a letter",
        got=got,
        mend="look whether it lay the right way up in the scanner, flat and whole",
    )
