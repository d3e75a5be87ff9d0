"""The graph against BERT in numpy, on random weights and on the real ones."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file

from embeddings import source
from embeddings.cache import onnx_file
from embeddings.encoder import Encoder
from embeddings.errors import TextTooLong
from embeddings.quantize import PROBE
from tests.embeddings import reference, tiny

IDS = st.lists(st.integers(0, len(tiny.PIECES) - 1), min_size=1, max_size=20)


def made(folder: Path, cache: Path, max_tokens: int = 512) -> Encoder:
    found = source.read(folder, folder.name)
    return Encoder(found, onnx_file(found, "fp32", cache)[0], max_tokens=max_tokens)


@pytest.fixture(scope="session")
def encoder(tiny_folder: Path, cache: Path) -> Encoder:
    return made(tiny_folder, cache)


@given(batch=st.lists(IDS, min_size=1, max_size=5))
@settings(deadline=None, max_examples=30)
def test_a_text_in_any_company_has_the_vector_that_bert_gives_it_alone(
    encoder: Encoder, batch: list[list[int]]
) -> None:
    expected = [reference.embed(tiny.weights(), ids, layers=2, heads=4) for ids in batch]
    found = encoder.vectors(batch)
    assert found.dtype == np.float32
    assert np.abs(found - np.array(expected)).max() < 1e-5
    for ids, vector, one in zip(batch, found, encoder.encode(batch), strict=True):
        assert (list(one.ids), one.states.shape) == (ids, (len(ids), tiny.HIDDEN))  # no padding among them
        assert np.array_equal(one.vector, vector)
        mean = one.states.mean(axis=0)
        assert np.abs(mean / np.linalg.norm(mean) - vector).max() < 1e-5


@pytest.mark.parametrize(
    ("prefix", "pooling", "config", "expected"),
    [
        ("bert.", "cls_token", {}, {"pooling": "cls"}),
        ("roberta.", "mean_tokens", {"model_type": "xlm-roberta", "pad_token_id": 1}, {"first_position": 2}),
        ("", "mean_tokens", {"layer_norm_eps": 1e-2}, {"eps": 1e-2}),
    ],
)
def test_the_architectures_variants(
    tmp_path: Path, prefix: str, pooling: str, config: dict[str, Any], expected: dict[str, Any]
) -> None:
    folder = tiny.folder(tmp_path / "variant", seed=3, prefix=prefix, pooling=pooling, **config)
    ids = [2, 5, 9, 11, 3]
    vector = reference.embed(tiny.weights(3), ids, layers=2, heads=4, **expected)
    found = made(folder, tmp_path / "cache").vectors([ids, [2, 3], [2, 6, 7, 8, 9, 10, 11, 3]])[0]
    assert np.abs(found - vector).max() < 1e-5


def test_the_graph_is_valid_onnx_and_gives_words_too(tiny_folder: Path, cache: Path) -> None:
    content, _ = onnx_file(source.read(tiny_folder, "tiny"), "fp32", cache)
    onnx.checker.check_model(onnx.load_model_from_string(content), full_check=True)
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    ids = np.array([[2, 5, 3], [2, 3, 0]])
    fed = {"input_ids": ids, "attention_mask": (ids > 0).astype(np.int64)}
    words, whole = session.run(["token_embeddings", "embedding"], fed)
    assert words.shape == (2, 3, tiny.HIDDEN)
    pooled = words[1, :2].mean(axis=0)
    assert np.allclose(pooled / np.linalg.norm(pooled), whole[1], atol=1e-6)


def test_a_long_text_is_refused_or_cut_before_its_closing_token(tiny_folder: Path, cache: Path) -> None:
    encoder = made(tiny_folder, cache, max_tokens=6)
    assert encoder.tokens(["a b c d"], truncate=False) == [[2, 4, 5, 6, 7, 3]]
    with pytest.raises(TextTooLong, match=r"6 tokens.*7 tokens"):
        encoder.tokens(["a", "a b c d e"], truncate=False)
    assert encoder.tokens(["a b c d e", "a"], truncate=True) == [[2, 4, 5, 6, 7, 3], [2, 4, 3]]


def test_a_head_reads_each_text_up_to_its_own_bound_and_says_what_it_cut(encoder: Encoder) -> None:
    whole, some, blank = encoder.clipped(["a b c d", "a b c d", " " * 20_001], [6, 5, 5])
    assert (whole.ids, whole.cut) == ([2, 4, 5, 6, 7, 3], False)
    assert (some.ids, some.cut) == ([2, 4, 5, 6, 3], True)
    assert (blank.ids, blank.cut) == ([2, 3], True)


def test_no_setting_exceeds_the_position_table(encoder: Encoder) -> None:
    assert encoder.max_tokens == tiny.POSITIONS


def test_a_unigram_tokenizer_serves_as_well(tmp_path: Path) -> None:
    encoder = made(tiny.folder(tmp_path / "uni", kind="unigram"), tmp_path / "cache")
    ids = encoder.tokens(["вода кипит", ""], truncate=False)
    assert ids == [[2, tiny.PIECES.index("вода"), tiny.PIECES.index("кипит"), 3], [2, 3]]
    assert np.allclose(np.linalg.norm(encoder.vectors(ids), axis=1), 1, atol=1e-6)


@pytest.fixture(scope="session")
def minilm(cache: Path) -> tuple[source.Source, Encoder]:
    found = source.find("", "", "", cache)
    return found, Encoder(found, onnx_file(found, "fp32", cache)[0], max_tokens=512)


def test_minilm_in_onnx_is_minilm(minilm: tuple[source.Source, Encoder]) -> None:
    found, encoder = minilm
    stored = load_file(found.folder / "model.safetensors")
    weights = {name: value.astype(np.float64) for name, value in stored.items()}
    ids = encoder.tokens([*PROBE[:14:3], PROBE[-2][:200]], truncate=False)  # plain numpy is slow
    together = encoder.vectors(ids)
    for text, vector in zip(ids, together, strict=True):
        expected = reference.embed(weights, text, layers=6, heads=12)
        assert vector @ expected >= 0.9999
        assert np.abs(vector - expected).max() < 1e-5


def test_minilm_in_int8_is_faithful_enough_to_be_offered(
    minilm: tuple[source.Source, Encoder], cache: Path
) -> None:
    """Also for texts that neither calibrated it nor let it in."""
    found, exact = minilm
    encoder = Encoder(found, onnx_file(found, "int8", cache)[0], max_tokens=512)
    texts = [
        "Mitochondria are the powerhouse of the cell.",
        "Столица Франции — Париж.",
        "lol",
        "?",
        "x = [1]",
    ]
    ids = encoder.tokens(texts, truncate=False)
    cosines = (encoder.vectors(ids) * exact.vectors(ids)).sum(axis=1)
    assert cosines.min() >= 0.985


def test_minilm_knows_what_is_alike(minilm: tuple[source.Source, Encoder]) -> None:
    """One reference of the model's card: the same order of similarities."""
    _, encoder = minilm
    texts = ["That is a happy person", "That is a very happy person", "Today is a sunny day"]
    one, alike, other = encoder.vectors(encoder.tokens(texts, truncate=False))
    assert one @ alike > 0.9
    assert one @ other < 0.4


def test_the_wheel_is_read_and_not_imported(minilm: tuple[source.Source, Encoder]) -> None:
    import sys

    assert source.WHEEL not in sys.modules
    assert importlib.util.find_spec(source.WHEEL) is not None
