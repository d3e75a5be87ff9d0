"""From a payload to a submission: which contract, which task type, what is refused and how."""

from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import contracts, domain
from gateway.contracts import files
from gateway.contracts.submission import read_submission
from gateway.domain import Artifact, Constraint, Criterion, Rubric, Source, Submission
from gateway.errors import InvalidRequest

RUBRIC = {"criteria": [{"id": "CR1", "description": "Tests pass.", "source": "tests"}]}
ARTIFACT = {"url": "https://files.example.org/1"}
REQUESTS = [
    orjson.loads(path.read_bytes())
    for path in sorted((Path(contracts.__file__).parent / "samples").glob("v*/*/*.request.json"))
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


def test_the_smallest_request_is_a_text_of_v1() -> None:
    submission = read_submission({"submission": "Plants make sugar."})
    assert submission == Submission("Plants make sugar.", "text", None, 10.0, contract="v1")


def test_every_field_of_v1_1_arrives() -> None:
    payload = {
        "submission": "def f(): ...",
        "task_type": "code",
        "language": "python",
        "submission_id": "subm-1",
        "student_id": "stu-1",
        "question": "Write f.",
        "reference_answers": ["def f(): pass", "  "],
        "grader": "llm",
        "metadata": {"max_score": 8, "tests": {"passed": 3, "total": 4.0}, "course": {"any": ["thing"]}},
        "rubric": {
            "name": "functions",
            "version": "1.2.0",
            "criteria": [
                {"id": "CR1", "description": "Tests pass.", "weight": 0.7, "source": "tests"},
                {"id": "CR2", "description": "Clear.", "weight": 0.3},
            ],
            "constraints": ["if CR1 < 0.5 then cap total at 0.4"],
            "grading_notes": "Be kind.",
        },
    }
    assert read_submission(payload) == Submission(
        text="def f(): ...",
        task_type="code",
        language="python",
        max_score=8.0,
        question="Write f.",
        references=("def f(): pass",),
        rubric=Rubric(
            "functions",
            "1.2.0",
            (Criterion("CR1", "Tests pass.", 0.7, Source.TESTS), Criterion("CR2", "Clear.", 0.3)),
            (Constraint("CR1", 0.5, 0.4),),
            "Be kind.",
        ),
        tests=domain.TestResults(3, 4),
        contract="v1.1",
        grader="llm",
        student_id="stu-1",
        submission_id="subm-1",
    )


def test_a_submission_may_lie_elsewhere_or_be_empty() -> None:
    elsewhere = read_submission({"artifact": {**ARTIFACT, "sha256": "AB" * 32}, "rubric_id": "essay@1.0.0"})
    assert elsewhere.artifact == Artifact("https://files.example.org/1", "ab" * 32)
    assert (elsewhere.text, elsewhere.rubric_id) == ("", "essay@1.0.0")
    assert [read_submission({"submission": text}).text for text in ("", " \n")] == ["", " \n"]


@pytest.mark.parametrize(
    ("payload", "contract"),
    [
        ({"language": "ru", "metadata": {}, "student_id": "1"}, "v1"),
        ({"contract": None}, "v1"),
        ({"contract": "v1"}, "v1"),
        ({"contract": "v1.1"}, "v1.1"),
        ({"grader": "auto"}, "v1.1"),
        ({"question": None}, "v1.1"),
    ],
)
def test_a_request_that_names_no_contract_has_the_oldest_that_knows_its_fields(
    payload: dict[str, Any], contract: str
) -> None:
    assert read_submission({"submission": "x", **payload}).contract == contract


@pytest.mark.parametrize(
    ("payload", "task_type"),
    [
        ({}, "text"),
        ({"language": None}, "text"),
        ({"language": ""}, "text"),
        ({"language": "RU"}, "text"),
        ({"language": "Rust"}, "code"),
        ({"language": "rust", "task_type": "text"}, "text"),
        ({"language": "rust", "labels": ["a", "b"]}, "classification"),
        ({"metadata": {"labels": ["a", "b"]}}, "classification"),
        ({"metadata": {"labels": "week 3"}}, "text"),
        ({"metadata": {"labels": ["week 3"], "task_type": "code"}}, "code"),
        ({"metadata": {"task_type": "homework"}, "language": "sql"}, "code"),
        ({"metadata": {"labels": ["a", "b"]}, "grader": "llm"}, "text"),  # v1.1 has a field for labels
    ],
)
def test_the_task_type_is_named_or_told_by_labels_or_by_the_language(
    payload: dict[str, Any], task_type: str
) -> None:
    assert read_submission({"submission": "x", **payload}).task_type == task_type


def test_an_old_classification_is_read_from_its_metadata() -> None:
    notes = {"labels": ["да", "нет"], "expected_label": "нет", "task_type": "classification", "max_score": 1}
    submission = read_submission({"submission": "x", "metadata": notes})
    assert (submission.labels, submission.references, submission.contract) == (("да", "нет"), ("нет",), "v1")


def test_null_is_the_same_as_absent() -> None:
    optional = files.contracts()["v1.1/text.request.json"].schema["properties"].keys() - {"submission"}
    nothing = read_submission({"submission": "x", **dict.fromkeys(optional)})
    assert nothing == read_submission({"submission": "x", "contract": "v1.1"})
    old = {"submission": "x", "language": None, "metadata": None, "student_id": None, "contract": None}
    assert read_submission(old) == read_submission({"submission": "x"})


@pytest.mark.parametrize("payload", [None, 5, "text", [], [{"submission": "x"}]])
def test_what_is_no_object_is_refused(payload: Any) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read_submission(payload)
    assert refused.value.param == "request"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rubric": RUBRIC}, "'metadata.tests': is required by the rubric."),
        ({"rubric_id": "a@1"}, "'rubric_id': must look like 'essay@1.0.0'."),
        ({"grader": "SECRET"}, "'grader': must be one of auto, llm, embedding."),
        ({"question": 5}, "'question': the value is not of type \"string\"."),
        ({"submission_id": ""}, "'submission_id': the value is shorter than 1 character."),
        ({"SECRET": 1}, "'request': has an unknown field."),
        ({"artifact": ARTIFACT}, "'submission': is not allowed beside the other fields."),
    ],
)
def test_a_refusal_tells_the_rule_and_never_the_value(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read_submission({"submission": "SECRET", **change})
    assert refused.value.message == message
    assert refused.value.__cause__ is None


@pytest.mark.parametrize(("size", "taken"), [(200_000, True), (200_001, False)])
def test_characters_are_counted_not_bytes(size: int, taken: bool) -> None:
    payload = {"submission": "я" * size}
    if taken:
        assert len(read_submission(payload).text) == size
        return
    with pytest.raises(InvalidRequest) as refused:
        read_submission(payload)
    assert len(refused.value.message) < 100


def closed_objects(node: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Where in a request no field may be added."""
    if isinstance(node, list):
        return [found for index, one in enumerate(node) for found in closed_objects(one, (*path, str(index)))]
    if not isinstance(node, dict):
        return []
    inner = [found for name, value in node.items() for found in closed_objects(value, (*path, name))]
    return inner if path in (("metadata",), ("metadata", "course")) else [path, *inner]


def at(node: Any, path: tuple[str, ...]) -> Any:
    for part in path:
        node = node[int(part)] if isinstance(node, list) else node[part]
    return node


@given(st.data(), st.sampled_from(REQUESTS), st.text(), JSON)
def test_an_unknown_field_is_refused_wherever_it_stands(
    data: st.DataObject, request: dict[str, Any], name: str, value: Any
) -> None:
    changed = orjson.loads(orjson.dumps(request))
    path = data.draw(st.sampled_from(closed_objects(changed)))
    at(changed, path)[f"?{name}"] = value
    with pytest.raises(InvalidRequest) as refused:
        read_submission(changed)
    assert refused.value.param == (".".join(path) or "request")
    assert "?" not in refused.value.message


@given(JSON)
def test_any_json_is_read_or_refused(payload: Any) -> None:
    read_or_refused(payload)


@given(st.data(), st.sampled_from(REQUESTS), JSON)
def test_a_request_with_anything_in_one_place_is_read_or_refused_by_a_name_of_ours(
    data: st.DataObject, request: dict[str, Any], value: Any
) -> None:
    changed = orjson.loads(orjson.dumps(request))
    place = changed
    while True:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if not isinstance(place[key], dict | list) or not place[key] or data.draw(st.booleans()):
            break
        place = place[key]
    place[key] = value
    read_or_refused(changed)


def read_or_refused(payload: Any) -> None:
    """Nothing but InvalidRequest is ever raised, and it names what the schemas name."""
    try:
        submission = read_submission(payload)
    except InvalidRequest as error:
        refused = error
    else:
        assert isinstance(submission, Submission)
        return
    ours = b"".join(contract.body for contract in files.contracts().values()).decode()
    assert refused.param is not None
    for part in refused.param.split("."):
        assert part.isdigit() or part == "request" or f'"{part}": ' in ours
