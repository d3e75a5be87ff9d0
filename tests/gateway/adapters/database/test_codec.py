"""What is kept is read back equal; what is not ours is refused without being quoted."""

from datetime import UTC
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import domain  # pytest would collect a TestResults of this module
from gateway.adapters.database.codec import CALL, CORRECTION, DATASET, GRADE, MODEL, REQUEST, RUBRIC, WORKER
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
from gateway.training.facts import (
    Column,
    ColumnType,
    DatasetVersion,
    Feature,
    Kept,
    Lineage,
    ModelVersion,
    Signature,
    Table,
    TableFormat,
    TrainingRequest,
)
from gateway.training.ports import WorkerFacts
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

INTEGER = st.integers(-(2**63), 2**63 - 1)
CELL = maybe(TEXT | NUMBER | INTEGER | st.booleans())
COLUMNS = st.builds(
    Column,
    TEXT,
    st.sampled_from(ColumnType),
    COUNT,
    COUNT,
    maybe(NUMBER),
    maybe(NUMBER),
    maybe(NUMBER),
    maybe(NUMBER),
    few(st.tuples(CELL, COUNT)),
)
TABLES = st.builds(
    Table, st.sampled_from(TableFormat), TEXT, COUNT, COUNT, few(COLUMNS), COUNT, few(TEXT), few(few(CELL))
)
DATASETS = st.builds(
    DatasetVersion,
    TEXT,
    COUNT,
    TIME,
    TEXT,
    maybe(TEXT),
    TABLES,
    st.sampled_from(Kept),
    maybe(TEXT),
    COUNT,
    maybe(TEXT),
)
ASKED = st.dictionaries(TEXT, CELL | st.lists(CELL, max_size=2), max_size=2)
REQUESTS = st.builds(
    TrainingRequest, TEXT, TEXT, TEXT, COUNT, TEXT, few(TEXT), ASKED, NUMBER, COUNT, st.booleans()
)
MODELS = st.builds(
    ModelVersion,
    TEXT,
    COUNT,
    TIME,
    TEXT,
    st.builds(Signature, few(st.builds(Feature, TEXT, st.sampled_from(ColumnType))), TEXT, few(CELL)),
    st.dictionaries(TEXT, NUMBER, max_size=2),
    maybe(st.builds(Lineage, TEXT, TEXT, TEXT, TEXT, TEXT, ASKED)),
    st.booleans(),
    maybe(TEXT),
)
WORKERS = st.builds(WorkerFacts, TEXT, TEXT, COUNT, COUNT, st.dictionaries(TEXT, TEXT, max_size=2))


@given(RECORDS)
def test_a_grade_is_read_as_it_was_written(fact: GradeRecord) -> None:
    assert GRADE.decode(GRADE.encode(fact)) == fact


@given(CALLS, RUBRICS, CORRECTIONS)
def test_so_are_calls_rubrics_and_corrections(call: ModelCall, rubric: Rubric, word: Correction) -> None:
    assert CALL.decode(CALL.encode(call)) == call
    assert RUBRIC.decode(RUBRIC.encode(rubric)) == rubric
    assert CORRECTION.decode(CORRECTION.encode(word)) == word


@given(DATASETS, REQUESTS, MODELS, WORKERS)
def test_so_are_the_facts_of_training(
    version: DatasetVersion, request: TrainingRequest, model: ModelVersion, worker: WorkerFacts
) -> None:
    """To the letter: a label 1 equals 1.0 and true, and is neither."""
    for codec, fact in ((DATASET, version), (REQUEST, request), (MODEL, model), (WORKER, worker)):
        text = codec.encode(fact)
        read = codec.decode(text)
        assert (read, codec.encode(read)) == (fact, text)


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
