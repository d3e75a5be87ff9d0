"""Data sets, trainings and models."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TEXT

revision = "0003"
down_revision = "0002"

_NAME = sa.Text().with_variant(TEXT(collation="C"), "postgresql")
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    _datasets()
    _jobs()
    _models()
    op.create_table(
        "training_workers",
        sa.Column("id", _NAME, nullable=False),
        sa.Column("seen_s", sa.Float(53), nullable=False),
        sa.Column("worker", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="training_workers_pk"),
    )


def _datasets() -> None:
    op.create_table(
        "dataset_numbers",
        sa.Column("name", _NAME, nullable=False),
        sa.Column("last", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("name", name="dataset_numbers_pk"),
    )
    op.create_table(
        "dataset_versions",
        sa.Column("name", _NAME, nullable=False),
        sa.Column("version", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("sha256", _NAME, nullable=False),
        sa.Column("rows", sa.Integer, nullable=False),
        sa.Column("file", sa.Text, nullable=False),
        sa.Column("deleted", sa.Boolean, nullable=False),
        sa.Column("kept", _NAME, nullable=False),
        sa.Column("dvc_hash", sa.Text),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("owner", _NAME),
        sa.Column("until_s", sa.Float(53), nullable=False),
        sa.Column("dataset", sa.Text, nullable=False),
        sa.Column("preview", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("name", "version", name="dataset_versions_pk"),
    )
    op.create_index("dataset_versions_by_sha256", "dataset_versions", ["sha256"])
    op.create_index(
        "dataset_versions_by_deleted_kept_created_at_name_version",
        "dataset_versions",
        ["deleted", "kept", "created_at", "name", "version"],
    )


def _jobs() -> None:
    op.create_table(
        "training_jobs",
        sa.Column("id", _NAME, nullable=False),
        sa.Column("key_id", _NAME, nullable=False),
        sa.Column("model", _NAME, nullable=False),
        sa.Column("dataset", _NAME, nullable=False),
        sa.Column("dataset_version", sa.Integer, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("state", _NAME, nullable=False),
        sa.Column("stage", sa.Text, nullable=False),
        sa.Column("progress", sa.Float(53), nullable=False),
        sa.Column("started_at", _TIME),
        sa.Column("ended_at", _TIME),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("cancelling", sa.Boolean, nullable=False),
        sa.Column("error_code", sa.Text),
        sa.Column("error", sa.Text),
        sa.Column("model_version", sa.Integer),
        sa.Column("metrics", sa.Text, nullable=False),
        sa.Column("owner", _NAME),
        sa.Column("until_s", sa.Float(53), nullable=False),
        sa.Column("events", sa.Integer, nullable=False),
        sa.Column("idempotency_key", _NAME),
        sa.Column("body_hash", sa.Text),
        sa.Column("request", sa.Text, nullable=False),
        sa.Column("feature_count", sa.Integer, nullable=False),
        sa.Column("features", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="training_jobs_pk"),
    )
    for columns in ([], ["model"], ["state"], ["model", "state"], ["state", "key_id"]):
        by = [*columns, "created_at", "id"]
        op.create_index(f"training_jobs_by_{'_'.join(by)}", "training_jobs", by)
    op.create_index("training_jobs_by_ended_at", "training_jobs", ["ended_at"])
    op.create_index("training_jobs_by_key_id_started_at", "training_jobs", ["key_id", "started_at"])
    op.create_index(
        "training_jobs_by_key_id_idempotency_key", "training_jobs", ["key_id", "idempotency_key"], unique=True
    )
    op.create_table(
        "training_events",
        sa.Column("job_id", _NAME, nullable=False),
        sa.Column("number", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("state", _NAME, nullable=False),
        sa.Column("stage", sa.Text, nullable=False),
        sa.Column("progress", sa.Float(53), nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("job_id", "number", name="training_events_pk"),
        sa.ForeignKeyConstraint(
            ["job_id"], ["training_jobs.id"], name="training_events_job_id_fk", ondelete="CASCADE"
        ),
    )


def _models() -> None:
    op.create_table(
        "model_versions",
        sa.Column("name", _NAME, nullable=False),
        sa.Column("version", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("sha256", _NAME, nullable=False),
        sa.Column("champion", sa.Boolean, nullable=False),
        sa.Column("changed_s", sa.Float(53), nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("name", "version", name="model_versions_pk"),
    )
    op.create_index("model_versions_by_sha256", "model_versions", ["sha256"])
    op.create_index(
        "model_versions_champion",
        "model_versions",
        ["name"],
        unique=True,
        sqlite_where=sa.text("champion = 1"),
        postgresql_where=sa.text("champion"),
    )
    op.create_table(
        "registry_tasks",
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("name", _NAME, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("sha256", _NAME, nullable=False),
        sa.PrimaryKeyConstraint("number", name="registry_tasks_pk"),
        sqlite_autoincrement=True,
    )
    op.create_index("registry_tasks_by_name", "registry_tasks", ["name"])
    op.create_table(
        "registry_rounds",
        sa.Column("registry", _NAME, nullable=False),
        sa.Column("owner", _NAME, nullable=False),
        sa.Column("began_s", sa.Float(53), nullable=False),
        sa.Column("until_s", sa.Float(53), nullable=False),
        sa.PrimaryKeyConstraint("registry", name="registry_rounds_pk"),
    )
