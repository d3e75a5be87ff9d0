"""A wrong YAML file is one sentence that names the field."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from embeddings.errors import Unusable
from embeddings.train import main
from embeddings.training import config
from tests.training.conftest import recipe

SHIPPED = sorted((Path(config.__file__).parents[1] / "configs").glob("*.yaml"))


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_every_config_in_the_repository_is_valid_and_named_like_its_file(file: Path) -> None:
    assert config.read(file).name == file.stem


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"head": {"hiden": 3}}, r"head\.hiden: Extra inputs are not permitted"),
        ({"optimiser": {"lr": 0}}, r"optimiser\.lr: Input should be greater than 0"),
        ({"labels": ["ham"]}, "labels: List should have at least 2 items"),
        ({"labels": ["ham", "ham"]}, "labels must differ"),
        ({"points": [0.5]}, "points must be as many as labels"),
        ({"name": "../up"}, "name: small letters"),
        ({"data": {"sets": ["imdb"]}}, r"data\.sets: no reader for imdb"),
        ({"data": {"sets": ["sms_spam"], "tests": ["train"]}}, "a part may be named once"),
        ({"data": {"sets": ["sms_spam"], "label": "score"}}, "needs points"),
        ({"encoder": {"trainable": 0}}, r"encoder\.trainable: none, all, or a number"),
        ({"head": {"ngrams": {"low": 5, "high": 2}}}, "low must not be above high"),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, Any], told: str, tmp_path: Path) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text(yaml.safe_dump(recipe("somewhere", **change)))
    with pytest.raises(Unusable, match=told):
        config.read(file)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"- a\n- b\n", b"a: [", None])
def test_what_is_no_config_ends_with_code_2_and_one_line(
    content: bytes | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "wrong.yaml"
    if content is not None:
        file.write_bytes(content)
    assert main(["--config", str(file)]) == 2
    told = capsys.readouterr().err
    assert told.startswith("train: the config ")
    assert told.count("\n") == 1
