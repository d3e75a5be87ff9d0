"""The table of models: what a door may name, and what each of them answers. A new head is a new row."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from embeddings.batching import Batcher
from embeddings.encoder import Encoder
from embeddings.errors import ModelNotFound

EMBEDDING = "embedding"
# Below this many characters the tokenizer is done sooner than a thread takes over (about 0.1 ms).
_INLINE_CHARS = 2000


@dataclass(frozen=True, slots=True)
class Prediction:
    rows: NDArray[np.float32]  # [texts, width]
    tokens: int  # that were read, special ones included


class Model(Protocol):
    """One model behind the doors. Anything it raises but ServiceError is a 500."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def output(self) -> str:
        """What a row is: "embedding", which /v1/embeddings serves, or a head's own word."""

    @property
    def width(self) -> int:
        """Numbers in a row."""

    @property
    def max_tokens(self) -> int: ...

    async def predict(self, texts: Sequence[str]) -> Prediction:
        """A row for each text, in order. Raises TextTooLong, Overloaded, Stopping."""


class EncoderModel:
    """Implements Model by the sentence encoder."""

    output = EMBEDDING

    def __init__(self, encoder: Encoder, version: str, batcher: Batcher, *, truncate: bool) -> None:
        self.name = encoder.name
        self.version = version
        self.width = encoder.width
        self.max_tokens = encoder.max_tokens
        self._encoder = encoder
        self._batcher = batcher
        self._truncate = truncate

    async def predict(self, texts: Sequence[str]) -> Prediction:
        if sum(map(len, texts)) <= _INLINE_CHARS:
            ids = self._encoder.tokens(texts, truncate=self._truncate)
        else:
            ids = await asyncio.to_thread(self._encoder.tokens, texts, truncate=self._truncate)
        rows = await self._batcher.submit(ids)
        return Prediction(np.stack(rows), sum(map(len, ids)))


class Models:
    """The table."""

    def __init__(self, models: Iterable[Model]) -> None:
        self._table: Mapping[str, Model] = {model.name: model for model in models}

    def __iter__(self) -> Iterator[Model]:
        return iter(self._table.values())

    def __getitem__(self, name: str) -> Model:
        """Raises ModelNotFound."""
        try:
            return self._table[name]
        except KeyError:
            raise ModelNotFound("There is no model of that name.", param="model") from None
