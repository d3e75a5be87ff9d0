"""What is kept is read back equal; what is not ours is refused without being quoted."""

from datetime import UTC
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import domain  # pytest would collect a TestResults of this module
from gateway.adapters.database.codec import CALL, CORRECTION, GRADE, RUBRIC
from gateway.domain import (
    Artifact,
    Constraint,
    Criterion,
    CriterionGrade,
    Grade,
    ModelCall,
    Rubric,
    Source,
    Submission,
    Usage,
)
from gateway.errors import InvalidRequest, StoreUnavailable
from gateway.records import Correction, GradeRecord
from tests.gateway.adapters.database.facts import record

TEXT = st.text(max_size=20)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
COUNT = st.integers(0, 2**31)
TIME = st.datetimes(timezones=st.just(UTC))


def few(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(strategy, max_size=2).map(tuple)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


USAGES = st.builds(Usage, COUNT, COUNT)
CALLS = st.builds(ModelCall, TEXT, TEXT, TEXT, USAGES, NUMBER)
RUBRICS = st.builds(
    Rubric,
    TEXT,
    TEXT,
    few(st.builds(Criterion, TEXT, TEXT, NUMBER, st.sampled_from(Source))),
    few(st.builds(Constraint, TEXT, NUMBER, NUMBER)),
    TEXT,
)
SUBMISSIONS = st.builds(
    Submission,
    text=TEXT,
    task_type=TEXT,
    language=maybe(TEXT),
    max_score=NUMBER,
    question=maybe(TEXT),
    references=few(TEXT),
    rubric=maybe(RUBRICS),
    rubric_id=maybe(TEXT),
    labels=few(TEXT),
    tests=maybe(st.builds(domain.TestResults, COUNT, COUNT)),
    artifact=maybe(st.builds(Artifact, TEXT, maybe(TEXT))),
    contract=TEXT,
    grader=maybe(TEXT),
    student_id=maybe(TEXT),
    submission_id=maybe(TEXT),
)
GRADES = st.builds(
    Grade,
    score=NUMBER,
    max_score=NUMBER,
    comments=TEXT,
    criteria=few(st.builds(CriterionGrade, TEXT, NUMBER, NUMBER, TEXT, TEXT, NUMBER)),
    grader=TEXT,
    versions=st.dictionaries(TEXT, TEXT, max_size=2),
    confidence=maybe(NUMBER),
    review_reasons=few(TEXT),
    partial=st.booleans(),
    usage=USAGES,
    rubric=RUBRICS,
    label=maybe(TEXT),
    calls=few(CALLS),
)
RECORDS = st.builds(
    GradeRecord, TEXT, TEXT, TIME, TEXT, SUBMISSIONS, RUBRICS, GRADES, TEXT, NUMBER, maybe(TEXT)
)
CORRECTIONS = st.builds(
    Correction, TEXT, TIME, TEXT, NUMBER, NUMBER, st.dictionaries(TEXT, NUMBER, max_size=2), TEXT
)


@given(RECORDS)
def test_a_grade_is_read_as_it_was_written(fact: GradeRecord) -> None:
    assert GRADE.decode(GRADE.encode(fact)) == fact


@given(CALLS, RUBRICS, CORRECTIONS)
def test_so_are_calls_rubrics_and_corrections(call: ModelCall, rubric: Rubric, word: Correction) -> None:
    assert CALL.decode(CALL.encode(call)) == call
    assert RUBRIC.decode(RUBRIC.encode(rubric)) == rubric
    assert CORRECTION.decode(CORRECTION.encode(word)) == word


def test_a_record_from_before_a_field_with_a_default_is_read() -> None:
    old = GRADE.encode(record()).replace(',"based_on":null', "")
    assert "based_on" not in old
    assert GRADE.decode(old) == record()


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"format":2,"id":"secret"}', '{"format":1,"id":"secret"}', '{"format":1,"id":']
)
def test_what_cannot_be_read_is_refused_and_not_quoted(text: str) -> None:
    with pytest.raises(StoreUnavailable) as refusal:
        GRADE.decode(text)
    assert "secret" not in str(refusal.value)
    assert refusal.value.__context__ is None


def test_half_a_surrogate_pair_is_no_text() -> None:
    with pytest.raises(InvalidRequest) as refusal:
        GRADE.encode(record(text="secret \ud800"))
    assert refusal.value.__context__ is None
