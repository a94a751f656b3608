"""The bootstrap: refuses what cannot work in one sentence, does its work once, and again when the lock changes."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


bootstrap: Any = load("bootstrap")
debian: Any = load("debian_packages")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A project with locks that name nothing, so that nothing is downloaded."""
    for lock in bootstrap.LOCKS.values():
        (tmp_path / lock).write_text("")
    (tmp_path / "tools").mkdir()
    shutil.copy(ROOT / "tools" / "bootstrap.py", tmp_path / "tools")
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "keersluis_is_here.py").write_text("")
    return tmp_path


def made(copy: Path, group: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(copy / "tools" / "bootstrap.py"), group]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_an_old_python_is_refused_with_what_to_do() -> None:
    with pytest.raises(
        bootstrap.BootstrapError, match=r"expected Python 3\.11 or newer, got 3\.9\.2 at /usr/bin/python3; "
    ):
        bootstrap.check_python((3, 9, 2), "/usr/bin/python3")
    bootstrap.check_python((3, 11, 0))
    bootstrap.check_python((3, 14, 0))


def test_a_python_without_venv_is_refused_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    with pytest.raises(bootstrap.BootstrapError, match="apt-get install python3-venv"):
        bootstrap.check_python()


def test_a_wrong_group_is_refused(copy: Path) -> None:
    done = made(copy, "everything")
    assert done.returncode == 1
    assert done.stderr.strip() == "bootstrap: expected runtime or test, got everything"


def test_made_once_and_again_only_when_the_lock_changes(copy: Path) -> None:
    assert "Making .venv" in made(copy, "runtime").stdout
    python = copy / ".venv" / "bin" / "python"
    subprocess.run([python, "-c", "import keersluis_is_here"], check=True)
    assert os.access(copy / ".venv" / "bin" / "keersluis", os.X_OK)
    start = time.monotonic()
    assert made(copy, "runtime").stdout == ""
    assert time.monotonic() - start < 3
    (copy / "requirements.lock").write_text("# a newer lock\n")
    assert "Making .venv" in made(copy, "runtime").stdout


def test_a_file_without_the_locked_hash_is_refused_and_not_stamped(copy: Path) -> None:
    """Attack: somebody changes the lock, or the package behind it. Nothing counts as made."""
    (copy / "requirements.lock").write_text("six==1.17.0\n")
    done = made(copy, "runtime")
    assert done.returncode == 1
    assert "hash" in done.stderr.lower()
    assert not list((copy / ".venv").glob("*.stamp"))


def test_a_broken_off_run_is_done_again(copy: Path) -> None:
    made(copy, "runtime")
    (copy / ".venv" / "keersluis-runtime.stamp").unlink()
    assert "Making .venv" in made(copy, "runtime").stdout
    assert made(copy, "runtime").stdout == ""


@pytest.mark.parametrize("environment", [{}, {"CI": "false"}, {"KEERSLUIS_APT": "0"}])
def test_nobodys_own_machine_gets_packages_unasked(environment: dict[str, str]) -> None:
    assert not debian.may_install(environment)


@pytest.mark.long
def test_a_fresh_clone_is_ready_within_ninety_seconds(tmp_path: Path) -> None:
    """As a new user: clone, bootstrap from the real lock (needs the package index), ask for help."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(tmp_path / "clone")], check=True)
    start = time.monotonic()
    assert made(tmp_path / "clone", "runtime").returncode == 0
    assert time.monotonic() - start < 90
    told = subprocess.run(
        [tmp_path / "clone" / ".venv" / "bin" / "keersluis", "--help"], capture_output=True, text=True, check=True
    )
    assert "Usage: keersluis" in told.stdout
