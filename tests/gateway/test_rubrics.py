"""What a rubric's next version is called."""

from dataclasses import replace

import pytest

from gateway.domain import Constraint, Criterion, Rubric
from gateway.errors import Conflict
from gateway.rubrics import next_version

ESSAY = Rubric("essay", "1.2.3", (Criterion("A", "Says what.", 0.5), Criterion("B", "Says why.", 0.5)))


@pytest.mark.parametrize(
    ("changed", "version"),
    [
        ({"grading_notes": "Be kind."}, "1.3.0"),
        ({"constraints": (Constraint("A", 0.5, 0.6),)}, "1.3.0"),
        (
            {"criteria": (replace(ESSAY.criteria[0], weight=0.9), replace(ESSAY.criteria[1], weight=0.1))},
            "1.3.0",
        ),
        ({"criteria": (replace(ESSAY.criteria[0], description="Says who."), ESSAY.criteria[1])}, "2.0.0"),
        ({"criteria": ESSAY.criteria[:1]}, "2.0.0"),
    ],
)
def test_what_is_asked_changes_the_major_number_and_what_it_is_worth_the_minor_one(
    changed: dict[str, object], version: str
) -> None:
    assert next_version(ESSAY, replace(ESSAY, version="1.0.0", **changed)) == version


def test_a_version_that_changes_nothing_is_none() -> None:
    with pytest.raises(Conflict):
        next_version(ESSAY, replace(ESSAY, version="1.0.0"))
