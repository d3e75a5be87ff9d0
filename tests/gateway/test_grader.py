"""The LLM grader over a model in memory."""

import json
from dataclasses import replace
from typing import Any

import pytest

from gateway import domain
from gateway.domain import Criterion, Rubric, Source, Submission
from gateway.errors import BackendUnavailable, ContextLengthExceeded, InvalidRequest, UnusableAnswer
from gateway.grader import Grader, GraderPolicy
from gateway.grading.reply import Fault
from tests.gateway.grading_fakes import FakeModel, logprobs, verdict

SUBMISSION = Submission(
    "Plants make sugar from light.", "text", None, 10, "What do plants make?", ("Sugar and oxygen",)
)
LETTER = Submission("Win a prize!", "classification", None, 1, "Which?", labels=("ham", "spam"))


def grader(model: FakeModel, **policy: Any) -> Grader:
    return Grader(model, GraderPolicy(**policy))


async def test_every_exchange_is_kept_for_the_audit() -> None:
    model = FakeModel(lambda asked: verdict(3) if "JSON object only" in str(asked) else "no JSON")
    grade = await grader(model).grade(SUBMISSION)
    first, second = grade.calls
    assert json.loads(first.prompt) == model.bodies[0]
    assert json.loads(first.answer)["choices"][0]["message"]["content"] == "no JSON"
    assert (first.criterion, second.usage.completion_tokens, grade.usage.completion_tokens) == ("CR1", 3, 6)
    assert "Plants" not in repr(grade)
    assert (grade.partial, "answer_repaired" in grade.review_reasons) == (True, True)


