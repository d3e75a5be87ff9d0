"""The page Grade: what is sent, what is shown, what stays after a failure."""

from typing import Any

from streamlit.testing.v1 import AppTest

from tests.ui.conftest import Page
from tests.ui.fake_gateway import KEY, FakeGateway, refusal

MODELS = {
    "data": [
        {"id": "stand-in", "output": "text"},
        {"id": "grader-llm", "output": "grade"},
        {"id": "grader-auto", "output": "grade"},
    ]
}
TEXT = "Меня зовут Анна 😀. A router <b>forwards</b> packets."
MASKED = {
    "masked": "Меня зовут <PERSON_1_ab3de> 😀. A router <b>forwards</b> packets.",
    "entities": [
        {
            "type": "PERSON",
            "start": 11,
            "end": 15,
            "score": 1.0,
            "recogniser": "RussianNames",
            "placeholder": "<PERSON_1_ab3de>",
        }
    ],
}
GRADE: dict[str, Any] = {
    "id": "grade_1",
    "score": 7.5,
    "max_score": 10.0,
    "comments": "Mostly **right**.",
    "details": {
        "criteria": [
            {
                "id": "CR1",
                "points": 7.5,
                "max_points": 10.0,
                "evidence": "router <b>forwards</b>",
                "comment": "Mostly **right**.",
            }
        ]
    },
    "grader": "grader-llm",
    "version": "m",
    "versions": {"model": "m_1_x", "prompt": "p", "rubric": "essay@1.0.0", "contract": "v1.1"},
    "confidence": 0.64,
    "needs_review": True,
    "review_reasons": ["low_confidence", "a_new_reason"],
    "partial": False,
    "label": None,
    "usage": {"prompt_tokens": 5, "completion_tokens": 3},
    "cached": True,
}


def ready(gateway: FakeGateway) -> None:
    gateway.answers["GET", "/v1/models"] = 200, MODELS
    gateway.answers["GET", "/v1/rubrics"] = 200, {"data": [{"id": "essay@1.0.0"}]}
    gateway.answers["POST", "/v1/mask"] = 200, MASKED
    gateway.answers["POST", "/v1/models/grader-auto:predict"] = 200, GRADE
    gateway.answers["POST", "/v1/models/grader-llm:predict"] = 200, GRADE


def press(page: AppTest, which: int = 0) -> AppTest:
    return page.button[which].click().run()


def typed(page: AppTest) -> AppTest:
    page.text_area(key="keep.grade.submission").set_value(TEXT)
    return page


def html(page: AppTest) -> str:
    return "\n".join(one.proto.body for one in page.get("html"))


def posts(gateway: FakeGateway) -> list[Any]:
    return [one for one in gateway.asked if one.method == "POST"]


def test_before_anything_is_graded_the_page_says_what_will_be_there(page: Page, gateway: FakeGateway) -> None:
    ready(gateway)
    drawn = page("grade")
    assert "Paste a submission" in drawn.info[0].value
    assert drawn.selectbox(key="keep.grade.grader").options == ["Automatic", "LLM"]
    assert drawn.selectbox(key="keep.grade.rubric").options == ["Default", "essay@1.0.0"]
    assert not posts(gateway)


def test_a_grade_is_asked_for_with_what_was_typed_and_shown_with_its_evidence(
    page: Page, gateway: FakeGateway
) -> None:
    ready(gateway)
    drawn = typed(page("grade"))
    drawn.text_area(key="keep.grade.question").set_value("Why?")
    drawn.selectbox(key="keep.grade.rubric").select("essay@1.0.0")
    drawn.selectbox(key="keep.grade.grader").select("grader-llm")
    drawn.number_input(key="keep.grade.max_score").set_value(5.0)
    drawn.checkbox(key="keep.grade.fresh").check()
    press(drawn)
    mask, grade = posts(gateway)
    assert (mask.path, mask.json) == ("/v1/mask", {"text": TEXT, "task_type": "text"})
    assert grade.path == "/v1/models/grader-llm:predict"
    assert grade.json == {
        "contract": "v1.1",
        "task_type": "text",
        "submission": TEXT,
        "grader": "llm",
        "metadata": {"max_score": 5.0},
        "question": "Why?",
        "rubric_id": "essay@1.0.0",
    }
    assert grade.headers["cache-control"] == "no-cache"
    assert grade.headers["authorization"] == f"Bearer {KEY}"
    assert [one.value for one in drawn.metric] == ["7.5 / 10", "64%"]
    assert "The grader is not sure." in drawn.warning[0].value
    assert "a\\_new\\_reason" in drawn.warning[0].value
    shown = html(drawn)
    assert '<mark title="CR1" data-by="CR1">router &lt;b&gt;forwards&lt;/b&gt;</mark>' in shown
    assert '<mark class="masked" title="PERSON">&lt;PERSON_1_ab3de&gt;</mark>' in shown
    assert "<td>Person</td>" in shown
    assert "<b>" not in shown
    # With a sign in it that nobody sees, or it would be a link to write a letter to.
    assert any("essay@1" in one.value.replace("\\", "").replace("\u2060", "") for one in drawn.caption)
    assert drawn.code[0].value.startswith(f"curl {gateway.url}/v1/models/grader-llm:predict")
    assert KEY not in "".join(str(one.proto) for one in drawn.main)


