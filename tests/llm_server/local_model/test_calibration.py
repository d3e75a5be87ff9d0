import numpy as np
import pytest

from llm_server.local_model.calibration import at_temperature, expected_calibration_error
from llm_server.local_model.data import Row
from llm_server.local_model.evaluate import is_grade, question_interval


def test_a_perfectly_calibrated_belief_has_no_error():
    belief = np.repeat(np.array([0.25, 0.75], np.float32), 4)
    right = np.array([1, 0, 0, 0, 1, 1, 1, 0], np.float32)
    assert expected_calibration_error(belief, right) == pytest.approx(0)
    assert expected_calibration_error(belief, 1 - right) == pytest.approx(0.5)


def test_temperature_one_changes_nothing_and_a_high_one_flattens():
    levels = np.array([[0.7, 0.2, 0.1]], np.float32)
    np.testing.assert_allclose(at_temperature(levels, 1.0), levels, atol=1e-6)
    assert at_temperature(levels, 5.0).max() < 0.5


def test_the_interval_covers_the_mean_and_widens_with_fewer_questions():
    hits = np.array([1, 1, 0, 1, 0, 1, 1, 1], np.float32)
    many = [Row("s", str(i), "", (), "", 0, True) for i in range(8)]
    few = [Row("s", str(i // 4), "", (), "", 0, True) for i in range(8)]
    low, high = question_interval(hits, many)
    assert low <= hits.mean() <= high
    assert question_interval(hits, few) == [0.5, 1.0] or question_interval(hits, few)[0] <= hits.mean()


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ('{"level": 2}', True),
        ('{"level": 3}', False),
        ('{"level": 1} x', False),
        ("", False),
        ('{"level": 1, "a": 1}', False),
    ],
)
def test_only_the_exact_reply_counts_as_a_grade(text, valid):
    assert is_grade(text) is valid
