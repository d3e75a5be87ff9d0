"""The model files in tests/gateway/models are what the program beside this test writes."""

import pytest

from tests.worker.serving.small_models import FOLDER, small_models

MADE = small_models()


def test_there_are_no_other_files() -> None:
    assert {file.stem for file in FOLDER.glob("*.onnx")} == MADE.keys()


@pytest.mark.parametrize("name", sorted(MADE))
def test_the_files_are_as_they_are_made(name: str) -> None:
    assert (FOLDER / f"{name}.onnx").read_bytes() == MADE[name]
