"""Names in file names in Latin letters. Persons are made up."""

import time

import pytest

from gateway.adapters.presidio.file_names import FileNames


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("see Ivanov_Ivan_hw2.py", ["Ivanov_Ivan"]),
        ("lab3-petrova.ipynb", ["petrova"]),
        ("HW2_IvanovIvan.ipynb", ["IvanovIvan"]),
        ("Evgeniya_Quillfeather_essay.docx", ["Evgeniya_Quillfeather"]),
        ("main.py, binary_search.py, Will_Power.txt, linear_regression_task2.ipynb, Monte_Carlo.py", []),
        ("Binary_Tree_lab.java begin_task.py chain_rule_hw.py train_data.csv", []),
        ("from ivanov_ivan import x", []),
    ],
)
def test_names_in_file_names_are_found_and_other_files_stay(text: str, names: list[str]) -> None:
    assert [text[one.start : one.end] for one in FileNames().analyze(text, [])] == names


@pytest.mark.parametrize("unit", ["a_b-", "_", "A", "hw_", "a.py", "Ivan_Ivan_"])
def test_a_hostile_text_takes_linear_time(unit: str) -> None:
    recognizer = FileNames()
    started = time.process_time()
    recognizer.analyze((unit * 2_000)[:2_000] + ".py", [])
    assert time.process_time() - started < 0.2
