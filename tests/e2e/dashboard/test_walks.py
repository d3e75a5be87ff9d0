"""What people do with the dashboard, from the login to the last answer, each in a browser of their own."""

import csv
import json
import random
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import API_KEY, Stack, free_port
from tests.e2e.dashboard.conftest import House, answers, dashboard, running, until
from tests.e2e.dashboard.tab import PATIENCE_MS, Tab

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

Open = Callable[..., Tab]

PLANTED = ("Elizabeth Bennet", "e.bennet@example.org", "4111 1111 1111 1111")
SUBMISSION = (
    "My name is Elizabeth Bennet (e.bennet@example.org, card 4111 1111 1111 1111). During photosynthesis "
    "plants take in carbon dioxide and water. In the light they turn them into sugar and release oxygen."
)
QUESTION = "What do plants take in and what do they release during photosynthesis?"
REFERENCE = "Plants take in carbon dioxide and water and release oxygen."
CALM = "The essay on rivers is due on {day}, room {room}. Please bring your notes and the signed form."
LOUD = "WINNER {day}! Claim your FREE prize of {room} pounds now, txt WIN to 8{day}00, call 0906{room}!!!"


def test_a_known_key_opens_it_and_a_grade_shows_its_reasons_and_hides_nobodys_data_from_view(
    house: House, open_tab: Open
) -> None:
    tab = open_tab(house.url, key="sk-nobody-knows-this-one")
    tab.sees("The gateway does not know this key.")
    tab.picture("login_1280")
    tab.log_in(API_KEY)
    tab.sees("Paste a submission and press Grade")
    tab.type_in("Submission", SUBMISSION)
    tab.type_in("Question", QUESTION)
    tab.type_in("Reference answers", REFERENCE)
    tab.choose("Grader", "LLM")
    tab.press("Grade")
    score = tab.page.get_by_test_id("stMetricValue").first
    expect(score).to_contain_text("/ 10", timeout=PATIENCE_MS)
    tab.sees("Graded by grader-llm")
    tab.picture("grade_done_1280")
    tab.page.get_by_role("tab", name="What is masked").click()
    masked = tab.sees("<PERSON_1_").locator("xpath=ancestor-or-self::div[contains(@class, 'passage')]")
    for value in PLANTED:
        expect(masked).not_to_contain_text(value)
    tab.picture("grade_masked_1280")
    tab.page.get_by_role("tab", name="As a request").click()
    request = tab.page.get_by_role("tabpanel").get_by_test_id("stCode")
    expect(request).to_contain_text("/v1/models/grader-llm:predict")
    expect(request).to_contain_text("Bearer $GATEWAY_KEY")
    expect(request).not_to_contain_text(API_KEY)


def test_what_is_typed_outlives_a_visit_to_another_page(house: House, open_tab: Open) -> None:
    tab = open_tab(house.url)
    tab.type_in("Submission", SUBMISSION)
    for page in ("Status", "Training", "Grade"):
        tab.visit(page)
    expect(tab.page.get_by_label("Submission", exact=True)).to_have_value(SUBMISSION)
    tab.page.get_by_role("button", name="Русский", exact=True).or_(
        tab.page.get_by_role("radio", name="Русский", exact=True)
    ).click()
    tab.stands_on("Оценить")
    expect(tab.page.get_by_label("Работа", exact=True)).to_have_value(SUBMISSION)


def test_a_table_becomes_a_model_that_predicts_a_row_and_a_file(
    house: House, open_tab: Open, tmp_path: Path
) -> None:
    table = _table(tmp_path / "exam-results.csv", 300)
    tab = open_tab(house.url)
    tab.visit("Datasets")
    tab.upload(table)
    tab.choose("Column to be predicted (may stay empty)", "result")
    tab.press("Upload")
    tab.sees("Version 1 of exam-results is uploaded.")
    tab.sees_no("Not yet under DVC")
    tab.picture("datasets_1280")
    tab.visit("Training")
    tab.choose("Data set", "exam-results")
    tab.type_in("Model name", "exam")
    tab.press("Start the training")
    tab.sees("exam: version 1 is trained, accuracy")
    tab.picture("training_1280")
    tab.visit("Inference")
    tab.choose("Model", "exam")
    tab.type_in("hours", "9")
    tab.type_in("absences", "0")
    tab.press("Predict")
    tab.sees("passed")
    tab.picture("inference_1280")
    tab.page.get_by_role("tab", name="A CSV file").click()
    tab.upload(_table(tmp_path / "new.csv", 40))
    tab.press("Predict 40 rows")
    tab.sees("Rows predicted: 40.")
    with tab.page.expect_download() as download:
        tab.press("Download the result")
    with Path(download.value.path()).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 40
    assert {row["prediction"] for row in rows} == {"passed", "failed"}


