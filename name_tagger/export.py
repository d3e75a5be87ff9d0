"""A trained run -> the files that the gateway reads: `python -m name_tagger.export [--name RUN] [--out DIR]`.

Writes tagger.onnx, vocabulary.txt and manifest.json with their sha256, and tells how far the probabilities of
the int8 graph are from torch's."""

import argparse
import hashlib
import json
import logging
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from gateway.adapters.presidio.tagger.reading import FOLDER, FORMAT
from gateway.adapters.presidio.tagger.spelling import spell, tokenizer
from name_tagger.batches import Batch, padded
from name_tagger.corpus import templates
from name_tagger.graph import graph, quantised
from name_tagger.network import TAGS, Tagger, minilm, network, vocabulary
from name_tagger.rows import Row
from name_tagger.settings import Settings
from name_tagger.train import WEIGHTS, Config, quiet, read

log = logging.getLogger("name_tagger.export")


def trained(kept: Path, words: list[str]) -> tuple[Tagger, Config]:
    config = read(kept / "config.yaml")
    tagger = network(minilm(), words, config.model.layers, 0.0)
    tagger.load_state_dict(load_file(kept / WEIGHTS))
    tagger.eval()
    return tagger, config


def exact(tagger: Tagger, layers: int) -> bytes:
    """The float32 graph."""
    weights = {name: value.detach().numpy() for name, value in tagger.encoder.state_dict().items()}
    head = (tagger.head.weight.detach().numpy().T.copy(), tagger.head.bias.detach().numpy())
    heads = int(tagger.encoder.config.num_attention_heads)
    made: bytes = graph(weights, tagger.spellings().detach().numpy(), head, layers, heads).SerializeToString()
    return made


def probe(words: list[str]) -> Batch:
    """The templates as they stand, slots and all: as good as any text to compare two graphs on."""
    texts = templates()[:48]
    pairs = zip(spell(texts, tokenizer(words)), [Row(text, (), True, "probe") for text in texts], strict=True)
    return padded([*pairs])


def by_torch(tagger: Tagger, batch: Batch) -> NDArray[np.float32]:
    with torch.inference_mode():
        made: NDArray[np.float32] = tagger(batch.ids, batch.spellings, batch.mask).softmax(-1).numpy()
    return made


def by_onnx(content: bytes, batch: Batch) -> NDArray[np.float32]:
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    inputs = {"input_ids": batch.ids, "spellings": batch.spellings, "attention_mask": batch.mask}
    [made] = session.run(["tags"], {name: value.numpy() for name, value in inputs.items()})
    tags: NDArray[np.float32] = made
    return tags


def write(folder: Path, content: bytes, words: list[str], thresholds: dict[str, float]) -> None:
    files = {"tagger.onnx": content, "vocabulary.txt": "\n".join(words).encode()}
    known = {
        "format": FORMAT,
        "tags": TAGS,
        "thresholds": thresholds,
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in files.items():
        (folder / name).write_bytes(value)
    (folder / "manifest.json").write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="name_tagger.export", description=__doc__)
    parser.add_argument("--name", default="tagger", help="of the run")
    parser.add_argument("--out", type=Path, default=FOLDER)
    parser.add_argument("--float32", action="store_true", help="to measure what int8 loses; never shipped")
    asked = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    quiet()
    words = vocabulary(minilm())
    tagger, config = trained(Settings().training_state_dir / "name_tagger" / asked.name, words)
    full = exact(tagger, config.model.layers)
    content = full if asked.float32 else quantised(onnx.load_model_from_string(full))
    batch = probe(words)
    real, tokens = by_torch(tagger, batch), batch.mask.numpy() == 1
    for name, made in (("float32", by_onnx(full, batch)), ("as written", by_onnx(content, batch))):
        log.info(
            "%s: probabilities differ from torch's by %.4f at most", name, np.abs(made - real)[tokens].max()
        )
    write(asked.out, content, words, config.thresholds)
    log.info("%s: %.1f MB", asked.out, len(content) / 1e6)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
