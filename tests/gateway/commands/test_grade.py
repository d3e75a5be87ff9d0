"""`gateway grade` as a process: killed, interrupted, gone on with, and refused."""

import asyncio
import csv
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import main
from tests.gateway.batch.model import Model, environment, write_rows

ROOT = Path(__file__).parents[3]
CONCURRENCY = 4


@pytest.fixture
async def model() -> AsyncIterator[Model]:
    model = Model()
    async with model.running() as model.url:
        yield model


class Command:
    """`gateway grade in.csv --out out.csv` in a folder of its own."""

    def __init__(self, model: Model, folder: Path) -> None:
        self.model = model
        self.source, self.out = folder / "in.csv", folder / "out.csv"
        self.journal = folder / "out.csv.journal"
        self._folder = folder

    @asynccontextmanager
    async def running(self, *more: str) -> AsyncIterator[asyncio.subprocess.Process]:
        program = (sys.executable, "-m", "gateway", "grade", str(self.source), "--out", str(self.out))
        process = await asyncio.create_subprocess_exec(
            *(*program, "--concurrency", str(CONCURRENCY), *more),
            cwd=ROOT,
            env={**os.environ, **environment(self.model, self._folder)},
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def ended(self, *more: str) -> tuple[int | None, str]:
        """Exit code and what was said."""
        async with self.running(*more) as process:
            _, said = await process.communicate()
            return process.returncode, said.decode()

    async def asked(self, process: asyncio.subprocess.Process, rows: int) -> None:
        """Until the model server was asked about that many rows."""
        while len(self.model.graded) < rows:
            assert process.returncode is None
            await asyncio.sleep(0.01)

    def rows(self) -> list[dict[str, str]]:
        with self.out.open(newline="") as file:
            return list(csv.DictReader(file))

    @property
    def ids(self) -> list[str]:
        return [row["id"] for row in self.rows()]


@pytest.fixture
def command(model: Model, tmp_path: Path) -> Command:
    return Command(model, tmp_path)


async def test_killed_again_and_again_it_answers_every_row_once(command: Command, model: Model) -> None:
    """SIGKILL leaves no time for anything. Nothing is asked again but what was under way at the model."""
    write_rows(command.source, 240)
    model.pause_s = 0.03
    kills = 3
    for kill in range(1, kills + 1):
        async with command.running() as process:
            await command.asked(process, 60 * kill)
            process.kill()
        assert not command.out.exists()
    code, said = await command.ended()
    assert code == 0, said
    assert command.ids == [str(n) for n in range(240)]
    assert not command.journal.exists()
    assert {path.name for path in command.out.parent.iterdir()} >= {"in.csv", "out.csv"}
    assert max(Counter(model.graded).values()) <= 1 + kills
    assert len(model.graded) <= 240 + kills * CONCURRENCY


async def test_interrupted_it_lets_rows_end_and_the_same_command_goes_on(
    command: Command, model: Model
) -> None:
    write_rows(command.source, 60)
    model.pause_s = 0.05
    async with command.running() as process:
        await command.asked(process, 20)
        process.send_signal(signal.SIGINT)
        _, said = await process.communicate()
    assert process.returncode == 128 + signal.SIGINT
    assert "The same command goes on." in said.decode()
    done = len(command.journal.read_bytes().splitlines()) - 1
    assert done == len(model.graded)  # what was under way has ended
    code, told = await command.ended()
    assert code == 0, told
    assert f"going on: {done} of 60 rows are done" in told
    assert command.ids == [str(n) for n in range(60)]
    assert len(model.graded) == 60


async def test_a_second_signal_ends_it_at_once(command: Command, model: Model) -> None:
    write_rows(command.source, 10)
    model.pause_s = 30.0
    async with command.running() as process:
        await command.asked(process, 1)
        process.send_signal(signal.SIGTERM)
        assert process.stderr is not None
        while b"once more ends at once" not in await process.stderr.readline():
            assert process.returncode is None
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), 5) == -signal.SIGINT


