"""A trained model -> a head's folder, as the service serves it: ONNX files and a manifest with their sha256.

`python -m embeddings.training.export --config FILE --version 1.0.0` writes embeddings/heads/NAME whole or
not at all. What ONNX Runtime answers is compared with what torch answers before anything is written."""

import argparse
import hashlib
import json
import logging
import sys
from collections.abc import Mapping
from pathlib import Path

from embeddings import source
from embeddings.errors import Unusable
from embeddings.training import config as configs
from embeddings.training import grader_head, text_head
from embeddings.training.config import Config
from embeddings.training.settings import Settings
from embeddings.training.whole import whole_folder

log = logging.getLogger("embeddings.training.export")
HEADS = Path(__file__).resolve().parent.parent / "heads"
FORMAT = 1
_MAKERS = {"text": text_head.files, "pair": grader_head.files}


def manifest(config: Config, version: str, files: Mapping[str, bytes]) -> dict[str, object]:
    """head.json."""
    found = source.find(config.encoder.path, "", "", Path("state/models/hub"))
    made: dict[str, object] = {
        "format": FORMAT,
        "name": config.serving.name or config.name,
        "version": version,
        "task": "grading" if config.kind == "pair" else "classification",
        "labels": config.labels,
        "encoder": {"name": found.name, "sha256": found.digests()["model.safetensors"]},
        "max_tokens": config.encoder.max_tokens,
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())},
    }
    if config.kind == "text":
        ngrams = config.head.ngrams
        made |= {
            "deep": config.head.deep,
            "style": config.head.style,
            "ngrams": ngrams.model_dump() if ngrams else None,
            "window": config.serving.window,
            "threshold": config.serving.threshold,
            "review_below": config.serving.review_below,
        }
    return made


def write(config: Config, version: str, settings: Settings, heads: Path) -> Path:
    """The head's folder. Its README.md, the model card, is kept. Raises Unusable."""
    files = _MAKERS[config.kind](config, settings)
    known = manifest(config, version, files)
    folder = heads / str(known["name"])
    card = (folder / "README.md").read_bytes() if (folder / "README.md").is_file() else None
    with whole_folder(folder) as made:
        for name, content in files.items():
            (made / name).write_bytes(content)
        if card is not None:
            (made / "README.md").write_bytes(card)
        (made / "head.json").write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
    size = sum(map(len, files.values())) / 1e6
    log.info("%s %s: %.1f MB", folder, version, size)
    return folder


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="embeddings.training.export", description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--version", required=True)
    parser.add_argument("--heads", type=Path, default=HEADS)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        write(configs.read(options.config), options.version, Settings(), options.heads)
    except Unusable as reason:
        sys.stderr.write(f"export: {reason}\n")
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
