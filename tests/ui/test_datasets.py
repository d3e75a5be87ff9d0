"""The page of data sets."""

from typing import Any

import pytest

from tests.ui.conftest import Page
from tests.ui.fake_gateway import KEY, Asked, FakeGateway, refusal

LIST = ("GET", "/v1/datasets")
ONE = ("GET", "/v1/datasets/attempts")
SEND = ("POST", "/v1/datasets")
HOSTILE = "<script>alert(1)</script> **b** [x](javascript:alert(1))"
DVC = {"state": "pushed", "hash": "53bbef9a57ed17c634d8e34a6c7d6571", "attempts": 0, "error": None}


def data_set(**said: Any) -> dict[str, Any]:
    column = {"missing": 0, "distinct": 3, "minimum": None, "maximum": None, "mean": None, "deviation": None}
    made = {
        "name": "attempts", "version": 2, "id": "attempts@2", "created_at": 1795302591, "format": "csv",
        "bytes": 25854, "sha256": "a" * 64, "rows": 2000, "target": "passed", "duplicate_rows": 274,
        "dvc": DVC,
        "columns": [
            {**column, "name": "minutes", "type": "integer", "minimum": 5.0, "maximum": 240.0, "top": []},
            {**column, "name": HOSTILE, "type": "text", "top": [[HOSTILE, 679]]},
            {**column, "name": "passed", "type": "integer", "top": [[0, 1158], [1, 842]]},
        ],
        "warnings": [f"'{HOSTILE}' is odd."], "preview": [[39, HOSTILE, 0], [None, "x" * 80, 1]],
        "versions": [
            {"version": number, "created_at": 1795302591, "rows": 2000, "sha256": "a" * 64, "dvc": DVC}
            for number in (2, 1)
        ],
    }  # fmt: skip
    return {**made, **said}


def serve(gateway: FakeGateway, found: dict[str, Any] | None = None) -> None:
    found = found or data_set()
    gateway.answers[LIST] = 200, {"data": [found], "has_more": False}
    gateway.answers[ONE] = 200, found


def texts(drawn: Any) -> str:
    """Everything that Streamlit would render as Markdown."""
    kinds = ("markdown", "caption", "error", "warning", "info", "success", "subheader", "title")
    return "\n".join(one.value for kind in kinds for one in getattr(drawn, kind))


@pytest.mark.parametrize("language", ["en", "ru"])
def test_a_data_set_is_shown_with_checks_columns_and_versions(
    page: Page, gateway: FakeGateway, language: str
) -> None:
    serve(gateway)
    drawn = page("datasets", language)
    assert not drawn.exception
    listed, columns, preview, versions = (one.value for one in drawn.dataframe)
    assert "attempts" in listed.iloc[0].tolist()
    assert columns.iloc[1].tolist()[:2] == [HOSTILE, "text"]
    assert preview.iloc[0].tolist() == ["39", HOSTILE, "0"]
    assert versions.iloc[:, 0].tolist() == [2, 1]
    assert DVC["hash"] in drawn.html[-1].value
    assert "274" in drawn.html[-1].value
    assert "odd" in drawn.warning[0].value


def test_hostile_names_are_no_markup(page: Page, gateway: FakeGateway) -> None:
    serve(gateway, data_set(target=HOSTILE))
    drawn = page("datasets")
    assert not drawn.exception
    assert "<script>" not in texts(drawn)
    assert "](javascript" not in texts(drawn)
    assert "<script>" not in drawn.html[-1].value


def test_without_data_sets_the_page_says_what_would_make_one(page: Page, gateway: FakeGateway) -> None:
    gateway.answers[LIST] = 200, {"data": [], "has_more": False}
    drawn = page("datasets")
    assert "Upload a table" in drawn.info[0].value
    assert drawn.expander[0].proto.expanded


def test_more_than_a_page_are_asked_for_by_name(page: Page, gateway: FakeGateway) -> None:
    gateway.answers[LIST] = lambda asked: (
        (200, {"data": [data_set(name="b")], "has_more": False})
        if asked.query.get("after")
        else (200, {"data": [data_set()], "has_more": True})
    )
    gateway.answers[ONE] = 200, data_set()
    drawn = page("datasets")
    assert drawn.dataframe[0].value.iloc[:, 0].tolist() == ["attempts", "b"]
    assert [one.query.get("after") for one in gateway.asked[:2]] == [None, "attempts"]


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [(403, "forbidden", "trainer or admin"), (429, "rate_limited", "Too many requests")],
)
def test_a_refusal_is_told(page: Page, gateway: FakeGateway, status: int, code: str, words: str) -> None:
    gateway.all_refuse(status, code, **{"retry-after": "3"})
    assert words in page("datasets").warning[0].value


