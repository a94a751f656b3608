"""The result of a demo or a replay, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def told(result: Mapping[str, Any]) -> str:
    """A few lines for people; `--json` has it all."""
    kept = result["converged"] and not (result["lost"] or result["duplicated"] or result["falsely_settled"])
    lines = [
        f"{result['events']:,} events, {result['decisions']:,} decisions, in {result['seconds']:,} s "
        f"({result['events_per_second']:,.0f} events/s, {result['peak_rss_mib']:,.0f} MiB in all)",
        f"at the worst moment {result['provisional_peak']:,} decisions were provisional; "
        f"now {result['settled']:,} are settled, {result['revisit']:,} lie on a desk, {result['provisional']:,} wait",
        f"compared with the chain that was never cut: {result['lost']} lost, {result['duplicated']} twice, "
        f"{result['falsely_settled']} falsely settled; register and decisions "
        + ("equal" if result["converged"] else "DIFFER"),
    ]
    lines += [f"  {difference}" for difference in result["differences"]]
    lines += [f"refused: {each}" for each in result["refused"]]
    return "\n".join([*lines, "every promise was kept" if kept else "A PROMISE WAS BROKEN"])
