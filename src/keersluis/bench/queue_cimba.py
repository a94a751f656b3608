"""Cimba on the models of the benchmark, on all processors as it does by itself; its compiling is not timed."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np

from keersluis.bench.queue_model import PLAIN, Model, Outcome

STYLES = ("processes", "events")


def why_not() -> str | None:
    return None if find_spec("cimba") else "Cimba is left out: it is not installed here."


def run(model: Model, style: str, replications: int, seed: int) -> Outcome:
    """`model` is PLAIN or RETURN: Cimba's models stand in code. Compiled at the first run."""
    import cimba

    from keersluis.bench import queue_cimba_models as models

    kind: Any = getattr(models, ("Plain" if model is PLAIN else "Return") + style.title())()
    window = cimba.Window.until_idle()
    results: Any = cimba.Experiment(kind, replications=replications, window=window, seed=seed).run()
    if results.failed.any():
        raise RuntimeError(f"Cimba: {results.failure_reasons[results.failed][0]}")
    told = results[kind]
    items, waits = (
        np.stack([np.ravel(getattr(told, f"{name}{k}").values) for k in range(len(model.kinds))], axis=1).tolist()
        for name in ("n", "w")
    )
    return Outcome(items, waits)
