import json
from pathlib import Path
from typing import Any

import pytest

from embeddings import source
from embeddings.errors import Unusable
from tests.embeddings import tiny


def test_a_folder_is_named_by_itself_or_by_the_setting(tmp_path: Path) -> None:
    folder = tiny.folder(tmp_path / "my-model")
    assert source.find(str(folder), "", "", tmp_path).name == "my-model"
    assert source.find(str(folder), "other", "", tmp_path).name == "other"
    with pytest.raises(Unusable, match="MODEL_NAME"):
        source.find(str(folder), "a/b", "", tmp_path)


def test_nonsense_is_neither_a_folder_nor_a_hub_id(tmp_path: Path) -> None:
    for nonsense in ("no-such-folder", "./a/b", "a/b/c", "/nowhere"):
        with pytest.raises(Unusable, match="neither a folder"):
            source.find(nonsense, "", "", tmp_path)


@pytest.mark.parametrize("file", source.FILES)
def test_a_missing_file_is_named(tmp_path: Path, file: str) -> None:
    folder = tiny.folder(tmp_path / "m")
    (folder / file).unlink()
    with pytest.raises(Unusable, match=file):
        source.read(folder, "m")


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"model_type": "t5"}, "architecture"),
        ({"hidden_act": "relu"}, "gelu"),
        ({"position_embedding_type": "relative_key"}, "positions"),
        ({"num_hidden_layers": None}, "config.json"),
    ],
)
def test_what_cannot_be_computed_is_refused(tmp_path: Path, config: dict[str, Any], said: str) -> None:
    with pytest.raises(Unusable, match=said):
        source.read(tiny.folder(tmp_path / "m", **config), "m")


def test_an_unknown_pooling_or_module_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="pooling"):
        source.read(tiny.folder(tmp_path / "max", pooling="max_tokens"), "m")
    folder = tiny.folder(tmp_path / "dense")
    (folder / "modules.json").write_text(json.dumps([{"type": "sentence_transformers.models.Dense"}]))
    with pytest.raises(Unusable, match="Dense"):
        source.read(folder, "m")


def test_other_weights_than_the_published_are_refused(tmp_path: Path) -> None:
    found = source.read(tiny.folder(tmp_path / "m"), "m", source.WHEEL_SHA256)
    with pytest.raises(Unusable, match="sha256"):
        found.digests()


def test_the_wheel_holds_the_published_weights(tmp_path: Path) -> None:
    found = source.find("", "", "", tmp_path)
    assert found.name == "all-MiniLM-L6-v2"
    assert found.digests()["model.safetensors"] == source.WHEEL_SHA256
