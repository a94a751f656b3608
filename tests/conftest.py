"""What all tests share: the sources on the path of child processes too, and Hypothesis without a stopwatch."""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import HealthCheck, settings

_SRC = str(Path(__file__).resolve().parent.parent / "src")
_PATH = os.environ.get("PYTHONPATH", "")
if _SRC not in _PATH.split(os.pathsep):
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (_SRC, _PATH)))

# Two shared cores: how long one example takes says nothing. A failing example is printed so that it can be repeated.
settings.register_profile("keersluis", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("keersluis")
