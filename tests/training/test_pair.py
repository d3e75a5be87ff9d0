"""The grader's network and forests on random answers: what must hold whatever they learn."""

import numpy as np
import onnxruntime
import pytest
import torch

from embeddings.pairs import FEATURES
from embeddings.training import forests
from embeddings.training.forests import Answers
from embeddings.training.grader_head import network_onnx
from embeddings.training.pair_network import PairConfig, PairNetwork

WIDTH = 32
ENCODER = {
    "hidden_size": WIDTH,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "vocab_size": 200,
}


@pytest.fixture
def network() -> PairNetwork:
    torch.manual_seed(0)
    config = PairConfig(encoder=ENCODER, hidden=16, projection=8, num_labels=3, first_token=1, last_token=2)
    return PairNetwork(config).eval()


def row(
    seed: int, lengths: tuple[int, int, int], *, padded: int = 0, vectors: bool = True
) -> dict[str, torch.Tensor]:
    """One random pair; `padded` more words of padding at the end of each text."""
    draw = torch.Generator().manual_seed(seed)
    made = {"features": torch.randn(1, FEATURES, generator=draw)}
    for name, length in zip(("question", "reference", "answer"), lengths, strict=True):
        ids = torch.randint(10, 200, (1, length), generator=draw)
        words = torch.nn.functional.normalize(torch.randn(1, length, WIDTH, generator=draw), dim=-1)
        rarity = torch.rand(1, length, generator=draw) + 0.2
        made[f"{name}_ids"] = torch.nn.functional.pad(ids, (0, padded), value=-1)
        made[f"{name}_rarity"] = torch.nn.functional.pad(rarity, (0, padded))
        if vectors:
            made[name] = torch.nn.functional.pad(words, (0, 0, 0, padded))
    return made


@pytest.mark.parametrize("vectors", [True, False], ids=["frozen encoder", "own encoder"])
def test_padding_changes_nothing(network: PairNetwork, vectors: bool) -> None:
    with torch.inference_mode():
        plain = network(**row(3, (4, 6, 5), vectors=vectors))
        padded = network(**row(3, (4, 6, 5), padded=7, vectors=vectors))
    assert torch.allclose(plain, padded, atol=1e-5)


def test_the_encoder_learns_when_it_may(network: PairNetwork) -> None:
    network(**row(1, (3, 3, 3), vectors=False)).sum().backward()
    assert any(one.grad is not None and one.grad.abs().sum() > 0 for one in network.encoder.parameters())


def test_the_exported_graph_answers_as_torch_does_at_any_length(network: PairNetwork) -> None:
    content = network_onnx(network, row(0, (4, 6, 5)))
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    for seed, lengths in enumerate([(1, 1, 1), (9, 2, 30), (2, 40, 3)]):
        asked = row(seed, lengths)
        with torch.inference_mode():
            exact = network(**asked).softmax(-1).numpy()
        (found,) = session.run(None, {name: value.numpy() for name, value in asked.items()})
        assert found == pytest.approx(exact, abs=1e-5)


def some_answers(count: int = 240) -> Answers:
    """Two courses: right and wrong by the first number, and points by the second."""
    draw = np.random.default_rng(0)
    numbers = draw.normal(size=(count, FEATURES)).astype(np.float32)
    courses = np.arange(count) % 2
    shares = np.zeros((count, 3), np.float32)
    label = np.where(numbers[:, 0] > 0, 0, np.where(numbers[:, 16] > 0, 1, 2))
    shares[np.arange(count), label] = 1
    points = 1 / (1 + np.exp(-numbers[:, 1]))
    shares[courses == 1] = np.stack([points, 0 * points, 1 - points], axis=1)[courses == 1]
    questions = np.array([f"{course}/{number % 12}" for number, course in enumerate(courses)])
    vectors = np.zeros((count, 4), np.float32)
    vectors[np.arange(count), courses] = 1
    return Answers(numbers, shares, courses, questions, vectors, vectors)


def test_each_course_is_judged_by_its_own_forest() -> None:
    answers = some_answers()
    grown = [forests.fit(answers, course, 0, trees=20, leaf=5) for course in (0, 1)]
    found = forests.mixture(grown, forests.distinct(answers), answers, sharpness=40.0)
    assert found.sum(axis=1) == pytest.approx(1, abs=1e-5)
    labelled = answers.courses == 0
    assert (found[labelled].argmax(1) == answers.shares[labelled].argmax(1)).mean() > 0.8
    assert (found[~labelled, 1] < 0.05).all()  # points know of no contradiction


def test_nothing_held_out_was_learned_from() -> None:
    answers = some_answers()
    # Labels by question alone: who has not seen the question cannot know them.
    noise = np.random.default_rng(1).integers(0, 3, 24)
    by_question = {name: noise[place] for place, name in enumerate(np.unique(answers.questions))}
    shares = np.eye(3, dtype=np.float32)[[by_question[name] for name in answers.questions]]
    told = Answers(
        answers.numbers, shares, 0 * answers.courses, answers.questions, answers.question_vectors,
        answers.reference_vectors,
    )  # fmt: skip
    (found,) = forests.held_out(told, [1.0], 0, folds=4, trees=20, leaf=2).values()
    assert (found.argmax(1) == shares.argmax(1)).mean() < 0.6


def test_an_exported_forest_answers_as_the_trained_one() -> None:
    answers = some_answers()
    for course in (0, 1):
        forest = forests.fit(answers, course, 0, trees=10, leaf=5)
        session = onnxruntime.InferenceSession(forests.onnx_of(forest), providers=["CPUExecutionProvider"])
        found = session.run(None, {"features": answers.numbers})[-1]
        exact = forests.predict(forest, answers.numbers)
        assert found[:, 0] == pytest.approx(exact[:, 0], abs=1e-5)
