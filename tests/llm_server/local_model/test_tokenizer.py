import random

import pytest
from transformers import AutoTokenizer

from llm_server.local_model import prompt

AWKWARD = [
    "the ice is less dense.",
    "Здравствуйте! Чем могу помочь?",
    'He said: "yes" — it\'s 1.5 volts 😀\n\nnew line   three',
    "答案 \u202e עברית",
    "x" * 500,
    "",
]


@pytest.mark.parametrize("text", AWKWARD)
def test_decoding_gives_the_text_back(spoken, text):
    ids = spoken(text, add_special_tokens=False)["input_ids"]
    assert spoken.decode(ids, clean_up_tokenization_spaces=False) == text


def test_random_unicode_survives_a_round_trip(spoken):
    draw = random.Random(1)
    for _ in range(50):
        text = "".join(
            chr(draw.choice((*range(32, 127), *range(0x400, 0x460), 0x1F600, 0x4E2D))) for _ in range(40)
        )
        assert spoken.decode(spoken(text, add_special_tokens=False)["input_ids"]) == text


def test_a_grade_is_three_tokens_and_the_digit_stands_alone(spoken):
    for level in prompt.LEVELS:
        ids = spoken(prompt.reply(level), add_special_tokens=False)["input_ids"]
        assert spoken.convert_ids_to_tokens(ids) == [prompt.REPLY_HEAD, level, prompt.REPLY_TAIL]


def test_a_words_piece_of_the_encoder_is_one_token(spoken):
    assert spoken.tokenize(" the ice is less dense") == ["Ġthe", "Ġice", "Ġis", "Ġless", "Ġdense"]


def test_saving_keeps_the_tokenizer(spoken, tmp_path):
    spoken.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    for text in AWKWARD:
        assert again(text)["input_ids"] == spoken(text)["input_ids"]
    assert again.eos_token == prompt.END
    assert again.chat_template == prompt.CHAT_TEMPLATE


def test_one_very_long_word_is_read_in_time(spoken):
    assert len(spoken("ф" * 20_000, add_special_tokens=False)["input_ids"]) > 1
