"""The tables of data sets, trainings and models, beside those of grading (tables.py)."""

from sqlalchemy import Boolean, Column, Float, ForeignKey, Index, Integer, Table, Text, text

from gateway.adapters.database.tables import Name, Utc, metadata

dataset_numbers = Table(
    "dataset_numbers",
    metadata,
    Column("name", Name, primary_key=True),
    Column("last", Integer, nullable=False),  # the highest version number given out; it outlives its data set
)

dataset_versions = Table(
    "dataset_versions",
    metadata,
    Column("name", Name, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("created_at", Utc, nullable=False),
    Column("sha256", Name, nullable=False, index=True),
    Column("rows", Integer, nullable=False),
    Column("file", Text, nullable=False),  # relative to the folder of data sets
    Column("deleted", Boolean, nullable=False),  # for callers; the worker has still to take it out of DVC
    Column("kept", Name, nullable=False),
    Column("dvc_hash", Text),
    Column("attempts", Integer, nullable=False),
    Column("error", Text),
    Column("owner", Name),  # the worker that does its next step
    Column(
        "until_s", Float(53), nullable=False
    ),  # epoch, by the database's clock: a lease's or a pause's end
    Column("dataset", Text, nullable=False),  # without its first rows
    Column("preview", Text, nullable=False),  # the first rows: lists do without
)
Index(None, *(dataset_versions.c[name] for name in ("deleted", "kept", "created_at", "name", "version")))

training_jobs = Table(
    "training_jobs",
    metadata,
    Column("id", Name, primary_key=True),
    Column("key_id", Name, nullable=False),
    Column("model", Name, nullable=False),
    Column("dataset", Name, nullable=False),
    Column("dataset_version", Integer, nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("state", Name, nullable=False),
    Column("stage", Text, nullable=False),
    Column("progress", Float(53), nullable=False),
    Column("started_at", Utc),
    Column("ended_at", Utc, index=True),
    Column("attempts", Integer, nullable=False),
    Column("cancelling", Boolean, nullable=False),
    Column("error_code", Text),
    Column("error", Text),
    Column("model_version", Integer),
    Column("metrics", Text, nullable=False),
    Column("owner", Name),  # the worker that trains it
    Column("until_s", Float(53), nullable=False),  # epoch, by the database's clock: whose it is until then
    Column("events", Integer, nullable=False),  # lines of its log
    Column("idempotency_key", Name),
    Column("body_hash", Text),
    Column("request", Text, nullable=False),  # without its features
    Column("feature_count", Integer, nullable=False),
    Column("features", Text, nullable=False),  # up to 800 kB of names, and lists do without
)
# A page is read off an index's end, the queue off its beginning.
for _columns in ((), ("model",), ("state",), ("model", "state")):
    Index(None, *(training_jobs.c[name] for name in (*_columns, "created_at", "id")))
# Whose turn it is, and their oldest.
Index(None, *(training_jobs.c[name] for name in ("state", "key_id", "created_at", "id")))
Index(None, training_jobs.c.key_id, training_jobs.c.started_at)
Index(None, training_jobs.c.key_id, training_jobs.c.idempotency_key, unique=True)

training_events = Table(
    "training_events",
    metadata,
    Column("job_id", Name, ForeignKey("training_jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),  # 1, 2, ... of its job
    Column("at", Utc, nullable=False),
    Column("state", Name, nullable=False),
    Column("stage", Text, nullable=False),
    Column("progress", Float(53), nullable=False),
    Column("message", Text, nullable=False),
)

model_versions = Table(
    "model_versions",
    metadata,
    Column("name", Name, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("sha256", Name, nullable=False, index=True),
    Column("champion", Boolean, nullable=False),
    # Epoch, by the database's clock: when it was changed here; 0: it is as the registry had it.
    Column("changed_s", Float(53), nullable=False),
    Column("model", Text, nullable=False),
)
Index(
    "model_versions_champion",
    model_versions.c.name,
    unique=True,
    sqlite_where=text("champion = 1"),  # as SQLAlchemy asks: SQLite compares the words
    postgresql_where=text("champion"),
)

registry_tasks = Table(
    "registry_tasks",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("kind", Text, nullable=False),  # promote | delete
    Column("name", Name, nullable=False, index=True),
    Column("version", Integer, nullable=False),
    Column("sha256", Name, nullable=False),
    sqlite_autoincrement=True,  # a number that was told is not given again
)

# One row: whose turn it is to speak with the registry of what is on the shelf.
registry_rounds = Table(
    "registry_rounds",
    metadata,
    Column("registry", Name, primary_key=True),
    Column("owner", Name, nullable=False),
    Column("began_s", Float(53), nullable=False),  # epoch, by the database's clock
    Column("until_s", Float(53), nullable=False),
)

training_workers = Table(
    "training_workers",
    metadata,
    Column("id", Name, primary_key=True),
    Column("seen_s", Float(53), nullable=False),  # epoch, by the database's clock
    Column("worker", Text, nullable=False),
)
