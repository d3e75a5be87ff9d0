"""A BERT of a few thousand random weights in sentence-transformers layout, made in milliseconds."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

HIDDEN, LAYERS, HEADS, POSITIONS = 32, 2, 4, 64
PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b", "c", "d", "e", "the", "word", "answer", "is", "right"]
PIECES += ["wrong", "вода", "кипит", "да", "нет", "1", "2", "!", "?", "."]
PIECES += [f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]


def weights(
    seed: int = 0, *, prefix: str = "", vocabulary: int = len(PIECES)
) -> dict[str, NDArray[np.float32]]:
    random = np.random.default_rng(seed)

    def some(*shape: int) -> NDArray[np.float32]:
        return random.normal(0, 0.3, shape).astype(np.float32)

    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (vocabulary, HIDDEN),
        "embeddings.position_embeddings.weight": (POSITIONS, HIDDEN),
        "embeddings.token_type_embeddings.weight": (2, HIDDEN),
    }
    norms = ["embeddings.LayerNorm"]
    for layer in range(LAYERS):
        name = f"encoder.layer.{layer}"
        norms += [f"{name}.attention.output.LayerNorm", f"{name}.output.LayerNorm"]
        sizes = {"intermediate.dense": (2 * HIDDEN, HIDDEN), "output.dense": (HIDDEN, 2 * HIDDEN)}
        square = ("self.query", "self.key", "self.value", "output.dense")
        sizes |= {f"attention.{part}": (HIDDEN, HIDDEN) for part in square}
        for part, size in sizes.items():
            shapes |= {f"{name}.{part}.weight": size, f"{name}.{part}.bias": size[:1]}
    made = {name: some(*shape) for name, shape in shapes.items()}
    for name in norms:
        made |= {f"{name}.weight": 1 + some(HIDDEN), f"{name}.bias": some(HIDDEN)}
    return {prefix + name: value for name, value in made.items()}


def tokenizer(kind: str = "wordpiece") -> Tokenizer:
    """WordPiece as BERT has it, or Unigram as the multilingual models have it."""
    if kind == "unigram":
        made = Tokenizer(models.Unigram([(piece.replace("##", ""), -1.0) for piece in PIECES], unk_id=1))
    else:
        made = Tokenizer(models.WordPiece({piece: i for i, piece in enumerate(PIECES)}, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    # As published files often are: cut and padded for training.
    made.enable_truncation(8)
    made.enable_padding(length=8)
    return made


def folder(
    where: Path,
    *,
    seed: int = 0,
    prefix: str = "",
    pooling: str = "mean_tokens",
    kind: str = "wordpiece",
    **config: Any,
) -> Path:
    """Writes the model; `config` changes config.json."""
    (where / "1_Pooling").mkdir(parents=True)
    save_file(weights(seed, prefix=prefix), where / "model.safetensors")
    tokenizer(kind).save(str(where / "tokenizer.json"))
    description = {
        "model_type": "bert",
        "hidden_act": "gelu",
        "hidden_size": HIDDEN,
        "layer_norm_eps": 1e-12,
        "max_position_embeddings": POSITIONS,
        "num_attention_heads": HEADS,
        "num_hidden_layers": LAYERS,
        "pad_token_id": 0,
        **config,
    }
    (where / "config.json").write_text(json.dumps(description))
    chosen = {f"pooling_mode_{name}": name == pooling for name in ("cls_token", "mean_tokens", "max_tokens")}
    (where / "1_Pooling/config.json").write_text(json.dumps(chosen))
    types = ("Transformer", "Pooling", "Normalize")
    (where / "modules.json").write_text(
        json.dumps([{"type": f"sentence_transformers.models.{t}"} for t in types])
    )
    return where
