"""Services written as TOML, into a file that people edit: what stays the same keeps its letters and comments. Pure."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence

from keersluis.recovery.services import WAYS, Procedure, Service
from keersluis.sections import LANGUAGES, Words

_HEADER = re.compile(r"^\[\[?\s*([a-z0-9-]+)")

HEAD = """\
# What the organisations of this chain work with: applications, links, workplaces, mail and telephone, with their owners
# (functions), what each rests on, and how to deliver while it does not work. States are told on the nodes.
"""


def block(service: Service) -> str:
    """One service as TOML."""
    lines = [
        f"[{service.key}]",
        f"organisation = {_text(service.organisation)}",
        *([f"kept_by = {_text(service.keeper)}"] if service.keeper != service.organisation else []),
        f"title = {_words(service.title)}",
        f"sort = {_text(service.sort)}",
        f"phase = {_text(service.phase)}",
        f"owner = {_words(service.owner)}",
    ]
    if service.depends_on:
        lines.append(f"depends_on = [{', '.join(map(_text, service.depends_on))}]")
    if service.public:
        lines.append("public = true")
    for procedure in service.procedures:
        lines += ["", *_procedure(service.key, procedure)]
    return "\n".join(lines) + "\n"


def _procedure(service: str, procedure: Procedure) -> list[str]:
    lines = [f"[[{service}.procedures]]", f"key = {_text(procedure.key)}", f"title = {_words(procedure.title)}"]
    lines += [f"{way} = {_words(procedure.ways[way])}" for way in WAYS if way in procedure.ways]
    return lines + ([f"through = {_text(procedure.through)}"] if procedure.through else [])


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _words(words: Words) -> str:
    return "{ " + ", ".join(f"{language} = {_text(words[language])}" for language in LANGUAGES) + " }"


def rewritten(text: str, was: Mapping[str, Service], becomes: Mapping[str, Service]) -> str:
    """The file `text` (which says `was`) made to say `becomes`: blocks of services that stay the same are kept to the
    letter, changed ones are written anew, new ones are added at the end."""
    head, blocks = _split(text) if text.strip() else (HEAD, [])
    parts = [head] if head.strip() else []
    kept = []
    for key, lines in blocks:
        if key in becomes:
            comment = "".join(line for line in lines.splitlines(keepends=True) if line.startswith("#"))
            parts.append(lines if was.get(key) == becomes[key] else comment + block(becomes[key]))
            kept.append(key)
    parts += [block(service) for key, service in becomes.items() if key not in kept]
    made = "\n".join(part.strip("\n") + "\n" for part in parts)
    return made if _says(made, becomes) else "\n".join([HEAD, *map(block, becomes.values())])


def _split(text: str) -> tuple[str, list[tuple[str, str]]]:
    """(what stands before the first service, (key, its lines) in order). Comments that stand right above a service
    are its own."""
    parts: list[tuple[str, list[str]]] = [("", [])]
    for line in text.splitlines(keepends=True):
        found = _HEADER.match(line)
        if found and found[1] != parts[-1][0]:
            above = _comment(parts[-1][1])
            parts.append((found[1], above))
        parts[-1][1].append(line if line.endswith("\n") else line + "\n")
    return "".join(parts[0][1]), [(key, "".join(lines)) for key, lines in parts[1:]]


def _comment(lines: list[str]) -> list[str]:
    """Takes the comment at the end of `lines` away, and returns it; nothing where it is the head of the file."""
    n = len(lines)
    while n and lines[n - 1].startswith("#"):
        n -= 1
    if not n:
        return []
    found = lines[n:]
    del lines[n:]
    return found


def _says(text: str, becomes: Mapping[str, Service]) -> bool:
    """Whether the text, read again, has these services as they are; a text in many lines may have misled `_split`."""
    try:
        return tomllib.loads(text) == {key: tomllib.loads(block(each))[key] for key, each in becomes.items()}
    except tomllib.TOMLDecodeError:
        return False


def differences(was: Mapping[str, Service], becomes: Mapping[str, Service]) -> list[dict[str, object]]:
    """What changes, by service: `change` is new, changed or removed; of a changed one each field, before and after."""
    found: list[dict[str, object]] = []
    for key in dict.fromkeys([*was, *becomes]):
        if key not in becomes:
            found.append({"service": key, "change": "removed", "fields": []})
        elif key not in was:
            found.append({"service": key, "change": "new", "fields": []})
        elif was[key] != becomes[key]:
            found.append({"service": key, "change": "changed", "fields": _fields(was[key], becomes[key])})
    return found


def _fields(was: Service, becomes: Service) -> Sequence[dict[str, object]]:
    before, after = (tomllib.loads(block(each))[each.key] for each in (was, becomes))
    names = dict.fromkeys([*before, *after])
    return [
        {"field": name, "was": before.get(name), "becomes": after.get(name)}
        for name in names
        if before.get(name) != after.get(name)
    ]
