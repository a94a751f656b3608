"""Letters on paper, and what happens to paper: drawn at some resolution, turned, stained, photographed."""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import closing
from functools import cache
from typing import Any

import numpy as np
import pypdfium2
from PIL import Image, ImageDraw, ImageFilter

from exchange.exchange_harness import KIND, START, event, make_pair, shipped
from exchange.mailing import letters
from keersluis.exchange.letters import split
from keersluis.exchange.posting import Posted
from keersluis.letters_desk import sheet
from keersluis.paper.sheets import pdf
from keersluis.times import HOUR, SECOND

SPOTS = [(0.10 + 0.27 * (n % 3), 0.565 + 0.19 * (n // 3)) for n in range(6)]
"""Where the codes of a first page stand, as shares of its width and height."""


def big_event(number: int, content: int = 500) -> bytes:
    """An event whose content is of so many characters that do not compress to less than half."""
    noise = np.random.default_rng(number).bytes(content // 2).hex()
    return event(number, START - HOUR, chain=shipped()).replace(b'"generated"', b'"' + noise.encode() + b'"')


def posted(content: int = 500, number: int = 3) -> tuple[Posted, ...]:
    """So many letters of one stream, always the same ones."""
    return _posted(content, number)


@cache
def _posted(content: int, number: int) -> tuple[Posted, ...]:
    pair = make_pair()
    for n in range(1, number + 1):
        pair.source.accept([big_event(n, content)])
        pair.go_on(SECOND)
    return tuple(letters(pair, 1, number))


def printed(content: int = 500, number: int = 3, language: str = "nl") -> bytes:
    """The PDF of these letters."""
    return _printed(content, number, language)


@cache
def _printed(content: int, number: int, language: str) -> bytes:
    return pdf([sheet(shipped(), each.packed, each.to, language, START) for each in posted(content, number)], "test")


def pages(body: bytes, dpi: int) -> list[Image.Image]:
    """The pages of a PDF as a scanner sees them."""
    found = []
    with closing(pypdfium2.PdfDocument(body)) as document:
        for number in range(len(document)):
            with closing(document[number]) as page:
                found.append(page.render(scale=dpi / 72, grayscale=True).to_pil().convert("L"))
    return found


def black(page: Image.Image, spots: Sequence[int]) -> Image.Image:
    """Codes blacked out."""
    page = page.copy()
    draw = ImageDraw.Draw(page)
    for spot in spots:
        x, y = SPOTS[spot][0] * page.width, SPOTS[spot][1] * page.height
        draw.rectangle([x, y, x + 0.25 * page.width, y + 0.17 * page.height], fill=0)
    return page


def coffee(page: Image.Image) -> Image.Image:
    """The ring of a mug over two codes, and a stain within it."""
    seen = np.asarray(page, float)
    y, x = np.mgrid[0 : page.height, 0 : page.width]
    away = np.hypot(x - 0.5 * page.width, y - 0.7 * page.height) / page.width
    seen = seen * np.where(away < 0.10, 0.75, 1) * np.where(abs(away - 0.10) < 0.008, 0.55, 1)
    return Image.fromarray(seen.astype(np.uint8))


def damaged(page: Image.Image, **how: Any) -> Image.Image:
    """`angle` in degrees, `blur` in pixels, `grey` (contrast lost), `noise` (standard deviation), JPEG `quality`."""
    if angle := how.get("angle"):
        page = page.rotate(angle, expand=True, fillcolor=255, resample=Image.Resampling.BICUBIC)
    if blur := how.get("blur"):
        page = page.filter(ImageFilter.GaussianBlur(blur))
    seen = np.asarray(page, float)
    if how.get("grey"):
        seen = 100 + seen * 0.4
    if noise := how.get("noise"):
        seen = seen + np.random.default_rng(7).normal(0, noise, seen.shape)
    page = Image.fromarray(seen.clip(0, 255).astype(np.uint8))
    if quality := how.get("quality"):
        body = io.BytesIO()
        page.save(body, "JPEG", quality=quality)
        page = Image.open(body).convert("L")
    return page


def as_file(images: Sequence[Image.Image], kind: str = "PNG") -> bytes:
    """An image file; several pages in one TIFF or PDF."""
    body = io.BytesIO()
    first, *rest = images
    first.save(body, kind, **({"save_all": True, "append_images": rest} if rest else {}))
    return body.getvalue()


__all__ = ["KIND", "as_file", "big_event", "black", "coffee", "damaged", "pages", "posted", "printed", "split"]
