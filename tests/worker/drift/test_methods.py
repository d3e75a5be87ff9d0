"""How often a run alarms where nothing has changed, and where something that matters has."""

import json
import os
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, chi2_contingency, ks_2samp, mannwhitneyu

from gateway.adapters.evidently.columns import comparable
from gateway.adapters.evidently.methods import (
    CATEGORIES,
    FALSE_ALARMS,
    NUMBERS,
    VECTORS,
    kolmogorov,
    roc_auc,
    total_variation,
)
from tests.worker.drift.traffic import Side, World, halves, traffic

SPLITS = 200
MOST_ALARMS = binom.ppf(0.999, SPLITS, FALSE_ALARMS)
WINDOWS, REFERENCES = (100, 200, 500, 1000, 2000), (100, 300, 1000, 2000, 5000)
DISTANCES: dict[str, Callable[..., float]] = {
    NUMBERS.name: kolmogorov,
    CATEGORIES.name: total_variation,
    VECTORS.name: roc_auc,
}


def drifted(reference: Side, current: Side) -> set[str]:
    """The columns of one run."""
    columns, _ = comparable(reference, current)
    assert columns
    return {
        one.name
        for one in columns
        if DISTANCES[one.method.name](np.array(one.reference[0]), np.array(one.current[0])) > one.threshold
    }


def sizes(chance: np.random.Generator) -> Iterator[tuple[int, int]]:
    for _ in range(SPLITS):
        yield int(chance.choice(WINDOWS)), int(chance.choice(REFERENCES))


def test_what_has_not_changed_alarms_in_one_run_of_twenty_at_most() -> None:
    chance = np.random.default_rng(20)
    world = World()
    alarms = sum(
        bool(drifted(traffic(world, reference, chance), traffic(world, window, chance)))
        for window, reference in sizes(chance)
    )
    assert alarms <= MOST_ALARMS


SHIFTS = {
    "text_length": World(longer=1.5),
    "language": World(russian=0.8 * 0.8),
    "label": World(passed=0.65),
    "score": World(lower_score=0.15),
    "confidence": World(lower_confidence=0.1),
    "embedding": World(elsewhere=0.2, embedded=1.0),
}


@pytest.mark.parametrize("column", SHIFTS)
def test_a_change_that_matters_is_found_in_four_of_five_windows_of_500(column: str) -> None:
    chance = np.random.default_rng(30)
    shifted = SHIFTS[column]
    before = World(embedded=shifted.embedded)
    found = sum(
        column in drifted(traffic(before, 2000, chance), traffic(shifted, 500, chance)) for _ in range(20)
    )
    assert found >= 16


def test_a_small_change_is_none_however_many_rows_prove_it() -> None:
    chance = np.random.default_rng(40)
    small = World(longer=1.13, passed=0.51, lower_confidence=0.01, elsewhere=0.02, embedded=1.0)
    proved = alarms = 0
    for _ in range(10):
        reference, current = traffic(World(embedded=1.0), 5000, chance), traffic(small, 2000, chance)
        lengths = reference["text_length"], current["text_length"]
        proved += ks_2samp(*lengths, method="asymp").pvalue < FALSE_ALARMS / 6
        alarms += bool(drifted(reference, current))
    assert proved >= 8  # a p-value alone would have alarmed
    assert alarms <= 1


def test_a_label_that_was_never_seen_is_found() -> None:
    chance = np.random.default_rng(50)
    current = traffic(World(), 300, chance)
    current["label"] = ["new" if chance.random() < 0.2 else one for one in current["label"]]
    assert "label" in drifted(traffic(World(), 1000, chance), current)


def test_a_column_that_says_always_the_same_is_left_out_until_it_says_something_else() -> None:
    chance = np.random.default_rng(60)
    before = World(constant={"language": "ru", "score": 0.5, "confidence": None})
    after = World(constant={"language": "en", "score": 0.7, "confidence": None})
    reference, current = traffic(before, 200, chance), traffic(before, 200, chance)
    columns, notes = comparable(reference, current)
    assert {one.name for one in columns} == {"text_length", "label", "embedding"}
    assert notes == {
        "language": "All values are the same.",
        "score": "All values are the same.",
        "confidence": "There are no values.",
    }
    assert {"language", "score"} <= drifted(reference, traffic(after, 200, chance))


def test_what_cannot_be_compared_is_left_out_and_said() -> None:
    chance = np.random.default_rng(70)
    reference, current = traffic(World(), 200, chance), traffic(World(), 200, chance)
    current["score"] = [0.5] * 29 + [None] * 171
    current["embedding"] = halves(np.ones((200, 32)))
    columns, notes = comparable(reference, current)
    assert {one.name for one in columns} == {"text_length", "language", "label", "confidence"}
    assert notes == {
        "score": "One side has fewer than 30 values.",
        "embedding": "The vectors are of different lengths: different models made them.",
    }


