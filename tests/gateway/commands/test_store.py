"""`gateway store` over a SQLite file."""

import argparse
import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.adapters.database.database import Database
from gateway.adapters.database.datasets import DatabaseDatasets
from gateway.adapters.database.ledger import DatabaseLedger
from gateway.adapters.database.migration import HEAD
from gateway.adapters.database.training_jobs import DatabaseJobs
from gateway.commands import store
from gateway.settings import Settings
from tests.gateway.adapters.database.facts import record
from tests.gateway.adapters.database.training_facts import dataset, job

NOW = datetime.now(UTC)


class Shell:
    """Runs `gateway store ...` over one database."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.address = f"sqlite:///{folder}/gateway.db"

    def __call__(self, *arguments: str) -> int:
        parser = argparse.ArgumentParser()
        store.add(parser.add_subparsers(required=True))
        options = parser.parse_args(["store", *arguments])
        code: int = options.run(options, Settings(database_url=self.address))
        return code

    def keep(self, *ages: int) -> None:
        """Grades of so many days ago."""

        async def keep() -> None:
            database = Database(self.address)
            await database.start()
            for number, days in enumerate(ages):
                made = replace(record(number), created_at=NOW - timedelta(days=days))
                await DatabaseLedger(database).keep(made)
            await database.close()

        asyncio.run(keep())


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def test_status_tells_what_is_there_and_makes_nothing(
    shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shell("status") == 1
    assert list(shell.folder.iterdir()) == []
    assert shell("upgrade") == 0
    shell.keep(1, 2)
    capsys.readouterr()
    assert shell("status") == 0
    assert capsys.readouterr().out.splitlines() == [
        "engine\tsqlite",
        f"revision\t{HEAD}",
        "grades\t2",
        "model_calls\t4",
        "corrections\t0",
        "answers\t0",
        "rubrics\t0",
        "claims\t0",
        "dataset_versions\t0",
        "training_jobs\t0",
        "training_events\t0",
        "model_versions\t0",
        "registry_tasks\t0",
        "traffic\t0",
        "drift_references\t0",
        "drift_runs\t0",
        "audit\t1",  # that it was made
    ]


def test_prune_deletes_what_is_older_and_only_counts_when_dry(
    shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.keep(1, 29, 31, 400)
    counted = (
        "2 grades, 4 model calls, 0 corrections, 0 remembered answers, 0 training jobs, "
        "0 lines of their logs, 0 observations of the traffic, 0 comparisons of it\n"
    )
    assert shell("prune", "--days", "30", "--dry-run") == 0
    assert shell("prune", "--days", "30") == 0
    assert capsys.readouterr().out == f"would delete {counted}deleted {counted}"


@pytest.mark.parametrize("days", ["0", "-1", "many", "100000000"])
def test_prune_takes_only_a_number_of_days(shell: Shell, days: str) -> None:
    with pytest.raises(SystemExit):
        shell("prune", "--days", days)


def test_export_writes_a_whole_file_and_replaces_none_unasked(
    shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.keep(2, 1)
    out = shell.folder / "out" / "grades.jsonl"
    out.parent.mkdir()
    assert shell("export", "--out", str(out)) == 0
    lines = out.read_text().splitlines()
    assert [json.loads(line)["grade"]["id"] for line in lines] == [record(0).id, record(1).id]
    assert out.stat().st_mode & 0o777 == 0o600
    out.write_text("mine")
    assert shell("export", "--out", str(out)) == 2
    assert out.read_text() == "mine"
    assert shell("export", "--out", str(out), "--force") == 0
    assert out.read_text().splitlines() == lines
    assert list(out.parent.iterdir()) == [out]


def test_export_writes_jobs_when_they_are_asked_for(shell: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    shell.keep(2, 1)
    asyncio.run(_cancelled_job(shell.address))
    out = shell.folder / "jobs.jsonl"
    assert shell("export", "--jobs", "--out", str(out)) == 0
    assert capsys.readouterr().out == f"1 training jobs in {out}\n"
    (line,) = map(json.loads, out.read_text().splitlines())
    assert (line["job"]["state"], len(line["events"])) == ("cancelled", 2)


async def _cancelled_job(address: str) -> None:
    database = Database(address)
    await database.start()
    await DatabaseDatasets(database).add(dataset())
    one = await DatabaseJobs(database).add(job(), "Queued.", None, 1)
    await DatabaseJobs(database).cancel(one.id)
    await database.close()


def test_an_export_that_fails_leaves_the_file_that_was_there(shell: Shell) -> None:
    shell("upgrade")
    out = shell.folder / "grades.jsonl"
    out.write_text("mine")

    async def broken() -> None:
        database = Database(shell.address)
        await database.start()
        await database.write(lambda c: c.exec_driver_sql("ALTER TABLE grades RENAME TO elsewhere"))
        await database.close()

    asyncio.run(broken())
    assert shell("export", "--out", str(out), "--force") == 1
    assert out.read_text() == "mine"
    assert {file.name for file in shell.folder.iterdir()} == {"gateway.db", "grades.jsonl"}


def test_nothing_is_pruned_or_exported_from_tables_of_another_version(
    shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    (shell.folder / "gateway.db").touch()
    for command in (["prune", "--days", "1"], ["export", "--out", str(shell.folder / "grades.jsonl")]):
        assert shell(*command) == 1
        assert "gateway store upgrade" in capsys.readouterr().err
    assert not (shell.folder / "grades.jsonl").exists()
