#!/usr/bin/env python3
"""Makes `.venv` from the hash-pinned lock files, with the standard library alone.

    python3 tools/bootstrap.py runtime     what `make demo` needs
    python3 tools/bootstrap.py test        that and what the tests need

Nothing is downloaded but what the lock names, and each file must have the hash that the lock states. A stamp of
the lock's hash makes a second run a matter of milliseconds. The project itself is not installed but pointed at:
a `.pth` file with `src`, and a launcher `keersluis`.

This file is read by any Python 3 (it has to say so when the Python is too old), so it has no newer syntax.
"""

import hashlib
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, Sequence

ROOT = Path(__file__).resolve().parent.parent
LOCKS = {"runtime": "requirements.lock", "test": "requirements-dev.lock"}
OLDEST = (3, 11)
LAUNCHER = '#!/bin/sh\nexec "$(dirname -- "$0")/python" -m keersluis.cli.main "$@"\n'


class BootstrapError(Exception):
    """The environment cannot be made; the text says why and what to do."""


def check_python(version: Sequence[object] = sys.version_info, executable: str = sys.executable) -> None:
    """Raises BootstrapError when this Python is too old or cannot make virtual environments."""
    if tuple(int(str(part)) for part in version[:2]) < OLDEST:
        found = ".".join(str(part) for part in version[:3])
        raise BootstrapError(
            "expected Python 3.11 or newer, got {} at {}; "
            "install a newer one, or name it: make PYTHON=/path/to/python3.11 ...".format(found, executable)
        )
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError as missing:
        raise BootstrapError(
            "expected Python's own modules venv and ensurepip, got none ({}); "
            "on Debian and Ubuntu: apt-get install python3-venv".format(missing)
        ) from missing


def digest(group: str, root: Path = ROOT, version: Sequence[object] = sys.version_info) -> str:
    """What the environment is made from, as one hash: the lock, the Python, the place of the project."""
    parts = [(root / LOCKS[group]).read_bytes(), repr(tuple(version[:3])).encode(), str(root).encode()]
    parts.append(Path(__file__).read_bytes())
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def stamp_file(venv: Path, group: str) -> Path:
    return venv / "keersluis-{}.stamp".format(group)


def is_made(venv: Path, group: str, root: Path = ROOT) -> bool:
    """Whether `venv` holds exactly what `group` asks; the tests' environment serves the demo too."""
    for name in {group, "test"}:
        stamp = stamp_file(venv, name)
        if stamp.is_file() and stamp.read_text() == digest(name, root):
            return (venv / "bin" / "python").exists()
    return False


def run(*command: str) -> None:
    """Runs a command; its output is shown only when it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        sys.stderr.write(done.stdout.decode(errors="replace"))
        raise BootstrapError("the command above failed ({}): {}".format(done.returncode, " ".join(command)))


def make(venv: Path, group: str, root: Path = ROOT) -> None:
    """Makes or completes the environment. It is stamped last, so a run that was broken off is done again."""
    kept = (venv / "bin" / "python").exists() and is_made(venv, "runtime", root)
    if not kept:
        run(sys.executable, "-m", "venv", "--clear", str(venv))
    install = [str(venv / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    install += ["--no-deps", "--require-hashes", "--only-binary", ":all:"]
    run(*install, "-r", str(root / LOCKS[group]))
    point_at_source(venv, root)
    stamp_file(venv, group).write_text(digest(group, root))


def point_at_source(venv: Path, root: Path = ROOT) -> None:
    """Lets the environment's Python import the project from `src`, and gives it the command `keersluis`."""
    packages = next((venv / "lib").glob("python3*")) / "site-packages"
    (packages / "keersluis.pth").write_text(str(root / "src") + "\n")
    launcher = venv / "bin" / "keersluis"
    launcher.write_text(LAUNCHER)
    launcher.chmod(0o755)


@contextmanager
def alone(root: Path = ROOT) -> Iterator[None]:
    """One bootstrap at a time: `make demo` and `make test` may be started together."""
    import fcntl  # POSIX only: elsewhere main() has refused by now

    with open(root / ".venv.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main(arguments: Sequence[str]) -> None:
    group = arguments[0] if arguments else "runtime"
    if len(arguments) > 1 or group not in LOCKS:
        raise BootstrapError("expected runtime or test, got {}".format(" ".join(arguments)))
    check_python()
    if os.name != "posix":
        raise BootstrapError("expected Linux, macOS or another POSIX system, got {}".format(sys.platform))
    venv = ROOT / ".venv"
    with alone():
        if not is_made(venv, group):
            print("Making .venv from {} (once; needs the package index) ...".format(LOCKS[group]), flush=True)
            make(venv, group)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except BootstrapError as error:
        sys.exit("bootstrap: {}".format(error))