async def test_rows_without_an_answer_are_listed_and_told_by_the_exit_code(command: Command) -> None:
    command.source.write_text(
        'id,submission,max_score\na,row-1 yes,5\na,row-2,5\nb,row-3,-1\n"=c",row-4 no,\n'
    )
    code, said = await command.ended()
    assert code == 3, said
    assert [(row["id"], row["graded_max_score"]) for row in command.rows()] == [("a", "5.0"), ("=c", "10.0")]
    errors = (command.out.parent / "out.errors.csv").read_text().splitlines()
    assert [line.split(",")[:3] for line in errors[1:]] == [
        ["a", "3", "duplicate_id"],
        ["b", "4", "invalid_request"],
    ]
    assert "2 of 4 rows have no answer" in said


async def test_a_row_meets_what_a_request_meets(command: Command, model: Model) -> None:
    """Masked for the model, un-masked for the caller, with the rubric that the command names."""
    rubric = {"name": "essay", "criteria": [{"id": "WHY", "description": "Says why."}]}
    (command.source.parent / "rubric.json").write_text(json.dumps(rubric))
    command.source.write_text("who,text\n1,row-1 anna@example.com says why\n")
    code, said = await command.ended(
        *("--rubric", str(command.source.parent / "rubric.json"), "--question", "Why?", "--max-score", "4"),
        *("--column-id", "who", "--column-submission", "text"),
    )
    assert code == 0, said
    assert "anna@example.com" not in json.dumps(model.bodies)
    assert "Says why." in json.dumps(model.bodies)
    assert "Why?" in json.dumps(model.bodies)
    (row,) = command.rows()
    assert (row["rubric"], row["max_score"]) == ("essay@1.0.0", "4.0")
    assert json.loads(row["criteria"])[0]["id"] == "WHY"


def refused(capsys: pytest.CaptureFixture[str], *arguments: Any) -> str:
    """What is said of arguments that cannot be used."""
    assert main(["grade", *map(str, arguments)]) == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["none.csv"], "none.csv is no file"),
        (["in.txt"], "give --format"),
        (["in.csv", "--out", "in.jsonl"], "--fresh replaces it"),
        (["in.csv", "--out", "in.csv"], "must be different"),
        (["in.csv", "--errors", "out.csv"], "must be different"),
        (["in.csv", "--out", "nowhere/out.csv"], "nowhere is no folder"),
        (["in.csv", "--max-score", "0"], "--max-score"),
        (["in.csv", "--max-score", "nan"], "--max-score"),
        (["in.csv", "--concurrency", "0"], "--concurrency"),
        (["in.csv", "--rubric", "none.json"], "none.json"),
        (["in.csv", "--rubric", "broken.json"], "broken.json"),
        (["in.csv", "--rubric", "bad.json"], "criteria"),
        (["in.csv", "--rubric", "a b"], "--rubric"),
        (["in.csv", "--column-labels", "none"], "--column-labels"),
        (["in.jsonl", "--column-id", "id"], "only CSV"),
        (["openai.jsonl"], "another ending"),
        (["bare.csv"], "no column 'id'"),
    ],
)
def test_arguments_that_cannot_be_used_are_one_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    told: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    files = {
        "in.csv": "id,submission\na,b\n",
        "in.txt": "id,submission\n",
        "bare.csv": "submission\nx\n",
        "in.jsonl": '{"id": "a", "submission": "b"}\n',
        "openai.jsonl": '{"custom_id": "a"}\n',
        "broken.json": "{",
        "bad.json": '{"criteria": []}',
    }
    for name, text in files.items():
        Path(name).write_text(text)
    said = refused(capsys, *(() if "--out" in arguments else ("--out", "out.csv")), *arguments)
    assert told in said
    assert len(said.splitlines()) == 1
    assert {path.name for path in tmp_path.iterdir()} == files.keys()


def test_another_jobs_journal_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in.csv").write_text("id,submission\na,b\n")
    Path("out.csv.journal").write_text('{"journal":1,"job":"of another"}\n')
    assert "--fresh starts over" in refused(capsys, "in.csv", "--out", "out.csv")
    assert Path("out.csv.journal").read_text() == '{"journal":1,"job":"of another"}\n'
