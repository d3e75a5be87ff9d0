from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain import Verdict
from gateway.grading.prompt import COMPACT, FULL, Parts
from gateway.grading.reply import (
    Unusable,
    level_confidence,
    missing_key_words,
    read_verdict,
    with_checked_evidence,
    with_factual_comment,
)
from tests.fakes import completion


def test_a_level_beyond_the_profile_is_unusable() -> None:
    assert read_verdict(completion('{"level": 2}'), COMPACT) == Verdict(2, 2, None)
    assert isinstance(read_verdict(completion('{"level": 3}'), COMPACT), Unusable)
    assert isinstance(read_verdict(completion('{"level": true}'), COMPACT), Unusable)
    assert isinstance(read_verdict(completion('{"level": 2}'), FULL), Unusable)


@given(
    st.recursive(st.none() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x))
)
def test_any_object_is_a_verdict_or_unusable(choice: Any) -> None:
    assert isinstance(read_verdict({"choices": [{"message": {"content": str(choice)}}]}, FULL), Unusable)


def test_the_confidence_is_read_at_the_levels_token_also_after_cyrillic() -> None:
    content = '{"comment": "Да 2", "level": 1}'
    split = content.index("1}")
    tokens = [
        {"token": content[:split], "bytes": list(content[:split].encode()), "logprob": 0.0},
        {
            "token": "1",
            "logprob": -0.6931,
            "top_logprobs": [{"token": "1", "logprob": -0.6931}, {"token": "0", "logprob": -0.6931}],
        },
    ]
    assert level_confidence(content, 1, {"content": tokens}, 2) == pytest.approx(0.5)
    assert level_confidence(content, 1, None, 2) is None
    assert level_confidence(content, 1, {"content": []}, 2) is None


def test_a_quote_counts_with_other_spaces_and_case() -> None:
    verdict = Verdict(1, 2, None, evidence="Plants  MAKE\nsugar")
    assert with_checked_evidence(verdict, "we know plants make sugar.") == (verdict, False)
    checked, dropped = with_checked_evidence(verdict, "plants eat sugar")
    assert (checked.evidence, dropped) == ("", True)


def test_missing_key_words_know_inflections_and_function_words() -> None:
    reference = "The plants are making oxygen, and <PERSON_1_k3f9x> measured it."
    assert missing_key_words(reference, "Plants, making sugar") == ["oxygen", "measured"]
    assert missing_key_words("Растения выделяют кислород", "растение выделяет воду") == ["кислород"]
    assert missing_key_words("", "x") == []


def test_a_comment_made_by_code_speaks_the_submissions_language() -> None:
    said = with_factual_comment(Verdict(0, 2, None), Parts("", "Кислород", "Не знаю")).comment
    assert said == "Уровень 0 из 2. Ключевые слова эталона, которых нет в ответе: кислород."
    assert with_factual_comment(Verdict(2, 2, None), Parts("", "Sugar", "Yes")).comment == "Level 2 of 2."
