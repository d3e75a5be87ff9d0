"""What a grader is sent: an answer, references, a question, checked."""

from typing import Any

from embeddings.errors import InvalidRequest
from embeddings.models import Comparison
from embeddings.rest.payload import checked_count

_MOST_REFERENCES = 16
_FIELDS = {"submission", "question", "reference_answers"}
_PARAM = "instances"


def checked_comparisons(instances: list[Any], most: int) -> list[Comparison]:
    """One for each instance. A submission may be empty, a reference not. Raises InvalidRequest."""
    checked_count(instances, most, _PARAM)
    return [_comparison(one) for one in instances]


def _comparison(instance: Any) -> Comparison:
    if not isinstance(instance, dict) or instance.keys() - _FIELDS:
        raise InvalidRequest(
            "An instance must be an object of 'submission', 'reference_answers' and, if need be, 'question'.",
            param=_PARAM,
        )
    submission, question = instance.get("submission"), instance.get("question", "")
    if not isinstance(submission, str) or not isinstance(question, str):
        raise InvalidRequest("'submission' and 'question' must be texts.", param=_PARAM)
    references = instance.get("reference_answers")
    if not isinstance(references, list) or not 1 <= len(references) <= _MOST_REFERENCES:
        raise InvalidRequest(
            f"'reference_answers' must be a list of 1 to {_MOST_REFERENCES} texts.", param=_PARAM
        )
    if not all(isinstance(text, str) and text.strip() for text in references):
        raise InvalidRequest("'reference_answers' cannot hold an empty text.", param=_PARAM)
    return Comparison(submission, tuple(references), question)
