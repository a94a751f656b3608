"""What all tests share: the sources on the path of child processes too, and Hypothesis without a stopwatch."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings

from postgres import cluster, why_not

_SRC = str(Path(__file__).resolve().parent.parent / "src")
_PATH = os.environ.get("PYTHONPATH", "")
if _SRC not in _PATH.split(os.pathsep):
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (_SRC, _PATH)))

# Two shared cores: how long one example takes says nothing. A failing example is printed so that it can be repeated.
settings.register_profile("keersluis", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("keersluis")


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """A throw-away cluster's URL; skips, saying why, where there can be none."""
    if reason := why_not():
        pytest.skip(reason)
    with cluster() as url:
        yield url


@pytest.fixture
def new_postgresql(postgresql_server: str) -> Iterator[Callable[[], str]]:
    """Makes empty databases and gives their URLs; they are dropped afterwards."""
    engine = sa.create_engine(postgresql_server, isolation_level="AUTOCOMMIT")
    made: list[str] = []

    def new() -> str:
        made.append(f"t{uuid.uuid4().hex}")
        with engine.connect() as connection:
            connection.execute(sa.text(f"CREATE DATABASE {made[-1]}"))
        return postgresql_server.rsplit("/", 1)[0] + "/" + made[-1]

    yield new
    with engine.connect() as connection:
        for name in made:
            connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()


@pytest.fixture
def empty_postgresql(new_postgresql: Callable[[], str]) -> str:
    """The URL of an empty database of its own."""
    return new_postgresql()