class Told:
    """Implements Replies."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    def unusable(self, fault: Fault) -> None:
        self.heard.append(fault)

    def repaired(self, *, mended: bool) -> None:
        self.heard.append(mended)


async def test_it_is_told_what_was_wrong_with_a_reply_and_whether_asking_again_helped() -> None:
    told = Told()
    replies = iter([verdict(3), "no JSON", verdict(3), verdict(9), '{"level": 1}'])
    one = Grader(FakeModel(lambda _: next(replies)), GraderPolicy(), told)
    await one.grade(SUBMISSION)
    assert told.heard == []
    await one.grade(SUBMISSION)
    assert told.heard == [Fault.NOT_JSON, True]
    with pytest.raises(UnusableAnswer):
        await one.grade(SUBMISSION)
    assert told.heard[2:] == [Fault.LEVEL_OUT_OF_RANGE, Fault.OTHER_FIELDS, False]


async def test_a_russian_task_is_asked_about_in_russian() -> None:
    model = FakeModel(verdict(4))
    grade = await grader(model).grade(replace(SUBMISSION, text="Растения делают сахар."))
    assert grade.versions["prompt"] == "grade-full-ru@2"
    assert model.bodies[0]["messages"][0]["content"].startswith("Вы оцениваете")


async def test_the_points_are_the_levels_and_the_confidence_its_probability() -> None:
    model = FakeModel(verdict(3))
    model.logprobs = logprobs(verdict(3)[:-2], ("3", 0.6), ("4", 0.2))
    grade = await grader(model).grade(SUBMISSION)
    assert (grade.score, grade.confidence) == (7.5, 0.75)
    (judged,) = (await grader(model).judged(SUBMISSION)).verdicts
    assert judged.expected == pytest.approx((3 * 0.75 + 4 * 0.25) / 4)


@pytest.mark.parametrize("allows_n", [True, False])
async def test_several_samples_are_one_request_or_as_many_with_seeds_of_their_own(allows_n: bool) -> None:
    said = iter([verdict(level, comment=str(level)) for level in (4, 1, 2)])
    model = FakeModel(lambda asked: [next(said) for _ in range(asked.get("n", 1))], allows_n=allows_n)
    grade = await grader(model, samples=3, seed=5).grade(SUBMISSION)
    assert (grade.score, grade.comments, grade.confidence) == (5, "2", 0.3333)
    assert {"samples_disagree", "low_confidence"} <= set(grade.review_reasons)
    assert all(body["temperature"] == 0.7 for body in model.bodies)
    assert [(body.get("n", 1), body["seed"]) for body in model.bodies] == (
        [(3, 5)] if allows_n else [(3, 5), (1, 5), (1, 6), (1, 7)]
    )
    assert len(grade.calls) == (1 if allows_n else 3)


async def test_a_server_that_gives_one_reply_for_n_is_asked_for_the_others() -> None:
    model = FakeModel(verdict(2))
    await grader(model, samples=3).grade(SUBMISSION)
    assert [body["seed"] for body in model.bodies] == [0, 1, 2]


async def test_one_sample_is_the_likeliest_reply() -> None:
    model = FakeModel(verdict(2))
    await grader(model).grade(SUBMISSION)
    assert (model.bodies[0]["temperature"], "n" in model.bodies[0]) == (0, False)


async def test_test_results_count_half_and_the_model_never_sees_them() -> None:
    model = FakeModel(verdict(4))
    program = Submission("print(1)", "code", "python", 10, "Print 1.", tests=domain.TestResults(7, 10))
    grade = await grader(model).grade(program)
    assert [(one.id, one.points) for one in grade.criteria] == [("CR1", 5), ("tests", 3.5)]
    assert grade.criteria[1].comment == "7 of 10 tests passed."
    assert (grade.score, grade.rubric.id) == (8.5, "default-code@1.0.0+tests")
    assert "tests" not in model.last
    assert "nothing_to_compare_with" not in grade.review_reasons


async def test_test_results_alone_need_no_model() -> None:
    rubric = Rubric("run", "1.0.0", (Criterion("RUN", "Runs.", 1.0, Source.TESTS),))
    program = Submission(
        "x", "code", "c", 10, "Пусть работает.", rubric=rubric, tests=domain.TestResults(3, 4)
    )
    alone = grader(FakeModel(lambda _: BackendUnavailable("down")))
    grade = await alone.grade(program)
    assert (grade.score, grade.confidence, grade.versions["model"]) == (7.5, 1.0, "none")
    assert grade.comments == "Пройдено тестов: 3 из 4."
    assert (await alone.identity(program))["model"] == "none"


async def test_a_label_is_forced_and_all_or_nothing() -> None:
    model = FakeModel('{"label": "spam"}')
    model.logprobs = logprobs('{"label": "', ("spam", 0.72), ("ham", 0.08), after='"}')
    grade = await grader(model).grade(replace(LETTER, references=("spam",)))
    assert (grade.label, grade.score, grade.confidence, grade.review_reasons) == ("spam", 1, 0.9, ())
    assert [(one.id, one.comment) for one in grade.criteria] == [("label", "Label: spam.")]
    assert (grade.versions["prompt"], grade.rubric.id) == ("label-en@1", "label@1.0.0")
    schema = model.bodies[0]["response_format"]["json_schema"]["schema"]
    assert schema["properties"] == {"label": {"type": "string", "enum": ["ham", "spam"]}}
    wrong = await grader(model).grade(replace(LETTER, references=("ham",)))
    assert (wrong.label, wrong.score) == ("spam", 0)
    unknown = await grader(model).grade(LETTER)
    assert (unknown.label, unknown.score, unknown.review_reasons) == ("spam", 0, ("no_expected_label",))


async def test_a_label_whose_probability_is_not_told_is_for_a_person() -> None:
    grade = await grader(FakeModel('{"label": "ham"}')).grade(LETTER)
    assert (grade.confidence, grade.review_reasons) == (None, ("low_confidence", "no_expected_label"))


async def test_a_label_of_the_models_own_is_no_grade() -> None:
    with pytest.raises(UnusableAnswer):
        await grader(FakeModel('{"label": "eggs"}')).grade(LETTER)


async def test_a_small_model_cannot_classify() -> None:
    small = grader(FakeModel("", window=512))
    assert not await small.follows_instructions()
    for refused in (small.grade, small.identity):
        with pytest.raises(InvalidRequest) as refusal:
            await refused(LETTER)
        assert refusal.value.param == "labels"


async def test_a_rubric_that_fills_the_window_is_the_callers_fault() -> None:
    rubric = Rubric("r", "1.0.0", (Criterion("A", "long " * 4000, 1.0),))
    with pytest.raises(ContextLengthExceeded) as refusal:
        await grader(FakeModel(verdict(4), window=2048)).grade(replace(SUBMISSION, rubric=rubric))
    assert refusal.value.param == "rubric"


async def test_a_quote_is_looked_up_in_the_whole_submission_also_when_the_model_saw_less() -> None:
    text = "HEAD " + "word " * 4000 + "TAIL"
    model = FakeModel(verdict(4, evidence="HEAD word"), window=2048)
    grade = await grader(model).grade(replace(SUBMISSION, text=text))
    assert (grade.criteria[0].evidence, grade.partial) == ("HEAD word", True)
    assert "evidence_not_in_submission" not in grade.review_reasons


async def test_the_identity_changes_with_whatever_changes_a_grade() -> None:
    one = await grader(FakeModel("")).identity(SUBMISSION)
    others = [
        await grader(FakeModel("", window=2048)).identity(SUBMISSION),
        await grader(FakeModel(""), samples=3).identity(SUBMISSION),
        await grader(FakeModel(""), seed=1).identity(SUBMISSION),
        await grader(FakeModel("")).identity(replace(SUBMISSION, text="Сахар")),
        await grader(FakeModel("")).identity(replace(SUBMISSION, tests=domain.TestResults(1, 2))),
    ]
    assert one == await grader(FakeModel("")).identity(SUBMISSION)
    assert all(other != one for other in others)
