"""Keersluis: a guard lock for a chain of organisations that live on each other's data.

A programmer needs four names: `open_node`, `publish`, `ask` and `decide` (see `keersluis.programming`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keersluis.programming import ask, decide, open_node, publish

__all__ = ["ask", "decide", "open_node", "publish"]


def __getattr__(name: str) -> Any:
    """Loaded when first asked for, so that a command that needs none of it starts at once."""
    if name in __all__:
        from keersluis import programming

        return getattr(programming, name)
    raise AttributeError(f"module 'keersluis' has no attribute {name!r}")
