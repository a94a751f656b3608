"""A throw-away PostgreSQL on loopback, where its programs are on the machine; and how fast a queue in it is."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from keersluis.web.serve import free_port


def binaries() -> Path | None:
    """The folder of initdb and pg_ctl, or None."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


def why_not() -> str | None:
    """Why no cluster can be started here; None when it can."""
    if binaries() is None:
        return "PostgreSQL's binaries are not on this machine"
    if os.geteuid() == 0 and shutil.which("runuser") is None:
        return "PostgreSQL refuses to run as root, and there is no runuser"
    return None


def _run(command: list[str]) -> None:
    if os.geteuid() == 0:  # PostgreSQL refuses root
        command = ["runuser", "-u", "postgres", "--", *command]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT, cwd="/")


@contextmanager
def cluster(*, durable: bool = False) -> Iterator[str]:
    """Yields the SQLAlchemy URL of an empty cluster's server; it is ended and removed afterwards.

    `durable`: with fsync, as in earnest; without, tests are faster.
    """
    folder = binaries()
    assert folder is not None
    home = Path(tempfile.mkdtemp(prefix="keersluis-postgres-"))
    if os.geteuid() == 0:
        shutil.chown(home, "postgres")
    data, port = home / "data", free_port()
    sync = "on" if durable else "off"
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={home} -c fsync={sync}"
    try:
        _run([str(folder / "initdb"), "-D", str(data), "-A", "trust", "-U", "keersluis", "--no-sync", "-E", "UTF8"])
        _run([str(folder / "pg_ctl"), "-D", str(data), "-w", "-l", str(home / "log"), "-o", options, "start"])
        yield f"postgresql+psycopg://keersluis@127.0.0.1:{port}/postgres"
    finally:
        if (data / "postmaster.pid").exists():
            _run([str(folder / "pg_ctl"), "-D", str(data), "-m", "immediate", "-w", "stop"])
        shutil.rmtree(home, ignore_errors=True)
