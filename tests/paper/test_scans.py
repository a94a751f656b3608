"""Scans of letters, with planted damage: read, or refused with the reason and the page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from keersluis.errors import Incorrect
from keersluis.paper.codes import draw
from keersluis.paper.gathering import Readable, Unreadable, gather
from keersluis.paper.pages import parts, read, read_part
from paper.scans import as_file, black, coffee, damaged, pages, posted, printed, split

DAMAGE: dict[str, dict[str, Any]] = {
    "none": {},
    "a quarter turn": {"angle": 90},
    "upside down": {"angle": 180},
    "askew": {"angle": 3.7},
    "noise": {"noise": 30},
    "blur": {"blur": 0.8},
    "grey": {"grey": True},
    "jpeg 40": {"quality": 40},
    "all at once": {"angle": 3.7, "noise": 15, "blur": 0.5, "quality": 40},
}


def scanned(*files: bytes | Path) -> tuple[list[Readable], list[Unreadable]]:
    work = [part for n, file in enumerate(files, 1) for part in parts(f"scan {n}", file)]
    return gather(page for part in work for page in read_part(part))


def names(letters: list[Readable]) -> list[str]:
    return sorted(each.letter for each in letters)


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_letter_is_read(damage: str) -> None:
    page = damaged(pages(printed(), 150)[0], **DAMAGE[damage])
    letters, failed = scanned(as_file([page]))
    assert names(letters) == [posted()[0].id]
    assert letters[0].packed == posted()[0].packed
    assert failed == []


@pytest.mark.long
@pytest.mark.parametrize("dpi", [150, 200, 300])
@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("extra", ["", "one code", "coffee"])
def test_the_whole_matrix_of_damage(damage: str, dpi: int, extra: str) -> None:
    for content in (500, 7000):
        seen = pages(printed(content, 1), dpi)
        if extra == "one code":
            seen[0] = black(seen[0], [4])
        elif extra == "coffee":
            seen[0] = coffee(seen[0])
        letters, failed = scanned(as_file([damaged(page, **DAMAGE[damage]) for page in seen], "TIFF"))
        assert (names(letters), failed) == ([posted(content, 1)[0].id], [])


def test_one_code_blacked_out_is_made_good() -> None:
    for spot in range(6):
        letters, failed = scanned(as_file([black(pages(printed(), 150)[0], [spot])]))
        assert (names(letters), failed) == ([posted()[0].id], [])


def test_coffee_over_two_codes_is_read_through() -> None:
    letters, failed = scanned(as_file([coffee(pages(printed(), 150)[0])]))
    assert (names(letters), failed) == ([posted()[0].id], [])


def test_two_codes_blacked_out_is_said_with_the_place() -> None:
    letters, failed = scanned(as_file([black(pages(printed(), 150)[0], [0, 4])]))
    assert letters == []
    assert [each.error.code for each in failed] == ["letter.incomplete"]
    assert failed[0].pages == (("scan 1", 1),)
    assert (failed[0].error.expected, failed[0].error.got) == ("at least 5 of 6 codes", "4")


def test_a_pdf_and_a_tiff_of_several_letters_mixed_with_other_paper() -> None:
    seen = pages(printed(), 150)
    nothing = Image.new("L", seen[0].size, 250)
    photo = np.random.default_rng(3).integers(0, 255, (60, 40)).astype(np.uint8)
    other = draw(b"https://example.org/").convert("L").resize((300, 300))
    stack = [seen[2], nothing, Image.fromarray(photo).resize(seen[0].size), other, seen[0]]
    letters, failed = scanned(printed(), as_file(stack, "TIFF"), as_file([seen[1]], "PDF"))
    assert names(letters) == sorted(each.id for each in posted())
    told = {each.pages[0][1]: each.error for each in failed}
    assert {number: (error.code, error.got) for number, error in told.items()} == {
        2: ("scan.no-code", "a blank page"),
        3: ("scan.no-code", "no code at all"),
        4: ("scan.no-code", "1 codes, none of a letter"),
    }


def test_two_pages_of_one_letter_find_each_other() -> None:
    """Shuffled with those of another, and one of them upside down."""
    content = 7000
    seen = pages(printed(content, 2), 150)
    assert len(seen) == 4
    letters, failed = scanned(as_file([seen[3], seen[0], damaged(seen[2], angle=180), seen[1]], "TIFF"))
    assert names(letters) == sorted(each.id for each in posted(content, 2))
    assert failed == []
    letters, failed = scanned(as_file([seen[0], seen[2], seen[3]], "TIFF"))
    assert names(letters) == [posted(content, 2)[1].id]
    assert [(each.letter, each.error.code) for each in failed] == [(posted(content, 2)[0].id, "letter.incomplete")]


def test_a_letter_of_a_newer_version_says_so() -> None:
    contents = [b"KSL\x07" + each[4:] for each in split(posted()[0].packed)]
    sheet = Image.new("L", (1300, 1700), 255)
    for n, content in enumerate(contents):
        sheet.paste(draw(content).convert("L"), (30 + 420 * (n % 3), 100 + 500 * (n // 3)))
    letters, failed = scanned(as_file([sheet]))
    assert letters == []
    assert [each.error.code for each in failed] == ["letter.newer-version"]


@pytest.mark.parametrize("body", [b"", b"no scan", b"%PDF-1.7 cut off", b"\x89PNG\r\n\x1a\n cut off", b"GIF89a....."])
def test_a_file_that_is_no_scan_is_refused_with_its_name(body: bytes) -> None:
    with pytest.raises(Incorrect) as caught:
        parts("letter.pdf", body)
    assert (caught.value.code, caught.value.where) == ("scan.unreadable", "letter.pdf")


def test_a_truncated_image_is_named_and_holds_up_no_other() -> None:
    whole = as_file([pages(printed(), 150)[0]])
    letters, failed = scanned(whole[: len(whole) // 2], as_file([pages(printed(), 150)[1]]))
    assert names(letters) == [posted()[1].id]
    assert [(each.error.code, each.pages) for each in failed] == [("scan.unreadable", (("scan 1", 1),))]


def test_a_page_that_would_fill_the_memory_is_refused() -> None:
    huge = as_file([Image.new("1", (9_400, 9_400), 1)])
    letters, failed = scanned(huge)
    assert letters == []
    assert [each.error.code for each in failed] == ["scan.too-large"]


def test_processes_read_the_same_as_one(tmp_path: Path) -> None:
    path = tmp_path / "stack.pdf"
    path.write_bytes(printed(500, 9))
    work = parts("stack.pdf", path)
    assert len(work) > 1
    letters, failed = gather(page for pages in read(work) for page in pages)
    assert names(letters) == sorted(each.id for each in posted(500, 9))
    assert failed == []
