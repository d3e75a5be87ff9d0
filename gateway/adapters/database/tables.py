"""The tables. Columns are for questions; each row's fact is whole in its JSON beside them (codec.py).

The migrations make them; a test compares the two.
"""

from datetime import UTC, datetime

from sqlalchemy import (
    Boolean,
    Column,
    DateTime,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import TEXT
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator


class Utc(TypeDecorator[datetime]):
    """An aware time. SQLite keeps no zone: there it lies as UTC text, which sorts as time does."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is not None and value.tzinfo is None:
            raise ValueError("times of the store have a zone")
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


# Sorted by code points in both engines, whatever language PostgreSQL was set up for.
Name = Text().with_variant(TEXT(collation="C"), "postgresql")

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pk",
        "fk": "%(table_name)s_%(column_0_name)s_fk",
        "ix": "%(table_name)s_by_%(column_0_N_name)s",
    }
)

grades = Table(
    "grades",
    metadata,
    Column("id", Name, primary_key=True),
    Column("key", Name, nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("key_id", Name, nullable=False),
    Column("submission_id", Name),
    Column("rubric_name", Name, nullable=False),
    Column("rubric_version", Name, nullable=False),
    Column("grader", Name, nullable=False),
    Column("model", Name, nullable=False),
    Column("score", Float, nullable=False),
    Column("max_score", Float, nullable=False),
    Column("confidence", Float),
    Column("needs_review", Boolean, nullable=False),
    Column("reviewed", Boolean, nullable=False),  # somebody has corrected or confirmed it
    Column("record", Text, nullable=False),  # without its calls
)
# One index for each question of GradeQuery; a page is read off its end.
for _columns in (
    ("key",),
    (),
    ("key_id",),
    ("submission_id",),
    ("rubric_name",),
    ("rubric_name", "rubric_version"),
    ("grader",),
    ("model",),
    ("reviewed",),
    ("reviewed", "needs_review"),
):
    Index(None, *(grades.c[name] for name in (*_columns, "created_at", "id")))

model_calls = Table(
    "model_calls",
    metadata,
    Column("grade_id", Name, ForeignKey("grades.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("prompt_tokens", Integer, nullable=False),
    Column("completion_tokens", Integer, nullable=False),
    Column("ms", Float, nullable=False),
    Column("call", Text, nullable=False),  # with the bodies of prompt and answer
)

claims = Table(
    "claims",
    metadata,
    Column("key", Name, primary_key=True),
    Column("owner", Name, nullable=False),  # the Ledger that holds it
    Column("expires_s", Float(53), nullable=False),  # epoch, by the database's clock
)

rubrics = Table(
    "rubrics",
    metadata,
    Column("name", Name, primary_key=True),
    Column("major", Integer, primary_key=True, autoincrement=False),
    Column("minor", Integer, primary_key=True, autoincrement=False),
    Column("patch", Integer, primary_key=True, autoincrement=False),
    Column("created_at", Utc, nullable=False),
    Column("key_id", Name, nullable=False),
    Column("used", Boolean, nullable=False),
    Column("rubric", Text, nullable=False),
)

corrections = Table(
    "corrections",
    metadata,
    Column("grade_id", Name, ForeignKey("grades.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),  # 1, 2, ... of its grade
    Column("created_at", Utc, nullable=False),
    Column("key_id", Name, nullable=False),
    Column("score", Float, nullable=False),
    Column("max_score", Float, nullable=False),
    Column("correction", Text, nullable=False),
)

answers = Table(
    "answers",
    metadata,
    Column("key_id", Name, primary_key=True),
    Column("idempotency_key", Name, primary_key=True),
    Column("body_hash", Text, nullable=False),
    Column("created_at", Utc, nullable=False, index=True),
)

# No foreign key on the grade: an answer is remembered also when its grade has just been pruned.
answer_grades = Table(
    "answer_grades",
    metadata,
    Column("key_id", Name, primary_key=True),
    Column("idempotency_key", Name, primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("grade_id", Name, nullable=False, index=True),
    ForeignKeyConstraint(
        ["key_id", "idempotency_key"], ["answers.key_id", "answers.idempotency_key"], ondelete="CASCADE"
    ),
)

batches = Table(
    "batches",
    metadata,
    Column("id", Name, primary_key=True),
    Column("key_id", Name, nullable=False),
    Column("role", Text, nullable=False),
    Column("format", Text, nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("expires_at", Utc, nullable=False),
    Column("cancelled_at", Utc),
    Column("ended_at", Utc, index=True),
    Column("idempotency_key", Name),
    Column("body_hash", Text),
)
Index(None, batches.c.created_at, batches.c.id)
Index(None, batches.c.key_id, batches.c.created_at, batches.c.id)
Index(None, batches.c.key_id, batches.c.idempotency_key, unique=True)

batch_items = Table(
    "batch_items",
    metadata,
    Column("batch_id", Name, ForeignKey("batches.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("custom_id", Text, nullable=False),
    Column("state", Name, nullable=False),
    Column("item", Text),  # masked; forgotten when it has ended
    Column("outcome", Text),  # when it has ended
    Column("owner", Name),  # the process that grades it
    Column("until_s", Float(53), nullable=False),  # epoch, by the database's clock: whose it is until then
    Column("tries", Integer, nullable=False),
)
Index(None, batch_items.c.state, batch_items.c.batch_id, batch_items.c.position)

# Two tables, because neither is ever updated: what is written about an action stays as it was.
audit = Table(
    "audit",
    metadata,
    Column("id", Name, primary_key=True),
    Column("created_at", Utc, nullable=False),
    Column("key_id", Name, nullable=False),
    Column("action", Name, nullable=False),
    Column("object", Name),
    Column("request_id", Name),
)
for _columns in ((), ("key_id",), ("action",)):
    Index(None, *(audit.c[name] for name in (*_columns, "created_at", "id")))

audit_outcomes = Table(
    "audit_outcomes",
    metadata,
    Column("entry_id", Name, ForeignKey("audit.id", ondelete="CASCADE"), primary_key=True),
    Column("ended_at", Utc, nullable=False),
    Column("outcome", Name, nullable=False),
    Column("object", Name),  # where it was not known when the action began
)
