"""The grading request and answer on the wire. Unknown fields are refused: a misspelt `rubric` must not be
graded without one."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gateway.domain import Criterion, Grade, Rubric, Submission
from gateway.errors import InvalidRequest

_NATURAL_LANGUAGES = frozenset({"en", "ru", "de", "english", "russian", "text", "plain", "markdown"})

Text = Annotated[str, Field(max_length=200_000)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class MetadataIn(BaseModel):
    """The platform's own notes; only `max_score` is read, nothing is sent to a model."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)

    max_score: float = Field(10, gt=0, le=1000)


class CriterionIn(_Strict):
    id: Name
    description: str = Field(min_length=1, max_length=2000)
    weight: float | None = Field(None, gt=0, le=1000)
    points: float | None = Field(None, gt=0, le=1000)

    @model_validator(mode="after")
    def one_measure(self) -> "CriterionIn":
        if self.weight is not None and self.points is not None:
            raise ValueError("give weight or points, not both")
        return self


class RubricIn(_Strict):
    id: Name = "inline"
    version: Name = "1.0.0"
    criteria: list[CriterionIn] = Field(min_length=1, max_length=16)

    @model_validator(mode="after")
    def distinct_ids(self) -> "RubricIn":
        if len({criterion.id for criterion in self.criteria}) != len(self.criteria):
            raise ValueError("criteria need distinct ids")
        return self


class GradingRequest(_Strict):
    submission: Text
    language: str | None = Field(None, max_length=40)
    metadata: MetadataIn = Field(default_factory=MetadataIn)
    student_id: str | None = Field(None, max_length=128)
    submission_id: str | None = Field(None, max_length=128)
    task_type: Literal["code", "text"] | None = None
    question: Text | None = None
    reference_answers: list[Text] = Field(default_factory=list, max_length=16)
    rubric: RubricIn | None = None
    grader: Literal["auto", "llm", "embedding"] | None = None
    contract: Literal["v1", "v1.1"] = "v1"

    @model_validator(mode="after")
    def something_to_grade(self) -> "GradingRequest":
        if not self.submission.strip():
            raise ValueError("the submission is blank")
        return self


def read_submission(payload: Any) -> Submission:
    """A checked payload as the domain knows it. Raises InvalidRequest naming the field, never its value."""
    try:
        request = GradingRequest.model_validate(payload)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"] if _own(part)) or "submission"
        raise InvalidRequest(f"'{field}': {first['msg']}.", param=field) from None
    rubric = request.rubric
    return Submission(
        text=request.submission,
        task_type=request.task_type or _task_type(request.language),
        language=request.language,
        max_score=request.metadata.max_score,
        question=request.question,
        references=tuple(text for text in request.reference_answers if text.strip()),
        rubric=_rubric(rubric) if rubric else None,
        contract=request.contract,
        grader=request.grader,
    )


def _own(part: str | int) -> bool:
    """Whether a path's part is a name of ours or an index: a field that is not allowed may be anything."""
    return isinstance(part, int) or part in _FIELDS


_FIELDS = frozenset(
    name for model in (GradingRequest, MetadataIn, RubricIn, CriterionIn) for name in model.model_fields
)


def _task_type(language: str | None) -> str:
    return "text" if language is None or language.lower() in _NATURAL_LANGUAGES else "code"


def _rubric(rubric: RubricIn) -> Rubric:
    return Rubric(
        rubric.id,
        rubric.version,
        tuple(Criterion(c.id, c.description, c.weight or c.points or 1.0) for c in rubric.criteria),
    )


def grade_answer(grade: Grade) -> dict[str, Any]:
    """The grade as JSON."""
    return {
        "score": grade.score,
        "max_score": grade.max_score,
        "comments": grade.comments,
        "details": {
            "criteria": [
                {
                    "id": criterion.id,
                    "points": criterion.points,
                    "max_points": criterion.max_points,
                    "evidence": criterion.evidence,
                    "comment": criterion.comment,
                }
                for criterion in grade.criteria
            ]
        },
        "grader": grade.grader,
        "version": grade.versions["model"],
        "versions": dict(grade.versions),
        "confidence": grade.confidence,
        "needs_review": bool(grade.review_reasons),
        "review_reasons": list(grade.review_reasons),
        "partial": grade.partial,
        "label": None,
        "usage": {
            "prompt_tokens": grade.usage.prompt_tokens,
            "completion_tokens": grade.usage.completion_tokens,
        },
    }
