"""The network on a tiny BERT: its targets, its loss, and the graph that the gateway runs."""

import hashlib
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from transformers import BertConfig, BertModel

from gateway.adapters.presidio.tagger.reading import BadModel, Reader
from gateway.adapters.presidio.tagger.spelling import spell, spelling, tokenizer
from name_tagger.batches import Batch, padded
from name_tagger.evaluate import figures, judge
from name_tagger.export import by_onnx, by_torch, exact, write
from name_tagger.graph import quantised
from name_tagger.network import ANY, OPTIONAL, POSITIONS, TAGS, Tagger, allowed, loss, targets
from name_tagger.rows import UNSURE, Row

WORDS = ["[UNK]", "[CLS]", "[SEP]", "ann", "met", "bob", "water", "boils", ".", "##s", "'", "o", "s"]
ROWS = [
    Row("Ann met Bob.", ((0, 3, "PERSON"), (8, 11, "PERSON")), True, ""),
    Row("Water boils.", (), True, ""),
    Row("water met Ann", ((10, 13, "PERSON"),), True, ""),
]


@pytest.fixture
def tagger() -> Tagger:
    torch.manual_seed(5)
    torch.set_num_threads(1)  # two would spin for each other over products of a few microseconds
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=POSITIONS,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    return Tagger(BertModel(config, add_pooling_layer=False), 0.0)


@pytest.fixture
def batch() -> Batch:
    reader = tokenizer(WORDS)
    return padded([*zip(spell([row.text for row in ROWS], reader), ROWS, strict=True)])


def trained(tagger: Tagger, batch: Batch) -> float:
    """The last loss."""
    optimiser = torch.optim.AdamW(tagger.parameters(), lr=0.01)
    for _ in range(60):
        error = loss(tagger(batch.ids, batch.spellings, batch.mask), batch.wanted, allowed())
        optimiser.zero_grad()
        error.backward()
        optimiser.step()
    return error.item()


def test_targets_begin_once_and_leave_open_what_nobody_labelled() -> None:
    spans = [(0, 0), (0, 3), (4, 5), (5, 6), (7, 9), (10, 12), (0, 0)]
    gold = [(4, 6, "PERSON"), (7, 9, UNSURE)]
    begin = TAGS.index("B-PERSON")
    assert targets(spans, gold, whole=True) == [ANY, 0, begin, begin + 1, ANY, 0, ANY]
    assert targets(spans, gold, whole=False) == [ANY, OPTIONAL, begin, begin + 1, ANY, OPTIONAL, ANY]


def test_an_open_target_punishes_persons_only() -> None:
    def error(tag: str, target: int) -> float:
        logits = torch.zeros(1, 1, len(TAGS))
        logits[0, 0, TAGS.index(tag)] = 20
        return loss(logits, torch.tensor([[target]]), allowed()).item()

    assert error("B-DATE", OPTIONAL) == pytest.approx(0, abs=1e-4)
    assert error("O", OPTIONAL) == pytest.approx(0, abs=1e-4)
    assert error("B-PERSON", OPTIONAL) > 10
    assert error("B-DATE", 0) > 10


def test_it_learns_and_the_graph_says_what_the_network_says(tagger: Tagger, batch: Batch) -> None:
    assert trained(tagger, batch) < 0.05
    tagger.eval()
    full = exact(tagger, layers=2)
    real, mask = by_torch(tagger, batch), batch.mask.numpy() == 1
    assert np.abs(by_onnx(full, batch) - real)[mask].max() < 0.02  # the words' table is int8
    small = by_onnx(quantised(onnx.load_model_from_string(full)), batch)
    assert (small.argmax(-1) == real.argmax(-1))[mask].all()


def test_what_is_written_is_what_the_gateway_reads(tagger: Tagger, batch: Batch, tmp_path: Path) -> None:
    trained(tagger, batch)
    tagger.eval()
    write(tmp_path, exact(tagger, layers=2), WORDS, {"PERSON": 0.4})
    [found] = Reader(tmp_path).read(["Ann met Bob."])
    assert [(one.start, one.end, one.kind) for one in found] == [(0, 3, "PERSON"), (8, 11, "PERSON")]
    (tmp_path / "vocabulary.txt").write_text("other")
    with pytest.raises(BadModel):
        Reader(tmp_path)


def test_case_gaps_and_accents_make_different_spellings() -> None:
    words = [
        ("ann", " "),
        ("Ann", " "),
        ("ANN", " "),
        ("A", " "),
        ("Ann", "\n"),
        ("Ann", ""),
        ("Ännchen", " "),
    ]
    words += [("12", " "), ("x1", " "), ("McCoy", " "), ("!", " "), ("Ann", "\n\n")]
    assert len({spelling(*word) for word in words}) == len(words)


def test_half_a_value_is_found_and_a_finding_beside_it_is_wrong() -> None:
    gold = [(0, 4, "PERSON"), (10, 14, "PERSON")]
    one = judge("t", "Anna was Mary here", gold, [(0, 2, "PERSON"), (15, 18, "PERSON")])
    assert figures([one], "PERSON") == (0.5, 0.5, 0.5)
    assert figures([one], "PERSON", strict=True) == (0, 0, 0)


def test_words_of_any_kind_count_together() -> None:
    one = judge(
        "t", "Ann left Leeds", [(0, 3, "PERSON"), (9, 14, "LOCATION")], [(0, 3, "ADDRESS"), (4, 8, "PERSON")]
    )
    recall, precision, _ = figures([one], "words")
    assert (recall, precision) == (0.5, 0.5)


def test_the_manifest_names_every_files_digest(tagger: Tagger, tmp_path: Path) -> None:
    import json

    write(tmp_path, exact(tagger, layers=2), WORDS, {"PERSON": 0.4})
    files = json.loads((tmp_path / "manifest.json").read_text())["files"]
    assert files == {
        name: hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
        for name in ("tagger.onnx", "vocabulary.txt")
    }