def test_the_result_outlives_a_visit_elsewhere_and_another_language(page: Page, gateway: FakeGateway) -> None:
    ready(gateway)
    drawn = press(typed(page("grade")))
    drawn.session_state["keep.language"] = "ru"
    drawn.run()
    assert drawn.metric[0].label == "Балл"
    assert drawn.text_area(key="keep.grade.submission").value == TEXT
    assert len(posts(gateway)) == 2


def test_only_masking_is_asked_for_where_only_that_is_wanted(page: Page, gateway: FakeGateway) -> None:
    ready(gateway)
    drawn = press(typed(page("grade", "ru")), 1)
    assert [one.path for one in posts(gateway)] == ["/v1/mask"]
    assert "Человек" in html(drawn)
    assert not drawn.metric


def test_an_empty_submission_is_graded_and_has_nothing_to_mask(page: Page, gateway: FakeGateway) -> None:
    ready(gateway)
    drawn = press(page("grade"))
    assert [one.path for one in posts(gateway)] == ["/v1/models/grader-auto:predict"]
    assert any("nothing to mask" in one.value for one in drawn.caption)


def test_a_refusal_is_told_and_costs_nothing_that_was_typed_nor_the_masked_text(
    page: Page, gateway: FakeGateway
) -> None:
    ready(gateway)
    gateway.answers["POST", "/v1/models/grader-auto:predict"] = (
        422,
        refusal("invalid_request", "Bad [x](http://evil.example).", "rubric_id"),
    )
    drawn = press(typed(page("grade")))
    assert "\\[x\\]" in drawn.error[0].value
    assert drawn.text_area(key="keep.grade.submission").value == TEXT
    assert "PERSON" in html(drawn)
    assert not drawn.exception


def test_a_spent_rate_and_a_role_that_may_not_are_told_in_words(page: Page, gateway: FakeGateway) -> None:
    ready(gateway)
    gateway.answers["POST", "/v1/mask"] = 403, refusal("forbidden", "No.")
    gateway.answers["POST", "/v1/models/grader-auto:predict"] = (
        429,
        refusal("rate_limited", "Spent."),
        {"retry-after": "9"},
    )
    drawn = press(typed(page("grade")))
    assert "may not do this" in drawn.warning[0].value
    assert "Try again in 9 s." in drawn.warning[1].value
    assert not drawn.exception


def test_while_the_gateway_is_down_the_form_stays_with_all_that_stands_in_it(
    page: Page, gateway: FakeGateway
) -> None:
    ready(gateway)
    drawn = typed(page("grade"))
    drawn.selectbox(key="keep.grade.grader").select("grader-llm").run()
    gateway.answers = dict.fromkeys([*gateway.answers, ("GET", "/-/healthz")], (502, b"<html>"))
    press(drawn)
    assert ["does not answer" in one.value for one in drawn.error] == [True]
    assert drawn.text_area(key="keep.grade.submission").value == TEXT
    assert drawn.selectbox(key="keep.grade.grader").value == "grader-llm"
    assert not drawn.exception


def test_a_file_becomes_what_is_typed_or_says_why_it_cannot(page: Page, gateway: FakeGateway) -> None:
    ready(gateway)
    drawn = page("grade")
    uploader = drawn.get("file_uploader")[0]
    uploader.set_value(("a.py", "print('ё')\r\n".encode(), "text/x-python")).run()
    assert drawn.text_area(key="keep.grade.submission").value == "print('ё')\n"
    drawn.get("file_uploader")[0].set_value(("b.txt", "ё".encode("cp1251"), "text/plain")).run()
    assert "not UTF-8" in drawn.error[0].value
    assert drawn.text_area(key="keep.grade.submission").value == "print('ё')\n"


def test_hostile_and_endless_text_is_shown_as_text(page: Page, gateway: FakeGateway) -> None:
    ready(gateway)
    hostile = "<script>alert(1)</script> **b** [x](javascript:alert(1)) \0 " + "слово" * 2000
    criterion = {**GRADE["details"]["criteria"][0], "comment": hostile, "evidence": hostile, "id": "<i>"}
    gateway.answers["POST", "/v1/models/grader-auto:predict"] = (
        200,
        {
            **GRADE,
            "comments": hostile,
            "details": {"criteria": [criterion]},
            "label": hostile,
            "grader": hostile,
        },
    )
    drawn = page("grade")
    drawn.text_area(key="keep.grade.submission").set_value(hostile)
    press(drawn)
    assert not drawn.exception
    assert "<script" not in html(drawn)
    assert "\0" not in html(drawn)
    for one in (*drawn.caption, *drawn.markdown, *drawn.warning):
        assert one.value.count("<") == one.value.count("\\<")
