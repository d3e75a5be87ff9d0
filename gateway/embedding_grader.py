"""The embedding grader: a masked submission in, a grade out, one call of the embeddings service in all."""

from collections.abc import Sequence

from gateway.domain import Estimate, Grade, Output, ServedModel, Submission, Usage
from gateway.errors import ModelNotFound
from gateway.grading import rubric
from gateway.grading.measure import Measure, measure_of, verdict
from gateway.grading.routing import GRADER_EMBEDDING
from gateway.ports import Embedder


class EmbeddingGrader:
    """Compares with references and explains nothing; it needs no model server."""

    def __init__(self, embedder: Embedder, timeout_s: float, review_below_confidence: float) -> None:
        self._embedder = embedder
        self._timeout_s = timeout_s
        self._review_below_confidence = review_below_confidence

    async def grade(self, submission: Submission) -> Grade:
        """Grades a submission that holds no personal data any more. Raises InvalidRequest when there is
        nothing to compare with, ModelNotFound when the service has no grader, and the service's errors."""
        measure = measure_of(submission)
        model = await self._model()
        estimates = await self._embedder.estimate(model, measure.comparisons, self._timeout_s)
        code = submission.task_type == "code"
        return rubric.grade(
            submission,
            measure.rubric,
            [
                verdict(estimate, comparison, code=code)
                for estimate, comparison in zip(estimates, measure.comparisons, strict=True)
            ],
            grader=GRADER_EMBEDDING,
            versions={
                "model": f"{model.name}@{model.version}",
                "prompt": "none",
                "rubric": measure.rubric.id,
                "contract": submission.contract,
            },
            review_reasons=self._review_reasons(measure, estimates, code=code),
            partial=any(estimate.cut for estimate in estimates),
            usage=Usage(),
        )

    async def _model(self) -> ServedModel:
        for model in await self._embedder.models():
            if model.output is Output.GRADE and model.name == GRADER_EMBEDDING:
                return model
        raise ModelNotFound("The embeddings service has no grader.", param="name")

    def _review_reasons(self, measure: Measure, estimates: Sequence[Estimate], *, code: bool) -> list[str]:
        low = self._review_below_confidence
        reasons = {
            "low_confidence": any(one.needs_review or one.confidence < low for one in estimates),
            "submission_or_task_cut": any(one.cut for one in estimates),
            "code_not_understood": code,  # words are compared, nothing is run
        }
        return [*measure.review_reasons, *(reason for reason, holds in reasons.items() if holds)]
