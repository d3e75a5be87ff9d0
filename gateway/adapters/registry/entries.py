"""What both tools keep of a training, as plain data: it crosses the pipe as JSON.

A version's tags (MLflow) or metadata (ClearML) carry all that ModelVersion needs, so that listing a thousand
versions asks for no run.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from gateway.training.facts import DatasetVersion, Lineage, ModelVersion, TrainingJob, checked_name
from gateway.training.ports import Fitted
from gateway.training.signature import read_signature, signature_json

CHAMPION = "champion"
MODEL_FILE = "model.onnx"

# Names of tags.
JOB_ID = "job_id"
SHA256 = "sha256"
SIGNATURE = "signature"
_DATASET = "dataset"
_DVC_HASH = "dvc_hash"
_GIT_COMMIT = "git_commit"
_MODEL_CLASS = "model_class"
_HYPERPARAMETERS = "hyperparameters"
_METRICS = "metrics"


class Refused(Exception):
    """A version whose file is not there, or is none that can be served. Another attempt changes nothing."""


@dataclass(frozen=True, slots=True)
class Run:
    """A training as it is to be kept."""

    job_id: str
    model: str
    promote: bool
    folder: Path  # model.onnx, model.skops, report.json, *.png
    sha256: str  # of model.onnx
    tags: Mapping[str, str] = field(repr=False)  # of the run and, with sha256 and signature, of its version
    parameters: Mapping[str, str] = field(repr=False)
    metrics: Mapping[str, float]
    labels: tuple[str, ...] = field(repr=False)

    @property
    def model_file(self) -> Path:
        return self.folder / MODEL_FILE

    @property
    def plots(self) -> list[Path]:
        return sorted(self.folder.glob("*.png"))

    @property
    def papers(self) -> list[Path]:
        """What is kept beside the weights: the report, and the model for training on (skops, no pickle)."""
        files = (self.folder / name for name in ("report.json", "model.skops"))
        return [file for file in files if file.is_file()]


@dataclass(frozen=True, slots=True)
class Entry:
    """A version as a tool has it."""

    name: str
    version: int
    created_at: float  # epoch seconds
    tags: Mapping[str, str] = field(repr=False)
    champion: bool
    where: str  # its weights lie, by the tool
    run_url: str | None


def run_of(job: TrainingJob, data: DatasetVersion, fitted: Fitted, git_commit: str) -> Run:
    request = job.request
    metrics = {name: value for name, value in fitted.metrics.items() if math.isfinite(value)}
    tags = {
        JOB_ID: job.id,
        SHA256: fitted.sha256,
        SIGNATURE: signature_json(fitted.signature),
        _DATASET: data.id,
        _DVC_HASH: data.dvc_hash or "",
        _GIT_COMMIT: git_commit,
        _MODEL_CLASS: request.model_class,
        _HYPERPARAMETERS: json.dumps(dict(request.hyperparameters)),
        _METRICS: json.dumps(metrics),
        "key_id": job.key_id,
    }
    parameters = {name: _text(value) for name, value in fitted.parameters.items()}
    parameters |= {f"given.{name}": _text(value) for name, value in request.hyperparameters.items()}
    parameters |= {
        "job.target": request.target,
        "job.features": str(len(request.features)),
        "job.rows": str(data.table.rows),
        "job.test_share": str(request.test_share),
        "job.seed": str(request.seed),
    }
    return Run(
        job_id=job.id,
        model=request.model,
        promote=request.promote,
        folder=fitted.folder,
        sha256=fitted.sha256,
        tags=tags,
        parameters=parameters,
        metrics=metrics,
        labels=tuple(str(label) for label in fitted.signature.labels),
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def model_version(entry: Entry) -> ModelVersion:
    """Raises ValueError when the tags are not those of a version that can be served, InvalidRequest when no
    model may be called so."""
    tags = entry.tags
    sha256 = tags.get(SHA256, "")
    if len(sha256) != 64 or set(sha256) - set("0123456789abcdef"):
        raise ValueError("this is no hash of weights")
    return ModelVersion(
        name=checked_name(entry.name, "name"),
        version=entry.version,
        created_at=datetime.fromtimestamp(entry.created_at, UTC),
        sha256=sha256,
        signature=read_signature(tags.get(SIGNATURE, "")),
        metrics=_metrics(tags.get(_METRICS, "{}")),
        lineage=_lineage(tags) if tags.get(JOB_ID) else None,
        champion=entry.champion,
        run_url=entry.run_url,
    )


def _metrics(text: str) -> dict[str, float]:
    return {
        str(name): float(value) for name, value in _object(text).items() if isinstance(value, int | float)
    }


def _lineage(tags: Mapping[str, str]) -> Lineage:
    return Lineage(
        job_id=tags[JOB_ID],
        dataset=tags.get(_DATASET, ""),
        dvc_hash=tags.get(_DVC_HASH, ""),
        git_commit=tags.get(_GIT_COMMIT, ""),
        model_class=tags.get(_MODEL_CLASS, ""),
        hyperparameters=_object(tags.get(_HYPERPARAMETERS, "{}")),
    )


def _object(text: str) -> dict[str, object]:
    """What people may have edited in the tool's UI is read with care."""
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError("this is no JSON object")
    return value