def test_equal_texts_give_a_classifier_nothing_to_tell() -> None:
    """Their scores tie, and ties broken by place would favour the window."""
    chance = np.random.default_rng(80)
    few = halves(chance.normal(0, 1, (3, 16)))
    sides = [
        traffic(World(), rows, chance) | {"embedding": list(chance.choice(few, rows))} for rows in (400, 300)
    ]
    assert "embedding" not in drifted(sides[0], sides[1])


def test_the_same_rows_get_the_same_thresholds() -> None:
    chance = np.random.default_rng(90)
    reference, current = traffic(World(), 300, chance), traffic(World(), 200, chance)
    assert comparable(reference, current)[0][-1].threshold == comparable(reference, current)[0][-1].threshold


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_the_distances_are_those_of_the_text_books(data: st.DataObject) -> None:
    values = st.lists(st.integers(0, 20).map(float), min_size=1, max_size=40).map(np.array)
    reference, current = data.draw(values), data.draw(values)
    steps = [abs((reference <= one).mean() - (current <= one).mean()) for one in [*reference, *current]]
    assert kolmogorov(reference, current) == pytest.approx(max(steps))
    wins = mannwhitneyu(current, reference + 0.5).statistic  # no ties
    assert roc_auc(reference + 0.5, current) == pytest.approx(wins / len(reference) / len(current))
    words = [list(map(str, reference)), list(map(str, current))]
    shares = [{one: side.count(one) / len(side) for one in side} for side in words]
    moved = sum(abs(shares[0].get(one, 0) - shares[1].get(one, 0)) for one in {*words[0], *words[1]}) / 2
    assert total_variation(*words) == pytest.approx(moved)


def bag_of_words(text: str) -> Any:
    """A text's words, hashed into 256 signed places, of unit length: what stands in for an encoder."""
    vector = np.zeros(256)
    for word in re.findall(r"\w+", text.lower()):
        place = zlib.crc32(word.encode())
        vector[place % 256] += 1 if place >> 16 & 1 else -1
    return vector / max(1.0, float(np.linalg.norm(vector)))


def answers(folder: Path, name: str, text: str, most: int) -> Side:
    """Of a public set's train part."""
    with (folder / name / "train.jsonl").open(encoding="utf-8") as lines:
        rows = [json.loads(line) for _, line in zip(range(most), lines, strict=False)]
    return {
        "text_length": [len(row[text]) for row in rows],
        "language": ["en"] * len(rows),
        "label": [row["label_2way"] for row in rows],
        "score": [row["score"] for row in rows],
        "confidence": [None] * len(rows),
        "embedding": halves(np.stack([bag_of_words(row[text]) for row in rows])),
    }


def some(side: Side, rows: Any) -> Side:
    return {name: [values[row] for row in rows] for name, values in side.items()}


@pytest.mark.skipif("DATA_DIR" not in os.environ, reason="the public sets are not here")
def test_students_answers_alarm_seldom_among_themselves_and_show_another_subject() -> None:
    folder = Path(os.environ["DATA_DIR"])
    circuits = answers(folder, "semeval2013_beetle", "answer", 3500)
    nature = answers(folder, "semeval2013_scientsbank", "answer", 1000)
    chance = np.random.default_rng(100)
    alarms = found = 0
    for _ in range(SPLITS):
        window, reference = int(chance.choice([100, 200, 300])), int(chance.choice([100, 300, 1000]))
        rows = chance.permutation(3500)[: window + reference]
        alarms += bool(drifted(some(circuits, rows[window:]), some(circuits, rows[:window])))
    for _ in range(10):
        rows = chance.permutation(3500)[:1400]
        alike, others = some(circuits, rows[:400]), some(nature, chance.permutation(1000)[:100])
        mixed = {name: [*alike[name], *others[name]] for name in alike}
        found += "embedding" in drifted(some(circuits, rows[400:]), mixed)
    assert alarms <= MOST_ALARMS
    assert found >= 8


def test_a_table_of_few_counts_alarms_no_more_often_than_it_may() -> None:
    """Where the chi-square test's approximation fails: forty labels, most of them seen once or never."""
    chance = np.random.default_rng(110)
    weights = 1 / np.arange(1, 41) ** 1.5
    alarms = chi_square = 0
    for _ in range(SPLITS):
        sides = [
            chance.choice([f"label {at}" for at in range(40)], rows, p=weights / weights.sum()).tolist()
            for rows in (300, 100)
        ]
        empty = {"text_length": [], "language": [], "score": [], "confidence": [], "embedding": []}
        alarms += bool(drifted({**empty, "label": sides[0]}, {**empty, "label": sides[1]}))
        known = sorted({*sides[0], *sides[1]})
        table = [[side.count(one) for one in known] for side in sides]
        chi_square += chi2_contingency(table).pvalue < FALSE_ALARMS
    assert alarms <= MOST_ALARMS
