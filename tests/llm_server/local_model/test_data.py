import json
import os
from pathlib import Path

import pytest

from llm_server.local_model.chat import intents, systems
from llm_server.local_model.data import SEEDS, Row, data_folder, hold_out_questions, read_seed_items, read_set


def test_scores_are_put_on_zero_to_one(tmp_path):
    (tmp_path / "mohler").mkdir()
    raw = {"question_id": "1", "question": "q", "reference": "r", "answer": "a", "score": 3.5, "max_score": 5}
    (tmp_path / "mohler" / "train.jsonl").write_text(json.dumps(raw) + "\n", encoding="utf-8")
    (row,) = read_set(tmp_path, "mohler", "train")
    assert (row.score, row.references, row.coarse, row.question_id) == (0.7, ("r",), False, "mohler/1")


def test_held_out_questions_never_stay_in_training():
    rows = [
        Row(source, f"{source}/{i % 20}", "q", ("r",), "a", 0.0, True) for source in "ab" for i in range(100)
    ]
    kept, held = hold_out_questions(rows, 0.2, seed=3)
    assert not {row.question_id for row in kept} & {row.question_id for row in held}
    assert {row.source for row in held} == {"a", "b"}
    assert len(kept) + len(held) == len(rows)
    assert hold_out_questions(rows, 0.2, seed=3)[1] == held


@pytest.mark.parametrize("name", ["items_en", "items_ru"])
def test_own_items_have_all_three_levels(name):
    rows = read_seed_items(SEEDS / f"{name}.yaml")
    assert {row.score for row in rows} == {0.0, 0.5, 1.0}
    assert all(row.answer.strip() and row.references[0].strip() for row in rows)


def test_chat_lines_of_training_and_of_the_held_out_part_differ():
    train = {said for intent in intents() for said in intent.says}
    held = {said for intent in intents(held_out=True) for said in intent.says}
    assert held
    assert not train & held
    assert all(isinstance(text, str) for text in [*train, *held, *systems()])


def test_every_chat_reply_is_cased_and_ends_with_a_mark():
    for intent in intents():
        for reply in intent.replies:
            assert reply[0].isupper(), reply
            assert reply[-1] in ".!?", reply


def test_without_a_folder_the_recipe_says_what_is_missing(monkeypatch):
    monkeypatch.delenv("DATA_DIR", raising=False)
    with pytest.raises(SystemExit, match="DATA_DIR"):
        data_folder(None)


@pytest.mark.skipif("DATA_DIR" not in os.environ, reason="the public sets are not here")
def test_the_public_sets_are_read():
    rows = read_set(Path(os.environ["DATA_DIR"]), "semeval2013_beetle", "train")
    assert len(rows) > 3000
    assert {row.score for row in rows} == {0.0, 1.0}
