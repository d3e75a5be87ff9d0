"""Facts <-> the JSON that is kept of them.

Each text begins with its format number: a version that changes a fact's shape raises the number and reads the
old one too. A new field with a default needs neither.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Generic, TypeVar

import orjson
from pydantic import TypeAdapter, ValidationError

from gateway.batch.queue import Item
from gateway.domain import ModelCall, Rubric
from gateway.drift.facts import DriftRun
from gateway.errors import InvalidRequest, StoreUnavailable
from gateway.records import Correction, GradeRecord
from gateway.training.facts import DatasetVersion, ModelVersion, TrainingRequest
from gateway.training.ports import WorkerFacts

Fact = TypeVar(
    "Fact",
    GradeRecord,
    ModelCall,
    Rubric,
    Correction,
    Item,
    DatasetVersion,
    TrainingRequest,
    ModelVersion,
    WorkerFacts,
    DriftRun,
)
_FORMAT = '{"format":1,'


class Codec(Generic[Fact]):
    """JSON of one kind of fact. Numbers are finite: JSON has no others."""

    def __init__(self, kind: type[Fact]) -> None:
        self._reader: TypeAdapter[Fact] = TypeAdapter(kind)

    def encode(self, fact: Fact) -> str:
        """Raises InvalidRequest for half a surrogate pair, which is no text, and integers over 64 bits."""
        text = None
        with suppress(orjson.JSONEncodeError):
            text = orjson.dumps(fact, default=_plain)
        if text is None:  # raised here, the error has no other behind it that could quote the fact
            raise InvalidRequest("A text is not valid Unicode, or a number too large.")
        return _FORMAT + text[1:].decode()

    def decode(self, text: str) -> Fact:
        """Raises StoreUnavailable for a text that is not ours: a fault of the store, whoever asks."""
        fact = None
        if text.startswith(_FORMAT):
            with suppress(ValidationError):  # it quotes its input
                fact = self._reader.validate_json(text, strict=True)
        if fact is None:
            raise StoreUnavailable("A kept record cannot be read by this version of the gateway.")
        return fact


def _plain(value: object) -> object:
    """Mappings that are no dict."""
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError


GRADE = Codec(GradeRecord)  # without its calls, which have rows of their own
CALL = Codec(ModelCall)
RUBRIC = Codec(Rubric)
CORRECTION = Codec(Correction)
ITEM = Codec(Item)
DATASET = Codec(DatasetVersion)  # without its preview
REQUEST = Codec(TrainingRequest)
MODEL = Codec(ModelVersion)
WORKER = Codec(WorkerFacts)
DRIFT_RUN = Codec(DriftRun)


def with_calls(record: GradeRecord, calls: tuple[ModelCall, ...]) -> GradeRecord:
    return replace(record, grade=replace(record.grade, calls=calls))