def test_a_persons_correction_is_counted_in_the_agreement(house: House, open_tab: Open) -> None:
    _, grade, _ = house.stack.grade(
        by="grader-embedding",
        submission="Perhaps the moon does, on some nights.",
        question="What drives the tides?",
        reference_answers=["The gravity of the moon and the sun."],
    )
    assert grade["needs_review"], grade
    judged = _judged(house.stack)
    tab = open_tab(house.url)
    tab.visit("Review")
    tab.sees("Perhaps the moon does")
    tab.picture("review_1280")
    tab.page.get_by_role("radio", name="Another total").click()
    tab.type_in("Total, up to 10", "3.5")
    tab.type_in("Comment, without personal data", "Only half of the cause.")
    tab.press("Save, then the next one")
    tab.sees("Saved: 3.5 of 10, after")
    assert _judged(house.stack) == judged + 1
    tab.page.get_by_role("radio", name="Agreement").click()
    tab.sees("By the person's mark")
    tab.sees_no("Nobody has judged a grade yet")
    tab.picture("agreement_1280")


def test_traffic_that_changed_is_found_and_its_report_opens_in_the_page(house: House, open_tab: Open) -> None:
    _noted(house.stack, CALM, 160)
    tab = open_tab(house.url)
    tab.visit("Drift")
    tab.choose("Model", "spam")
    tab.type_in("Up to hours ago", "0")
    tab.press("Keep")
    tab.sees("Kept: ")
    _noted(house.stack, LOUD, 320)
    tab.press("Run now")
    expect(tab.page.get_by_text("Drifted", exact=True).filter(visible=True).first).to_be_visible(
        timeout=PATIENCE_MS
    )
    tab.page.get_by_text("Show Evidently's report").click()
    report = tab.page.frame_locator("iframe").frame_locator("iframe")
    expect(report.get_by_text("Drift").first).to_be_visible(timeout=PATIENCE_MS)
    tab.picture("drift_report_1280")
    with tab.page.expect_download() as download:
        tab.press("Download the report")
    assert b"<html" in Path(download.value.path()).read_bytes()[:2000].lower()
    with urllib.request.urlopen(f"{house.evidently}/api/v2/projects", timeout=30) as answer:
        assert [one["name"] for one in json.load(answer)] == ["grading-gateway"]


def test_a_gateway_that_dies_loses_nobody_their_words(house: House, open_tab: Open, tmp_path: Path) -> None:
    port = str(free_port())
    url = f"http://127.0.0.1:{port}"
    own = {"PORT": port, "DATABASE_URL": f"sqlite:///{tmp_path}/store.db", "MASK_NAMES": "false"}
    settings = {**house.stack.settings, **own}
    with dashboard(tmp_path, url) as shown:
        with running(tmp_path, ".venv", "gateway", "serve", **settings) as gateway:
            until(lambda: answers(f"{url}/v1/models/grader-embedding", API_KEY), "the grader")
            tab = open_tab(shown)
            tab.type_in("Submission", "Plants release oxygen.")
            tab.type_in("Reference answers", REFERENCE)
            tab.choose("Grader", "Embeddings")
            gateway.kill()
            gateway.wait()
            tab.press("Grade")
            tab.sees("The gateway does not answer.")
            tab.picture("grade_down_1280")
        with running(tmp_path, ".venv", "gateway", "serve", **settings):
            until(lambda: answers(f"{url}/v1/models/grader-embedding", API_KEY), "the grader")
            expect(tab.page.get_by_label("Submission", exact=True)).to_have_value("Plants release oxygen.")
            tab.press("Grade")
            tab.sees("Graded by grader-embedding")
            tab.sees_no("The gateway does not answer.")


def _table(path: Path, rows: int) -> Path:
    """Who learns for long passes."""
    chance = random.Random(rows)
    lines = ["hours,absences,result"]
    for _ in range(rows):
        hours, absences = chance.uniform(0, 10), chance.randrange(5)
        lines.append(f"{hours:.2f},{absences},{'passed' if hours - absences > 3 else 'failed'}")
    path.write_text("\n".join(lines) + "\n")
    return path


def _judged(stack: Stack) -> int:
    groups: list[Any] = stack.get("/v1/reviews/agreement")[1]["data"]
    return sum(group["n"] for group in groups)


def _noted(stack: Stack, text: str, count: int) -> None:
    """Has as many texts classified, and waits until they are in the log."""
    before = _rows(stack)
    for start in range(0, count, 32):
        texts = [
            {"text": text.format(day=place % 28 + 1, room=100 + place)} for place in range(start, start + 32)
        ]
        status, told, _ = stack.post("/v1/models/spam:predict", {"instances": texts})
        assert status == 200, told
    until(lambda: _rows(stack) >= before + count, "the observations")


def _rows(stack: Stack) -> int:
    models: list[Any] = stack.get("/v1/drift")[1]["data"]
    return sum(one["rows"] for one in models if one["model"] == "spam")
