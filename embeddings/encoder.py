"""Texts -> token ids -> vectors. Blocking; batching.py decides what is computed together and where."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from embeddings.errors import TextTooLong, Unusable
from embeddings.session import on_one_core
from embeddings.source import Source

Ids = Sequence[int]
Vectors = NDArray[np.float32]  # [texts, width], unit length
MOST_CHARACTERS = 20_000  # of a text (of a piece, where it is read in pieces) that a head looks at


@dataclass(frozen=True, slots=True)
class Encoded:
    """One text as the encoder read it."""

    ids: Ids  # special ones included
    vector: NDArray[np.float32]  # [width], unit length
    states: NDArray[np.float32]  # [tokens, width]; a view of its whole batch


@dataclass(frozen=True, slots=True)
class Clipped:
    """A text as tokens, cut to what a head reads."""

    ids: Ids
    cut: bool


class Encoder:
    """One ONNX session on one core; callers may run batches in several threads at once."""

    def __init__(self, source: Source, content: bytes, *, max_tokens: int) -> None:
        """Raises Unusable when the file is no graph for this ONNX Runtime."""
        self.name = source.name
        self.source = source
        self.positions = source.max_tokens
        self.max_tokens = min(max_tokens, self.positions)
        self._pad_id = source.pad_id
        self._tokenizer = Tokenizer.from_file(str(source.folder / "tokenizer.json"))
        # The file may carry its trainer's cut and padding; both are decided here.
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self.vocabulary = self._tokenizer.get_vocab_size()
        try:
            self._session = on_one_core(content)
        except Exception as error:
            raise Unusable(f"ONNX Runtime cannot load the encoder ({type(error).__name__})") from error
        self.width = int(self._session.get_outputs()[0].shape[1])

    def tokens(self, texts: Sequence[str], *, truncate: bool) -> list[Ids]:
        """Each text's ids with its special tokens. Raises TextTooLong unless `truncate` cuts."""
        every: list[Ids] = [encoding.ids for encoding in self._tokenizer.encode_batch_fast(list(texts))]
        longest = max(map(len, every), default=0)
        if longest <= self.max_tokens:
            return every
        if not truncate:
            raise TextTooLong(
                f"This model's maximum context length is {self.max_tokens} tokens, "
                f"however you requested {longest} tokens. Shorten the text.",
                param="input",
            )
        return [_cut(ids, self.max_tokens) for ids in every]

    def clipped(self, texts: Sequence[str], most: Sequence[int]) -> list[Clipped]:
        """Each text's ids, special ones included, cut to its own number of tokens (`positions` at most) and
        to the first 20,000 characters."""
        every = self._tokenizer.encode_batch_fast([text[:MOST_CHARACTERS] for text in texts])
        return [
            Clipped(_cut(one.ids, bound), len(one.ids) > bound or len(text) > MOST_CHARACTERS)
            for one, text, bound in zip(every, texts, most, strict=True)
        ]

    def encode(self, batch: Sequence[Ids]) -> list[Encoded]:
        """Vector and words of each text. Asking for both costs a copy, less than a hundredth of the batch."""
        vectors, states = self._run(["embedding", "token_embeddings"], batch)
        return [
            Encoded(ids, vectors[row], states[row, : len(ids)])  # without the padding
            for row, ids in enumerate(batch)
        ]

    def vectors(self, batch: Sequence[Ids]) -> Vectors:
        """[len(batch), width] float32, each of unit length."""
        vectors: Vectors = self._run(["embedding"], batch)[0]
        return vectors

    def _run(self, outputs: list[str], batch: Sequence[Ids]) -> list[Any]:
        """Padding to the longest is masked out."""
        shape = (len(batch), max(map(len, batch)))
        ids = np.full(shape, self._pad_id, np.int64)
        mask = np.zeros(shape, np.int64)
        for row, text in enumerate(batch):
            ids[row, : len(text)] = text
            mask[row, : len(text)] = 1
        found: list[Any] = self._session.run(outputs, {"input_ids": ids, "attention_mask": mask})
        return found


def _cut(ids: Ids, most: int) -> Ids:
    """The closing special token stays: the model has seen no text without it."""
    return ids if len(ids) <= most else [*ids[: most - 1], ids[-1]]
