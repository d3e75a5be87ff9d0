"""Grades that are kept, against the real graders."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.e2e.conftest import API_KEY, ROOT, Stack

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

PLANTED = ("Корнеева", "korneeva@example.org", "4111 1111 1111 1111", "112-233-445 95", "stu-4711")
ANSWER = {
    "submission": "Я, Корнеева Ольга Петровна (korneeva@example.org, карта 4111 1111 1111 1111), думаю: "
    "plants give off oxygen. СНИЛС 112-233-445 95.",
    "question": "What gas do plants release during photosynthesis?",
    "reference_answers": ["Plants release oxygen."],
    "metadata": {"max_score": 10},
    "student_id": "stu-4711",
}


def stored(stack: Stack) -> bytes:
    """Every byte of the database, its log included."""
    return b"".join(file.read_bytes() for file in stack.log.parent.glob("store.db*"))


@pytest.mark.parametrize("grader", ["grader-llm", "grader-embedding"])
def test_what_is_kept_of_a_grade_names_nobody_and_shows_how_it_came_about(stack: Stack, grader: str) -> None:
    status, grade, _ = stack.grade(by=grader, **ANSWER)
    assert status == 200, grade
    status, kept, _ = stack.get(f"/v1/grades/{grade['id']}?audit=true")
    assert status == 200
    assert kept["score"] == grade["score"]
    assert "PERSON_1" in kept["audit"]["submission"]
    if grader == "grader-llm":
        call = kept["audit"]["calls"][0]
        assert call["request"]["response_format"]["type"] == "json_schema"
        assert call["response"]["choices"][0]["message"]["content"].startswith("{")
    lying = stored(stack)
    assert b"PERSON_1" in lying
    # The surrogate key is the platform's way to find its student again: kept, and sent nowhere.
    assert [value for value in PLANTED[:-1] if value.encode() in lying] == []
    assert PLANTED[-1].encode() in lying
    assert PLANTED[-1].encode() not in stack.wire.sent + stack.embeddings_wire.sent


def test_the_same_words_are_sent_to_the_model_once(stack: Stack) -> None:
    payload = {**ANSWER, "submission": "Plants breathe out oxygen.", "student_id": "a"}
    _, first, _ = stack.grade(**payload)
    sent = len(stack.wire.sent)
    _, again, _ = stack.grade(**payload)
    _, other, _ = stack.grade(**{**payload, "student_id": "b"})
    assert len(stack.wire.sent) == sent
    assert (again["id"], again["cached"]) == (first["id"], True)
    assert other["id"] != first["id"]
    assert (other["score"], other["comments"]) == (first["score"], first["comments"])


def test_the_shipped_grader_is_no_worse_than_its_golden_baseline(stack: Stack, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            ROOT / ".venv/bin/python", "-m", "gateway", "golden", "check", "--url", stack.url,
            "--grader", "grader-embedding", "--report", tmp_path / "report.html",
        ],
        cwd=ROOT, env={**os.environ, "API_KEY": API_KEY}, capture_output=True, text=True, timeout=110,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "report.html").read_text().startswith("<!doctype html>")
