import pytest

from gateway.errors import InvalidRequest
from gateway.grading.routing import GRADER_EMBEDDING, GRADER_LLM, Route, route


@pytest.mark.parametrize(
    ("path", "wish", "fall_back", "expected"),
    [
        (GRADER_LLM, None, True, Route(GRADER_LLM, GRADER_EMBEDDING)),
        (GRADER_LLM, None, False, Route(GRADER_LLM, None)),
        (GRADER_LLM, "auto", False, Route(GRADER_LLM, GRADER_EMBEDDING)),
        (GRADER_LLM, "llm", True, Route(GRADER_LLM, None)),
        (GRADER_EMBEDDING, None, True, Route(GRADER_EMBEDDING, GRADER_LLM)),
        (GRADER_EMBEDDING, None, False, Route(GRADER_EMBEDDING, None)),
        (GRADER_EMBEDDING, "auto", True, Route(GRADER_EMBEDDING, GRADER_LLM)),
        (GRADER_EMBEDDING, "embedding", True, Route(GRADER_EMBEDDING, None)),
    ],
)
def test_the_path_comes_first_and_only_auto_lets_the_other_one_in(
    path: str, wish: str | None, fall_back: bool, expected: Route
) -> None:
    assert route(path, wish, fall_back=fall_back) == expected


@pytest.mark.parametrize(("path", "wish"), [(GRADER_LLM, "embedding"), (GRADER_EMBEDDING, "llm")])
def test_a_contradiction_is_refused(path: str, wish: str) -> None:
    with pytest.raises(InvalidRequest):
        route(path, wish, fall_back=True)
