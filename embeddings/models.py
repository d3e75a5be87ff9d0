"""The table of models: what a door may name, and what each of them answers. A new head is a new folder."""

import asyncio
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from embeddings.batching import Batcher
from embeddings.encoder import Encoded, Encoder
from embeddings.errors import ModelNotFound, ServiceError

EMBEDDING, CLASSIFICATION, GRADE = "embedding", "classification", "grade"
# Below this many characters the tokenizer is done sooner than a thread takes over (about 0.1 ms).
INLINE_CHARS = 2000


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a grader reads: an answer, what is right, and what was asked (may be empty)."""

    submission: str = field(repr=False)
    references: tuple[str, ...] = field(repr=False)
    question: str = field(repr=False, default="")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a head says of one instance. All numbers are within 0..1."""

    label: str
    confidence: float  # probability of the label
    probabilities: Mapping[str, float]  # by label
    needs_review: bool
    cut: bool  # not all of the text was read


@dataclass(frozen=True, slots=True)
class Mark(Verdict):
    """A grader's verdict."""

    score: float  # the expected share of the maximum


@dataclass(frozen=True, slots=True)
class Prediction:
    rows: NDArray[np.float32]  # [instances, width]: vectors, or probabilities in the order of the labels
    tokens: int  # that were read, special ones included
    verdicts: Sequence[Verdict] = ()  # of a head: one for each row


class Model(Protocol):
    """One model behind the doors. Anything it raises but ServiceError is a 500."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def output(self) -> str:
        """EMBEDDING, which /v1/embeddings serves, CLASSIFICATION or GRADE."""

    @property
    def labels(self) -> tuple[str, ...]:
        """A head's; of an encoder none."""

    @property
    def width(self) -> int:
        """Numbers in a row."""

    @property
    def max_tokens(self) -> int: ...


class TextModel(Model, Protocol):
    """Reads texts: an encoder or a classifier."""

    async def predict(self, texts: Sequence[str]) -> Prediction:
        """A row for each text, in order. Raises TextTooLong (an encoder), Overloaded, Stopping."""


@runtime_checkable
class Comparer(Model, Protocol):
    """Reads answers beside references: a grader."""

    async def compare(self, comparisons: Sequence[Comparison]) -> Prediction:
        """A row and a Mark for each, in order. Raises Overloaded, Stopping."""


AnyModel = TextModel | Comparer


class EncoderModel:
    """Implements TextModel by the sentence encoder."""

    output = EMBEDDING
    labels = ()

    def __init__(self, encoder: Encoder, version: str, batcher: Batcher, *, truncate: bool) -> None:
        self.name = encoder.name
        self.version = version
        self.width = encoder.width
        self.max_tokens = encoder.max_tokens
        self._encoder = encoder
        self._batcher = batcher
        self._truncate = truncate

    async def predict(self, texts: Sequence[str]) -> Prediction:
        if sum(map(len, texts)) <= INLINE_CHARS:
            ids = self._encoder.tokens(texts, truncate=self._truncate)
        else:
            ids = await asyncio.to_thread(self._encoder.tokens, texts, truncate=self._truncate)
        rows = await self._batcher.submit(ids, vector)
        return Prediction(np.stack(rows), sum(map(len, ids)))


class Models:
    """The table."""

    def __init__(self, models: Iterable[AnyModel]) -> None:
        self._table: Mapping[str, AnyModel] = {model.name: model for model in models}

    def __iter__(self) -> Iterator[AnyModel]:
        return iter(self._table.values())

    def __getitem__(self, name: str) -> AnyModel:
        """Raises ModelNotFound."""
        try:
            return self._table[name]
        except KeyError:
            raise ModelNotFound("There is no model of that name.", param="model") from None


def vector(encoded: Encoded) -> NDArray[np.float32]:
    """What is kept of a text whose words are not wanted."""
    return encoded.vector


def portions(sizes: Sequence[int], most: int) -> Iterator[slice]:
    """Consecutive stretches whose sizes add up to at most `most`; one that is larger stands alone. A request
    is worked through by them: it then never fills the queue, nor the memory, alone."""
    start = total = 0
    for place, size in enumerate(sizes):
        if place > start and total + size > most:
            yield slice(start, place)
            start, total = place, 0
        total += size
    if start < len(sizes):
        yield slice(start, len(sizes))


def share(value: float) -> float:
    """A plain number within 0..1. Raises ServiceError for one that is not finite."""
    if not math.isfinite(value):
        raise ServiceError("The model failed.")
    return min(1.0, max(0.0, float(value)))
