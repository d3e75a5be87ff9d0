"""Offline inference, over the service's own models."""

import csv
from pathlib import Path

import pytest

from embeddings.predict import main


@pytest.fixture(autouse=True)
def _settings(encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBEDDINGS_MODEL", str(encoder))
    monkeypatch.setenv("EMBEDDINGS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("EMBEDDINGS_HEADS", "none")


def predict(tmp_path: Path, content: bytes, *more: str) -> int:
    (tmp_path / "in.csv").write_bytes(content)
    paths = ["--input_path", str(tmp_path / "in.csv"), "--output_path", str(tmp_path / "preds.csv")]
    return main([*paths, *more])


def test_every_row_has_its_answer_in_order_and_its_id(tmp_path: Path) -> None:
    lines = "".join(f'r{at},"the word,\n{at}"\n' for at in range(600))
    content = b"\xef\xbb\xbfid,text\n" + lines.encode()
    assert predict(tmp_path, content, "--model", "tiny") == 0
    with (tmp_path / "preds.csv").open(newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert [row["row"] for row in rows] == [str(at) for at in range(1, 601)]
    assert [row["id"] for row in rows] == [f"r{at}" for at in range(600)]
    assert sum(float(rows[0][f"v{at}"]) ** 2 for at in range(32)) == pytest.approx(1)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["cache", "in.csv", "preds.csv"]


@pytest.mark.parametrize(
    ("content", "model", "told"),
    [
        (b"", "tiny", "is empty"),
        (b"text\n", "tiny", "a header and no rows"),
        (b"words\nmy secret\n", "tiny", "the model tiny reads the columns text"),
        (b"text\na\n\xff\xfe\n", "tiny", "not UTF-8"),
        (b"id,text\n1,a\n2,b,c\n", "tiny", "row 2 has more or fewer fields"),
        (b"id,text\n1,a\n2, \n", "tiny", "row 2 has no text"),
        (b"text,text\na,b\n", "tiny", "a column twice"),
        (b"text\na\n", "other", "there is no model other; there are tiny"),
        (b"text\na\n", "", "--model is needed: models that read the input's columns are tiny"),
    ],
)
def test_what_cannot_be_read_is_one_sentence_and_no_output(
    content: bytes, model: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "preds.csv").write_text("of yesterday")
    assert predict(tmp_path, content, *(["--model", model] if model else [])) == 2
    said = capsys.readouterr().err
    assert told in said
    assert said.count("\n") == 1
    assert "secret" not in said
    assert (tmp_path / "preds.csv").read_text() == "of yesterday"
    assert not list(tmp_path.glob(".preds*"))


def test_a_file_that_is_not_there_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--input_path", str(tmp_path / "no.csv"), "--output_path", str(tmp_path / "p.csv")]) == 2
    assert "cannot be read" in capsys.readouterr().err
