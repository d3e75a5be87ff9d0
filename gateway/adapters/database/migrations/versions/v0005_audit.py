"""Who changed what others use."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TEXT

revision = "0005"
down_revision = "0004"

_NAME = sa.Text().with_variant(TEXT(collation="C"), "postgresql")
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("id", _NAME, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("key_id", _NAME, nullable=False),
        sa.Column("action", _NAME, nullable=False),
        sa.Column("object", _NAME),
        sa.Column("request_id", _NAME),
        sa.PrimaryKeyConstraint("id", name="audit_pk"),
    )
    for columns in ([], ["key_id"], ["action"]):
        by = [*columns, "created_at", "id"]
        op.create_index(f"audit_by_{'_'.join(by)}", "audit", by)
    op.create_table(
        "audit_outcomes",
        sa.Column("entry_id", _NAME, nullable=False),
        sa.Column("ended_at", _TIME, nullable=False),
        sa.Column("outcome", _NAME, nullable=False),
        sa.Column("object", _NAME),
        sa.PrimaryKeyConstraint("entry_id", name="audit_outcomes_pk"),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["audit.id"], name="audit_outcomes_entry_id_fk", ondelete="CASCADE"
        ),
    )
