"""A head is served as its manifest says, or the start ends with one sentence that names it."""

import json
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

from embeddings import loading, manifest
from embeddings.cli import main
from embeddings.encoder import Encoder
from embeddings.errors import Unusable
from embeddings.loading import Head, load
from embeddings.settings import Settings
from embeddings.source import WHEEL_SHA256
from tests.embeddings import tiny, tiny_heads


@pytest.fixture
def encoder(tiny_folder: Path) -> str:
    return tiny_heads.encoder_of(tiny_folder)


@pytest.fixture
def loaded(tiny_folder: Path, cache: Path) -> Encoder:
    return load(Settings(model=str(tiny_folder), cache=cache))[0]


def heads_of(folder: Path, loaded: Encoder, **settings: Any) -> tuple[Head, ...]:
    usual = {"model": str(loaded.source.folder), "cache": folder / "cache", "heads": str(folder)}
    return loading.heads(Settings(**{**usual, **settings}), loaded)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"surprise": 1}, "surprise"),
        ({"format": 2}, "format"),
        ({"task": "regression"}, "task"),
        ({"version": "../1"}, "version"),
        ({"labels": ["only"]}, "labels"),
        ({"labels": ["twice", "twice"]}, "twice"),
        ({"labels": ["a", "b", "c"]}, "number of labels"),
        ({"max_tokens": "16"}, "max_tokens"),
        ({"max_tokens": tiny.POSITIONS + 1}, "tokens at most"),
        ({"threshold": None}, "threshold"),
        ({"threshold": 1.5}, "threshold"),
        ({"threshold": float("nan")}, "threshold"),
        ({"ngrams": {"buckets": 4096, "low": 5, "high": 4}}, "ngrams"),
        ({"ngrams": {"buckets": 4097, "low": 5, "high": 5}}, r"head\.onnx"),  # more than the table has
        ({"files": {"head.onnx": "0" * 64}}, "sha256"),
        ({"files": {"../head.onnx": "0" * 64}}, "files"),
        ({"files": {"other.onnx": "0" * 64}}, r"other\.onnx cannot be read"),
        ({"name": "other"}, "another name"),
        ({"encoder": {"name": "other", "sha256": "0" * 64}}, "another encoder"),
        ({"task": "grading"}, "a grader has no"),
        ({"deep": False}, "reads nothing"),
        ({"style": True}, r"head\.onnx"),
    ],
)
def test_a_head_that_is_not_what_its_manifest_says_is_not_served(
    tmp_path: Path, loaded: Encoder, encoder: str, changes: dict[str, Any], said: str
) -> None:
    folder = tiny_heads.classifier(tmp_path, encoder, **changes)
    with pytest.raises(Unusable, match=said) as refusal:
        heads_of(folder, loaded)
    assert "the head sorter" in str(refusal.value)


def test_a_folder_without_a_manifest_or_with_half_of_one_is_told(tmp_path: Path, loaded: Encoder) -> None:
    (tmp_path / "sorter").mkdir()
    with pytest.raises(Unusable, match=r"the head sorter.*head\.json cannot be read"):
        heads_of(tmp_path, loaded)
    (tmp_path / "sorter/head.json").write_text('{"format": 1, ')
    with pytest.raises(Unusable, match="JSON"):
        heads_of(tmp_path, loaded)


def test_one_changed_byte_of_a_file_is_noticed(tmp_path: Path, encoder: str) -> None:
    tiny_heads.classifier(tmp_path, encoder)
    file = tmp_path / "sorter/head.onnx"
    content = file.read_bytes()
    file.write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])
    with pytest.raises(Unusable, match="sha256"):
        manifest.read(tmp_path / "sorter")


def test_a_graph_whose_outputs_are_no_probabilities_is_refused(
    tmp_path: Path, loaded: Encoder, encoder: str
) -> None:
    shape = [1, tiny.HIDDEN]
    node = helper.make_node("Slice", ["encoded", "zero", "two", "one"], ["probabilities"])
    zero, one, two = (
        helper.make_tensor(name, TensorProto.INT64, [1], [value])
        for name, value in (("zero", 0), ("one", 1), ("two", 2))
    )
    graph = helper.make_graph(
        [node],
        "head",
        [helper.make_tensor_value_info("encoded", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [1, 2])],
        [zero, one, two],
    )
    made: onnx.ModelProto = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    )
    tiny_heads.classifier(tmp_path, encoder)
    known = json.loads((tmp_path / "sorter/head.json").read_text())
    del known["files"]
    tiny_heads.write(tmp_path / "other" / "sorter", known, {"head.onnx": made.SerializeToString()})
    with pytest.raises(Unusable, match="no probabilities"):
        heads_of(tmp_path / "other", loaded)


def test_a_graders_files_must_fit_each_other_and_its_encoder(
    tmp_path: Path, loaded: Encoder, encoder: str
) -> None:
    with pytest.raises(Unusable, match=r"the head grader.*belong together"):
        heads_of(tiny_heads.grader(tmp_path / "1", encoder, width=7), loaded)
    with pytest.raises(Unusable, match="a grader's labels are"):
        heads_of(tiny_heads.grader(tmp_path / "2", encoder, labels=["right", "wrong"]), loaded)


def test_a_head_may_not_bear_its_encoders_name(tmp_path: Path, loaded: Encoder, encoder: str) -> None:
    with pytest.raises(Unusable, match=r"the head tiny.*same name"):
        heads_of(tiny_heads.classifier(tmp_path, encoder, "tiny"), loaded)


def test_heads_share_the_encoder_that_they_learned_on_and_never_an_int8_one(
    tmp_path: Path, loaded: Encoder, encoder: str
) -> None:
    folder = tiny_heads.grader(tmp_path, encoder)
    tiny_heads.classifier(folder, encoder)
    assert [(one.manifest.name, one.encoder) for one in heads_of(folder, loaded)] == [
        ("grader", loaded),
        ("sorter", loaded),
    ]
    with pytest.raises(Unusable, match="another encoder"):  # it is not the wheel's, and int8 is no stand-in
        heads_of(folder, loaded, precision="int8")
    assert heads_of(folder, loaded, heads="none") == ()


def test_the_wheels_encoder_is_loaded_once_beside_another(
    tmp_path: Path, loaded: Encoder, cache: Path
) -> None:
    """The tiny graphs are as wide as the tiny encoder: that they do not fit shows which one was loaded."""
    folder = tiny_heads.classifier(tmp_path, WHEEL_SHA256)
    with pytest.raises(Unusable, match=r"cannot run head\.onnx"):
        heads_of(folder, loaded, cache=cache)


def test_a_bad_head_is_exit_code_2_of_build_too(
    tmp_path: Path,
    tiny_folder: Path,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tiny_heads.classifier(tmp_path, "0" * 64)
    for name, value in (("MODEL", tiny_folder), ("CACHE", cache), ("HEADS", folder)):
        monkeypatch.setenv(f"EMBEDDINGS_{name}", str(value))
    assert main(["build"]) == 2
    assert "the head sorter" in capsys.readouterr().err
