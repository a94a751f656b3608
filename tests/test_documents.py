"""Documents cannot drift: their examples run, their links lead somewhere, their words are the code's."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

NAMES = (
    "Watermark Checkpoint Stream Envelope Outbox Inbox Receipt Gate GateState EmergencyRoute Bundle Quarantine "
    "Reservation Breach Epoch Fact Correction Snapshot Question Answer Lookup Policy PolicyVersion Screening Basis "
    "Provisional Settled Revisit Hold Plan Stage Criterion Evidence GoNoGo Backlog DrainOrder Forecast Interval Entry "
    "InclusionProof ConsistencyProof Witness Report"
)
"""The names of the design; the glossary explains each."""


def transcripts(page: Path) -> Iterator[tuple[str, str]]:
    """(command, expected output) of each `$ ` line in the page's console blocks, in order."""
    for block in re.findall(r"^```console\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, expected = part.partition("\n")
            yield command, expected


def matches(expected: str, got: str) -> bool:
    """Line by line the same, where `...` stands for anything."""
    pattern = ".*".join(re.escape(piece) for piece in expected.strip().split("..."))
    return re.fullmatch(pattern, got.strip(), re.DOTALL) is not None


@pytest.fixture
def shell(tmp_path: Path) -> dict[str, str]:
    """An environment whose PATH has the command `keersluis`."""
    folder = tmp_path / "bin"
    folder.mkdir()
    launcher = folder / "keersluis"
    launcher.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m keersluis.cli.main "$@"\n')
    launcher.chmod(0o755)
    return {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "100", "LC_ALL": "C.UTF-8"}


@pytest.mark.parametrize("page", [page for page in PAGES if any(transcripts(page))], ids=lambda page: page.name)
def test_examples_do_what_the_page_shows(page: Path, shell: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    for command, expected in transcripts(page):
        done = subprocess.run(
            ["bash", "-c", command], cwd=folder, env=shell, capture_output=True, text=True, timeout=120, check=False
        )
        # a slow machine also says how far it is
        said = [line for line in done.stderr.splitlines(keepends=True) if not line.rstrip().endswith(" s left")]
        got = done.stdout + "".join(said)
        assert matches(expected, got), f"$ {command}\nexpected:\n{expected}\ngot:\n{got}"


def test_the_readme_shows_the_thing_before_it_explains_it() -> None:
    """Two commands, one picture, one transcript, all before the first heading of a section."""
    first_screen = (ROOT / "README.md").read_text(encoding="utf-8").partition("\n## ")[0]
    assert {"make demo", "make test"} <= set(re.findall(r"make \w+", first_screen))
    assert len(re.findall(r"!\[[^\]]{20,}\]\(docs/pictures/first-page\.png\)", first_screen)) == 1
    assert first_screen.count("```console") == 1


def test_an_ellipsis_stands_for_anything_and_nothing_else_does() -> None:
    assert matches("seen ... events", "seen 12 new events\n")
    assert not matches("seen ... events", "seen 12 facts")
    assert not matches("a.c", "abc")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    targets = [target for target in re.findall(r"\]\(([^)#]+)", text) if "://" not in target]
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_the_glossary_has_each_name_with_its_dutch_word() -> None:
    rows = re.findall(
        r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", (ROOT / "docs" / "glossary.md").read_text(), re.MULTILINE
    )
    words = {term.strip(): (dutch.strip(), meaning.strip()) for term, dutch, meaning in rows}
    assert set(NAMES.split()) <= set(words)
    terms = [term for term in words if term not in {"term", "---"}]
    assert terms == sorted(terms, key=str.casefold)
    assert all(words[term][0] and words[term][1].endswith(".") for term in terms)


def test_decisions_are_numbered_and_say_context_choice_why_and_consequence() -> None:
    pages = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert [int(page.name[:4]) for page in pages] == list(range(1, len(pages) + 1))
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert text.startswith(f"# {int(page.name[:4])}. ")
        assert all(f"**{part}.**" in text for part in ("Context", "Choice", "Why", "Consequence")), page.name


def test_the_page_of_commands_is_what_the_program_says() -> None:
    """When it fails: `.venv/bin/python tools/commands_page.py > docs/commands.md`."""
    told = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "commands_page.py")], capture_output=True, text=True, check=True
    )
    assert (ROOT / "docs" / "commands.md").read_text(encoding="utf-8") == told.stdout
