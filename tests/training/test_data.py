"""Public formats -> one frame."""

from pathlib import Path
from typing import Any

import pytest

from embeddings.errors import Unusable
from embeddings.training import data
from tests.training.conftest import made, recipe, write_set


def dialogue(number: int, label: str) -> dict[str, Any]:
    return {
        "id": f"{number}:{label}",
        "dialog_id": number,
        "label": label,
        "messages": ["hi", f"you {number}"],
    }


def answer(number: int, points: float) -> dict[str, Any]:
    row = {"id": number, "question_id": "q1", "question": "Why?", "reference": "Because.", "answer": "So."}
    return {**row, "score": points, "max_score": 4}


def test_a_dialogue_is_one_row_a_participant_with_its_messages_as_lines(tmp_path: Path) -> None:
    rows = [dialogue(1, "bot"), dialogue(1, "human")]
    write_set(tmp_path, "bot_or_human_convai", dict.fromkeys(("train", "validation", "test"), rows))
    asked = recipe("", labels=["human", "bot"], data={"sets": ["bot_or_human_convai"]})
    frame = data.read(made(asked), tmp_path)
    assert frame["text"][0] == "hi\nyou 1"
    assert frame["group"].unique().tolist() == ["bot_or_human_convai/1"]
    assert list(frame.columns) == data.COLUMNS


def test_a_score_becomes_the_label_whose_points_are_nearest(tmp_path: Path) -> None:
    rows = [answer(at, at) for at in range(5)]
    write_set(tmp_path, "mohler", dict.fromkeys(("train", "validation", "test"), rows))
    asked = recipe(
        "",
        kind="pair",
        labels=["wrong", "partly", "right"],
        points=[0, 0.5, 1],
        data={"sets": ["mohler"], "label": "score"},
    )
    frame = data.read(made(asked), tmp_path)
    assert frame["label"].tolist()[:5] == ["wrong", "wrong", "partly", "partly", "right"]
    assert frame["score"].tolist()[:5] == [0, 0.25, 0.5, 0.75, 1]
    assert frame["references"][0] == ["Because."]


def test_a_long_text_is_cut(tmp_path: Path) -> None:
    rows = [{"id": "1", "text": "long " * 100, "label": "ham"}]
    write_set(tmp_path, "sms_spam", dict.fromkeys(("train", "validation", "test"), rows))
    asked = recipe("", data={"sets": ["sms_spam"], "max_characters": 20})
    assert data.read(made(asked), tmp_path)["text"].str.len().tolist() == [20, 20, 20]


def test_missing_sets_parts_and_columns_are_refused_without_a_word_of_the_text(tmp_path: Path) -> None:
    asked = made(recipe(""))
    with pytest.raises(Unusable, match="the set sms_spam is not in"):
        data.read(asked, tmp_path)
    write_set(tmp_path, "sms_spam", {"train": [{"id": "1", "text": "my secret"}]})
    with pytest.raises(Unusable, match=r"a row of sms_spam/train lacks the column 'label'") as told:
        data.read(asked, tmp_path)
    assert "secret" not in str(told.value)
    write_set(tmp_path, "sms_spam", {"train": [{"id": "1", "text": "a", "label": "ham"}]})
    with pytest.raises(Unusable, match="no set of the config has a part validation"):
        data.read(asked, tmp_path)
    (tmp_path / "sms_spam/train.jsonl").write_text('{"id": "1"}\nmy secret\n')
    with pytest.raises(Unusable, match=r"a row of sms_spam/train lacks|line 2 is not JSON"):
        data.read(asked, tmp_path)
