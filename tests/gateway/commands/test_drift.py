"""`gateway drift` over a SQLite file, by the command's own main()."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway import cli
from gateway.adapters.database.database import Database
from gateway.adapters.database.drift_queue import DatabaseDriftQueue
from gateway.drift.facts import ColumnDrift, DriftRun, RunState, Window
from tests.gateway.adapters.database.drift_facts import NOON, noted

AN_HOUR_AGO = (datetime.now(UTC) - timedelta(hours=1) - NOON) / timedelta(minutes=1)
SCORE = (ColumnDrift("score", "K-S", 0.0012, 0.05, drifted=True, rows=10),)
Told = Callable[[], tuple[list[list[str]], str]]  # the rows of stdout, and stderr, since the last look


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    address = f"sqlite:///{tmp_path}/store.db"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", address)
    monkeypatch.setenv("REPORTS_URL", str(tmp_path / "reports"))
    return address


@pytest.fixture
def seen(address: str) -> str:
    """Ten observations of spam an hour ago."""

    async def see(database: Database) -> None:
        await noted(database, "spam", [AN_HOUR_AGO + minute / 60 for minute in range(10)])

    _within(address, see)
    return address


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Told:
    def told() -> tuple[list[list[str]], str]:
        out, error = capsys.readouterr()
        return [line.split("\t") for line in out.splitlines()], error

    return told


def _within(address: str, work: Callable[[Database], Awaitable[object]]) -> None:
    async def run() -> None:
        database = Database(address)
        await database.start()
        await work(database)
        await database.close()

    asyncio.run(run())


def drift(*arguments: str) -> int:
    return cli.main(["drift", *arguments])


@pytest.fixture
def worker(seen: str) -> Iterator[Callable[[DriftRun], None]]:
    """A worker in a thread that ends the next queued run as it is told."""
    threads: list[threading.Thread] = []

    def begin(as_told: DriftRun) -> None:
        async def work(database: Database) -> None:
            queue = DatabaseDriftQueue(database)
            async with asyncio.timeout(30):
                while (run := await queue.lease("worker", 60)) is None:
                    await asyncio.sleep(0.02)
                over = replace(
                    as_told,
                    **{name: getattr(run, name) for name in ("id", "model", "reference_id", "window")},
                    created_at=run.created_at,
                )
                await queue.finish(over, "worker")

        threads.append(threading.Thread(target=_within, args=(seen, work)))
        threads[-1].start()

    yield begin
    for thread in threads:
        thread.join(30)


def ended(state: RunState, *, drifted: bool | None = None, columns: tuple[ColumnDrift, ...] = ()) -> DriftRun:
    """As the worker would say; what the run is called does not matter."""
    now = datetime.now(UTC)
    error = None if drifted is not None else "Too few."
    run = DriftRun("", "", "", Window(now, now), now, "", state, now, now)
    return replace(run, drifted=drifted, columns=columns, error=error)


def test_a_reference_is_kept_listed_and_forgotten(seen: str, told: Told) -> None:
    assert drift("keep", "spam") == 0
    (head, kept), _ = told()
    assert head == ["id", "model", "since", "until", "rows", "created_by"]
    assert kept[1::3] == ["spam", "10"]
    assert kept[5] == "command"
    since, until = (datetime.fromisoformat(cell) for cell in kept[2:4])
    assert until - since == timedelta(days=7)
    assert drift("references", "--model", "spam") == 0
    assert told()[0] == [head, kept]
    assert drift("models") == 0
    (_, row), _ = told()
    assert (row[0], row[1], row[4:]) == ("spam", "10", [kept[0], "-", "-"])
    assert drift("forget", kept[0]) == 0
    assert drift("forget", kept[0]) == 2
    assert told() == ([], "There is no reference of that id.\n")


def test_the_window_is_chosen_by_days_or_by_times(seen: str, told: Told) -> None:
    assert drift("keep", "spam", "--days", "1") == 0
    (_, kept), _ = told()
    since, until = (datetime.fromisoformat(cell) for cell in kept[2:4])
    assert until - since == timedelta(days=1)
    began = (datetime.now(UTC) - timedelta(hours=2)).isoformat()
    assert drift("keep", "spam", "--since", began, "--until", datetime.now(UTC).isoformat()) == 0
    assert told()[0][1][4] == "10"
    assert drift("keep", "spam", "--until", began) == 2
    assert told() == ([], "No observation of the model lies in that window.\n")
    assert drift("keep", "spam", "--days", "2", "--since", began) == 2
    assert drift("keep", "spam", "--days", "7", "--until", "2100-01-01") == 2
    assert "'until' lies in the future." in told()[1]


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (ended(RunState.SUCCEEDED, drifted=True, columns=SCORE), 1),
        (ended(RunState.SUCCEEDED, drifted=False), 0),
        (ended(RunState.SKIPPED), 3),
        (ended(RunState.FAILED), 3),
    ],
)
def test_a_run_that_is_waited_for_says_by_its_code_what_was_found(
    worker: Callable[[DriftRun], None], told: Told, found: DriftRun, code: int
) -> None:
    assert drift("keep", "spam") == 0
    told()
    worker(found)
    assert drift("run", "spam", "--wait", "30") == code
    rows, _ = told()
    assert rows[0][1:] == [found.state.value, found.error or "-"]
    assert rows[1:] == [["score", "drifted", "K-S", "0.0012", "0.05"] for _ in found.columns]
    assert drift("runs", "--model", "spam") == 0
    (_, run), _ = told()
    says = {True: "true", False: "false", None: "-"}[found.drifted]
    assert (run[1], run[3], run[4], run[6]) == ("spam", found.state.value, says, "score" if rows[1:] else "-")


def test_a_run_that_is_not_over_in_time_says_nothing(seen: str, told: Told) -> None:
    assert drift("keep", "spam") == 0
    told()
    assert drift("run", "spam", "--wait", "0.2") == 3
    assert drift("run", "spam", "--window-hours", "2") == 0
    (waited, queued), _ = told()
    assert waited == [*queued, "-"]
    assert queued[1] == "queued"


def test_what_cannot_be_asked_is_code_2_and_a_store_that_is_down_3(
    address: str, tmp_path: Path, told: Told
) -> None:
    assert drift("models") == 3
    assert told()[1]
    assert list(tmp_path.iterdir()) == []  # nothing is made or migrated

    async def nothing(_: Database) -> None: ...

    _within(address, nothing)
    assert drift("run", "spam") == 2
    assert told()[1] == "There is no reference of the model: keep one first.\n"
    for nonsense in ("nan", "-1", "0"):
        assert drift("run", "spam", "--window-hours", nonsense) == 2
    assert drift("runs", "--model", "a\tb") == 2
    assert drift("forget", "../x") == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("keep", "spam", "--days", "0"),
        ("keep", "spam", "--days", "367"),
        ("keep", "spam", "--since", "yesterday"),
        ("keep", "spam", "--until", "10000-01-01"),
        ("keep", "spam", "--until", "0001-01-01"),
        ("run", "spam", "--wait", "nan"),
        ("run", "spam", "--wait", "-1"),
        ("run", "spam", "--window-hours", "many"),
        ("keep",),
        (),
    ],
)
def test_arguments_that_cannot_be_read_are_code_2(address: str, arguments: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as left:
        drift(*arguments)
    assert left.value.code == 2
