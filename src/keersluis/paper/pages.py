"""Files with scanned pages -> pages with the codes on them: PDF by PDFium, images by Pillow. In processes when many."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from io import BytesIO
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pypdfium2
from PIL import Image, UnidentifiedImageError

from keersluis.errors import Incorrect
from keersluis.paper.codes import Found, Grey, find
from keersluis.paper.gathering import Page

Source: TypeAlias = Path | bytes
"""A file, or what is in it."""

DPI = 200
"""At which a page of a PDF is drawn; where that gives too little, once more at FINE."""
FINE = 300
MOST_PIXELS = 80_000_000
"""A3 at 600 dpi is 70 million. A page of more is refused before it fills a memory."""
MOST_PAGES = 10_000
TOGETHER = 4
"""Pages that one process reads at a time."""

BROKEN = (OSError, ValueError, SyntaxError, Image.DecompressionBombError, pypdfium2.PdfiumError)
"""What the readers of files raise for one that is not what it says."""

_alone = threading.Lock()  # PDFium works for one thread at a time


@dataclass(frozen=True, slots=True)
class Part:
    """Pages `first` … `last` (from 0, `last` exclusive) of one file: what one process reads at a time."""

    name: str
    source: Source
    first: int
    last: int


def parts(name: str, source: Source) -> list[Part]:
    """A file in parts. Raises Incorrect `scan.unreadable` or `scan.too-many-pages`."""
    try:
        count = _count(source)
    except (*BROKEN, UnidentifiedImageError) as error:
        raise unreadable(name, error) from None
    if count > MOST_PAGES:
        expected = f"at most {MOST_PAGES:,} pages in a file"
        raise Incorrect("scan.too-many-pages", expected=expected, got=f"{count:,}", where=name)
    return [Part(name, source, at, min(count, at + TOGETHER)) for at in range(0, count, TOGETHER)]


def read(work: Sequence[Part]) -> Iterator[list[Page]]:
    """The pages of each part, in order. More than a few pages are read on all processors."""
    if len(work) < 2:
        yield from map(read_part, work)
        return
    workers = min(len(work), os.cpu_count() or 1)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(read_part, work)


def read_part(part: Part) -> list[Page]:
    """The pages of one part. One that cannot be read is said to be wrong, and holds up no other."""
    if _is_pdf(part.source):
        with _alone:
            return list(_read_pdf(part))
    return list(_read_image(part))


def unreadable(name: str, error: Exception) -> Incorrect:
    """The error for a file, or a page of it, that is no image and no PDF."""
    return Incorrect(
        "scan.unreadable", expected="a PDF, PNG, JPEG or TIFF", got=str(error)[:200] or type(error).__name__, where=name
    )


def _is_pdf(source: Source) -> bool:
    if isinstance(source, bytes):
        return source[:1024].lstrip().startswith(b"%PDF-")
    with source.open("rb") as file:
        return file.read(1024).lstrip().startswith(b"%PDF-")


def _count(source: Source) -> int:
    if _is_pdf(source):
        with _alone, closing(pypdfium2.PdfDocument(source)) as document:
            return len(document)
    with _opened(source) as image:
        return int(getattr(image, "n_frames", 1))


def _opened(source: Source) -> Image.Image:
    return Image.open(BytesIO(source) if isinstance(source, bytes) else source, formats=("PNG", "JPEG", "TIFF"))


def _read_pdf(part: Part) -> Iterator[Page]:
    with closing(pypdfium2.PdfDocument(part.source)) as document:
        for number in range(part.first, part.last):
            try:
                with closing(document[number]) as page:
                    found, blank = _look(_drawn(page, DPI))
                    if not blank and not found.complete() and not found.newer:
                        again, _blank = _look(_drawn(page, FINE))
                        found = again if len(again.codes) > len(found.codes) else found
                yield _page(part, number, found, blank)
            except (*BROKEN, Incorrect) as error:
                yield _wrong(part, number, error)


def _drawn(page: Any, dpi: int) -> Grey:
    width, height = page.get_size()
    _check_size(width * dpi / 72 * height * dpi / 72)
    bitmap = page.render(scale=dpi / 72, grayscale=True)
    with closing(bitmap):
        return np.array(bitmap.to_numpy(), np.uint8).reshape(bitmap.height, -1)[:, : bitmap.width]


def _read_image(part: Part) -> Iterator[Page]:
    with _opened(part.source) as image:
        for number in range(part.first, part.last):
            try:
                image.seek(number)
                _check_size(image.width * image.height)
                found, blank = _look(np.asarray(image.convert("L"), np.uint8))
                yield _page(part, number, found, blank)
            except (*BROKEN, Incorrect) as error:
                yield _wrong(part, number, error)


def _look(grey: Grey) -> tuple[Found, bool]:
    """The codes of a page, and whether there is nothing on it at all."""
    dark = float((grey < grey.mean() - 40).mean()) if grey.size else 0.0
    return find(grey), dark < 0.001  # a page number alone is more


def _check_size(pixels: float) -> None:
    if pixels > MOST_PIXELS:
        expected = f"at most {MOST_PIXELS:,} pixels on a page"
        raise Incorrect("scan.too-large", expected=expected, got=f"{int(pixels):,}")


def _page(part: Part, number: int, found: Found, blank: bool) -> Page:
    return Page(part.name, number + 1, tuple(found.codes.values()), found.others, blank, found.newer)


def _wrong(part: Part, number: int, error: Exception) -> Page:
    wrong = error if isinstance(error, Incorrect) else unreadable(part.name, error)
    return Page(part.name, number + 1, (), wrong=wrong)
