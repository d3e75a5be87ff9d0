"""The grader behind every door that serves it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from embeddings.comparison import GraderModel, Memory
from tests.embeddings import tiny_heads
from tests.embeddings.conftest import Running

PREDICT, INFER = "/v1/models/grader:predict", "/v2/models/grader/infer"
REFERENCE = "the answer is right"


def instance(submission: str = REFERENCE, *references: str, **fields: Any) -> dict[str, Any]:
    return {"submission": submission, "reference_answers": list(references or [REFERENCE]), **fields}


def tensor(name: str, *data: Any, **changes: Any) -> dict[str, Any]:
    return {"name": name, "datatype": "BYTES", "shape": [len(data)], "data": list(data), **changes}


@pytest.fixture
async def grading(start: Callable[..., Any], heads: Path) -> Running:
    running: Running = await start(heads=str(heads))
    return running


async def graded(running: Running, *instances: dict[str, Any]) -> list[dict[str, Any]]:
    status, body, _ = await running.post(PREDICT, {"instances": list(instances)})
    assert status == 200
    found: list[dict[str, Any]] = body["predictions"]
    return found


async def test_the_nearer_to_a_reference_the_better_and_the_nearest_counts(grading: Running) -> None:
    same, other, second = await graded(
        grading, instance(), instance("вода кипит"), instance(REFERENCE, "вода", REFERENCE)
    )
    assert same["label"] == "correct"
    assert same["score"] > 0.9 > 0.1 > other["score"]
    assert second["score"] == pytest.approx(same["score"], abs=1e-5)
    for one in (same, other, second):
        assert one.keys() == {"score", "label", "confidence", "probabilities", "needs_review", "cut"}
        assert list(one["probabilities"]) == list(tiny_heads.LABELS)
        assert sum(one["probabilities"].values()) == pytest.approx(1, abs=1e-5)
        assert all(0 <= number <= 1 for number in (one["score"], *one["probabilities"].values()))
        assert one["needs_review"] is (one["confidence"] < 0.7)
        assert one["cut"] is False


async def test_an_empty_submission_is_worth_nothing_and_no_model_is_asked(grading: Running) -> None:
    nothing, blank = await graded(grading, instance(""), instance(" \n", question="the word?"))
    assert nothing == blank
    assert (nothing["score"], nothing["label"], nothing["confidence"]) == (0.0, "incorrect", 1.0)
    assert nothing["probabilities"] == {"correct": 0.0, "contradictory": 0.0, "incorrect": 1.0}
    assert (nothing["needs_review"], nothing["cut"], grading.encoder.texts) == (False, False, 0)


async def test_questions_and_references_are_read_once_and_submissions_never_remembered(
    grading: Running,
) -> None:
    asked = [instance(text, REFERENCE, "вода", question="the word?") for text in ("a", "b", "c")]
    first = await graded(grading, *asked)
    assert grading.encoder.texts == 3 + 2 + 1
    again = await graded(grading, *asked)
    assert grading.encoder.texts == 6 + 3
    assert [one["score"] for one in again] == pytest.approx([one["score"] for one in first], abs=1e-5)
    model = grading.services.models["grader"]
    assert isinstance(model, GraderModel)
    assert len(model.memory) == 3


def test_the_memory_forgets_what_was_not_used_for_longest() -> None:
    memory: Any = Memory(2)
    memory.put((0, "a"), "read a")
    memory.put((1, "a"), "read as another part")
    assert memory.get((0, "a")) == "read a"
    memory.put((0, "b"), "read b")
    assert [memory.get(key) for key in ((0, "a"), (1, "a"), (0, "b"))] == ["read a", None, "read b"]
    assert len(memory) == 2


@pytest.mark.parametrize(
    "long", [{"submission": "a " * 50}, {"reference_answers": ["b", "a " * 200]}, {"question": "a " * 130}]
)
async def test_what_was_cut_is_told_also_when_it_is_remembered(
    start: Callable[..., Any], heads: Path, long: dict[str, Any]
) -> None:
    running = await start(heads=str(heads))
    for _ in range(2):
        (one,) = await graded(running, instance("a") | long)
        assert one["cut"] is True


async def test_v2_takes_columns_and_gives_scores_and_probabilities(grading: Running) -> None:
    _, told, _ = await grading.get("/v2/models/grader")
    assert [one["name"] for one in told["inputs"]] == ["submission", "reference", "question"]
    assert told["outputs"] == [
        {"name": "score", "datatype": "FP32", "shape": [-1]},
        {"name": "probabilities", "datatype": "FP32", "shape": [-1, 3]},
    ]
    inputs = [tensor("reference", REFERENCE, REFERENCE), tensor("submission", "вода", "")]
    _, body, _ = await grading.post(INFER, {"inputs": inputs})
    score, probabilities = body["outputs"]
    (first,) = await graded(grading, instance("вода"))
    assert (score["shape"], probabilities["shape"]) == ([2], [2, 3])
    assert score["data"] == pytest.approx([first["score"], 0], abs=1e-5)
    assert probabilities["data"] == pytest.approx([*first["probabilities"].values(), 0, 0, 1], abs=1e-5)
    asked = {"inputs": [*inputs, tensor("question", "a", "")], "outputs": [{"name": "score"}]}
    _, body, _ = await grading.post(INFER, asked)
    assert [one["name"] for one in body["outputs"]] == ["score"]


@pytest.mark.parametrize(
    "wrong",
    [
        "a",
        {"text": "a"},
        {"submission": "a"},
        {"reference_answers": ["a"]},
        instance() | {"submission": None},
        instance() | {"question": None},
        instance() | {"reference_answers": "a"},
        instance() | {"reference_answers": []},
        instance() | {"reference_answers": ["a"] * 17},
        instance() | {"reference_answers": ["a", " "]},
        instance() | {"reference_answers": [1]},
        instance() | {"surprise": 1},
    ],
)
async def test_v1_a_wrong_instance_is_refused(grading: Running, wrong: Any) -> None:
    status, body, _ = await grading.post(PREDICT, {"instances": [instance(), wrong]})
    assert (status, list(body)) == (400, ["error"])
    assert grading.encoder.texts == 0


@pytest.mark.parametrize(
    "inputs",
    [
        [tensor("submission", "a")],
        [tensor("text", "a")],
        [tensor("submission", "a"), tensor("reference", "a"), tensor("reference", "a")],
        [tensor("submission", "a"), tensor("reference", "a", "b")],
        [tensor("submission", "a"), tensor("reference", "")],
        [tensor("submission", "a"), tensor("reference", "a"), tensor("question", 1)],
        [tensor("submission"), tensor("reference")],
        [tensor("submission", "a"), tensor("reference", "a", surprise=1)],
        [tensor("submission", "a"), tensor("reference", "a") | {"name": ["reference"]}],
    ],
)
async def test_v2_wrong_columns_are_refused(grading: Running, inputs: list[Any]) -> None:
    status, body, _ = await grading.post(INFER, {"inputs": inputs})
    assert (status, list(body)) == (400, ["error"])


async def test_labels_of_grades_are_counted_and_a_failing_grader_tells_nothing(grading: Running) -> None:
    await graded(grading, instance(), instance(""))
    grading.encoder.error = RuntimeError("a text of somebody")
    status, body, _ = await grading.post(PREDICT, {"instances": [instance("b")]})
    assert (status, "somebody" in str(body)) == (500, False)
    _, metrics, _ = await grading.get("/metrics")
    for label in ("correct", "incorrect"):
        assert f'embeddings_predictions_total{{label="{label}",model="grader"}} 1.0' in metrics


async def test_a_thousand_submissions_of_one_task_are_one_request(
    start: Callable[..., Any], heads: Path
) -> None:
    running = await start(heads=str(heads), max_inputs=1000, max_queue=1000)
    found = await graded(
        running, *(instance(f"a b {number}", question="the word?") for number in range(1000))
    )
    assert len(found) == 1000
    assert running.encoder.texts == 1002
