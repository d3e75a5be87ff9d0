"""Texts -> logits -> probabilities, and the same again from the saved folder."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from embeddings import ngrams
from embeddings.errors import Unusable
from embeddings.training import fitting
from embeddings.training.calibration import softmax
from embeddings.training.kinds import Text, kind
from embeddings.training.network import TextNetwork
from tests.training.conftest import made, recipe

FRAME = pd.DataFrame({"text": ["the water is right", "wrong", "да", "a word " * 60]})


def network(encoder: Path, folder: Path, /, **changes: Any) -> TextNetwork:
    torch.manual_seed(1)
    content = recipe(encoder, **changes)
    return Text().make(made(content), folder)


def test_a_saved_model_answers_the_same(encoder: Path, tmp_path: Path) -> None:
    first = network(encoder, tmp_path)
    torch.nn.init.normal_(first.wide.weight)
    before = fitting.logits(first, Text().batches(first, tmp_path, FRAME))
    first.save_pretrained(tmp_path)
    again = Text().load(tmp_path)
    after = fitting.logits(again, Text().batches(again, tmp_path, FRAME))
    np.testing.assert_array_equal(before, after)
    assert again.config.id2label == {0: "ham", 1: "spam"}
    assert str(encoder) not in (tmp_path / "config.json").read_text()


def test_a_frozen_encoders_vectors_give_what_the_tokens_give(encoder: Path, tmp_path: Path) -> None:
    frozen = network(encoder, tmp_path)
    memoised = Text().batches(frozen, tmp_path, FRAME)
    assert "encoded" in memoised.take([0])
    frozen.encoder.requires_grad_(True)
    whole = Text().batches(frozen, tmp_path, FRAME)
    assert "input_ids" in whole.take([0])
    seen = [fitting.logits(frozen, batches) for batches in (memoised, whole)]
    np.testing.assert_allclose(seen[0], seen[1], atol=1e-5)


def test_a_row_does_not_depend_on_what_shares_its_batch(encoder: Path, tmp_path: Path) -> None:
    built = network(encoder, tmp_path, encoder={"path": str(encoder), "trainable": "all", "max_tokens": 32})
    torch.nn.init.normal_(built.wide.weight)
    batches = Text().batches(built, tmp_path, FRAME)
    built.eval()
    together = built(**batches.take([3, 0, 1]))
    np.testing.assert_allclose(built(**batches.take([1]))[0].detach(), together[2].detach(), atol=1e-5)


@pytest.mark.parametrize(("trainable", "layers"), [("none", set()), (1, {"1"}), ("all", {"0", "1"})])
def test_only_the_layers_that_the_config_names_learn(
    trainable: str | int, layers: set[str], encoder: Path, tmp_path: Path
) -> None:
    wanted = {"path": str(encoder), "trainable": trainable, "max_tokens": 32}
    built = network(encoder, tmp_path, encoder=wanted)
    learning = [name for name, value in built.named_parameters() if value.requires_grad]
    assert {name.split(".")[3] for name in learning if name.startswith("encoder.encoder.layer")} == layers
    assert any(name.startswith("encoder.embeddings") for name in learning) == (trainable == "all")
    assert any(name.startswith("head") for name in learning)


def test_the_wide_branch_says_nothing_before_it_has_learned(encoder: Path, tmp_path: Path) -> None:
    built = network(encoder, tmp_path)
    assert built.wide is not None
    assert not built.wide.weight.any()


def test_an_encoder_with_another_pooling_is_refused(tmp_path: Path) -> None:
    from tests.embeddings import tiny

    folder = tiny.folder(tmp_path / "cls", pooling="cls_token")
    with pytest.raises(Unusable, match="mean pooling"):
        network(folder, tmp_path)


def test_a_kind_without_a_network_is_refused() -> None:
    asked = made(recipe("", kind="text")).model_copy(update={"kind": "none"})
    with pytest.raises(Unusable, match="no network for kind none"):
        kind(asked)


def test_raw_output_becomes_probabilities() -> None:
    made_of = softmax(np.array([[0.0, 0.0], [1000.0, -1000.0], [1.0, 2.0]]), 1.0)
    np.testing.assert_allclose(made_of.sum(axis=1), 1)
    np.testing.assert_allclose(made_of[:, 1], [0.5, 0.0, 1 / (1 + np.exp(-1))])
    assert softmax(np.array([[1.0, 2.0]]), 10.0)[0, 1] < made_of[2, 1]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Ab  c", [7, 83, 232, 275, 306, 510, 808, 828, 885]),
        ("ab c ", [7, 83, 232, 275, 306, 510, 808, 828, 885]),
        ("Ёж", [412, 523, 569, 756, 886]),
        ("", [741]),
    ],
)
def test_ngrams_are_the_same_on_every_machine(text: str, found: list[int]) -> None:
    """These numbers are in every trained model: with another hash all had to be trained again."""
    assert ngrams.buckets(text, count=1000, low=2, high=3) == found
