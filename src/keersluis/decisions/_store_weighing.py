"""SQL that counts the decisions that wait, group by group. Other rooms never import this module."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy import Connection

from keersluis.decisions._store import decisions
from keersluis.times import Instant


def after(tx: Connection, group: int, moments: Sequence[Instant]) -> list[int]:
    """How many decisions of a group speak for a moment after each of these: one query, which reads the entries of the
    group in the index on (group, moment) and nothing else."""
    moment = decisions.c.moment
    sums = [sa.func.coalesce(sa.func.sum(sa.case((moment > each, 1), else_=0)), 0) for each in moments]
    row = tx.execute(sa.select(*sums).where(decisions.c.open_group == group)).one()
    return [int(number) for number in row]
