"""A classifier: the encoder's vector of a text and, where the head has them, its n-grams -> probabilities."""

import asyncio
import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from embeddings import ngrams, style
from embeddings.batching import Batcher
from embeddings.encoder import MOST_CHARACTERS, Encoder
from embeddings.manifest import Manifest, Verified, unusable
from embeddings.models import CLASSIFICATION, INLINE_CHARS, Prediction, Verdict, portions, share, vector
from embeddings.session import on_one_core

_GRAPH = "head.onnx"
_MOST_PIECES = 48  # of one text
_AT_ONCE = 256  # pieces of one request that wait or are judged at once
_PROBE = "probe"

Floats = NDArray[np.float32]


class Classifier:
    """head.onnx -> `probabilities` float32 [1, labels], of what its manifest says that it reads: `encoded`
    float32 [1, width], unit length (deep); `buckets` int64 [k], distinct, and `weights` float32 [k],
    1/sqrt(k) each (ngrams); `numbers` float32 [1, 17] as style.py gives them (style). Blocking."""

    def __init__(self, head: Verified, width: int) -> None:
        """Raises Unusable when the graph is not what the manifest says: it is run once."""
        self.deep = head.manifest.deep
        self._ngrams = head.manifest.ngrams
        self._style = head.manifest.style
        name = head.manifest.name
        if set(head.contents) != {_GRAPH}:
            raise unusable(name, f"a classifier has one file, {_GRAPH}")
        fed = self._fed(_PROBE, np.zeros(width, np.float32))
        if self._ngrams:  # the table must be as large as it is said to be
            fed["buckets"][-1] = self._ngrams.buckets - 1
        try:
            self._session = on_one_core(head.contents[_GRAPH])
            found = np.asarray(self._session.run(["probabilities"], fed)[0])
        except Exception as error:
            reason = f"ONNX Runtime cannot run {_GRAPH} as its manifest says ({type(error).__name__})"
            raise unusable(name, reason) from error
        named = {one.name for one in self._session.get_inputs()}
        if named != set(fed) or found.shape != (1, len(head.manifest.labels)):
            raise unusable(name, f"{_GRAPH} has other inputs or another number of labels")
        if not (np.isfinite(found).all() and abs(float(found.sum()) - 1) < 1e-3):
            raise unusable(name, f"the outputs of {_GRAPH} are no probabilities")

    def probabilities(self, text: str, encoded: Floats | None) -> Floats:
        """[labels] of one piece of text and its vector [width], which only a deep head looks at."""
        row: Floats = self._session.run(["probabilities"], self._fed(text, encoded))[0][0]
        return row

    def judged(self, texts: Sequence[str]) -> list[Floats]:
        """[labels] for each piece of text, of a head that is not deep: what its own Batcher computes."""
        return [self.probabilities(text, None) for text in texts]

    def _fed(self, text: str, encoded: Floats | None) -> dict[str, NDArray[Any]]:
        fed: dict[str, NDArray[Any]] = {}
        text = text[:MOST_CHARACTERS]
        if self.deep and encoded is not None:
            fed["encoded"] = encoded[None]
        if self._ngrams:
            wide = self._ngrams
            found = ngrams.buckets(text, count=wide.buckets, low=wide.low, high=wide.high)
            fed["buckets"] = np.array(found, np.int64)
            fed["weights"] = np.full(len(found), 1 / math.sqrt(len(found)), np.float32)
        if self._style:
            fed["numbers"] = style.style(text)[None]
        return fed


class _Judged(NamedTuple):
    """One piece of text."""

    row: Floats  # [labels]
    cut: bool


def pieces(text: str, window: int | None) -> tuple[list[str], bool]:
    """The text as it is read: whole, or in pieces of `window` characters, each a quarter over the one before,
    48 at most; and whether that limit cut it."""
    if window is None:
        return [text], False
    step = window - window // 4
    count = 1 + max(0, math.ceil((len(text) - window) / step))
    starts = range(0, step * min(count, _MOST_PIECES), step)
    return [text[start : start + window] for start in starts], count > _MOST_PIECES


class ClassifierModel:
    """Implements TextModel by a head. A text read in pieces is judged by the one in which the last label is
    likeliest: an instruction to the grader hides at the end of a long essay."""

    output = CLASSIFICATION

    def __init__(self, manifest: Manifest, head: Classifier, encoder: Encoder, batcher: Batcher) -> None:
        self.name = manifest.name
        self.version = manifest.version
        self.labels = manifest.labels
        self.width = len(manifest.labels)
        self.max_tokens = manifest.max_tokens
        self._window = manifest.window
        self._threshold = manifest.threshold or 0.0
        self._review_below = manifest.review_below or 0.0
        self._head = head
        self._encoder = encoder
        self._batcher = batcher  # of the encoder or, where the head is not deep, of Classifier.judged

    async def predict(self, texts: Sequence[str]) -> Prediction:
        verdicts: list[Verdict] = []
        tokens = 0
        every = [pieces(text, self._window) for text in texts]
        for part in portions([len(parts) for parts, _ in every], _AT_ONCE):
            flat = [piece for parts, _ in every[part] for piece in parts]
            judge = self._by_meaning if self._head.deep else self._by_letters
            judged, read = await judge(flat)
            verdicts += self._verdicts(every[part], judged)
            tokens += read
        rows = np.array([list(one.probabilities.values()) for one in verdicts], np.float32)
        return Prediction(rows, tokens, verdicts)

    async def _by_letters(self, flat: Sequence[str]) -> tuple[list[_Judged], int]:
        rows = await self._batcher.submit(flat)
        cut = [len(piece) > MOST_CHARACTERS for piece in flat]
        return [_Judged(*one) for one in zip(rows, cut, strict=True)], 0

    async def _by_meaning(self, flat: Sequence[str]) -> tuple[list[_Judged], int]:
        """And the tokens that were read."""
        most = [self.max_tokens] * len(flat)
        if sum(map(len, flat)) <= INLINE_CHARS:
            clipped = self._encoder.clipped(flat, most)
        else:
            clipped = await asyncio.to_thread(self._encoder.clipped, flat, most)
        vectors = await self._batcher.submit([one.ids for one in clipped], vector)
        # In a thread: n-grams of a long text take milliseconds.
        rows = await asyncio.to_thread(lambda: list(map(self._head.probabilities, flat, vectors)))
        judged = [_Judged(row, one.cut) for row, one in zip(rows, clipped, strict=True)]
        return judged, sum(len(one.ids) for one in clipped)

    def _verdicts(
        self, texts: Sequence[tuple[list[str], bool]], judged: Sequence[_Judged]
    ) -> Iterator[Verdict]:
        at = 0
        for parts, cut in texts:
            mine = judged[at : at + len(parts)]
            at += len(parts)
            deciding = max(mine, key=lambda one: float(one.row[-1]))
            yield self._verdict(deciding.row, cut or any(one.cut for one in mine))

    def _verdict(self, row: Floats, cut: bool) -> Verdict:
        probabilities = {label: share(p) for label, p in zip(self.labels, row.tolist(), strict=True)}
        *others, last = self.labels
        found = probabilities[last] >= self._threshold
        label = last if found else max(others, key=probabilities.__getitem__)
        confidence = probabilities[label]
        return Verdict(label, confidence, probabilities, confidence < self._review_below, cut)
