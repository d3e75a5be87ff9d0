"""`gateway mask` over real files and a real analyser, without the name model."""

import argparse
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.adapters.presidio import pool
from gateway.commands import mask
from gateway.settings import Settings

MAIL = "anna@example.com"
TEXT = f"\ufeffHello \N{WAVING HAND SIGN}\r\nWrite to {MAIL}, or to {MAIL}.\r\n"
Output = pytest.CaptureFixture[bytes]


@pytest.fixture
def letter(tmp_path: Path) -> Path:
    path = tmp_path / "letter.txt"
    path.write_bytes(TEXT.encode())
    return path


def run(*arguments: str | Path) -> int:
    parser = argparse.ArgumentParser()
    mask.add(parser.add_subparsers(required=True))
    options = parser.parse_args(["mask", *map(str, arguments)])
    code: int = options.run(options, Settings(mask_names=False, max_message_chars=100))
    return code


def test_the_masked_text_is_the_file_but_for_what_is_personal(letter: Path, capsysbinary: Output) -> None:
    assert run(letter) == 0
    out = capsysbinary.readouterr().out.decode()
    begin = out.index("<EMAIL_1_")
    placeholder = out[begin : out.index(">") + 1]
    assert out == TEXT.replace(MAIL, placeholder)


def test_entities_of_standard_input_are_what_the_door_tells(
    monkeypatch: pytest.MonkeyPatch, capsysbinary: Output
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(TEXT.encode())))
    assert run("-", "--json", "--task", "text", "--language", "en") == 0
    told = json.loads(capsysbinary.readouterr().out)
    assert told.keys() == {"masked", "entities"}
    assert [TEXT[one["start"] : one["end"]] for one in told["entities"]] == [MAIL, MAIL]
    assert {one["placeholder"] for one in told["entities"]} == {told["masked"].split()[4].rstrip(",")}


def test_the_table_says_where_what_and_who_and_prints_no_control_characters(
    tmp_path: Path, capsysbinary: Output
) -> None:
    file = tmp_path / "hidden.txt"
    file.write_text(f"One\nor anna\u200b@example.com, {MAIL}", encoding="utf-8")
    assert run(file, "--explain") == 0
    rows = [line.split(maxsplit=4) for line in capsysbinary.readouterr().out.decode().splitlines()]
    assert [row[:2] for row in rows] == [["where", "kind"], ["2:4", "EMAIL"], ["2:23", "EMAIL"]]
    assert rows[1][4] == r"anna\u200b@example.com"
    assert all(0 < float(row[2]) <= 1 for row in rows[1:])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No such file"),
        (b"x" * 101, "100 characters"),
        (b"x" * 1_000, "100 characters"),
        ("Иванов".encode("cp1251"), "UTF-8"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_sentence_and_exit_2(
    tmp_path: Path, content: bytes | None, said: str, capsysbinary: Output
) -> None:
    file = tmp_path / "answer.txt"
    if content is not None:
        file.write_bytes(content)
    assert run(file) == 2
    out, told = (stream.decode() for stream in capsysbinary.readouterr())
    assert (out, told.count("\n")) == ("", 1)
    assert str(file) in told
    assert said in told


def test_a_text_that_could_not_be_analysed_is_not_printed(
    letter: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: Output
) -> None:
    monkeypatch.setattr(pool, "_BOOT", "raise SystemExit(3)")
    assert run(letter) == 1
    out, told = capsysbinary.readouterr()
    assert out == b""
    assert b"no analyser is running" in told


def test_only_what_the_command_needs_is_loaded() -> None:
    program = "import sys, gateway.cli; gateway.cli._parser('mask'); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    loaded = set(done.stdout.split())
    assert "gateway.commands.mask" in loaded
    assert not loaded & {"fastapi", "aiohttp", "sqlalchemy", "presidio_analyzer", "gateway.wiring"}
