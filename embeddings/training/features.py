"""Texts -> the tensors of a batch, for `kind: text`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor
from tqdm import tqdm

from embeddings import ngrams, style
from embeddings.training.network import TextNetwork

Batch = dict[str, Tensor]
_ENCODE_AT_ONCE = 32  # texts


class Batches(Protocol):
    """What the training loop knows of the data: any rows of it, as keyword arguments of the network."""

    def __len__(self) -> int: ...

    def length(self, row: int) -> int:
        """Of the row, in tokens: rows of like length waste little on padding."""

    def take(self, rows: Sequence[int]) -> Batch:
        """The batch of these rows, in this order."""


def tokenizer(folder: Path, max_tokens: int) -> Tokenizer:
    """The folder's tokenizer, cutting to `max_tokens` with the special tokens kept."""
    made = Tokenizer.from_file(str(folder / "tokenizer.json"))
    made.no_padding()  # the file may carry its trainer's; here each batch is padded to its longest
    made.enable_truncation(max_tokens)
    return made


class TextBatches:
    """Implements Batches. Tokens and n-grams are made once; of a frozen encoder the vectors too."""

    def __init__(self, network: TextNetwork, tokenizer: Tokenizer, texts: Sequence[str]) -> None:
        self._deep = network.encoder is not None
        self._ids = [one.ids for one in tokenizer.encode_batch(list(texts))]
        self._numbers: Tensor | None = None
        if network.config.style:
            self._numbers = torch.from_numpy(np.stack([style.style(text) for text in texts]))
        wide = network.config.ngrams
        self._buckets = wide and [
            torch.tensor(ngrams.buckets(text, count=wide["buckets"], low=wide["low"], high=wide["high"]))
            for text in texts
        ]
        self._encoded = self._all_encoded(network) if network.encoder and not _learns(network) else None

    def __len__(self) -> int:
        return len(self._ids)

    def length(self, row: int) -> int:
        return len(self._ids[row])

    def take(self, rows: Sequence[int]) -> Batch:
        batch: Batch = {}
        if self._encoded is not None:
            batch["encoded"] = self._encoded[list(rows)]
        elif self._deep:
            batch |= self._padded(rows)
        if self._numbers is not None:
            batch["numbers"] = self._numbers[list(rows)]
        if self._buckets:
            found = [self._buckets[row] for row in rows]
            sizes = torch.tensor([len(one) for one in found])
            batch["buckets"] = torch.cat(found)
            batch["offsets"] = torch.cumsum(sizes, 0) - sizes
            # Each text's row of n-grams has unit length, however long the text is.
            batch["weights"] = torch.repeat_interleave(sizes.double().rsqrt().float(), sizes)
        return batch

    def scales(self) -> tuple[Tensor, Tensor] | None:
        """Mean and deviation [17] of the style's numbers, where the network reads them."""
        if self._numbers is None:
            return None
        return self._numbers.mean(0), self._numbers.std(0, correction=0) + 1e-3

    def _padded(self, rows: Sequence[int]) -> Batch:
        ids = [torch.tensor(self._ids[row]) for row in rows]
        masks = [torch.ones_like(one) for one in ids]
        pad = torch.nn.utils.rnn.pad_sequence  # the padding id does not matter where the mask is 0
        return {
            "input_ids": pad(ids, batch_first=True),
            "attention_mask": pad(masks, batch_first=True),
        }

    def _all_encoded(self, network: TextNetwork) -> Tensor:
        """Vectors of all texts, computed in batches of like length."""
        order = sorted(range(len(self._ids)), key=lambda row: len(self._ids[row]))
        vectors = torch.empty(len(order), network.width)
        was_training = network.training
        network.eval()
        with torch.inference_mode():
            for at in tqdm(
                range(0, len(order), _ENCODE_AT_ONCE), desc="encoding", unit="batch", disable=None
            ):
                rows = order[at : at + _ENCODE_AT_ONCE]
                vectors[rows] = network.encode(**self._padded(rows))
        network.train(was_training)
        return vectors


def _learns(network: TextNetwork) -> bool:
    return any(one.requires_grad for one in network.encoder.parameters()) if network.encoder else False
