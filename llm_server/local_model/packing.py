"""Packed sequences: one prefix shared by several branches, each branch blind to the others (a block mask)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Floats = NDArray[np.float32]


@dataclass(slots=True)
class Branch:
    """Tokens after the prefix, and what is asked of them; places count from the branch's first token.

    `words` are (place, token to be predicted there); `level` is (place, probabilities of 0, 1, 2).
    """

    ids: list[int]
    words: list[tuple[int, int]] = field(default_factory=list)
    level: tuple[int, tuple[float, float, float]] | None = None
    features: tuple[int, Floats] | None = None
    meaning: tuple[int, Floats] | None = None
    alignment: list[tuple[int, float]] = field(default_factory=list)


@dataclass(slots=True)
class Packed:
    """A prefix (may be empty) and its branches."""

    prefix: list[int]
    branches: list[Branch]

    def __len__(self) -> int:
        return len(self.prefix) + sum(len(branch.ids) for branch in self.branches)


@dataclass(slots=True)
class Batch:
    """Tensors of (sequences, length); every `*_at` indexes the flattened (sequences * length) places."""

    ids: Tensor
    positions: Tensor
    mask: Tensor
    word_at: Tensor
    word_ids: Tensor
    level_at: Tensor
    levels: Tensor
    features_at: Tensor
    features: Tensor
    meaning_at: Tensor
    meanings: Tensor
    alignment_at: Tensor
    alignments: Tensor


def _floats(rows: Sequence[object], width: int) -> Tensor:
    return torch.tensor(
        np.array(rows, np.float32).reshape(len(rows), width) if width else np.array(rows, np.float32)
    )


def collate(sequences: Sequence[Packed], pad: int) -> Batch:
    """Positions restart at the prefix's end for every branch, as if it stood alone; padding sees itself."""
    length = max(len(sequence) for sequence in sequences)
    ids = torch.full((len(sequences), length), pad)
    positions = torch.zeros_like(ids)
    blocks = torch.full_like(ids, -1)
    word_at, word_ids, level_at, levels = [], [], [], []
    features_at, features, meaning_at, meanings = [], [], [], []
    alignment_at, alignments = [], []
    for row, sequence in enumerate(sequences):
        start = len(sequence.prefix)
        ids[row, :start] = torch.tensor(sequence.prefix, dtype=torch.long)
        positions[row, :start] = torch.arange(start)
        blocks[row, :start] = 0
        for number, branch in enumerate(sequence.branches, start=1):
            end = start + len(branch.ids)
            ids[row, start:end] = torch.tensor(branch.ids)
            positions[row, start:end] = torch.arange(len(branch.ids)) + len(sequence.prefix)
            blocks[row, start:end] = number
            base = row * length + start
            word_at += [base + place for place, _ in branch.words]
            word_ids += [token for _, token in branch.words]
            alignment_at += [base + place for place, _ in branch.alignment]
            alignments += [value for _, value in branch.alignment]
            if branch.level:
                level_at.append(base + branch.level[0])
                levels.append(branch.level[1])
            if branch.features:
                features_at.append(base + branch.features[0])
                features.append(branch.features[1])
            if branch.meaning:
                meaning_at.append(base + branch.meaning[0])
                meanings.append(branch.meaning[1])
            start = end
    same = (blocks[:, :, None] == blocks[:, None, :]) | (blocks[:, None, :] == 0)
    mask = same & torch.ones(length, length, dtype=torch.bool).tril() & (blocks >= 0)[:, None, :]
    mask |= torch.eye(length, dtype=torch.bool)
    return Batch(
        ids,
        positions,
        mask[:, None],
        torch.tensor(word_at, dtype=torch.long),
        torch.tensor(word_ids, dtype=torch.long),
        torch.tensor(level_at, dtype=torch.long),
        _floats(levels, 3),
        torch.tensor(features_at, dtype=torch.long),
        _floats(features, len(features[0]) if features else 1),
        torch.tensor(meaning_at, dtype=torch.long),
        _floats(meanings, len(meanings[0]) if meanings else 1),
        torch.tensor(alignment_at, dtype=torch.long),
        _floats(alignments, 0),
    )
