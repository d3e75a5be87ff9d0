"""Observations of the traffic, references, comparisons."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TEXT

revision = "0004"
down_revision = "0003"

_NAME = sa.Text().with_variant(TEXT(collation="C"), "postgresql")
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "drift_references",
        sa.Column("id", _NAME, nullable=False),
        sa.Column("model", _NAME, nullable=False),
        sa.Column("since", _TIME, nullable=False),
        sa.Column("until", _TIME, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("key_id", _NAME, nullable=False),
        sa.Column("rows", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="drift_references_pk"),
    )
    op.create_index(
        "drift_references_by_model_created_at_id", "drift_references", ["model", "created_at", "id"]
    )
    op.create_table(
        "traffic",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("model", _NAME, nullable=False),
        sa.Column("version", _NAME, nullable=False),
        sa.Column("reference_id", _NAME),
        sa.Column("text_length", sa.Integer),
        sa.Column("language", sa.Text),
        sa.Column("label", sa.Text),
        sa.Column("score", sa.Float(53)),
        sa.Column("confidence", sa.Float(53)),
        sa.Column("embedding", sa.LargeBinary),
        sa.PrimaryKeyConstraint("number", name="traffic_pk"),
        sa.ForeignKeyConstraint(
            ["reference_id"], ["drift_references.id"], name="traffic_reference_id_fk", ondelete="CASCADE"
        ),
    )
    op.create_index("traffic_by_at", "traffic", ["at"])
    op.create_index("traffic_by_reference_id_model_at", "traffic", ["reference_id", "model", "at"])
    op.create_table(
        "drift_runs",
        sa.Column("id", _NAME, nullable=False),
        sa.Column("model", _NAME, nullable=False),
        sa.Column("reference_id", _NAME, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("state", _NAME, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("owner", _NAME),
        sa.Column("until_s", sa.Float(53), nullable=False),
        sa.Column("report", _NAME),
        sa.Column("run", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="drift_runs_pk"),
    )
    for columns in ([], ["model"], ["state"]):
        by = [*columns, "created_at", "id"]
        op.create_index(f"drift_runs_by_{'_'.join(by)}", "drift_runs", by)
    op.create_index(
        "drift_runs_queued",
        "drift_runs",
        ["model"],
        unique=True,
        sqlite_where=sa.text("state = 'queued'"),
        postgresql_where=sa.text("state = 'queued'"),
    )
