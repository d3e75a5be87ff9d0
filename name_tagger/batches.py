"""Rows as the network's numbers: spelled, labelled, padded."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import torch
from tokenizers import Tokenizer
from torch import Tensor

from gateway.adapters.presidio.tagger.spelling import Spelled, spell
from name_tagger.network import ANY, targets
from name_tagger.rows import Row

_SHUFFLED = 1024  # rows from which batches of like length are made


@dataclass(frozen=True, slots=True)
class Batch:
    """[n, length] int64 each; `mask` is 1 at tokens."""

    ids: Tensor
    spellings: Tensor
    mask: Tensor
    wanted: Tensor


def batches(rows: Iterator[Row], reader: Tokenizer, tokens: int, draw: random.Random) -> Iterator[Batch]:
    """Without end; none has more than `tokens` places."""
    while True:
        some = list(islice(rows, _SHUFFLED))
        pairs = sorted(
            zip(spell([row.text for row in some], reader), some, strict=True),
            key=lambda pair: len(pair[0].ids),
        )
        made, start = [], 0
        for index, (one, _) in enumerate(pairs):
            if len(one.ids) * (index + 1 - start) > tokens and index > start:
                made.append(pairs[start:index])
                start = index
        made.append(pairs[start:])
        draw.shuffle(made)
        yield from map(padded, made)


def padded(pairs: Sequence[tuple[Spelled, Row]]) -> Batch:
    shape = (len(pairs), max(len(one.ids) for one, _ in pairs))
    ids, spellings, mask = (torch.zeros(shape, dtype=torch.int64) for _ in range(3))
    wanted = torch.full(shape, ANY)
    for index, (one, row) in enumerate(pairs):
        length = len(one.ids)
        ids[index, :length] = torch.tensor(one.ids)
        spellings[index, :length] = torch.tensor(one.spellings)
        mask[index, :length] = 1
        wanted[index, :length] = torch.tensor(targets(one.spans, row.spans, row.whole))
    return Batch(ids, spellings, mask, wanted)
