"""Working directories of the shipped chain for tests: made once, with stores, and then copied."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import lru_cache
from pathlib import Path

from keersluis.chain import load_chain
from keersluis.exchange.wire import Wire
from keersluis.service import make_home, open_node
from keersluis.times import SystemClock


def fresh_home(to: Path, *nodes: str) -> None:
    """What `make_home` makes, with an empty store for each of these nodes. All copies have the same keys."""
    shutil.copytree(_template(nodes), to, dirs_exist_ok=True)


@lru_cache
def _template(nodes: tuple[str, ...]) -> Path:
    chain, folder = load_chain("nl-justice"), Path(tempfile.mkdtemp(prefix="keersluis-home-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    make_home(chain, folder)
    for key in nodes:
        open_node(chain, key, folder, SystemClock(), Wire({}), inline=True).close()
    return folder
