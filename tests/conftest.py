"""What all tests share: the sources on the path of child processes too, and Hypothesis without a stopwatch."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
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
def empty_postgresql(postgresql_server: str) -> Iterator[str]:
    """The URL of an empty database of its own."""
    name = f"t{uuid.uuid4().hex}"
    engine = sa.create_engine(postgresql_server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    yield postgresql_server.rsplit("/", 1)[0] + "/" + name
    with engine.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()