def test_a_gateway_that_is_down_is_told(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_URL", "http://127.0.0.1:9")
    drawn = page("datasets")
    assert "does not answer" in drawn.error[0].value
    assert not drawn.exception


def upload(drawn: Any, content: bytes, name: str = "My File.csv") -> Any:
    drawn.file_uploader[0].set_value((name, content, "text/csv")).run()
    assert drawn.text_input[0].value == "my-file"
    drawn.selectbox(key="keep.datasets.target").select("b")
    return next(one for one in drawn.button if one.label == "Upload").click().run()


def test_an_upload_is_sent_as_it_came_and_told(page: Page, gateway: FakeGateway) -> None:
    serve(gateway)
    gateway.answers[SEND] = 201, data_set()
    drawn = upload(page("datasets"), b"a,b\n1,2\n")
    sent = next(one for one in gateway.asked if one.method == "POST")
    assert (sent.path, sent.query, sent.body) == (
        "/v1/datasets",
        {"name": "my-file", "target": "b"},
        b"a,b\n1,2\n",
    )
    assert (sent.headers["content-type"], sent.headers["authorization"]) == ("text/csv", f"Bearer {KEY}")
    assert "Version 2 of attempts is uploaded" in drawn.success[0].value
    gateway.answers[SEND] = 200, data_set()
    drawn = upload(page("datasets"), b"a,b\n1,2\n")
    assert "Unchanged: version 2" in drawn.success[0].value


def test_another_file_takes_its_own_name_but_none_that_was_typed(page: Page, gateway: FakeGateway) -> None:
    """Else the next file would become a version of the last one's data set."""
    serve(gateway)
    drawn = page("datasets")
    drawn.file_uploader[0].set_value(("one.csv", b"a,b\n", "text/csv")).run()
    drawn.file_uploader[0].set_value(("two.csv", b"a,b\n", "text/csv")).run()
    assert drawn.text_input[0].value == "two"
    drawn.text_input[0].set_value("mine").run()
    drawn.file_uploader[0].set_value(("one.csv", b"a,b\n", "text/csv")).run()
    assert drawn.text_input[0].value == "mine"


def test_a_refused_file_has_its_line_shown_and_what_was_typed_stays(page: Page, gateway: FakeGateway) -> None:
    serve(gateway)
    gateway.answers[SEND] = 422, refusal("invalid_dataset", "A row has another length. Line 3 begins it.")
    drawn = upload(page("datasets"), b"a,b\n1,2\n**3**\n")
    assert "Line 3" in drawn.error[0].value
    assert drawn.code[0].value == "**3**"
    assert drawn.text_input[0].value == "my-file"
    assert drawn.selectbox(key="keep.datasets.target").value == "b"


def test_what_waits_for_dvc_is_said_and_looked_up_again(page: Page, gateway: FakeGateway) -> None:
    waiting = {"state": "accepted", "hash": None, "attempts": 2, "error": "DVC failed."}
    serve(gateway, data_set(dvc=waiting))
    drawn = page("datasets")
    assert "Not yet under DVC" in drawn.info[0].value
    assert "attempt 2: DVC failed" in drawn.warning[0].value.replace("\\", "")
    serve(gateway)
    drawn.run()
    assert not drawn.info


def delete(drawn: Any, typed: str, *, everything: bool) -> Any:
    """AppTest draws the whole page anew and not the dialog alone: what opened it is clicked again."""
    next(one for one in drawn.button if one.label == "Delete").click().run()
    if everything:
        drawn.radio[0].set_value("All versions")
    drawn.text_input[-1].set_value(typed)
    next(one for one in drawn.button if one.label == "Delete").click()
    return drawn.button(key="datasets.delete").click().run()


@pytest.mark.parametrize(("everything", "query"), [(False, {"version": "2"}), (True, {})])
def test_a_version_or_all_go_when_the_name_is_typed(
    page: Page, gateway: FakeGateway, everything: bool, query: dict[str, str]
) -> None:
    serve(gateway)
    gateway.answers["DELETE", "/v1/datasets/attempts"] = 204, b""
    delete(page("datasets"), "attempts", everything=everything)
    gone = [one for one in gateway.asked if one.method == "DELETE"]
    assert [(one.path, one.query) for one in gone] == [("/v1/datasets/attempts", query)]


def test_nothing_goes_under_another_name(page: Page, gateway: FakeGateway) -> None:
    serve(gateway)
    drawn = delete(page("datasets"), "attempt", everything=True)
    assert not [one for one in gateway.asked if one.method == "DELETE"]
    assert any("not the name" in one.value for one in drawn.error)


def test_what_a_training_needs_is_kept_and_said(page: Page, gateway: FakeGateway) -> None:
    serve(gateway)
    gateway.answers["DELETE", "/v1/datasets/attempts"] = 409, refusal("conflict", "A job needs it.")
    drawn = delete(page("datasets"), "attempts", everything=False)
    assert any("not over needs it" in one.value for one in drawn.error)


def test_another_version_is_asked_for_by_its_number(page: Page, gateway: FakeGateway) -> None:
    def answer(asked: Asked) -> Any:
        return 200, data_set(
            version=int(asked.query.get("version", 2)), rows=7 if "version" in asked.query else 2000
        )

    serve(gateway)
    gateway.answers[ONE] = answer
    drawn = page("datasets")
    drawn.selectbox(key="keep.datasets.version").set_value(("attempts", 1)).run()
    assert gateway.asked[-1].query == {"version": "1"}
    assert not drawn.exception
