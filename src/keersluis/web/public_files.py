"""The status for partners and the public as files: pages, feeds and a style sheet that need no server and no script."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from keersluis.web.render import Renderer
from keersluis.web.view_public import newest, view
from keersluis.words import LANGUAGES, translator

FEED = "stand.json"


def page_name(language: str) -> str:
    """Dutch comes first, so it is what a server shows for the folder."""
    return "index.html" if language == "nl" else f"index.{language}.html"


def atom_name(language: str) -> str:
    return "stand.atom" if language == "nl" else f"stand.{language}.atom"


def page(
    renderer: Renderer, feed: Mapping[str, Any], zone: ZoneInfo, language: str, links: Mapping[str, Any], *, demo: bool
) -> str:
    """The page in one language; `links` are the addresses that it points to."""
    facts = {"view": view(feed, translator(language), zone), "links": links, "demo": demo}
    return renderer.plain("stand.html", language, facts)


def atom(renderer: Renderer, feed: Mapping[str, Any], zone: ZoneInfo, language: str) -> str:
    """What changed, as an Atom feed."""
    told = view(feed, translator(language), zone)
    return renderer.plain(
        "stand.atom", language, {"view": told, "feed": feed, "history": told.all_history, "updated": newest(feed)}
    )


def as_json(feed: Mapping[str, Any]) -> bytes:
    return json.dumps(feed, ensure_ascii=False, indent=1).encode() + b"\n"


def files(
    feed: Mapping[str, Any], zone: ZoneInfo, theme_css: Path | None = None, *, demo: bool = False
) -> dict[str, bytes]:
    """Name -> content; every link is relative. The same feed gives the same files."""
    renderer = Renderer(theme_css)
    styles = [name for name in ("style.css", "theme.css") if name in renderer.assets]
    found = {name: renderer.assets[name].content for name in (*styles, "mark.svg")}
    for language in LANGUAGES:
        other = next(each for each in LANGUAGES if each != language)
        links = {
            "styles": styles,
            "mark": "mark.svg",
            "atom": atom_name(language),
            "json": FEED,
            "other": page_name(other),
        }
        found[page_name(language)] = page(renderer, feed, zone, language, links, demo=demo).encode()
        found[atom_name(language)] = atom(renderer, feed, zone, language).encode()
    return found | {FEED: as_json(feed)}
