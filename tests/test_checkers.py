"""Style, types and layers, as the checkers see them; each would fail the build by itself too (`make lint`)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

pytestmark = pytest.mark.xdist_group("checkers")


def says(*command: str) -> str:
    """What a checker prints when it finds something; empty when it is content."""
    done = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_style_by_ruff() -> None:
    assert says("-m", "ruff", "check", ".") == ""


def test_layout_by_ruff() -> None:
    assert says("-m", "ruff", "format", "--check", ".") == ""


def test_types_by_mypy_strict() -> None:
    assert says("-m", "mypy") == ""


def test_layers_of_the_rooms_by_import_linter() -> None:
    """DESIGN.md, "Rooms": imports point back up the flow of the data, never down, never to a sibling."""
    assert says("-c", "from importlinter.cli import lint_imports_command; lint_imports_command()", "--no-cache") == ""
