"""The tagger at work: pieces of text -> names and addresses with their probability. ONNX Runtime, one thread.

model/ beside this file holds the graph, the vocabulary and manifest.json with their sha256, all written by
name_tagger.export.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from gateway.adapters.presidio.tagger.plausible import is_plausible
from gateway.adapters.presidio.tagger.spelling import Spelled, spell, tokenizer

FOLDER = Path(__file__).parent / "model"
FORMAT = 1
_MOST_PLACES = 2_048  # word pieces of one batch, padding included: bounds the memory to about 60 MB
_MOST_PADDED = 1.2  # times the shortest piece's length
_EDGES = re.compile(r"[\w.)]")

Probabilities = NDArray[np.float32]


class BadModel(Exception):
    """A file is missing, is another format's, or is not the one that the manifest names."""


@dataclass(frozen=True, slots=True)
class Found:
    start: int
    end: int
    kind: str
    score: float  # mean probability of the kind over the words


@dataclass(frozen=True, slots=True)
class Manifest:
    tags: tuple[str, ...]  # O, then B- and I- of each kind
    thresholds: dict[str, float]  # least probability of a kind
    files: dict[str, str]  # name -> sha256


def manifest(folder: Path) -> Manifest:
    """Raises BadModel."""
    try:
        content: dict[str, Any] = json.loads((folder / "manifest.json").read_bytes())
        if content["format"] != FORMAT:
            raise BadModel("the tagger's manifest is of another format")
        return Manifest(tuple(content["tags"]), dict(content["thresholds"]), dict(content["files"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadModel("the tagger has no readable manifest") from error


def kinds(folder: Path = FOLDER) -> list[str]:
    """What the tagger of `folder` finds. Raises BadModel."""
    return list(manifest(folder).thresholds)


def _checked(folder: Path, name: str, known: Manifest) -> bytes:
    try:
        content = (folder / name).read_bytes()
    except OSError as error:
        raise BadModel(f"the tagger has no {name}") from error
    if hashlib.sha256(content).hexdigest() != known.files.get(name):
        raise BadModel(f"the tagger's {name} is not the one in its manifest")
    return content


class Reader:
    """Holds about 40 MB. Not thread-safe in its order only: two threads may read at once."""

    def __init__(self, folder: Path = FOLDER) -> None:
        """Raises BadModel when a file is not the manifest's."""
        known = manifest(folder)
        graph = _checked(folder, "tagger.onnx", known)
        words = _checked(folder, "vocabulary.txt", known).decode("utf-8").split("\n")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        self._tokenizer = tokenizer(words)
        self._kinds = [*known.thresholds]
        self._least = np.array([*known.thresholds.values()], np.float32)
        # Columns of B- and of I- of each kind.
        self._begin = np.array([known.tags.index(f"B-{kind}") for kind in self._kinds])
        self._inside = np.array([known.tags.index(f"I-{kind}") for kind in self._kinds])

    def read(self, pieces: Sequence[str]) -> list[list[Found]]:
        """For each piece what stands in it, in order, not overlapping, in the piece's own offsets."""
        spelled = spell(pieces, self._tokenizer)
        found: list[list[Found]] = [[] for _ in pieces]
        for batch in _batches(spelled):
            tags = self._tags([spelled[index] for index in batch])
            for row, index in enumerate(batch):
                found[index] = [*self._found(pieces[index], spelled[index], tags[row])]
        return found

    def _tags(self, batch: Sequence[Spelled]) -> Probabilities:
        """[pieces, length, tags]."""
        shape = (len(batch), max(len(one.ids) for one in batch))
        ids, spellings, mask = np.zeros(shape, np.int64), np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        for row, one in enumerate(batch):
            length = len(one.ids)
            ids[row, :length] = one.ids
            spellings[row, :length] = one.spellings
            mask[row, :length] = 1
        [tags] = self._session.run(
            ["tags"], {"input_ids": ids, "spellings": spellings, "attention_mask": mask}
        )
        probabilities: Probabilities = tags
        return probabilities

    def _found(self, piece: str, spelled: Spelled, tags: Probabilities) -> Iterator[Found]:
        run: list[tuple[int, int, float]] = []  # start, end and probability of neighbouring words of one kind
        run_kind = ""
        for first, last, kind, score, begins in self._words(piece, spelled, tags):
            if run and (kind != run_kind or begins):
                yield from _whole(piece, run, run_kind)
                run = []
            if kind:
                run.append((spelled.spans[first][0], spelled.spans[last - 1][1], score))
                run_kind = kind
        if run:
            yield from _whole(piece, run, run_kind)

    def _words(
        self, piece: str, spelled: Spelled, tags: Probabilities
    ) -> Iterator[tuple[int, int, str, float, bool]]:
        """Each word's pieces `first..last`, its kind, the probability of it (the mean over its pieces), and
        whether another of the same kind begins here. No kind reaches its threshold: an empty one."""
        groups = [*_groups(piece, spelled)]
        if not groups:
            return
        firsts, lasts = np.array(groups).T
        sums = np.add.reduceat(tags[: groups[-1][1]], firsts, axis=0)
        scores = (sums[:, self._begin] + sums[:, self._inside]) / (lasts - firsts)[:, None]
        scores[scores < self._least] = 0.0
        best = scores.argmax(axis=1)
        rows = np.arange(len(groups))
        begins = tags[firsts, self._begin[best]] > tags[firsts, self._inside[best]]
        for (first, last), kind, score, new in zip(
            groups, best.tolist(), scores[rows, best].tolist(), begins.tolist(), strict=True
        ):
            yield first, last, self._kinds[kind] if score else "", score, new


def _batches(spelled: Sequence[Spelled]) -> Iterator[list[int]]:
    """Indices of pieces of like length, short ones first: a place of padding costs as much as a word."""
    batch: list[int] = []
    for index in sorted(range(len(spelled)), key=lambda i: len(spelled[i].ids)):
        length = len(spelled[index].ids)
        if batch and (
            (len(batch) + 1) * length > _MOST_PLACES or length > _MOST_PADDED * len(spelled[batch[0]].ids)
        ):
            yield batch
            batch = []
        if length > 2:
            batch.append(index)
    if batch:
        yield batch


def _groups(piece: str, spelled: Spelled) -> Iterator[tuple[int, int]]:
    """Ranges of word pieces that are one word to a reader: "O'Brien", "Anna-Maria"; the 's stands alone."""
    words, spans = spelled.words, spelled.spans
    first = 1
    while first < len(words) - 1:
        last = _word_end(words, first)
        while (
            piece[spans[first][0]].isalpha()
            and last + 1 < len(words) - 1
            and spans[last][0] == spans[last - 1][1]
            and piece[spans[last][0] : spans[last][1]] in ("-", "'", "\u2019")
            and spans[last + 1][0] == spans[last][1]
            and piece[spans[last + 1][0]].isalpha()
        ):
            after = _word_end(words, last + 1)
            if piece[spans[last + 1][0] : spans[after - 1][1]] in ("s", "S", "t", "m", "re", "ve", "ll", "d"):
                break
            last = after
        yield first, last
        first = last


def _word_end(words: Sequence[int], first: int) -> int:
    last = first + 1
    while last < len(words) and words[last] == words[first]:
        last += 1
    return last


def _whole(piece: str, run: Sequence[tuple[int, int, float]], kind: str) -> Iterator[Found]:
    start, end = run[0][0], run[-1][1]
    while start < end and not _EDGES.match(piece[start]):
        start += 1
    while start < end and not _EDGES.match(piece[end - 1]):
        end -= 1
    score = sum(probability for _, _, probability in run) / len(run)
    if is_plausible(kind, piece, start, end, score):
        yield Found(start, end, kind, score)
