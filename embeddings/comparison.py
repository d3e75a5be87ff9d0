"""The grader as a model: texts -> readings, remembered where many answers share them -> marks."""

import asyncio
import os
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from hashlib import blake2b

import numpy as np

from embeddings.batching import Batcher
from embeddings.encoder import MOST_CHARACTERS, Encoded, Encoder
from embeddings.grading import LABELS, Graded, Grader
from embeddings.manifest import Manifest
from embeddings.models import GRADE, INLINE_CHARS, Comparison, Mark, Prediction, portions, share
from embeddings.pairs import Reading, reading

_QUESTION_TOKENS, _REFERENCE_TOKENS = 128, 192
_AT_ONCE = 128  # texts of one request whose words are in memory at once: 50 MB at most
_REMEMBERED = 256  # readings; of the longest references 75 MB, of usual ones a tenth


class _Part(IntEnum):
    """Of a comparison; each is cut to its own number of tokens."""

    QUESTION = 0
    REFERENCE = 1
    SUBMISSION = 2


_Key = tuple[_Part, str]


@dataclass(frozen=True, slots=True)
class _Read:
    reading: Reading
    cut: bool


class Memory:
    """The readings of the questions and references that were used last. Only the event loop touches it."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: OrderedDict[bytes, _Read] = OrderedDict()
        self._secret = os.urandom(32)

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: _Key) -> _Read | None:
        digest = self._digest(key)
        found = self._kept.get(digest)
        if found:
            self._kept.move_to_end(digest)
        return found

    def put(self, key: _Key, read: _Read) -> None:
        self._kept[self._digest(key)] = read
        while len(self._kept) > self._size:
            self._kept.popitem(last=False)

    def _digest(self, key: _Key) -> bytes:
        # Of a key of this process: nobody outside can look for two texts that meet.
        return blake2b(key[1].encode(), key=self._secret, salt=bytes([key[0]])).digest()


class GraderModel:
    """Implements Comparer by a head."""

    output = GRADE
    labels = LABELS
    width = len(LABELS)

    def __init__(self, manifest: Manifest, head: Grader, encoder: Encoder, batcher: Batcher) -> None:
        self.name = manifest.name
        self.version = manifest.version
        self.max_tokens = manifest.max_tokens
        self.memory = Memory(_REMEMBERED)
        self._head = head
        self._encoder = encoder
        self._batcher = batcher
        most = (_QUESTION_TOKENS, _REFERENCE_TOKENS, manifest.max_tokens)
        self._most = tuple(min(one, encoder.positions) for one in most)  # by _Part
        self._no_question = _Read(empty_reading(head, encoder.width), cut=False)

    async def compare(self, comparisons: Sequence[Comparison]) -> Prediction:
        marks: list[Mark] = []
        tokens = 0
        for part in portions([2 + len(one.references) for one in comparisons], _AT_ONCE):
            some = comparisons[part]
            readings, read = await self._readings(some)
            marks += await asyncio.to_thread(self._marks, some, readings)
            tokens += read
        rows = np.array([list(mark.probabilities.values()) for mark in marks], np.float32)
        return Prediction(rows, tokens, marks)

    async def _readings(self, some: Iterable[Comparison]) -> tuple[Mapping[_Key, _Read], int]:
        """Of every text of theirs, each read once, and the tokens that were read for it."""
        keys = list(dict.fromkeys(key for one in some for key in _keys(one)))
        found = {
            key: known
            for key in keys
            if key[0] is not _Part.SUBMISSION and (known := self.memory.get(key)) is not None
        }
        missing = [key for key in keys if key not in found]
        texts, most = [text for _, text in missing], [self._most[part] for part, _ in missing]
        if sum(map(len, texts)) <= INLINE_CHARS:
            clipped = self._encoder.clipped(texts, most)
        else:
            clipped = await asyncio.to_thread(self._encoder.clipped, texts, most)
        encoded = await self._batcher.submit([one.ids for one in clipped])
        made = await asyncio.to_thread(self._read, texts, encoded)
        for key, one, cut in zip(missing, made, clipped, strict=True):
            found[key] = _Read(one, cut.cut)
            if key[0] is not _Part.SUBMISSION:
                self.memory.put(key, found[key])
        return found, sum(len(one.ids) for one in clipped)

    def _read(self, texts: Sequence[str], encoded: Sequence[Encoded]) -> list[Reading]:
        return [read(text, one, self._head) for text, one in zip(texts, encoded, strict=True)]

    def _marks(self, some: Iterable[Comparison], readings: Mapping[_Key, _Read]) -> list[Mark]:
        """Blocking: one to three milliseconds each."""
        return [self._mark(one, readings) for one in some]

    def _mark(self, one: Comparison, readings: Mapping[_Key, _Read]) -> Mark:
        if not one.submission.strip():
            return _nothing_said()
        question = readings[_Part.QUESTION, one.question] if one.question.strip() else self._no_question
        references = [readings[_Part.REFERENCE, text] for text in one.references]
        answer = readings[_Part.SUBMISSION, one.submission]
        graded = self._head.grade(question.reading, [each.reading for each in references], answer.reading)
        return _mark(graded, cut=any(each.cut for each in (question, answer, *references)))


def read(text: str, encoded: Encoded, head: Grader) -> Reading:
    """A text as the head wants it: its words without the special tokens at both ends."""
    ids = np.array(encoded.ids[1:-1], np.int64)
    return reading(text[:MOST_CHARACTERS], ids, encoded.states[1:-1], head.rarities)


def empty_reading(head: Grader, width: int) -> Reading:
    """Of a question that was not given."""
    return reading("", np.empty(0, np.int64), np.empty((0, width), np.float32), head.rarities)


def _keys(one: Comparison) -> list[_Key]:
    """The texts that must be read for it; for an empty submission none."""
    if not one.submission.strip():
        return []
    asked = [(_Part.QUESTION, one.question)] if one.question.strip() else []
    return [*asked, *((_Part.REFERENCE, text) for text in one.references), (_Part.SUBMISSION, one.submission)]


def _mark(graded: Graded, *, cut: bool) -> Mark:
    probabilities = zip(LABELS, graded.probabilities.tolist(), strict=True)
    return Mark(
        label=graded.label,
        confidence=share(graded.confidence),
        probabilities={label: share(p) for label, p in probabilities},
        needs_review=bool(graded.needs_review),
        cut=cut,
        score=share(graded.score),
    )


def _nothing_said() -> Mark:
    """Of an empty submission, which no model is asked about."""
    wrong = LABELS[-1]
    certain = {label: float(label == wrong) for label in LABELS}
    return Mark(wrong, 1.0, certain, needs_review=False, cut=False, score=0.0)
