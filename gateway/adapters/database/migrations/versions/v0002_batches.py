"""Batches and their items."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TEXT

revision = "0002"
down_revision = "0001"

_NAME = sa.Text().with_variant(TEXT(collation="C"), "postgresql")
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "batches",
        sa.Column("id", _NAME, nullable=False),
        sa.Column("key_id", _NAME, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("format", sa.Text, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("expires_at", _TIME, nullable=False),
        sa.Column("cancelled_at", _TIME),
        sa.Column("ended_at", _TIME),
        sa.Column("idempotency_key", _NAME),
        sa.Column("body_hash", sa.Text),
        sa.PrimaryKeyConstraint("id", name="batches_pk"),
    )
    op.create_index("batches_by_created_at_id", "batches", ["created_at", "id"])
    op.create_index("batches_by_key_id_created_at_id", "batches", ["key_id", "created_at", "id"])
    op.create_index("batches_by_ended_at", "batches", ["ended_at"])
    op.create_index(
        "batches_by_key_id_idempotency_key", "batches", ["key_id", "idempotency_key"], unique=True
    )
    op.create_table(
        "batch_items",
        sa.Column("batch_id", _NAME, nullable=False),
        sa.Column("position", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("custom_id", sa.Text, nullable=False),
        sa.Column("state", _NAME, nullable=False),
        sa.Column("item", sa.Text),
        sa.Column("outcome", sa.Text),
        sa.Column("owner", _NAME),
        sa.Column("until_s", sa.Float(53), nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("batch_id", "position", name="batch_items_pk"),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["batches.id"], name="batch_items_batch_id_fk", ondelete="CASCADE"
        ),
    )
    op.create_index(
        "batch_items_by_state_batch_id_position", "batch_items", ["state", "batch_id", "position"]
    )
