"""A tiny model and tokenizer made on the spot, and the shipped weights; no data set and no network."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from llm_server.local_model import prompt, tokenizer  # noqa: E402
from llm_server.local_model.chat import replies  # noqa: E402
from tests.llm_server.local_model.tiny import WEIGHTS, tiny_model  # noqa: E402

BERT = {
    word: number
    for number, word in enumerate(["[PAD]", "the", "ice", "is", "less", "##er", "dense", "water"])
}


@pytest.fixture(scope="session", autouse=True)
def two_threads():
    torch.set_num_threads(2)


@pytest.fixture(scope="session")
def words():
    written = [*replies(), prompt.FORMAT_WORDS]
    return tokenizer.vocabulary(
        BERT, ["the ice is lesser than the water"] * 3, ["вода и лёд"] * 5, written, 1200, 60
    )


@pytest.fixture(scope="session")
def spoken(words):
    return tokenizer.build(words)


@pytest.fixture
def tiny(spoken):
    return tiny_model(spoken)


@pytest.fixture(scope="session")
def shipped():
    if not (WEIGHTS / "model.safetensors").exists():
        pytest.skip("no weights are shipped in this checkout")
    from llm_server.local_model.evaluate import load

    return load(WEIGHTS)
