"""What an engine and the process that fits tell each other arrives as it was said."""

from pathlib import Path

import pytest

from gateway.adapters.fitting.wire import (
    ALIVE,
    failed_line,
    fitted_line,
    progress_line,
    read_line,
    read_work,
    work_text,
)
from gateway.training.facts import ColumnType, Feature, Signature
from gateway.training.ports import FitFailed, Fitted, Progress
from tests.worker.fitting.tables import work


def test_work_arrives_as_it_was_given(tmp_path: Path) -> None:
    given = work(tmp_path, "random_forest", {"max_depth": None, "max_features": 0.5})
    assert read_work(work_text(given)) == given


def test_lines_arrive_as_they_were_said(tmp_path: Path) -> None:
    signature = Signature((Feature("Betrag\n", ColumnType.NUMBER),), "y", (False, True))
    fitted = Fitted(tmp_path, "ab", signature, {"accuracy": 0.5}, {"C": 1.0, "class_weight": None})
    assert read_line(fitted_line(fitted), tmp_path) == fitted
    assert "\n" not in fitted_line(fitted)
    assert read_line(progress_line(Progress("fitting", 0.5, "half")), tmp_path) == Progress(
        "fitting", 0.5, "half"
    )
    assert read_line(ALIVE, tmp_path) is None
    with pytest.raises(FitFailed) as failed:
        read_line(failed_line(FitFailed("labels", "One label only.")), tmp_path)
    assert (failed.value.code, failed.value.message) == ("labels", "One label only.")


@pytest.mark.parametrize("line", ["", "[]", "3", '{"fitted": {}}', '{"other": 1}', "\x80\x04."])
def test_anything_else_is_refused(line: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any of them is a line that is not ours
        read_line(line, tmp_path)
