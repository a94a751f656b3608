"""Reads the services of a chain folder: `services.toml`, all faults reported at once."""

from __future__ import annotations

import tomllib
from typing import Any

from keersluis.chain import Chain
from keersluis.errors import Incorrect
from keersluis.files import stamp
from keersluis.recovery.services import Inventory, read_inventory
from keersluis.sections import Faults, read_section

FILE = "services.toml"
"""Where a chain folder keeps its services."""


def load_services(chain: Chain) -> Inventory:
    """All services of the chain by key; none when the folder has no such file.

    Raises Incorrect `services.broken` whose `.faults` names every fault: unknown names and loops whole.
    """
    path, faults = chain.folder / FILE, Faults()
    if not path.exists():
        return {}
    found = read_inventory(read_section(faults, path, FILE), chain)
    faults.stop("services.broken", expected="services without faults", where=str(path))
    return found


def load_tables(chain: Chain) -> dict[str, dict[str, Any]]:
    """The tables of a file that `load_services` reads without faults."""
    path = chain.folder / FILE
    return tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


_read: dict[str, tuple[tuple[int, ...], Inventory]] = {}


def services_of(chain: Chain) -> Inventory:
    """As `load_services`, read anew when the file was replaced. While somebody's edit leaves it broken, the inventory
    that was read before stays in force; `keersluis service check` tells what is wrong with it."""
    path = chain.folder / FILE
    name, now = str(path.resolve()), stamp(path)
    if name not in _read or _read[name][0] != now:
        try:
            _read[name] = (now, load_services(chain))
        except Incorrect:
            if name not in _read:
                raise
            return _read[name][1]
    return _read[name][1]
