"""QR codes: what a letter's codes hold <-> an image. By zxing-cpp, which writes and reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np
import zxingcpp
from numpy.typing import NDArray
from PIL import Image

from keersluis.errors import Incorrect
from keersluis.exchange.letters import FIRST_PAGE, Code, parse_code

Grey: TypeAlias = NDArray[np.uint8]
"""An image: rows of pixels, 0 black to 255 white."""

LEVEL = "M"
"""QR error correction: 15 % of a code may be illegible. What is worse damaged, the parity code makes good."""

_QR = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)

SCALE = 4
"""Pixels to a module in the image that is printed: no renderer blurs an edge over a whole module."""


def draw(content: bytes) -> Image.Image:
    """The code of `content`, with its quiet zone."""
    code = zxingcpp.create_barcode(content, zxingcpp.BarcodeFormat.QRCode, ec_level=LEVEL)
    modules = np.array(zxingcpp.write_barcode_to_image(code, scale=1, add_quiet_zones=True), np.uint8)
    return Image.fromarray(modules.repeat(SCALE, 0).repeat(SCALE, 1)).convert("1")


class Found:
    """The codes on one page: of letters, and how many of other things; `newer`: of a letter of a later format."""

    def __init__(self) -> None:
        self.codes: dict[tuple[bytes, int], Code] = {}
        self.others = 0
        self.newer: Incorrect | None = None

    def add(self, contents: list[bytes]) -> None:
        self.others = 0
        for content in contents:
            try:
                code = parse_code(content)
            except Incorrect as error:
                self.others += 1
                self.newer = error if error.code == "letter.newer-version" else self.newer
            else:
                self.codes[code.letter, code.index] = code

    def complete(self) -> bool:
        """Of every letter of which a code was seen, this page gave all that it holds, or enough to read the letter."""
        letters: dict[bytes, list[Code]] = {}
        for (letter, _index), code in self.codes.items():
            letters.setdefault(letter, []).append(code)
        return bool(letters) and all(map(_enough, letters.values()))


def _enough(codes: list[Code]) -> bool:
    here = {code.index for code in codes}
    first, second = set(range(FIRST_PAGE)), set(range(FIRST_PAGE, codes[0].data + 1))
    return len(here) >= codes[0].data or here in (first, second)


def find(grey: Grey) -> Found:
    """The letters' codes in an image, at any angle. Looks harder where too few are found."""
    found = Found()
    for sight in _sights(grey):
        found.add(sight())
        if found.complete() or found.newer:
            break
    return found


def _sights(grey: Grey) -> Iterator[Callable[[], list[bytes]]]:
    """Ways to look at an image, cheapest first: as it is, then smoothed, enlarged, and with one threshold for all."""
    yield lambda: _read(grey)
    if grey.max(initial=0) - grey.min(initial=255) < 48:
        return  # nothing is printed here
    image = Image.fromarray(grey)
    half = (max(1, image.width // 2), max(1, image.height // 2))
    if image.width * image.height > 12_000_000:
        yield lambda: _read(np.asarray(image.resize(half, Image.Resampling.BOX)))
    else:
        twice = (image.width * 2, image.height * 2)
        yield lambda: _read(np.asarray(image.resize(twice, Image.Resampling.BICUBIC)))
    yield lambda: _read(_smooth(grey))
    yield lambda: _read(grey, binarizer=zxingcpp.Binarizer.GlobalHistogram)


def _smooth(grey: Grey) -> Grey:
    """Noise averaged out over 3 x 3 pixels."""
    wide = np.pad(grey, 1, mode="edge").astype(np.uint16)
    total = sum(wide[y : y + grey.shape[0], x : x + grey.shape[1]] for y in range(3) for x in range(3))
    return np.asarray(total // 9, np.uint8)


def _read(grey: Grey, **how: Any) -> list[bytes]:
    found = zxingcpp.read_barcodes(np.ascontiguousarray(grey), formats=_QR, try_invert=False, **how)
    return [bytes(each.bytes) for each in found]
