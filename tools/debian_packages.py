#!/usr/bin/env python3
"""Installs what the browser and PostgreSQL tests need from Debian's packages, where that is wanted and possible.

It acts only as root, with apt-get there, and when CI=true or KEERSLUIS_APT=1: nobody's own machine is changed
unasked. Elsewhere those tests skip, and say so. Standard library only.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

PROGRAMS = {
    "chromium": ("chromium", "chromium-browser", "google-chrome"),
    "postgresql": ("postgres", "initdb"),
    "fonts-liberation": (),
}
FILES = {
    "postgresql": "/usr/lib/postgresql/*/bin/initdb",
    "fonts-liberation": "/usr/share/fonts/truetype/liberation*/LiberationSans-Regular.ttf",
}
"""Where Debian puts what is on no path. The pages are measured with a font whose widths are those of common ones."""


def is_there(package: str) -> bool:
    """Whether a program of `package` is on the path, or a file of it where Debian puts it."""
    if any(shutil.which(program) for program in PROGRAMS[package]):
        return True
    return package in FILES and any(Path("/").glob(FILES[package].lstrip("/")))


def may_install(environment: Mapping[str, str]) -> bool:
    asked = environment.get("CI") == "true" or environment.get("KEERSLUIS_APT") == "1"
    return asked and os.geteuid() == 0 and shutil.which("apt-get") is not None


def install(packages: Sequence[str]) -> bool:
    """Returns whether apt-get could install `packages`."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    steps = (["update", "-q"], ["install", "-q", "-y", "--no-install-recommends", *packages])
    for step in steps:
        if subprocess.run(["apt-get", *step], env=environment, stdout=subprocess.DEVNULL, check=False).returncode:
            return False
    return True


def main() -> None:
    missing = [package for package in PROGRAMS if not is_there(package)]
    if not missing:
        return
    names = " and ".join(missing)
    if not may_install(os.environ):
        print(f"{names} not found: the tests that need them skip (as root on Debian, KEERSLUIS_APT=1 installs them).")
    elif install(missing):
        print(f"Installed {names} from Debian's packages.")
    else:
        print(f"apt-get could not install {names}: the tests that need them skip.", file=sys.stderr)


if __name__ == "__main__":
    main()
