"""How a prompt's parts are cut to a context window."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.grading.cutting import cut
from gateway.grading.prompt import Parts


def test_cuts_come_in_the_stated_order() -> None:
    parts = Parts("q " * 500, "r " * 500, "s " * 500)
    touched: list[str] = []
    while (shorter := cut(parts, 150)) is not None:
        changed = next(
            name
            for name in ("question", "reference", "submission")
            if getattr(shorter, name) != getattr(parts, name)
        )
        if not touched or touched[-1] != changed:
            touched.append(changed)
        parts = shorter
    assert touched == ["question", "reference", "submission", "question", "reference"]


def test_a_question_keeps_its_end_a_reference_its_beginning_a_submission_both() -> None:
    parts = Parts(
        "first " + "x " * 300 + "last?", "first " + "x " * 300 + "last", "first " + "x " * 300 + "last"
    )
    while (shorter := cut(parts, 500)) is not None and shorter.reference and shorter.question:
        parts = shorter
    assert parts.question.endswith("last?")
    assert "first" not in parts.question
    assert parts.reference.startswith("first")
    assert "last" not in parts.reference
    assert parts.submission.startswith("first")
    assert parts.submission.endswith("last")


@given(st.text(), st.text(), st.text(min_size=1), st.integers(1, 400))
def test_cutting_always_ends_and_never_adds(
    question: str, reference: str, submission: str, step: int
) -> None:
    parts: Parts | None = Parts(question, reference, submission)
    for _ in range(2000):
        assert parts is not None
        before = len(parts.question) + len(parts.reference) + len(parts.submission)
        parts = cut(parts, step)
        if parts is None:
            return
        assert len(parts.question) + len(parts.reference) + len(parts.submission) <= before + 6
    raise AssertionError("cutting did not end")


def test_a_placeholder_is_never_cut_in_two() -> None:
    parts = Parts("", "", "<PERSON_1_k3f9x> " * 60)
    while (shorter := cut(parts, 37)) is not None:
        parts = shorter
        assert set(parts.submission.split()) <= {"<PERSON_1_k3f9x>", "..."}
