"""The first tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TEXT

revision = "0001"
down_revision = None

_NAME = sa.Text().with_variant(TEXT(collation="C"), "postgresql")
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    _grades()
    _beside_grades()
    op.create_table(
        "claims",
        sa.Column("key", _NAME, nullable=False),
        sa.Column("owner", _NAME, nullable=False),
        sa.Column("expires_s", sa.Float(53), nullable=False),
        sa.PrimaryKeyConstraint("key", name="claims_pk"),
    )
    op.create_table(
        "rubrics",
        sa.Column("name", _NAME, nullable=False),
        sa.Column("major", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("minor", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("patch", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("key_id", _NAME, nullable=False),
        sa.Column("used", sa.Boolean, nullable=False),
        sa.Column("rubric", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("name", "major", "minor", "patch", name="rubrics_pk"),
    )
    _answers()


def _grades() -> None:
    op.create_table(
        "grades",
        sa.Column("id", _NAME, nullable=False),
        sa.Column("key", _NAME, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("key_id", _NAME, nullable=False),
        sa.Column("submission_id", _NAME),
        sa.Column("rubric_name", _NAME, nullable=False),
        sa.Column("rubric_version", _NAME, nullable=False),
        sa.Column("grader", _NAME, nullable=False),
        sa.Column("model", _NAME, nullable=False),
        sa.Column("score", sa.Float, nullable=False),
        sa.Column("max_score", sa.Float, nullable=False),
        sa.Column("confidence", sa.Float),
        sa.Column("needs_review", sa.Boolean, nullable=False),
        sa.Column("reviewed", sa.Boolean, nullable=False),
        sa.Column("record", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="grades_pk"),
    )
    for columns in (
        ["key"],
        [],
        ["key_id"],
        ["submission_id"],
        ["rubric_name"],
        ["rubric_name", "rubric_version"],
        ["grader"],
        ["model"],
        ["reviewed"],
        ["reviewed", "needs_review"],
    ):
        by = [*columns, "created_at", "id"]
        op.create_index(f"grades_by_{'_'.join(by)}", "grades", by)


def _beside_grades() -> None:
    op.create_table(
        "model_calls",
        sa.Column("grade_id", _NAME, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("prompt_tokens", sa.Integer, nullable=False),
        sa.Column("completion_tokens", sa.Integer, nullable=False),
        sa.Column("ms", sa.Float, nullable=False),
        sa.Column("call", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("grade_id", "position", name="model_calls_pk"),
        sa.ForeignKeyConstraint(
            ["grade_id"], ["grades.id"], name="model_calls_grade_id_fk", ondelete="CASCADE"
        ),
    )
    op.create_table(
        "corrections",
        sa.Column("grade_id", _NAME, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("key_id", _NAME, nullable=False),
        sa.Column("score", sa.Float, nullable=False),
        sa.Column("max_score", sa.Float, nullable=False),
        sa.Column("correction", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("grade_id", "number", name="corrections_pk"),
        sa.ForeignKeyConstraint(
            ["grade_id"], ["grades.id"], name="corrections_grade_id_fk", ondelete="CASCADE"
        ),
    )


def _answers() -> None:
    op.create_table(
        "answers",
        sa.Column("key_id", _NAME, nullable=False),
        sa.Column("idempotency_key", _NAME, nullable=False),
        sa.Column("body_hash", sa.Text, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("key_id", "idempotency_key", name="answers_pk"),
    )
    op.create_index("answers_by_created_at", "answers", ["created_at"])
    op.create_table(
        "answer_grades",
        sa.Column("key_id", _NAME, nullable=False),
        sa.Column("idempotency_key", _NAME, nullable=False),
        sa.Column("position", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("grade_id", _NAME, nullable=False),
        sa.PrimaryKeyConstraint("key_id", "idempotency_key", "position", name="answer_grades_pk"),
        sa.ForeignKeyConstraint(
            ["key_id", "idempotency_key"],
            ["answers.key_id", "answers.idempotency_key"],
            name="answer_grades_key_id_fk",
            ondelete="CASCADE",
        ),
    )
    op.create_index("answer_grades_by_grade_id", "answer_grades", ["grade_id"])
