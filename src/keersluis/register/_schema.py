"""The register's tables. Every key starts with a stream or a subject, or with the asker to whom an answer is owed."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, Table, Text

from keersluis.storage import Bytes, Migrations

metadata = sa.MetaData()

facts = Table(
    "facts",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("source", Text, primary_key=True),  # an id is unique within its source only
    Column("origin", Text, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("when_start", BigInteger, nullable=False),
    Column("when_end", BigInteger, nullable=False),
    Column("source_time", BigInteger, nullable=False),
    Column("system_time", BigInteger, nullable=False),
    Column("valid_from", BigInteger),
    Column("valid_to", BigInteger),
    Column("refers_to", Text),
    Column("content", Bytes, nullable=False),
)
subjects = Table(
    "subjects",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("since", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
totals = Table(
    "register_totals",
    metadata,
    Column("name", Text, primary_key=True),
    Column("n", BigInteger, nullable=False),
)
need_sets = Table(
    "need_sets",
    metadata,
    Column("n", Integer, primary_key=True, autoincrement=False),
    Column("kinds", Text, nullable=False, unique=True),  # paths of leaves, sorted, a space between
)
answers = Table(
    "answers",
    metadata,
    Column("asker", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("anchor", Text, primary_key=True),
    Column("subject", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("policy", Text, nullable=False),
    Column("moment", BigInteger, nullable=False),
    Column("standing", Boolean, nullable=False),
    Column("needs", Integer, nullable=False),
    Column("open", Boolean, nullable=False),
    Column("answered_at", BigInteger, nullable=False),
    Column("reach", BigInteger, nullable=False),
)
Index("answers_touched", answers.c.subject, answers.c.reach)
Index(
    "answers_open",
    answers.c.asker,
    answers.c.needs,
    answers.c.moment,
    sqlite_where=answers.c.open.is_(True),
    postgresql_where=answers.c.open.is_(True),
)
Index("answers_needing", answers.c.needs, answers.c.moment)
asker_needs = Table(
    "asker_needs",
    metadata,
    Column("asker", Text, primary_key=True),
    Column("needs", Integer, primary_key=True),
)
askers = Table(
    "askers",
    metadata,
    Column("asker", Text, primary_key=True),
    Column("sent", BigInteger, nullable=False),
    Column("owed", Boolean, nullable=False),
)
told = Table(
    "told",
    metadata,
    Column("asker", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("complete_through", BigInteger, nullable=False),
)
heard = Table(
    "heard",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("complete_through", BigInteger, nullable=False),
)
heard_before = Table(
    "heard_before",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("minute", BigInteger, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("complete_through", BigInteger, nullable=False),
)
gaps = Table(
    "register_gaps",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("since", BigInteger, primary_key=True),
    Column("until", BigInteger, primary_key=True),
    Column("declared_at", BigInteger, nullable=False),
    Column("filled_at", BigInteger),
)
lookups = Table(
    "lookups",
    metadata,
    Column("n", BigInteger, primary_key=True, autoincrement=False),
    Column("trace_id", Text, nullable=False),
    Column("span_id", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("start_time", BigInteger, nullable=False),
    Column("end_time", BigInteger, nullable=False),
    Column("processing_activity_id", Text, nullable=False),
    Column("data_subject_id", Text, nullable=False, index=True),
    Column("data_subject_id_type", Text, nullable=False),
    Column("who", Text, nullable=False),
)

MIGRATIONS = Migrations("register", [metadata.create_all])
