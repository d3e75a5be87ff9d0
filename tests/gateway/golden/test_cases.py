"""The golden set itself, and what is refused in its place."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.contracts.files import REQUEST, V1_1, name_of
from gateway.contracts.validation import check
from gateway.golden.cases import Stratum, counts, load
from gateway.golden.errors import Unusable
from gateway.golden.lines import TAGS, Band
from tests.gateway.golden.pseudo import SET

CASES = load(SET)
Edit = Callable[[dict[str, Any]], None]


def test_every_request_is_of_contract_v1_1_and_names_no_grader() -> None:
    for case in CASES:
        check(dict(case.request), name_of(V1_1, case.task_type, REQUEST))
        assert "grader" not in case.request, case.id


def test_the_set_is_spread_over_task_types_languages_bands_and_tags() -> None:
    found = counts(CASES)
    assert len(CASES) >= 120
    for language in ("en", "ru"):
        assert found[Stratum("language", language)] >= 0.4 * len(CASES)
    for task_type in ("code", "text", "classification"):
        assert found[Stratum("task type", task_type)] >= 15
    for band in Band:
        assert found[Stratum("band", band)] >= 15
    assert found[Stratum("tag", "attack")] >= 20
    assert found[Stratum("tag", "hard-negative")] >= 20
    assert all(found[Stratum("tag", tag)] for tag in TAGS)


def test_no_two_cases_ask_the_same_of_a_grader() -> None:
    asked = [json.dumps(case.request, sort_keys=True) for case in CASES]
    assert len(set(asked)) == len(asked)


def test_languages_are_what_they_are_said_to_be() -> None:
    for case in CASES:
        russian = any("а" <= letter <= "я" for letter in case.request["question"].lower())
        assert russian == (case.language == "ru"), case.id


@pytest.fixture
def own_set(tmp_path: Path) -> Path:
    """A copy with one file of cases, which tests may spoil."""
    shutil.copytree(SET / "rubrics", tmp_path / "rubrics")
    (tmp_path / "cases").mkdir()
    for file in (SET / "cases").glob("*.jsonl"):
        shutil.copy(file, tmp_path / "cases")
    return tmp_path


def spoil(folder: Path, edit: Edit, name: str = "physics", number: int = 0) -> None:
    file = folder / "cases" / f"{name}.jsonl"
    lines = file.read_text(encoding="utf-8").splitlines()
    case = json.loads(lines[number])
    edit(case)
    lines[number] = json.dumps(case)
    file.write_text("\n".join(lines), encoding="utf-8")


def expected(**changes: Any) -> Edit:
    return lambda case: case["expected"].update(changes)


def asked(**changes: Any) -> Edit:
    return lambda case: case["request"].update(changes)


@pytest.mark.parametrize(
    ("edit", "fault"),
    [
        (lambda case: case.update(band="low"), "band"),
        (lambda case: case.update(tags=["clever"]), "tags"),
        (lambda case: case.update(tags=["brief", "brief"]), "tags"),
        (lambda case: case.update(tags=["base64"]), "attack"),
        (lambda case: case.update(tags=["negated"]), "hard negative"),
        (lambda case: case.update(tags=["tests"]), "tests"),
        (lambda case: case.update(tags=["constraint"]), "without a rubric"),
        (lambda case: case.update(id="moon-drop"), "id"),
        (lambda case: case.update(id="moon-drop/weak-gravity"), "more than once"),
        (lambda case: case.update(language="ru"), "language"),
        (lambda case: case.update(task_type="code"), "task_type"),
        (lambda case: case.update(hint="x"), "hint"),
        (lambda case: case.update(rubric_ref="unknown@1.0.0"), "rubric_ref"),
        (lambda case: case.pop("why"), "why"),
        (expected(share=1.5), "share"),
        (expected(share=None), "share"),
        (expected(label="correct"), "label"),
        (expected(criteria={"CR1": 1.0}), "criteria"),
        (asked(grader="llm"), "grader"),
        (asked(contract=None), "v1.1"),
        (asked(question=None), "question"),
        (asked(question="Another?"), "family"),
        (asked(points=3), "unknown field"),
        (asked(metadata={"max_score": 0}), "max_score"),
    ],
)
def test_a_spoilt_case_is_refused_with_its_place(own_set: Path, edit: Edit, fault: str) -> None:
    spoil(own_set, edit)
    with pytest.raises(Unusable, match=fault):
        load(own_set)


@pytest.mark.parametrize(
    ("edit", "fault"),
    [
        (expected(share=0.9), "band"),
        (lambda case: (case.update(band="high"), expected(share=0.9)(case)), "criteria"),
        (expected(criteria={"CR1": 1}), "each criterion"),
        (lambda case: case.update(tags=["constraint"]), "constraint"),
        (asked(rubric={"criteria": []}), "rubric_ref"),
    ],
)
def test_a_mark_must_be_what_its_rubric_makes_of_the_criteria(own_set: Path, edit: Edit, fault: str) -> None:
    number = next(
        place for place, case in enumerate(c for c in CASES if c.topic == "physics") if "kettle/w" in case.id
    )
    spoil(own_set, edit, number=number)
    with pytest.raises(Unusable, match=fault):
        load(own_set)


@pytest.mark.parametrize(
    "edit", [expected(label="praise"), expected(share=1.0), asked(reference_answers=["thanks"])]
)
def test_a_classification_has_one_of_its_labels_and_nobody_is_told_which(own_set: Path, edit: Edit) -> None:
    spoil(own_set, edit, "classification")
    with pytest.raises(Unusable, match=r"classification\.jsonl, line 1"):
        load(own_set)


def test_rubrics_are_named_as_their_files_and_used(own_set: Path) -> None:
    rubric = own_set / "rubrics" / "one-criterion@1.0.0.json"
    rubric.with_name("spare@1.0.0.json").write_bytes(rubric.read_bytes())
    with pytest.raises(Unusable, match="spare"):
        load(own_set)


def test_no_set_and_broken_lines_are_refused(own_set: Path, tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="no cases"):
        load(tmp_path / "elsewhere")
    (own_set / "cases" / "broken.jsonl").write_text("{\n", encoding="utf-8")
    with pytest.raises(Unusable, match=r"broken\.jsonl, line 1: not JSON"):
        load(own_set)


def test_the_digest_follows_the_question_and_the_expectation_but_not_the_reason(own_set: Path) -> None:
    def digest() -> str:
        return next(case.digest for case in load(own_set) if case.id == "moon-drop/same-time")

    first = digest()
    spoil(own_set, lambda case: case.update(why="Another sentence."))
    assert digest() == first
    spoil(own_set, expected(tolerance=0.3))
    second = digest()
    spoil(own_set, asked(submission="Same time."))
    assert len({first, second, digest()}) == 3
