"""Graded answers -> the tensors of a batch, for `kind: pair`.

Every text is read once by the serving encoder, so a feature here is the feature that will be served.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from embeddings import cache, source
from embeddings.encoder import Encoder
from embeddings.pairs import Floats, Reading, closeness, features, rarity, reading
from embeddings.training.pair_network import PairNetwork

Batch = dict[str, Tensor]
RARITY_FILE = "rarity.npy"
_AT_ONCE = 16  # texts of like length
_OTHER_ANSWER = 0.25  # how often another right answer stands for the reference while the network learns
_RIGHT, _WORDS = 0.9, 4  # what such an answer must have: score, words


@dataclass(frozen=True, slots=True)
class Row:
    question: str
    references: tuple[str, ...]
    answer: str


class Reader:
    """Texts as the encoder reads them, each one once. `max_tokens` cuts, special ones included."""

    def __init__(self, path: str, max_tokens: int) -> None:
        found = source.find(path, "", "", Path("state/models/hub"))
        content, _ = cache.onnx_file(found, "fp32", Path("state/models"))
        self._encoder = Encoder(found, content, max_tokens=max_tokens)
        self._states: dict[str, tuple[NDArray[np.int64], Floats]] = {}
        self._known: dict[str, Reading] = {}
        self.rarities: Floats = np.ones(0, np.float32)

    def learn(self, texts: Iterable[str]) -> None:
        new = sorted({text for text in texts if text not in self._states}, key=lambda text: (len(text), text))
        for at in tqdm(range(0, len(new), _AT_ONCE), desc="reading", unit="batch", disable=None):
            part = new[at : at + _AT_ONCE]
            for text, one in zip(
                part, self._encoder.encode(self._encoder.tokens(part, truncate=True)), strict=True
            ):
                inner = slice(1, len(one.ids) - 1)
                self._states[text] = np.array(one.ids[inner], np.int64), np.array(one.states[inner])

    def count(self, texts: Iterable[str], vocabulary: int) -> None:
        """Takes the rarities of the vocabulary's entries from these texts, each a document."""
        documents = set(texts)
        self.learn(documents)
        frequency = np.zeros(vocabulary, np.int64)
        for text in documents:
            frequency[np.unique(self._states[text][0])] += 1
        self.rarities = rarity(len(documents), frequency)

    def __getitem__(self, text: str) -> Reading:
        if text not in self._known:
            self.learn([text])
            ids, states = self._states[text]
            self._known[text] = reading(text, ids, states, self.rarities)
        return self._known[text]


def rows_of(frame: pd.DataFrame) -> list[Row]:
    columns = zip(frame["question"], frame["references"], frame["text"], strict=True)
    return [Row(question, tuple(references), answer) for question, references, answer in columns]


def best_pair(reader: Reader, row: Row) -> tuple[Floats, str]:
    """The numbers beside the reference that the answer lies nearest to, and that reference."""
    found = [
        (features(reader[row.question], reader[text], reader[row.answer]), text) for text in row.references
    ]
    return max(found, key=lambda pair: closeness(pair[0]))


class PairBatches:
    """Implements Batches. While the network learns, a row's reference changes: one of its own or, now and
    then, another student's right answer; in use it is the nearest."""

    def __init__(self, network: PairNetwork, reader: Reader, frame: pd.DataFrame, seed: int) -> None:
        self._network = network
        self._reader = reader
        self._rows = rows_of(frame)
        reader.learn(text for row in self._rows for text in (row.question, row.answer, *row.references))
        self._draw = np.random.default_rng(seed)
        self._best = [best_pair(reader, row) for row in tqdm(self._rows, desc="comparing", disable=None)]
        self._pairs: dict[tuple[int, str], Floats] = {}
        self._right: dict[str, list[str]] = defaultdict(list)
        for row, score in zip(self._rows, frame["score"], strict=True):
            if score >= _RIGHT and len(row.answer.split()) >= _WORDS:
                self._right[row.question].append(row.answer)

    def __len__(self) -> int:
        return len(self._rows)

    def length(self, row: int) -> int:
        return len(self._reader[self._rows[row].answer].ids) + len(self._reader[self._best[row][1]].ids)

    def numbers(self) -> Floats:
        """[rows, 50]: every row beside its nearest reference."""
        return np.stack([numbers for numbers, _ in self._best])

    def take(self, rows: Sequence[int]) -> Batch:
        chosen = [self._varied(row) if self._network.training else self._best[row] for row in rows]
        batch = {"features": torch.from_numpy(np.stack([numbers for numbers, _ in chosen]))}
        texts = {
            "question": [self._rows[row].question for row in rows],
            "reference": [reference for _, reference in chosen],
            "answer": [self._rows[row].answer for row in rows],
        }
        learns = any(one.requires_grad for one in self._network.encoder.parameters())
        for name, names in texts.items():
            found = [self._reader[text] for text in names]
            batch[f"{name}_ids"] = _padded([torch.from_numpy(one.ids) for one in found], -1)
            batch[f"{name}_rarity"] = _padded([torch.from_numpy(one.rarity) for one in found], 0)
            if not learns:
                batch[name] = _padded([torch.from_numpy(one.words) for one in found], 0)
        return batch

    def _varied(self, place: int) -> tuple[Floats, str]:
        row = self._rows[place]
        reference = row.references[self._draw.integers(len(row.references))]
        others = self._right[row.question]
        if others and self._draw.random() < _OTHER_ANSWER:
            other = others[self._draw.integers(len(others))]
            reference = reference if other == row.answer else other
        key = place, reference
        if key not in self._pairs:
            read = self._reader
            self._pairs[key] = features(read[row.question], read[reference], read[row.answer])
        return self._pairs[key], reference


def scales(batches: PairBatches) -> tuple[Tensor, Tensor]:
    """Mean and deviation [50] of the numbers; a constant one is left as it is."""
    numbers = batches.numbers()

    return torch.from_numpy(numbers.mean(0)), torch.from_numpy(numbers.std(0) + 1e-3)


def _padded(rows: list[Tensor], filling: float) -> Tensor:
    made: Tensor = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=filling)
    return made
