"""The page Review: the queue, a person's word, somebody else's meanwhile, agreement."""

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from tests.ui.conftest import Page
from tests.ui.fake_gateway import KEY, Asked, FakeGateway, refusal
from tests.ui.test_grade import GRADE, html
from tests.ui.test_graded import GROUPS

TEXT = "Hello <PERSON_1_ab3de>, a router <b>forwards</b> packets."


def grade(name: str, confidence: float) -> dict[str, Any]:
    two = [
        {**GRADE["details"]["criteria"][0], "id": "CR1", "points": 2.5, "max_points": 5.0},
        {**GRADE["details"]["criteria"][0], "id": "CR2", "points": 5.0, "max_points": 5.0, "evidence": ""},
    ]
    return {
        **GRADE,
        "id": name,
        "confidence": confidence,
        "details": {"criteria": two},
        "task_type": "text",
        "correction": None,
    }


AUDIT = {
    "submission": TEXT,
    "question": "Why?",
    "reference_answers": ["It does."],
    "language": None,
    "calls": [],
}


class Desk:
    """The gateway's queue of three grades, which a judged one leaves."""

    def __init__(self, gateway: FakeGateway) -> None:
        self.waiting = [grade("grade_a", 0.2), grade("grade_b", 0.4), grade("grade_c", 0.5)]
        self.judged: dict[str, Any] = {}
        self.gateway = gateway
        gateway.answers["GET", "/v1/rubrics"] = 200, {"data": []}
        gateway.answers["GET", "/v1/reviews"] = self.queue
        for one in self.waiting:
            gateway.answers["GET", f"/v1/grades/{one['id']}"] = self.read
            gateway.answers["POST", f"/v1/reviews/{one['id']}"] = self.judge

    def queue(self, _: Asked) -> tuple[int, Any]:
        left = [one for one in self.waiting if one["id"] not in self.judged]
        return 200, {"data": left, "after": "grade_c"}

    def read(self, asked: Asked) -> tuple[int, Any]:
        [found] = [one for one in self.waiting if one["id"] == asked.path.rsplit("/", 1)[1]]
        audit = {"audit": AUDIT} if "audit" in asked.query else {}
        return 200, {**found, "correction": self.judged.get(found["id"]), **audit}

    def judge(self, asked: Asked) -> tuple[int, Any]:
        [found] = [one for one in self.waiting if one["id"] == asked.path.rsplit("/", 1)[1]]
        correction = word(asked.json.get("score", 7.5), "me")
        self.judged[found["id"]] = correction
        return 201, {**found, "correction": correction}

    @property
    def posts(self) -> list[tuple[str, Any]]:
        return [(one.path, one.json) for one in self.gateway.asked if one.method == "POST"]


def word(score: float, who: str, comment: str = "") -> dict[str, Any]:
    at = "2026-11-21T00:00:00+00:00"
    return {
        "score": score,
        "max_score": 10.0,
        "criteria": [],
        "comment": comment,
        "created_at": at,
        "created_by": who,
    }


@pytest.fixture
def desk(gateway: FakeGateway) -> Desk:
    return Desk(gateway)


def save(page: AppTest) -> AppTest:
    return named(page, "Save, then the next one").click().run()


def named(page: AppTest, label: str) -> Any:
    return next(one for one in page.button if one.label == label)


def test_the_most_doubtful_grade_is_open_with_its_masked_text_and_task(page: Page, desk: Desk) -> None:
    drawn = page("review")
    assert drawn.radio[0].value == "grade_a"
    assert drawn.radio[0].options[0] == "7\\.5 / 10, 20%"
    shown = html(drawn)
    assert "&lt;PERSON_1_ab3de&gt;" in shown
    assert '<mark title="CR1" data-by="CR1">router &lt;b&gt;forwards&lt;/b&gt;</mark>' in shown
    assert "It does." in shown
    assert all(one.headers["authorization"] == f"Bearer {KEY}" for one in desk.gateway.asked)
    assert not drawn.exception


def test_among_equally_doubtful_grades_the_first_is_open_each_time(page: Page, desk: Desk) -> None:
    for one in desk.waiting:
        one["confidence"] = 0.2
    first = page("review")
    assert first.radio[0].value == "grade_a"
    again = page("review", **{"review.later": first.session_state["review.later"]})
    assert again.radio[0].value == "grade_a"


def test_points_by_criterion_are_sent_and_the_next_grade_opens(page: Page, desk: Desk) -> None:
    drawn = page("review")
    drawn.radio[0].set_value("grade_b").run()
    drawn.segmented_control(key="keep.review.mode").set_value("criteria").run()
    drawn.number_input(key="keep.review.grade_b.points.CR1").set_value(4.0)
    drawn.text_area(key="keep.review.grade_b.comment").set_value(" Right. ")
    save(drawn)
    points = [{"id": "CR1", "points": 4.0}, {"id": "CR2", "points": 5.0}]
    assert desk.posts == [("/v1/reviews/grade_b", {"criteria": points, "comment": "Right."})]
    assert drawn.radio[0].value == "grade_c"
    assert drawn.text_area(key="keep.review.grade_c.comment").value == ""
    assert "stands" in drawn.toast[0].value


