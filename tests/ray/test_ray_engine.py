"""Rows on Ray: the same grades as in one process, whatever happens to the workers."""

import asyncio
import csv
import functools
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from gateway.adapters.ray import RayEngine
from gateway.batch.files import Paths, assemble, survey
from gateway.batch.journal import open_journal
from gateway.batch.patience import Patience
from gateway.batch.reading import Limits, read_rows
from gateway.batch.rows import Answer, Failure, Format, Job, Outcome, Row
from gateway.batch.run import Engine, Local, Run
from gateway.commands.grade import answering
from gateway.settings import Settings
from tests.gateway.batch.model import Model, environment, write_rows

pytestmark = pytest.mark.timeout(240)

JOB, LIMITS = Job(Format.CSV), Limits()
PATIENCE = Patience(total_s=30.0, first_s=0.05, longest_s=0.2)
ROOT = Path(__file__).parents[2]


async def graded(engine: Engine, source: Path, out: Path) -> list[dict[str, str]]:
    paths = Paths(source, out, out.with_suffix(".errors.csv"), errors_wanted=False)
    seen = survey(source, JOB, LIMITS)
    with closing(open_journal(paths.journal, JOB.fingerprint(seen.sha256), fresh=False)) as journal:
        with closing(read_rows(source, JOB, LIMITS)) as rows:
            assert await Run(rows, journal, engine, asyncio.Event()).finished()
        assert assemble(paths, JOB, LIMITS, seen, journal) == 0
    return answers(out)


def answers(out: Path) -> list[dict[str, str]]:
    with out.open(newline="") as file:
        return list(csv.DictReader(file))


def opening(settings: Settings) -> Any:
    return functools.partial(answering, settings, PATIENCE)


def worker_pids() -> list[int]:
    """Of the actors of this process's Ray."""
    found = []
    for one in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # it ended since it was listed
            if one.name().startswith("ray::Worker"):
                found.append(one.pid)
    return found


async def test_workers_grade_as_one_process_does(
    cluster: Any, model: Model, settings: Settings, tmp_path: Path
) -> None:
    source = tmp_path / "in.csv"
    write_rows(source, 100)
    async with answering(settings, PATIENCE) as here:
        expected = await graded(Local(here, lanes=4), source, tmp_path / "local.csv")
    elsewhere = settings.model_copy(update={"database_url": _other(tmp_path)})
    async with RayEngine.opened(opening(elsewhere), 2, 4) as engine:
        found = await graded(engine, source, tmp_path / "ray.csv")
    assert [row["id"] for row in found] == [str(n) for n in range(100)]
    same = ("id", "score", "comments", "grader", "model", "prompt", "rubric", "criteria")
    assert [[row[name] for name in same] for row in found] == [
        [row[name] for name in same] for row in expected
    ]
    while worker_pids():  # ended, but not waited for
        await asyncio.sleep(0.05)


def _other(folder: Path) -> Any:
    from pydantic import SecretStr

    return SecretStr(f"sqlite:///{folder}/other.db")


async def test_a_worker_that_is_killed_is_replaced_and_its_rows_are_graded(
    cluster: Any, model: Model, settings: Settings, tmp_path: Path
) -> None:
    source = tmp_path / "in.csv"
    write_rows(source, 150)
    model.pause_s = 0.05
    async with RayEngine.opened(opening(settings), 2, 4) as engine:
        run = asyncio.create_task(graded(engine, source, tmp_path / "out.csv"))
        while len(model.graded) < 40:
            await asyncio.sleep(0.02)
        os.kill(worker_pids()[0], signal.SIGKILL)
        found = await run
        assert len(worker_pids()) == 2
    assert [row["id"] for row in found] == [str(n) for n in range(150)]
    assert {row["grader"] for row in found} == {"grader-llm"}


class Deadly:
    """Stands in for Answering: one row kills the process that it is answered in."""

    async def outcome(self, row: Row) -> Outcome:
        if row.payload["submission"] == "poison":
            os.kill(os.getpid(), signal.SIGKILL)
        return Answer({"score": 1}, row.id)


@asynccontextmanager
async def deadly() -> AsyncIterator[Deadly]:
    yield Deadly()


async def test_a_row_over_which_workers_die_costs_itself_only(cluster: Any) -> None:
    texts = ["fine"] * 5 + ["poison"] + ["fine"] * 3
    rows = [Row(n, n, str(n), "grader-llm", {"submission": text}) for n, text in enumerate(texts)]
    async with RayEngine.opened(deadly, 1, 4) as engine:
        outcomes: Sequence[Outcome] = await engine.answer(rows)
    assert [isinstance(one, Failure) for one in outcomes] == [text == "poison" for text in texts]
    assert [one.grade_id for one in outcomes if isinstance(one, Answer)] == list("01234678")


async def test_ctrl_c_keeps_what_is_done_and_the_same_command_goes_on(model: Model, tmp_path: Path) -> None:
    """From the command line, with a Ray of its own, and gone on with in one process."""
    write_rows(tmp_path / "in.csv", 300)
    model.pause_s = 0.05
    process = await _command(model, tmp_path, "--engine", "ray", "--workers", "1")
    while len(model.graded) < 60:
        await asyncio.sleep(0.05)
        assert process.returncode is None, (await process.communicate())[1].decode()
    process.send_signal(signal.SIGINT)
    _, said = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 130, said.decode()
    assert not (tmp_path / "out.csv").exists()
    done = len((tmp_path / "out.csv.journal").read_bytes().splitlines()) - 1
    assert 0 < done < 300
    model.pause_s = 0.0
    process = await _command(model, tmp_path)
    _, said = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode == 0, said.decode()
    assert f"going on: {done} of 300 rows are done" in said.decode()
    assert [row["id"] for row in answers(tmp_path / "out.csv")] == [str(n) for n in range(300)]


async def _command(model: Model, folder: Path, *more: str) -> asyncio.subprocess.Process:
    program = (sys.executable, "-m", "gateway", "grade", str(folder / "in.csv"))
    return await asyncio.create_subprocess_exec(
        *(*program, "--out", str(folder / "out.csv"), "--concurrency", "4", *more),
        cwd=ROOT,
        env={**os.environ, **environment(model, folder), "RAY_ADDRESS": "local"},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
