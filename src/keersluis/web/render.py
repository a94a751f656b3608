"""From a request to HTML: the reader's language, the templates and the assets."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import Response
from litestar.datastructures import Cookie

from keersluis.web.security import TOKEN_FIELD, AnyRequest, form_token, secured, token_cookie
from keersluis.words import LANGUAGES, Translator, negotiate, translator

LANGUAGE_COOKIE = "keersluis_taal"
LIVE_HEADER = "keersluis-part"
"""With this header the script asks for a page's live regions alone."""

_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


@dataclass(frozen=True)
class Asset:
    """A file that pages load; `address` changes with its content, so that browsers may keep it for good."""

    name: str
    content: bytes
    media_type: str

    @property
    def address(self) -> str:
        return f"/statisch/{self.name}?v={hashlib.sha256(self.content).hexdigest()[:12]}"


def load_assets(theme_css: Path | None) -> dict[str, Asset]:
    """The style sheet, the script and the mark, and as `theme.css` an organisation's own style sheet."""
    found = {}
    for entry in (files("keersluis") / "web" / "static").iterdir():
        media_type = _TYPES.get(Path(entry.name).suffix)
        if media_type:
            found[entry.name] = Asset(entry.name, entry.read_bytes(), media_type)
    if theme_css is not None:
        found["theme.css"] = Asset("theme.css", theme_css.read_bytes(), _TYPES[".css"])
    return found


def language_of(request: AnyRequest) -> str:
    asked = request.query_params.get("taal")
    return negotiate(asked, request.cookies.get(LANGUAGE_COOKIE), request.headers.get("accept-language", ""))


class Renderer:
    """Renders templates with what every page needs."""

    def __init__(self, theme_css: Path | None) -> None:
        self.assets = load_assets(theme_css)
        self._templates = Environment(
            loader=PackageLoader("keersluis", "web/templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def plain(self, name: str, language: str, facts: Mapping[str, Any]) -> str:
        """The template `name` without anything of a reader: for what is the same for everybody, and for files."""
        other = next(each for each in LANGUAGES if each != language)
        given = {"_": translator(language), "language": language, "other_language": other}
        return self._templates.get_template(name).render(**given, **facts)

    def page(self, request: AnyRequest, name: str, facts: Mapping[str, Any], status: int = 200) -> Response[str]:
        """The page `name` in the reader's language, with the cookies and headers that belong to it."""
        words, token = translator(language_of(request)), form_token(request)
        html = self._templates.get_template(name).render(**self._common(request, words, token), **facts)
        cookies = [token_cookie(request, token), *self._kept_language(request, words)]
        response = Response(html, media_type="text/html; charset=utf-8", status_code=status, cookies=cookies)
        response.headers["Content-Language"] = words.language
        response.headers["Vary"] = "Accept-Language, Cookie, Keersluis-Part"
        return secured(response)

    def _common(self, request: AnyRequest, words: Translator, token: str) -> dict[str, Any]:
        other = next(language for language in LANGUAGES if language != words.language)
        return {
            "_": words,
            "language": words.language,
            "other_language": other,
            "path": request.url.path,
            "here": _address(request),
            "assets": self.assets,
            "live_only": request.headers.get(LIVE_HEADER) == "live",
            "token": token,
            "token_field": TOKEN_FIELD,
        }

    def _kept_language(self, request: AnyRequest, words: Translator) -> list[Cookie]:
        if request.query_params.get("taal") != words.language:
            return []
        return [Cookie(LANGUAGE_COOKIE, value=words.language, max_age=31_536_000, samesite="lax", httponly=True)]


def _address(request: AnyRequest) -> str:
    """This page's own address without the language, ready for a further parameter."""
    kept = [(key, value) for key, value in request.query_params.multi_items() if key != "taal"]
    return f"{request.url.path}?{urlencode(kept)}&" if kept else f"{request.url.path}?"
