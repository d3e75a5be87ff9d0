"""How drift is drawn, in whose time, and what two stretches of it share."""

from datetime import UTC, datetime

import pytest

from tests.ui.test_drift import COLUMNS, run
from ui.charts_of_drift import overlap_h, rows, trend

WORDS = {
    name: name
    for name in ("ended", "measure", "threshold", "column", "drifted", "yes", "no", "rows", "method")
}


def test_each_column_has_a_chart_of_its_own_and_the_furthest_stands_first() -> None:
    assert len(trend([run(1), run(2), run(3, status="failed", columns=[])], WORDS, None)) == 2
    assert trend([], WORDS, None) == []
    assert list(rows(COLUMNS[::-1], WORDS)["column"]) == ["label", "text_length"]


def test_a_chart_tells_the_readers_time() -> None:
    at = int(datetime(2026, 11, 22, 22, 6, 48, tzinfo=UTC).timestamp())
    chart = trend([run(ended_at=at)], WORDS, "Asia/Vladivostok")[0].to_dict()
    (points,) = chart["datasets"].values()
    assert [point["at"] for point in points] == ["2026-11-23T08:06:48"]
    begin, end = next(layer for layer in chart["layer"] if "x" in layer["encoding"])["encoding"]["x"][
        "scale"
    ]["domain"]
    assert (begin["date"], begin["hours"], begin["minutes"]) == (23, 7, 36)
    assert (end["date"], end["hours"], end["minutes"]) == (23, 8, 36)


@pytest.mark.parametrize(("runs", "mark"), [(1, "rule"), (2, "line")])
def test_the_threshold_is_drawn_for_one_run_too(runs: int, mark: str) -> None:
    chart = trend([run(number) for number in range(runs)], WORDS, None)[0].to_dict()
    assert chart["layer"][0]["mark"]["type"] == mark
    assert chart["layer"][0]["encoding"]["y"]["field"] == "threshold"


@pytest.mark.parametrize(
    ("second", "hours"), [((0, 7200), 1), ((7200, 9000), 0), ((4000, 4000 + 1800), 0.5), ((9000, 9001), 0)]
)
def test_two_stretches_of_time_have_hours_in_common(second: tuple[float, float], hours: float) -> None:
    assert overlap_h((3600, 7200), second) == hours
