"""Facts of training to keep."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
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
    TrainingRequest,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def dataset(name: str = "fraud", version: int = 1, *, sha256: str = "", **changes: Any) -> DatasetVersion:
    """Made that many minutes after noon as its version says."""
    table = Table(
        TableFormat.CSV,
        sha256 or f"{version:064x}",
        1234,
        100,
        (
            Column("amount", ColumnType.NUMBER, 0, 90, 0.5, 99.5, 12.25, 3.5),
            Column("fraud", ColumnType.INTEGER, 0, 2, 0.0, 1.0, 0.1, 0.3, ((0, 90), (1, 10))),
        ),
        3,
        ("A column is constant.",),
        ((1.5, 0), (2.0, 1), (None, 0)),
    )
    made = DatasetVersion(name, version, NOON + timedelta(minutes=version), "ann", "fraud", table)
    return replace(made, **changes)


def request(model: str = "churn", **changes: Any) -> TrainingRequest:
    asked = TrainingRequest(
        model, "logistic_regression", "fraud", 1, "fraud", ("amount",), {"C": 0.5, "penalty": None}
    )
    return replace(asked, **changes)


def job(key_id: str = "ann", *, minutes: float = 0, **asked: Any) -> TrainingJob:
    """Asked for that many minutes after noon."""
    made = NOON + timedelta(minutes=minutes)
    return TrainingJob(f"job_{uuid.uuid4().hex}", key_id, request(**asked), made)


def model(name: str = "churn", version: int = 1, **changes: Any) -> ModelVersion:
    made = ModelVersion(
        name=name,
        version=version,
        created_at=NOON + timedelta(minutes=version),
        sha256=f"{version:064x}",
        signature=Signature((Feature("amount", ColumnType.NUMBER),), "fraud", (0, 1)),
        metrics={"roc_auc": 0.875},
        lineage=Lineage("job_1", "fraud@1", "0" * 32, "", "logistic_regression", {"C": 0.5}),
        run_url="http://127.0.0.1:5000/run",
    )
    return replace(made, **changes)
