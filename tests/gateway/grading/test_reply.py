"""What a model's reply says, and when it says nothing."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain import Language, Verdict
from gateway.grading.labels import Chosen, read_label
from gateway.grading.prompt import COMPACT, FULL, Parts
from gateway.grading.remarks import missing_key_words, with_cap_told, with_factual_comment
from gateway.grading.reply import Unusable, level_probabilities, read_verdict, with_checked_evidence
from tests.fakes import completion
from tests.gateway.grading_fakes import logprobs

ENGLISH = FULL[Language.ENGLISH]


def choice(content: str, **fields: Any) -> dict[str, Any]:
    return {**completion(content)["choices"][0], **fields}


def test_a_level_beyond_the_profile_is_unusable() -> None:
    assert read_verdict(choice('{"level": 2}'), COMPACT) == Verdict(2, 2, None)
    assert isinstance(read_verdict(choice('{"level": 3}'), COMPACT), Unusable)
    assert isinstance(read_verdict(choice('{"level": true}'), COMPACT), Unusable)
    assert isinstance(read_verdict(choice('{"level": 2}'), ENGLISH), Unusable)
    assert isinstance(read_verdict(choice('{"level": 2}', finish_reason="length"), COMPACT), Unusable)


@given(
    st.recursive(st.none() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x))
)
def test_any_object_is_unusable_as_a_verdict_and_as_a_label(content: Any) -> None:
    said = choice(json.dumps(content))
    assert isinstance(read_verdict(said, ENGLISH), Unusable)
    assert isinstance(read_label(said, ["a", "b"]), Unusable)


def test_the_levels_probabilities_are_read_at_the_levels_token_also_after_cyrillic() -> None:
    content = '{"comment": "Да 2", "level": 1}'
    tokens = logprobs(content[: content.index("1}")], ("1", 0.5), ("2", 0.3), ("9", 0.15), ("0", 0.05))
    assert level_probabilities(content, tokens, 2) == pytest.approx((0.05 / 0.85, 0.5 / 0.85, 0.3 / 0.85))
    assert level_probabilities(content, None, 2) is None
    assert level_probabilities(content, {"content": []}, 2) is None


def test_a_verdict_knows_its_levels_share_and_what_all_levels_let_expect() -> None:
    said = choice('{"level": 1}', logprobs=logprobs('{"level": ', ("1", 0.6), ("2", 0.2), ("7", 0.2)))
    verdict = read_verdict(said, COMPACT)
    assert isinstance(verdict, Verdict)
    assert (verdict.confidence, verdict.expected) == pytest.approx((0.75, 0.625))


@pytest.mark.parametrize(
    ("quote", "kept", "made_up"),
    [
        ("Plants  MAKE\nsugar", True, False),
        ("plants eat sugar", False, True),
        ("we", False, False),  # too short to show anything
        ("make", False, False),  # the question's own word
        ("", False, False),
    ],
)
def test_a_quote_counts_when_it_is_there_and_shows_something(quote: str, kept: bool, made_up: bool) -> None:
    verdict = Verdict(1, 2, None, evidence=quote)
    checked, found = with_checked_evidence(verdict, "we know plants make sugar.", "What do they make?")
    assert (checked.evidence == quote != "", found) == (kept, made_up)


LABELS = ["spam", "spat", "жалоба"]


@pytest.mark.parametrize(
    ("label", "likely", "confidence"),
    [
        ("spam", [("spam", 0.6), ("spat", 0.2), ("eggs", 0.2)], 0.75),
        ("spam", [("sp", 0.6), ("ж", 0.2)], None),  # the token after it is not told
        ("жалоба", [("жалоба", 0.3), ("sp", 0.1), ("жал", 0.1)], 0.8),
    ],
)
def test_a_labels_confidence_is_its_share_among_possible_labels(
    label: str, likely: list[tuple[str, float]], confidence: float | None
) -> None:
    content = json.dumps({"label": label}, ensure_ascii=False)
    tokens = logprobs('{"label": "', *likely, after='"}')
    found = read_label(choice(content, logprobs=tokens), LABELS)
    assert isinstance(found, Chosen)
    assert found.confidence == (pytest.approx(confidence) if confidence else None)
    assert read_label(choice(content), LABELS) == Chosen(label, None)


def test_a_label_decided_by_two_tokens_is_as_likely_as_both() -> None:
    tokens = logprobs('{"label": "', ("sp", 0.9), ("ж", 0.1))["content"][:2]
    tokens += logprobs("", ("am", 0.5), ("at", 0.5), after='"}')["content"][1:]
    found = read_label(choice('{"label": "spam"}', logprobs={"content": tokens}), LABELS)
    assert isinstance(found, Chosen)
    assert found.confidence == pytest.approx(0.45)


def test_a_label_that_was_not_given_is_unusable() -> None:
    assert isinstance(read_label(choice('{"label": "Spam"}'), LABELS), Unusable)


def test_missing_key_words_know_inflections_and_function_words() -> None:
    reference = "The plants are making oxygen, and <PERSON_1_k3f9x> measured it."
    assert missing_key_words(reference, "Plants, making sugar") == ["oxygen", "measured"]
    assert missing_key_words("Растения выделяют кислород", "растение выделяет воду") == ["кислород"]
    assert missing_key_words("", "x") == []


def test_a_comment_made_by_code_speaks_the_submissions_language() -> None:
    said = with_factual_comment(Verdict(0, 2, None), Parts("", "Кислород", "Не знаю")).comment
    assert said == "Уровень 0 из 2. Ключевые слова эталона, которых нет в ответе: кислород."
    assert with_factual_comment(Verdict(2, 2, None), Parts("", "Sugar", "Yes")).comment == "Level 2 of 2."


def test_a_cap_is_told_once_and_no_longer_than_it_holds() -> None:
    told = with_cap_told("Хорошо.", Language.RUSSIAN, capped=True)
    assert told == "Хорошо.\nПравило рубрики ограничивает итог."
    assert with_cap_told(told, Language.ENGLISH, capped=True) == told
    assert with_cap_told(told, Language.ENGLISH, capped=False) == "Хорошо."
    assert with_cap_told("", Language.ENGLISH, capped=True) == "A rule of the rubric caps the total."
