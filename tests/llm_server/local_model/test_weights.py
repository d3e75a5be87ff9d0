"""The shipped weights, as they lie in the repository."""

import json

import pytest

from llm_server.local_model import attacks, prompt
from llm_server.local_model.data import Row
from llm_server.local_model.evaluate import greedy, is_grade
from llm_server.local_model.scoring import level_probabilities, score
from tests.llm_server.local_model.tiny import WEIGHTS

pytestmark = pytest.mark.skipif(not (WEIGHTS / "model.safetensors").exists(), reason="no weights are shipped")
CIRCUIT = (
    "Why does the bulb go out when the switch is opened?",
    ("The circuit is open, so no current flows.",),
)
ICE = ("Почему лёд плавает в воде?", ("Плотность льда меньше плотности воды.",))


def scores(shipped, question, answers):
    rows = [Row("test", "q", *question, answer, 0.0, True) for answer in answers]
    return score(level_probabilities(*shipped, rows)).tolist()


def test_the_folder_is_at_most_twenty_megabytes():
    assert sum(path.stat().st_size for path in WEIGHTS.iterdir()) <= 20_000_000


def test_the_configuration_is_one_vllm_serves():
    config = json.loads((WEIGHTS / "config.json").read_text(encoding="utf-8"))
    assert config["architectures"] == ["OPTForCausalLM"]
    assert config["max_position_embeddings"] == 512


def test_known_token_counts_of_the_shipped_tokenizer(shipped):
    _, tokenizer = shipped
    messages = prompt.grade_messages("", ["The circuit is open."], "there is a gap in the circuit")
    ids = tokenizer.apply_chat_template(messages, tokenize=True, add_generation_prompt=True)["input_ids"]
    assert len(ids) == 21
    assert tokenizer.decode(tokenizer("Привет, hello 😀!")["input_ids"]) == "Привет, hello 😀!"


def test_awkward_inputs_still_get_a_valid_grade(shipped):
    chats = [prompt.grade_messages("Q?", [reference], answer) for reference, answer in attacks.awkward()]
    replies = greedy(*shipped, chats, 10)
    assert [reply for reply in replies if not is_grade(reply)] == []


@pytest.mark.parametrize(
    ("said", "russian"), [("Hello!", False), ("Привет!", True), ("Who are you?", False), ("Кто ты?", True)]
)
def test_chat_answers_in_the_script_of_the_question_with_a_capital(shipped, said, russian):
    (reply,) = greedy(*shipped, [[{"role": "user", "content": said}]], 60)
    assert reply[0].isupper()
    assert reply[-1] in ".!?"
    assert any("а" <= letter <= "я" for letter in reply.lower()) is russian


def test_chat_holds_under_a_system_prompt_and_over_turns(shipped):
    chat = [
        {"role": "system", "content": "You are a helpful assistant."},
        {"role": "user", "content": "Hi!"},
        {"role": "assistant", "content": "Hello! How can I help you?"},
        {"role": "user", "content": "Thank you, goodbye!"},
    ]
    (reply,) = greedy(*shipped, [chat], 60)
    assert reply
    assert reply[0].isupper()


def test_a_right_english_answer_scores_above_wrong_ones(shipped):
    right, *wrong = scores(
        shipped,
        CIRCUIT,
        [
            "the circuit is open and no current flows",
            "",
            "I don't know",
            CIRCUIT[0],
            "the bulb is blue",
        ],
    )
    assert right > max(wrong) + 0.2


def test_a_right_russian_answer_scores_above_wrong_ones(shipped):
    right, *wrong = scores(shipped, ICE, ["плотность льда меньше плотности воды", "", "не знаю", ICE[0]])
    assert right > max(wrong) + 0.2


def test_the_card_and_the_figures_lie_beside_the_weights():
    metrics = json.loads((WEIGHTS / "metrics.json").read_text(encoding="utf-8"))
    card = (WEIGHTS / "README.md").read_text(encoding="utf-8")
    assert 0.2 <= metrics["threshold"] <= 0.8
    assert "CC BY-SA 3.0" in card
    for one in metrics["two_way"].values():
        assert f"{one['model']['accuracy']:.3f}" in card
