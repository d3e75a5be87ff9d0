"""The facts of training: data sets, jobs, versions of models. Frozen: a change makes a new one.

Names of data sets, columns and models are their owner's words: they go to callers, to no log or metric. Over
250 lines: what the two processes agree on is read together.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from gateway.errors import InvalidRequest

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")

Cell = str | float | int | bool | None


def checked_name(name: str, param: str) -> str:
    """A name of a data set or a model, which is a folder's name too. Raises InvalidRequest."""
    if not _NAME.fullmatch(name):
        raise InvalidRequest(
            f"'{param}' must be 1 to 64 of a-z, 0-9, '.', '_', '-', and begin with a letter or digit.",
            param=param,
        )
    return name


# Data sets


class TableFormat(StrEnum):
    CSV = "csv"  # RFC 4180, a header line, UTF-8
    JSON = "json"  # an array of flat objects
    JSONL = "jsonl"  # a flat object a line


class ColumnType(StrEnum):
    NUMBER = "number"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Column:
    """A column and what its values are like. `minimum` to `deviation` are of numbers and integers only."""

    name: str
    type: ColumnType
    missing: int  # rows without a value
    distinct: int  # values
    minimum: float | None = None
    maximum: float | None = None
    mean: float | None = None
    deviation: float | None = None  # of the sample
    # The most frequent values and how often each stands, of text and boolean columns and of a target.
    top: tuple[tuple[Cell, int], ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Table:
    """What a checked file holds. The file itself is kept as it came."""

    format: TableFormat
    sha256: str  # of the file's bytes, hex
    size: int  # bytes
    rows: int
    columns: tuple[Column, ...]
    duplicate_rows: int
    warnings: tuple[str, ...] = ()  # for people: a constant column, many missing values, ...
    preview: tuple[tuple[Cell, ...], ...] = field(default=(), repr=False)  # the first rows

    def column(self, name: str) -> Column | None:
        return next((column for column in self.columns if column.name == name), None)


class Kept(StrEnum):
    """How far a version's way into DVC has come."""

    ACCEPTED = "accepted"  # the file is safe here; the worker will take it from here on
    VERSIONED = "versioned"  # under DVC: its hash is known; where there is no remote this is the end
    PUSHED = "pushed"  # and it lies at the remote


@dataclass(frozen=True, slots=True)
class DatasetVersion:
    """One version of a data set. Never changed; what DVC does with it is told by the last four fields."""

    name: str
    version: int  # 1, 2, ...
    created_at: datetime
    key_id: str
    target: str | None  # the column that is to be predicted, where the upload said so
    table: Table
    kept: Kept = Kept.ACCEPTED
    dvc_hash: str | None = None  # md5 of the file as DVC has it
    attempts: int = 0  # of the step that is due, which failed
    error: str | None = None  # why the last attempt failed: constant text

    @property
    def id(self) -> str:
        return f"{self.name}@{self.version}"

    def same_as(self, other: "DatasetVersion") -> bool:
        """Whether both are of the same file, read for the same target."""
        mine, its = self.table, other.table
        return (mine.sha256, mine.format, self.target) == (its.sha256, its.format, other.target)

    @property
    def file(self) -> Path:
        """Relative to the folder of data sets, which is DVC's workspace."""
        return Path(self.name) / str(self.version) / f"data.{self.table.format.value}"


@dataclass(frozen=True, slots=True)
class DatasetSummary:
    """A line of the list of a data set's versions."""

    version: int
    created_at: datetime
    rows: int
    sha256: str
    kept: Kept
    dvc_hash: str | None
    attempts: int
    error: str | None


# Model classes


@dataclass(frozen=True, slots=True)
class ModelClass:
    """A kind of model that can be trained."""

    name: str  # logistic_regression, ...
    title: str
    estimator: str  # the scikit-learn class, dotted
    schema: Mapping[str, object]  # JSON Schema 2020-12 of its hyper-parameters


# Jobs


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def over(self) -> bool:
        return self in (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)


@dataclass(frozen=True, slots=True)
class TrainingRequest:
    """What is asked for, checked."""

    model: str
    model_class: str
    dataset: str
    dataset_version: int
    target: str
    features: tuple[str, ...]  # in the order of the table
    hyperparameters: Mapping[str, object]  # what was given; defaults are the class's
    test_share: float = 0.2  # of the rows, held out for the metrics and the parity check
    seed: int = 0
    promote: bool = True  # the new version becomes the champion


@dataclass(frozen=True, slots=True)
class TrainingJob:
    id: str  # job_ and 32 hex digits
    key_id: str
    request: TrainingRequest
    created_at: datetime
    state: JobState = JobState.QUEUED
    progress: float = 0.0  # 0..1
    stage: str = "queued"  # preparing, fitting, evaluating, exporting, registering, over
    started_at: datetime | None = None
    ended_at: datetime | None = None
    attempts: int = 0  # times that a worker began it
    cancelling: bool = False  # its cancellation was asked for and a worker still has it
    error_code: str | None = None
    error: str | None = None  # constant text, or names a field
    model_version: int | None = None  # that came of it
    metrics: Mapping[str, float] = field(default_factory=dict)
    feature_count: int = 0  # as kept; lists have no names, which may be megabytes


@dataclass(frozen=True, slots=True)
class JobEvent:
    """A line of a job's log."""

    number: int  # 1, 2, ... of its job
    at: datetime
    state: JobState
    stage: str
    progress: float
    message: str  # ours; never a cell of the data


# Models


@dataclass(frozen=True, slots=True)
class Feature:
    name: str
    type: ColumnType


@dataclass(frozen=True, slots=True)
class Signature:
    """What a model takes and gives. It travels inside the ONNX file, as the metadata `signature` (JSON).

    The file's inputs: `numbers` float32 [n, k] of the number, integer and boolean features in order (NaN: not
    known), `texts` string [n, m] of the text features in order ("": not known); an input with no feature is
    absent. Its outputs: `label` int64 [n], an index into `labels`; `probabilities` float32 [n, labels].
    """

    features: tuple[Feature, ...]
    target: str
    labels: tuple[Cell, ...]  # as they stand in the data


@dataclass(frozen=True, slots=True)
class Lineage:
    """Where a version comes from."""

    job_id: str
    dataset: str  # name@version
    dvc_hash: str
    git_commit: str  # of the code that trained it; empty: not known
    model_class: str
    hyperparameters: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A trained model as the registry has it, and as prediction loads it: `sha256` names its weights."""

    name: str
    version: int
    created_at: datetime
    sha256: str  # of the ONNX file, hex
    signature: Signature
    metrics: Mapping[str, float]
    lineage: Lineage | None  # None: somebody put it into the registry by hand
    champion: bool = False  # what is predicted with where no version is named
    run_url: str | None = None  # for people: the experiment


@dataclass(frozen=True, slots=True)
class Prediction:
    """A model's answer to one row."""

    label: Cell
    confidence: float
    probabilities: Mapping[str, float]  # by label, as text


@dataclass(frozen=True, slots=True)
class Predicted:
    """Predictions in the order of the rows."""

    model: str
    version: str
    labels: tuple[Cell, ...]
    predictions: Sequence[Prediction]
    missing: Sequence[int] = ()  # by the fraud pair: how many features of each row were not given
