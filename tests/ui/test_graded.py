"""A grade in words."""

import ast
import re
from pathlib import Path
from typing import Any

import pytest

from ui.agreement import chart, figure, names, table, thirds, undecided
from ui.agreement_view import W
from ui.graded import REASONS, mentions, points, remark
from ui.judging import judgement
from ui.pages.grade import KINDS

ROOT = Path(__file__).resolve().parents[2]


def test_every_reason_of_the_gateways_has_words() -> None:
    [part] = re.findall(r"### Why a person should look(.*?)\n#", (ROOT / "docs/grading.md").read_text(), re.S)
    codes = {code for row in re.findall(r"^\| (`.*?) \|", part, re.M) for code in re.findall(r"`(\w+)`", row)}
    assert codes - {"review_reasons"} | {"fallback"} == set(REASONS)


def test_every_kind_of_personal_data_has_words() -> None:
    tree = ast.parse((ROOT / "gateway/domain.py").read_text())
    kinds: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in ("KINDS", "OPTIONAL_KINDS"):
            kinds |= set(ast.literal_eval(node.value.args[0]))  # type: ignore[attr-defined]
    assert kinds == set(KINDS)


def test_points_have_no_idle_decimals() -> None:
    assert [points(value) for value in (10.0, 7.5, 10 / 3, 0.005, 0.0)] == ["10", "7.5", "3.33", "0.01", "0"]


def grade(comments: str, *criteria: tuple[str, str]) -> dict[str, Any]:
    listed = [{"id": name, "comment": comment} for name, comment in criteria]
    return {"comments": comments, "details": {"criteria": listed}}


@pytest.mark.parametrize(
    ("told", "rest"),
    [
        (grade("Fine.", ("CR1", "Fine.")), ""),
        (grade("Copied.\nFine.\nCapped.", ("CR1", "Fine.")), "Copied.\nCapped."),
        (grade("CR1: a\nCR2: b\nCapped.", ("CR1", "a"), ("CR2", "b")), "Capped."),
        (grade("Nothing.", ("CR1", "")), "Nothing."),
    ],
)
def test_only_what_the_criteria_do_not_say_is_said_again(told: dict[str, Any], rest: str) -> None:
    assert remark(told) == rest


def test_mentions_are_counted_by_kind_and_value() -> None:
    found = [
        {"type": "EMAIL", "placeholder": "<E_1>", "recogniser": "Email"},
        {"type": "PERSON", "placeholder": "<P_1>", "recogniser": "Repeated"},
        {"type": "PERSON", "placeholder": "<P_1>", "recogniser": "Names"},
        {"type": "PERSON", "placeholder": "<P_2>", "recogniser": "Names"},
    ]
    assert mentions(found) == [("PERSON", 2, 3, "Names, Repeated"), ("EMAIL", 1, 1, "Email")]


def test_a_judgement_says_points_or_a_total_or_that_it_stands() -> None:
    assert judgement("stands", {"CR1": 1.0}, 3.0, " ") == {}
    assert judgement("total", {}, 3.0, " Why. ") == {"score": 3.0, "comment": "Why."}
    assert judgement("criteria", {"CR1": 1.0}, None, "") == {"criteria": [{"id": "CR1", "points": 1.0}]}


def told(value: float, low: float | None = None, high: float | None = None) -> dict[str, float | None]:
    return {"value": value, "low": low, "high": high}


NOTHING = {"n": 0, "qwk": None, "exact": None, "adjacent": None, "mae": None, "bias": None}


def group(rubric: str, model: str, qwk: Any) -> dict[str, Any]:
    some = {"n": 9, "qwk": qwk, "exact": told(0.5), "adjacent": told(1), "mae": told(0.1), "bias": told(-0.2)}
    bands = {"low": some, "mid": NOTHING, "high": some}
    return {"rubric": rubric, "grader": "grader-llm", "model": model, "levels": 5, **some, "bands": bands}


GROUPS = [group("a@1", "m1", told(0.5, -0.25, 0.75)), group("a@1", "m2", told(0.9)), group("b@1", "m1", None)]
WORDS = {name: english for name, (english, _) in W.items()}


def test_a_figure_shows_its_interval_where_there_is_one() -> None:
    assert [figure(one["qwk"]) for one in GROUPS] == ["0.50 [-0.25, 0.75]", "0.90", "-"]


def test_groups_are_named_by_their_model_only_where_the_rest_is_equal() -> None:
    assert names(GROUPS) == ["a@1\ngrader-llm\nm1", "a@1\ngrader-llm\nm2", "b@1\ngrader-llm"]


def test_the_chart_has_a_point_a_known_kappa_and_reaches_below_zero() -> None:
    spec = chart(GROUPS, WORDS).to_dict()
    [rows] = spec["datasets"].values()
    assert [row["value"] for row in rows] == [0.5, 0.9]
    bars, dots = spec["layer"]
    assert dots["encoding"]["x"]["scale"]["domain"] == [-0.25, 1]
    assert bars["transform"] == [{"filter": "isValid(datum.low)"}]


def test_too_few_corrections_are_told_and_empty_thirds_left_out() -> None:
    assert undecided(GROUPS)
    assert not undecided(GROUPS[:1])
    assert list(thirds(GROUPS[:1], WORDS)["Third"]) == ["low", "high"]
    assert list(table(GROUPS, WORDS)["Kappa"]) == ["0.50 [-0.25, 0.75]", "0.90", "-"]
