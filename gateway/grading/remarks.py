"""What code says to students, in their language: facts, and no more than is known."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from gateway.domain import Language, TestResults, Verdict
from gateway.grading.prompt import Parts
from gateway.grading.words import content_words, language_of, stem


@dataclass(frozen=True, slots=True)
class _Sentences:
    level: str
    missing: str
    tests: str
    empty: str
    copied: str
    only_orders: str
    capped: str
    label: str


_SAID: Mapping[Language, _Sentences] = {
    Language.ENGLISH: _Sentences(
        level="Level {} of {}.",
        missing="Key words of the reference not found in the answer",
        tests="{} of {} tests passed.",
        empty="The submission is empty.",
        copied="The submission repeats the question.",
        only_orders="Apart from words to whoever grades there is no answer.",
        capped="A rule of the rubric caps the total.",
        label="Label: {}.",
    ),
    Language.RUSSIAN: _Sentences(
        level="Уровень {} из {}.",
        missing="Ключевые слова эталона, которых нет в ответе",
        tests="Пройдено тестов: {} из {}.",
        empty="Работа пуста.",
        copied="Работа повторяет вопрос.",
        only_orders="Кроме обращений к проверяющему, ответа нет.",
        capped="Правило рубрики ограничивает итог.",
        label="Метка: {}.",
    ),
}


def with_factual_comment(verdict: Verdict, parts: Parts) -> Verdict:
    """The verdict of a model that gives a level only, with a comment made by code: the level, and which key
    words of the reference the submission lacks."""
    said = _SAID[language_of(parts.submission, parts.question)]
    comment = said.level.format(verdict.level, verdict.top_level)
    missing = [] if parts.code else missing_key_words(parts.reference, parts.submission)
    if missing and verdict.level < verdict.top_level:
        comment += f" {said.missing}: {', '.join(missing)}."
    return replace(verdict, comment=comment)


def missing_key_words(reference: str, submission: str, limit: int = 6) -> list[str]:
    """Content words of the reference that the submission lacks, in the reference's order."""
    present = {stem(word) for word in content_words(submission)}
    missing: dict[str, None] = {}
    for word in content_words(reference):
        if stem(word) not in present:
            missing.setdefault(word)
    return list(missing)[:limit]


def tests_verdict(results: TestResults, language: Language) -> Verdict:
    """A criterion that the platform's own test run has decided."""
    comment = _SAID[language].tests.format(results.passed, results.total)
    return Verdict(results.passed, results.total, confidence=1.0, comment=comment)


def empty(language: Language) -> str:
    return _SAID[language].empty


def copied(language: Language) -> str:
    return _SAID[language].copied


def only_orders(language: Language) -> str:
    return _SAID[language].only_orders


def labelled(label: str, language: Language) -> str:
    return _SAID[language].label.format(label)


def with_cap_told(comments: str, language: Language, *, capped: bool) -> str:
    """The comments with the sentence about a cap at their end exactly when there is one."""
    sentences = {said.capped for said in _SAID.values()}
    lines = [line for line in comments.split("\n") if line not in sentences]
    told = next((line for line in comments.split("\n") if line in sentences), _SAID[language].capped)
    return "\n".join([*(lines if any(lines) else []), told] if capped else lines)
