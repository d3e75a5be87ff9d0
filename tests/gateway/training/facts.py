"""Data sets and versions of models as tests need them."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from gateway.training.facts import (
    Column,
    ColumnType,
    DatasetVersion,
    Feature,
    Lineage,
    ModelVersion,
    Signature,
    Table,
    TableFormat,
    TrainingJob,
)

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
ROWS = 400


def column(name: str, kind: str = "number", *, distinct: int = 50, **more: Any) -> Column:
    return Column(name, ColumnType(kind), more.pop("missing", 0), distinct, **more)


def target(name: str = "fraud", counts: tuple[int, ...] = (300, 100)) -> Column:
    """A column of classes 0, 1, ..., so many rows of each."""
    return column(name, "integer", distinct=len(counts), top=tuple(enumerate(counts)))


def table(*columns: Column, rows: int = ROWS) -> Table:
    return Table(TableFormat.CSV, "ab" * 32, 10_000, rows, columns, duplicate_rows=0)


def dataset(
    *columns: Column,
    name: str = "payments",
    version: int = 1,
    own_target: str | None = "fraud",
    rows: int = ROWS,
) -> DatasetVersion:
    """Without columns `amount`, `country` and the target `fraud`. Of another content in each version."""
    columns = columns or (column("amount"), column("country", "text", distinct=3), target())
    content = replace(table(*columns, rows=rows), sha256=f"{version:064x}")
    return DatasetVersion(name, version, NOW, "ann", own_target, content)


def made(
    job: TrainingJob, version: int, *, dataset_columns: tuple[Column, ...] | None = None
) -> ModelVersion:
    """The version that came of a job, as the registry tells it."""
    types = {one.name: one.type for one in dataset_columns or dataset().table.columns}
    request = job.request
    return ModelVersion(
        name=request.model,
        version=version,
        created_at=NOW,
        sha256=f"{version:064x}",
        signature=Signature(
            tuple(Feature(name, types[name]) for name in request.features), request.target, (0, 1)
        ),
        metrics={"accuracy": 0.9},
        lineage=Lineage(
            job_id=job.id,
            dataset=f"{request.dataset}@{request.dataset_version}",
            dvc_hash="cd" * 16,
            git_commit="",
            model_class=request.model_class,
            hyperparameters=request.hyperparameters,
        ),
        champion=request.promote,
        run_url=None,
    )
