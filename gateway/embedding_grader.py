"""The embedding grader: a masked submission in, a judgement out, one call of the embeddings service in
all."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import orjson

from gateway.domain import Classification, Estimate, Grade, ModelCall, Output, ServedModel, Submission, Usage
from gateway.errors import InvalidRequest, ModelNotFound
from gateway.grading import labels, rubric
from gateway.grading.measure import Measure, measure_of, verdict
from gateway.grading.routing import GRADER_EMBEDDING
from gateway.grading.rubric import Judgement
from gateway.ports import Embedder


class EmbeddingGrader:
    """Compares with references and explains nothing; it needs no model server. Classifications are asked of
    the service's own classifier, where it has one with just those labels."""

    def __init__(self, embedder: Embedder, timeout_s: float, review_below_confidence: float) -> None:
        self._embedder = embedder
        self._timeout_s = timeout_s
        self._review_below_confidence = review_below_confidence

    async def identity(self, submission: Submission) -> Mapping[str, str]:
        """What decides a grade besides the submission. Raises as judged() does."""
        if submission.task_type == "classification":
            model = await self._classifier(submission.labels)
        elif not rubric.for_model(rubric.rubric_of(submission)):
            return {**rubric.NO_MODEL, "rubric": rubric.rubric_of(submission).id}
        else:
            model = await self._comparer()
        used = rubric.LABEL if submission.task_type == "classification" else measure_of(submission).rubric
        return {**_versions(model), "rubric": used.id, "review_below": str(self._review_below_confidence)}

    async def grade(self, submission: Submission) -> Grade:
        return rubric.grade(submission, await self.judged(submission))

    async def judged(self, submission: Submission) -> Judgement:
        """Judges a submission that holds no personal data any more. Raises InvalidRequest when there is
        nothing to compare with or nothing that knows the labels, ModelNotFound when the service has no
        grader, and the service's errors."""
        if submission.task_type == "classification":
            return await self._classified(submission)
        by_tests = rubric.by_tests_alone(submission, rubric.rubric_of(submission), GRADER_EMBEDDING)
        if by_tests:
            return by_tests
        measure = measure_of(submission)
        model = await self._comparer()
        began = time.perf_counter()
        estimates = await self._embedder.estimate(model, measure.comparisons, self._timeout_s)
        ids = ",".join(criterion.id for criterion in rubric.for_model(measure.rubric))
        call = _call(ids, model, [asdict(one) for one in measure.comparisons], estimates, began)
        code = submission.task_type == "code"
        asked = [
            verdict(estimate, comparison, code=code)
            for estimate, comparison in zip(estimates, measure.comparisons, strict=True)
        ]
        return Judgement(
            GRADER_EMBEDDING,
            measure.rubric,
            rubric.complete(measure.rubric, asked, submission),
            _versions(model),
            reasons=self._review_reasons(measure, estimates, code=code),
            partial=any(estimate.cut for estimate in estimates),
            calls=(call,),
        )

    async def _classified(self, submission: Submission) -> Judgement:
        model = await self._classifier(submission.labels)
        began = time.perf_counter()
        (found,) = await self._embedder.classify(model, [submission.text], self._timeout_s)
        call = _call(rubric.LABEL.criteria[0].id, model, [submission.text], [found], began)
        decided, unknown = labels.worth(submission, labels.Chosen(found.label, found.confidence))
        unsure = found.needs_review or found.confidence < self._review_below_confidence
        reasons = {
            "rubric_not_used": submission.rubric is not None,
            "low_confidence": unsure,
            "submission_or_task_cut": found.cut,
        }
        return Judgement(
            GRADER_EMBEDDING,
            rubric.LABEL,
            (decided,),
            _versions(model),
            reasons=(*(reason for reason, holds in reasons.items() if holds), *unknown),
            partial=found.cut,
            label=found.label,
            calls=(call,),
        )

    async def _comparer(self) -> ServedModel:
        for model in await self._embedder.models():
            if model.output is Output.GRADE and model.name == GRADER_EMBEDDING:
                return model
        raise ModelNotFound("The embeddings service has no grader.", param="name")

    async def _classifier(self, wanted: Sequence[str]) -> ServedModel:
        for model in await self._embedder.models():
            if model.output is Output.CLASSIFICATION and set(model.labels) == set(wanted):
                return model
        raise no_classifier()

    def _review_reasons(
        self, measure: Measure, estimates: Sequence[Estimate], *, code: bool
    ) -> tuple[str, ...]:
        low = self._review_below_confidence
        reasons = {
            "low_confidence": any(one.needs_review or one.confidence < low for one in estimates),
            "submission_or_task_cut": any(one.cut for one in estimates),
            "code_not_understood": code,  # words are compared, nothing is run
        }
        return (*measure.review_reasons, *(reason for reason, holds in reasons.items() if holds))


def no_classifier() -> InvalidRequest:
    """Why a classification cannot be had without a larger model."""
    return InvalidRequest(
        "No served classifier has exactly these 'labels', and the grader asked for follows no instructions.",
        param="labels",
    )


def _versions(model: ServedModel) -> dict[str, str]:
    return {"model": f"{model.name}@{model.version}", "prompt": "none"}


def _call(
    criterion: str, model: ServedModel, asked: Sequence[Any], found: Sequence[Classification], began: float
) -> ModelCall:
    """The exchange as the audit keeps it: what was asked and what was understood, not the bytes."""
    ms = round((time.perf_counter() - began) * 1000, 3)
    prompt = orjson.dumps({"model": model.name, "instances": list(asked)}).decode()
    answer = orjson.dumps({"predictions": [asdict(one) for one in found]}).decode()
    return ModelCall(criterion, prompt, answer, Usage(), ms)
