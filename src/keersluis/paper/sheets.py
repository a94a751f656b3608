"""A letter as PDF: A4, one or two pages, text for people and codes for the machine. By reportlab."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from unicodedata import normalize
from xml.sax.saxutils import escape as _escape

from reportlab.lib.colors import Color, black
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Paragraph

from keersluis.exchange.letters import FIRST_PAGE
from keersluis.paper.codes import draw
from keersluis.paper.wording import Wording

WIDTH, HEIGHT = A4
MARGIN = 20 * mm
COLUMNS = 3
SIDE = 53 * mm
"""The side of a code with its quiet zone: at 150 dpi a module of the densest is three pixels, of most letters four."""
SLOT = (WIDTH - 2 * MARGIN) / COLUMNS
ROW = 56 * mm
FOOT = 14 * mm
CODES_TOP = FOOT + 5 * mm + 2 * ROW

RULE = Color(0.55, 0.55, 0.55)
FAINT = Color(0.35, 0.35, 0.35)

_BODY, _BOLD = "Vera", "VeraBd"
"""Fonts that come with reportlab, embedded in the PDF, with all letters of Dutch."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """One letter to be printed: its texts, and what its codes hold."""

    wording: Wording
    codes: Sequence[bytes]

    @property
    def pages(self) -> int:
        return 1 if len(self.codes) <= FIRST_PAGE else 2


def pdf(sheets: Iterable[Sheet], title: str) -> bytes:
    """One PDF with these letters, each beginning on a page of its own. The same letters give the same bytes."""
    _fonts()
    body = BytesIO()
    canvas: Any = None
    for sheet in sheets:
        if canvas is None:
            canvas = Canvas(body, pagesize=A4, invariant=1, lang=sheet.wording.language)
            canvas.setTitle(title)
            canvas.setAuthor(sheet.wording.sender)
        _first_page(canvas, sheet)
        if sheet.pages == 2:
            _second_page(canvas, sheet)
    if canvas is None:
        return b""
    canvas.save()
    return body.getvalue()


def _fonts() -> None:
    for name in (_BODY, _BOLD):
        if name not in pdfmetrics.getRegisteredFontNames():
            pdfmetrics.registerFont(TTFont(name, f"{name}.ttf"))
    pdfmetrics.registerFontFamily(_BODY, normal=_BODY, bold=_BOLD, italic=_BODY, boldItalic=_BOLD)


def _first_page(canvas: Any, sheet: Sheet) -> None:
    words = sheet.wording
    _head(canvas, words)
    _text(canvas, words)
    _codes(canvas, words, sheet.codes[:FIRST_PAGE], 0, len(sheet.codes), CODES_TOP)
    _foot(canvas, sheet, 1)
    canvas.showPage()


def _second_page(canvas: Any, sheet: Sheet) -> None:
    words = sheet.wording
    top = HEIGHT - 38 * mm
    _paragraph(canvas, f"<b>{escape(words.sender)}</b>", MARGIN, HEIGHT - 18 * mm, WIDTH - 2 * MARGIN, 10)
    _paragraph(canvas, escape(words.subject), MARGIN, HEIGHT - 24 * mm, WIDTH - 2 * MARGIN, 9)
    _codes(canvas, words, sheet.codes[FIRST_PAGE:], FIRST_PAGE, len(sheet.codes), top)
    _foot(canvas, sheet, 2)
    canvas.showPage()


def escape(text: str) -> str:
    """Text for a paragraph; a letter that the font lacks goes without its accent, for it to be read at all."""
    has = pdfmetrics.getFont(_BODY).face.charToGlyph
    return _escape("".join(c if ord(c) in has else _plain(c, has) for c in text))


def _plain(character: str, has: Any) -> str:
    return "".join(c for c in normalize("NFKD", character) if ord(c) in has) or "?"


def _head(canvas: Any, words: Wording) -> None:
    """Sender, address as in a window envelope, date and reference."""
    _paragraph(canvas, f"<b>{escape(words.sender)}</b>", MARGIN, HEIGHT - 16 * mm, WIDTH - 2 * MARGIN, 13)
    _paragraph(canvas, escape(words.chain), MARGIN, HEIGHT - 23 * mm, WIDTH - 2 * MARGIN, 8, FAINT)
    _line(canvas, HEIGHT - 29 * mm)
    _paragraph(canvas, escape(words.labels["to"]), MARGIN, HEIGHT - 36 * mm, 80 * mm, 7.5, FAINT)
    _paragraph(canvas, escape(words.receiver), MARGIN, HEIGHT - 40 * mm, 85 * mm, 10)
    y = HEIGHT - 36 * mm
    for label, value in words.reference:
        _paragraph(canvas, escape(label), 125 * mm, y, 65 * mm, 7.5, FAINT)
        y = _paragraph(canvas, escape(value), 125 * mm, y - 4 * mm, 65 * mm, 9) - 1.5 * mm


def _text(canvas: Any, words: Wording) -> None:
    y = HEIGHT - 60 * mm
    subject = f"{escape(words.labels['subject'])}: <b>{escape(words.subject)}</b>"
    y = _paragraph(canvas, subject, MARGIN, y, WIDTH - 2 * MARGIN, 10) - 2.5 * mm
    y = _paragraph(canvas, escape(words.introduction), MARGIN, y, WIDTH - 2 * MARGIN, 8.5) - 3.5 * mm
    bottom = CODES_TOP + 5 * mm
    _table(canvas, words, MARGIN, y, 90 * mm, bottom)
    _to_do(canvas, words, MARGIN + 97 * mm, y, WIDTH - 2 * MARGIN - 97 * mm)
    _paragraph(canvas, escape(words.labels["keep"]), MARGIN, CODES_TOP + 4.5 * mm, WIDTH - 2 * MARGIN, 7, FAINT)


def _table(canvas: Any, words: Wording, x: float, y: float, width: float, bottom: float) -> None:
    """What the message is and says; as much as there is room for."""
    named = 34 * mm
    y = _paragraph(canvas, f"<b>{escape(words.labels['message'])}</b>", x, y, width, 9) - 1.2 * mm
    rows = [*words.about, ("", words.labels["content"]), *words.facts]
    for number, (label, value) in enumerate(rows):
        text = f"<b>{escape(value)}</b>" if not label else escape(value)
        height = max(_height(text, width - named if label else width, 8), _height(escape(label), named - 2 * mm, 8))
        left = len(rows) - number
        if y - height < bottom + (0 if left == 1 else 4 * mm):
            _paragraph(canvas, escape(words.labels["more"]), x, y, width, 8, FAINT)
            return
        if not label:
            y -= 1.2 * mm
            y = _paragraph(canvas, f"<b>{escape(value)}</b>", x, y, width, 9) - 1.2 * mm
            continue
        _paragraph(canvas, escape(label), x, y, named - 2 * mm, 8, FAINT)
        _paragraph(canvas, text, x + named, y, width - named, 8)
        y -= height + 0.6 * mm


def _to_do(canvas: Any, words: Wording, x: float, y: float, width: float) -> None:
    y = _paragraph(canvas, f"<b>{escape(words.to_do)}</b>", x, y, width, 9) - 1.2 * mm
    *numbered, last = words.steps
    for number, step in enumerate(numbered, 1):
        _paragraph(canvas, f"{number}.", x, y, 6 * mm, 8)
        y = _paragraph(canvas, escape(step), x + 5 * mm, y, width - 5 * mm, 8) - 1 * mm
    _paragraph(canvas, escape(last), x, y - 0.5 * mm, width, 8)


def _codes(canvas: Any, words: Wording, codes: Sequence[bytes], first: int, total: int, top: float) -> None:
    for at, content in enumerate(codes):
        x = MARGIN + at % COLUMNS * SLOT + (SLOT - SIDE) / 2
        y = top - at // COLUMNS * ROW - SIDE
        canvas.drawImage(ImageReader(draw(content).convert("L")), x, y, SIDE, SIDE)
        text = words.labels["code"].format(index=first + at + 1, total=total)
        canvas.setFont(_BODY, 5.5)
        canvas.setFillColor(FAINT)
        canvas.drawCentredString(x + SIDE / 2, y - 0.8 * mm, text)


def _foot(canvas: Any, sheet: Sheet, page: int) -> None:
    words = sheet.wording
    _line(canvas, FOOT + 1 * mm)
    canvas.setFont(_BODY, 7)
    canvas.setFillColor(FAINT)
    canvas.drawString(MARGIN, FOOT - 3 * mm, words.labels["confidential"])
    canvas.drawCentredString(WIDTH / 2, FOOT - 3 * mm, words.reference[-1][1])
    canvas.drawRightString(WIDTH - MARGIN, FOOT - 3 * mm, words.labels["page"].format(page=page, pages=sheet.pages))


def _line(canvas: Any, y: float) -> None:
    canvas.setStrokeColor(RULE)
    canvas.setLineWidth(0.5)
    canvas.line(MARGIN, y, WIDTH - MARGIN, y)


def _style(size: float, colour: Color = black) -> ParagraphStyle:
    return ParagraphStyle(
        "letter", fontName=_BODY, fontSize=size, leading=size * 1.32, textColor=colour, splitLongWords=1
    )


def _height(text: str, width: float, size: float) -> float:
    return float(Paragraph(text, _style(size)).wrap(width, HEIGHT)[1])


def _paragraph(canvas: Any, text: str, x: float, y: float, width: float, size: float, colour: Color = black) -> float:
    """Text whose top is at `y`; returns where it ends."""
    paragraph = Paragraph(text, _style(size, colour))
    height = float(paragraph.wrap(width, HEIGHT)[1])
    paragraph.drawOn(canvas, x, y - height)
    return y - height
