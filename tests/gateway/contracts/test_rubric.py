"""Rubrics from JSON and back."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.contracts.files import RUBRIC
from gateway.contracts.rubric import constraint_text, needs_tests, read_constraint, read_rubric, rubric_answer
from gateway.contracts.validation import check
from gateway.domain import Constraint, Criterion, Rubric, Source
from gateway.errors import InvalidRequest

TWO: list[dict[str, Any]] = [
    {"id": "A", "description": "Says what."},
    {"id": "B", "description": "Says why."},
]
names = st.from_regex(r"[A-Za-z0-9_.-]{1,64}", fullmatch=True)
shares = st.integers(0, 1_000_000).map(lambda millionths: millionths / 1_000_000)
numbers = st.integers(0, 999_999)


@st.composite
def rubrics(draw: st.DrawFn) -> Rubric:
    ids = draw(st.lists(names, min_size=1, max_size=16, unique=True))
    text = st.text(min_size=1, max_size=50)
    weight = st.floats(0, 1000, exclude_min=True)
    criteria = [Criterion(one, draw(text), draw(weight), draw(st.sampled_from(Source))) for one in ids]
    constraint = st.builds(Constraint, st.sampled_from(ids), shares, shares)
    return Rubric(
        draw(names),
        ".".join(str(draw(numbers)) for _ in range(3)),
        tuple(criteria),
        tuple(draw(st.lists(constraint, max_size=16))),
        draw(st.text(max_size=50)),
    )


@given(rubrics())
def test_a_rubric_survives_its_json(rubric: Rubric) -> None:
    answer = orjson.loads(orjson.dumps(rubric_answer(rubric)))
    check(answer, RUBRIC)
    assert read_rubric(answer) == rubric


def test_a_rubric_may_say_little() -> None:
    rubric = read_rubric({"criteria": TWO})
    assert (rubric.id, rubric.constraints, needs_tests(rubric)) == ("inline@1.0.0", (), False)
    assert [criterion.weight for criterion in rubric.criteria] == [0.5, 0.5]
    assert read_rubric({"id": "essay", "criteria": TWO}).name == "essay"


def test_points_stay_points_and_weights_weights() -> None:
    points = read_rubric({"criteria": [{**TWO[0], "points": 3}, {**TWO[1], "points": 1}]})
    assert [criterion.weight for criterion in points.criteria] == [3.0, 1.0]
    assert [criterion["points"] for criterion in rubric_answer(points)["criteria"]] == [3.0, 1.0]
    weights = read_rubric({"criteria": [{**TWO[0], "weight": 0.25}, {**TWO[1], "weight": 0.75}]})
    assert [criterion["weight"] for criterion in rubric_answer(weights)["criteria"]] == [0.25, 0.75]


@pytest.mark.parametrize(
    ("weights", "taken"), [((0.333,) * 3, True), ((0.3335,) * 3, True), ((0.332,) * 3, False)]
)
def test_weights_sum_to_one_within_a_thousandth(weights: tuple[float, ...], taken: bool) -> None:
    payload = {"criteria": [{"id": f"C{i}", "description": "d", "weight": w} for i, w in enumerate(weights)]}
    if taken:
        assert len(read_rubric(payload).criteria) == 3
        return
    with pytest.raises(InvalidRequest) as refused:
        read_rubric(payload)
    assert (refused.value.param, refused.value.message) == ("criteria", "'criteria': weights must sum to 1.")


@pytest.mark.parametrize(
    "text",
    [
        "if CR2 < 0.5 then cap total at 0.6",
        "If CR2 < 0.5, then cap total at 0.6",
        "if CR2<0.50, cap total at 0.600000",
        "if CR2 < 0.5 cap  total at 0.6",
    ],
)
def test_a_constraint_is_read_in_its_ways_of_writing(text: str) -> None:
    assert read_constraint(text) == Constraint("CR2", 0.5, 0.6)


@given(st.builds(Constraint, names, shares, shares))
def test_a_constraint_survives_its_text(constraint: Constraint) -> None:
    assert read_constraint(constraint_text(constraint)) == constraint


@pytest.mark.parametrize(
    "text",
    [
        "",
        "if CR2 < 0.5 then cap total at 0.6\n",
        "if CR2 > 0.5 then cap total at 0.6",
        "if CR2 < 1.5 then cap total at 0.6",
        "if CR2 < 0.5 then cap total at -0.1",
        "if CR2 < 5e-1 then cap total at 0.6",
        "if CR2 < 0.5then cap total at 0.6",
        "if CR2 < ٠.٥ then cap total at 0.6",
        "if CR 2 < 0.5 then cap total at 0.6",
        "if CR2 < 0.5 then cap total at 0.6 then pass",
    ],
)
def test_any_other_constraint_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read_constraint(text)
    assert refused.value.param == "constraints"
    with pytest.raises(InvalidRequest) as refused:
        read_rubric({"criteria": [{"id": "CR2", "description": "d"}], "constraints": [text]})
    assert refused.value.param == "constraints.0"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"criteria": [*TWO, TWO[0]]}, "criteria"),
        ({"criteria": [{**TWO[0], "points": 1}, TWO[1]]}, "criteria"),
        ({"criteria": [{**TWO[0], "points": 1}, {**TWO[1], "weight": 1}]}, "criteria"),
        ({"criteria": TWO * 8 + TWO}, "criteria"),
        ({"criteria": [{**TWO[0], "points": 1001}]}, "criteria.0.points"),
        ({"criteria": [{**TWO[0], "weight": 0}]}, "criteria.0.weight"),
        ({"constraints": ["if C < 0.5 then cap total at 0.6"]}, "constraints.0"),
        ({"aggregation": "minimum"}, "aggregation"),
        ({"version": "1.0"}, "version"),
        ({"name": "a b"}, "name"),
        ({"name": "a", "id": "a"}, "id"),
        ({"grading_notes": "n" * 4001}, "grading_notes"),
        ({"notes": ""}, "request"),
    ],
)
def test_a_bad_rubric_is_refused_naming_its_field(change: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read_rubric({"criteria": TWO, **change})
    assert refused.value.param == field