def test_a_total_or_nothing_but_a_nod_is_sent(page: Page, desk: Desk) -> None:
    drawn = save(page("review"))
    drawn.segmented_control(key="keep.review.mode").set_value("total").run()
    drawn.number_input(key="keep.review.grade_b.score").set_value(3.0)
    save(drawn)
    assert desk.posts == [("/v1/reviews/grade_a", {}), ("/v1/reviews/grade_b", {"score": 3.0})]
    assert "3 of 10, after 7.5" in drawn.toast[0].value


def test_somebody_elses_word_meanwhile_is_shown_and_ours_waits(page: Page, desk: Desk) -> None:
    drawn = page("review")
    drawn.segmented_control(key="keep.review.mode").set_value("total").run()
    drawn.number_input(key="keep.review.grade_a.score").set_value(9.0)
    desk.judged["grade_a"] = word(1.0, "an*other", "No <b>.")
    save(drawn)
    assert not desk.posts
    assert "an\\*other judged this grade meanwhile: 1 of 10" in drawn.warning[0].value
    assert drawn.text[0].value == "Comment: No <b>."
    assert not drawn.info
    named(drawn, "Send mine nevertheless").click().run()
    assert desk.posts == [("/v1/reviews/grade_a", {"score": 9.0})]
    assert drawn.radio[0].value == "grade_b"


def test_somebody_elses_word_may_stay(page: Page, desk: Desk) -> None:
    drawn = page("review")
    desk.judged["grade_a"] = word(1.0, "other")
    save(drawn)
    named(drawn, "Leave theirs").click().run()
    assert not desk.posts
    assert drawn.radio[0].value == "grade_b"


def test_a_grade_that_left_the_queue_while_it_was_read_is_told(page: Page, desk: Desk) -> None:
    drawn = page("review")
    desk.judged["grade_a"] = word(1.0, "other")
    drawn.run()
    assert "waits no longer" in drawn.info[0].value
    assert drawn.radio[0].value == "grade_b"


def test_a_refused_word_stays_typed(page: Page, desk: Desk) -> None:
    drawn = page("review")
    drawn.text_area(key="keep.review.grade_a.comment").set_value("kept")
    desk.gateway.answers["POST", "/v1/reviews/grade_a"] = (
        429,
        refusal("rate_limited", "x"),
        {"retry-after": "4"},
    )
    save(drawn)
    assert "Try again in 4 s." in drawn.warning[0].value
    assert drawn.text_area(key="keep.review.grade_a.comment").value == "kept"


def test_a_key_without_the_right_to_texts_sees_the_rest_and_is_not_asked_for_them_twice(
    page: Page, desk: Desk
) -> None:
    whole = desk.read

    def bare(asked: Asked) -> tuple[int, Any]:
        return (403, refusal("forbidden", "No.")) if "audit" in asked.query else whole(asked)

    for one in desk.waiting:
        desk.gateway.answers["GET", f"/v1/grades/{one['id']}"] = bare
    drawn = page("review")
    drawn.radio[0].set_value("grade_b").run()
    assert any("trainer or admin" in one.value for one in drawn.caption)
    assert "router &lt;b&gt;forwards" in html(drawn)
    assert len([one for one in desk.gateway.asked if "audit" in one.query]) == 1


def test_filters_and_pages_are_the_gateways(page: Page, desk: Desk) -> None:
    drawn = page("review")
    named(drawn, "Older ones").click().run()
    assert desk.gateway.asked[-1].query == {"after": "grade_c"}
    drawn.selectbox(key="keep.review.grader").select("grader-llm").run()
    queues = [one.query for one in desk.gateway.asked if one.path == "/v1/reviews"]
    assert queues == [{}, {"after": "grade_c"}, {"grader": "grader-llm"}]


def test_an_empty_queue_says_what_comes_here(page: Page, gateway: FakeGateway) -> None:
    gateway.answers["GET", "/v1/rubrics"] = 200, {"data": []}
    gateway.answers["GET", "/v1/reviews"] = 200, {"data": [], "after": None}
    assert "unsure" in page("review").info[0].value
    assert "сами" in page("review", "ru").info[0].value


@pytest.mark.parametrize("view", ["queue", "agreement"])
def test_a_gateway_that_is_down_is_told(page: Page, gateway: FakeGateway, view: str) -> None:
    for path in ("/v1/rubrics", "/v1/reviews", "/v1/reviews/agreement"):
        gateway.answers["GET", path] = 502, b"<html>"
    drawn = page("review", **{"keep.review.view": view})
    assert "does not answer" in drawn.error[0].value
    assert not drawn.exception


def test_agreement_is_charted_and_says_where_there_is_too_little_of_it(
    page: Page, gateway: FakeGateway
) -> None:
    gateway.answers["GET", "/v1/rubrics"] = 200, {"data": []}
    gateway.answers["GET", "/v1/reviews/agreement"] = 200, {"data": GROUPS}
    drawn = page("review", **{"keep.review.view": "agreement"})
    assert len(drawn.get("vega_lite_chart")) == 1
    assert "Too few" in drawn.info[0].value
    assert list(drawn.dataframe[0].value["Kappa"]) == ["0.50 [-0.25, 0.75]", "0.90", "-"]
    gateway.answers["GET", "/v1/reviews/agreement"] = 200, {"data": []}
    assert "Nobody has judged" in drawn.run().info[0].value
