"""The facts of drift. No text of anybody is among them: an observation keeps what was measured of a text."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a model was asked and how it answered, on its way to the log of the traffic. Its text is masked,
    is measured within seconds and is never kept."""

    model: str  # as callers name it: grader-llm, spam, ...
    version: str
    text: str | None = field(default=None, repr=False)  # masked; None: the model reads no text
    language: str | None = None  # where the caller said it, else it is told from the text
    label: str | None = None
    score: float | None = None  # share of the maximum, 0..1
    confidence: float | None = None  # 0..1


@dataclass(frozen=True, slots=True)
class Observation:
    """A sighting, measured."""

    at: datetime  # UTC
    model: str
    version: str
    text_length: int | None  # characters
    language: str | None  # ru | en | other
    label: str | None
    score: float | None
    confidence: float | None
    embedding: tuple[float, ...] | None = field(default=None, repr=False)  # of unit length


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time: since <= at < until, both UTC."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Reference:
    """Observations that were put aside, by command, as how a model's traffic should look."""

    id: str  # ref_ and 32 hex digits
    model: str
    window: Window
    created_at: datetime
    key_id: str  # who kept it; `command` for `gateway drift keep`
    rows: int


class RunState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    SKIPPED = "skipped"  # too few observations to say anything
    FAILED = "failed"

    @property
    def over(self) -> bool:
        return self not in (RunState.QUEUED, RunState.RUNNING)


@dataclass(frozen=True, slots=True)
class ColumnDrift:
    """How one column changed."""

    column: str  # text_length | language | label | score | confidence | embedding
    method: str  # as Evidently names it
    score: float  # the method's distance between window and reference
    threshold: float  # above it the column has drifted, whatever the method
    drifted: bool
    rows: int  # with a value, in the current window


@dataclass(frozen=True, slots=True)
class DriftRun:
    """One comparison of a model's live traffic with its reference."""

    id: str  # drift_ and 32 hex digits
    model: str
    reference_id: str
    window: Window  # of the traffic that is compared
    created_at: datetime
    key_id: str  # who asked; `schedule` for nobody
    state: RunState = RunState.QUEUED
    started_at: datetime | None = None
    ended_at: datetime | None = None
    attempts: int = 0
    rows: int | None = None  # of the window
    reference_rows: int | None = None
    drifted: bool | None = None  # the alarm of the whole run
    columns: tuple[ColumnDrift, ...] = ()
    report: str | None = None  # sha256 (hex) of the HTML among the reports
    error: str | None = None  # constant words


@dataclass(frozen=True, slots=True)
class ModelTraffic:
    """What is there of one model."""

    model: str
    rows: int  # live observations that are kept, counted up to 10,000
    oldest: datetime | None
    newest: datetime | None
    reference: Reference | None  # the newest
    last_run: DriftRun | None  # the newest that is over
    last_finding: DriftRun | None  # the newest that succeeded: a later one that came to nothing takes nothing
    answered_at: datetime | None  # when the newest that did not fail ended


@dataclass(frozen=True, slots=True)
class Comparison:
    """What an engine is given: observations of one model, newest last, at most as many as it may read."""

    model: str
    reference: tuple[Observation, ...]
    current: tuple[Observation, ...]


@dataclass(frozen=True, slots=True)
class Compared:
    """What an engine found."""

    columns: tuple[ColumnDrift, ...]
    drifted: bool
    html: bytes = field(repr=False)  # the report, whole in itself: it loads nothing from anywhere
    notes: Mapping[str, str] = field(default_factory=dict)  # column -> why it was left out
