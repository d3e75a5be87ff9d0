"""The tables of drift, beside those of grading (tables.py) and training (training_tables.py)."""

from sqlalchemy import BigInteger, Column, Float, ForeignKey, Index, Integer, LargeBinary, Table, Text, text

from gateway.adapters.database.tables import Name, Utc, metadata

drift_references = Table(
    "drift_references",
    metadata,
    Column("id", Name, primary_key=True),
    Column("model", Name, nullable=False),
    Column("since", Utc, nullable=False),
    Column("until", Utc, nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("key_id", Name, nullable=False),
    Column("rows", Integer, nullable=False),
)
Index(None, *(drift_references.c[name] for name in ("model", "created_at", "id")))

traffic = Table(
    "traffic",
    metadata,
    # Fifty a second of each of four processes are 2^31 within four months.
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("at", Utc, nullable=False, index=True),
    Column("model", Name, nullable=False),
    Column("version", Name, nullable=False),
    # Of a live observation null; a reference has copies of its own, which outlive what they were copied from.
    Column("reference_id", Name, ForeignKey("drift_references.id", ondelete="CASCADE")),
    Column("text_length", Integer),
    Column("language", Text),
    Column("label", Text),
    Column("score", Float(53)),
    Column("confidence", Float(53)),
    Column("embedding", LargeBinary),  # half floats, little endian
)
Index(None, *(traffic.c[name] for name in ("reference_id", "model", "at")))

drift_runs = Table(
    "drift_runs",
    metadata,
    Column("id", Name, primary_key=True),
    Column("model", Name, nullable=False),
    Column("reference_id", Name, nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("state", Name, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("owner", Name),  # the worker that compares
    Column("until_s", Float(53), nullable=False),  # epoch, by the database's clock: whose it is until then
    Column("report", Name),  # sha256 of the HTML
    Column("run", Text, nullable=False),
)
for _columns in ((), ("model",), ("state",)):
    Index(None, *(drift_runs.c[name] for name in (*_columns, "created_at", "id")))
# Whoever asks twice, or several workers by schedule, asks for one.
Index(
    "drift_runs_queued",
    drift_runs.c.model,
    unique=True,
    sqlite_where=text("state = 'queued'"),
    postgresql_where=text("state = 'queued'"),
)
