"""The checks bite."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from embeddings.errors import Unusable
from embeddings.training import checks, data
from embeddings.training.config import Config
from tests.training.conftest import made, recipe


@pytest.fixture
def asked() -> Config:
    return made(recipe(""))


@pytest.fixture
def frame(asked: Config, sets: Path) -> pd.DataFrame:
    return data.read(asked, sets)


def changed(frame: pd.DataFrame, row: int, **values: Any) -> pd.DataFrame:
    for column, value in values.items():
        frame.loc[row, column] = value
    return frame


def test_sound_data_pass_as_they_are(frame: pd.DataFrame, asked: Config) -> None:
    assert checks.sound(frame, asked).equals(frame)


def test_a_wrong_label_is_refused_and_not_quoted(frame: pd.DataFrame, asked: Config) -> None:
    with pytest.raises(Unusable, match=r"isin.* fails in label \(1 times\)") as told:
        checks.sound(changed(frame, 3, label="my secret"), asked)
    assert "secret" not in str(told.value)


def test_an_id_that_stands_twice_in_a_part_is_refused(frame: pd.DataFrame, asked: Config) -> None:
    with pytest.raises(Unusable, match="the data are not sound"):
        checks.sound(changed(frame, 3, id=frame["id"][4]), asked)


def test_a_score_beyond_its_range_is_refused(frame: pd.DataFrame, asked: Config) -> None:
    with pytest.raises(Unusable, match="fails in score"):
        checks.sound(changed(frame, 3, score=1.5), asked)


def test_an_empty_text_is_refused(frame: pd.DataFrame, asked: Config) -> None:
    with pytest.raises(Unusable, match="the data have 1 empty texts"):
        checks.sound(changed(frame, 3, text=" \n"), asked)


def test_a_training_text_that_stands_in_the_test_is_a_leak_whatever_its_case_and_spaces(
    frame: pd.DataFrame, asked: Config
) -> None:
    again = frame[frame["split"] == "test"]["text"].iloc[0].upper().replace(" ", "  ")
    with pytest.raises(Unusable, match="a leak: 1 texts"):
        checks.sound(changed(frame, 3, text=again), asked)


def test_a_leak_may_be_dropped_from_the_training_and_never_from_the_test(
    frame: pd.DataFrame, sets: Path
) -> None:
    asked = made(recipe("", data={"sets": ["sms_spam"], "repeats": "drop"}))
    again = frame[frame["split"] == "test"]["text"].iloc[0]
    kept = checks.sound(changed(frame, 3, text=again), asked)
    assert set(frame["id"]) - set(kept["id"]) == {frame["id"][3]}


def test_a_dialogue_with_a_side_in_training_and_one_in_the_test_is_a_leak(
    frame: pd.DataFrame, asked: Config
) -> None:
    group = frame[frame["split"] == "test"]["group"].iloc[0]
    with pytest.raises(Unusable, match="a leak: 1 groups"):
        checks.sound(changed(frame, 3, group=group), asked)


def test_a_label_that_training_hardly_has_is_refused(frame: pd.DataFrame, asked: Config) -> None:
    few = frame[(frame["split"] != "train") | (frame["label"] == "ham")]
    with pytest.raises(Unusable, match="train have fewer than 2 rows of spam"):
        checks.sound(few.reset_index(drop=True), asked)


def test_the_statistics_have_a_row_for_each_part(frame: pd.DataFrame, asked: Config) -> None:
    table = checks.statistics(frame, asked.labels).set_index("split")
    assert table["rows"].to_dict() == {"train": 60, "validation": 20, "test": 30}
    assert table["share spam"].tolist() == [0.5] * 3
