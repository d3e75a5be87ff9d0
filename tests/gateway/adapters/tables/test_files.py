"""Uploads on disk and the processes that read them: bounded, and nothing is left behind."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from gateway.adapters.tables import process
from gateway.adapters.tables.files import FolderFiles
from gateway.errors import (
    BodyTimeout,
    GatewayError,
    InvalidDataset,
    Overloaded,
    PayloadTooLarge,
    StoreUnavailable,
)
from gateway.training.facts import ColumnType, TableFormat
from gateway.training.ports import Received

CONTENT = b"amount,land,fraud\n" + b"1.5,de,0\n2.5,fr,1\n" * 20
CSV = TableFormat.CSV


async def pieces(*content: bytes) -> AsyncIterator[bytes]:
    for piece in content:
        yield piece


async def endless() -> AsyncIterator[bytes]:
    yield b"amount"
    await asyncio.Event().wait()


def files_in(folder: Path, **limits: Any) -> FolderFiles:
    chosen = {"max_bytes": 1 << 20, "timeout_s": 30.0, "max_columns": 10, "checks": 1, **limits}
    return FolderFiles(folder, **chosen)


def left(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def test_an_upload_is_received_checked_and_kept(tmp_path: Path) -> None:
    files = files_in(tmp_path)
    received = await files.receive(pieces(CONTENT[:7], CONTENT[7:]))
    assert (received.sha256, received.size) == (hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))
    table = await files.check(received, CSV, "fraud")
    assert (table.rows, table.size, table.sha256) == (40, len(CONTENT), received.sha256)
    assert [column.type for column in table.columns] == [
        ColumnType.NUMBER,
        ColumnType.TEXT,
        ColumnType.INTEGER,
    ]
    assert table.columns[2].top == ((0, 20), (1, 20))
    assert table.preview[0] == (1.5, "de", 0)
    await files.keep(received, Path("pay/1/data.csv"))
    await files.discard(received)
    assert left(tmp_path) == [tmp_path / "pay/1/data.csv"]
    assert (tmp_path / "pay/1/data.csv").read_bytes() == CONTENT


async def test_large_uploads_are_written_as_they_come(tmp_path: Path) -> None:
    block = os.urandom(1 << 20)
    received = await files_in(tmp_path, max_bytes=20 << 20).receive(pieces(*[block] * 13))
    assert received.path.stat().st_size == received.size == 13 << 20
    assert received.sha256 == hashlib.sha256(block * 13).hexdigest()


@pytest.mark.parametrize(
    ("limits", "chunks", "error"),
    [
        ({"max_bytes": 100}, lambda: pieces(b"x" * 60, b"x" * 60), PayloadTooLarge),
        ({"timeout_s": 0.1}, endless, BodyTimeout),
    ],
)
async def test_an_upload_that_breaks_off_leaves_nothing(
    tmp_path: Path,
    limits: dict[str, Any],
    chunks: Callable[[], AsyncIterator[bytes]],
    error: type[GatewayError],
) -> None:
    with pytest.raises(error):
        await files_in(tmp_path, **limits).receive(chunks())
    assert left(tmp_path) == []


async def test_an_upload_that_is_cancelled_leaves_nothing(tmp_path: Path) -> None:
    begun = asyncio.Event()

    async def stalled() -> AsyncIterator[bytes]:
        yield b"x" * (5 << 20)  # a block: it is on disk when the next piece is asked for
        begun.set()
        await asyncio.Event().wait()

    upload = asyncio.create_task(files_in(tmp_path, max_bytes=10 << 20).receive(stalled()))
    await asyncio.wait_for(begun.wait(), 30)
    assert left(tmp_path)
    upload.cancel()
    with pytest.raises(asyncio.CancelledError):
        await upload
    assert left(tmp_path) == []


async def test_uploads_at_once_are_bounded(tmp_path: Path) -> None:
    files = files_in(tmp_path)
    uploads = [asyncio.create_task(files.receive(endless())) for _ in range(8)]
    await asyncio.sleep(0)  # each has begun
    with pytest.raises(Overloaded):
        await files.receive(pieces(CONTENT))
    for upload in uploads:
        upload.cancel()
    await asyncio.gather(*uploads, return_exceptions=True)
    assert (await files.receive(pieces(CONTENT))).size == len(CONTENT)


async def test_a_folder_that_cannot_be_written_is_the_stores_failure(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"a file, no folder")
    with pytest.raises(StoreUnavailable):
        await files_in(tmp_path / "data").receive(pieces(CONTENT))
    files = files_in(tmp_path / "other")
    with pytest.raises(StoreUnavailable):
        await files.keep(Received(tmp_path / "gone", "ab", 1), Path("pay/1/data.csv"))


async def test_what_was_kept_and_became_no_version_is_taken_back(tmp_path: Path) -> None:
    files = files_in(tmp_path)
    for number in (1, 2):
        await files.keep(await files.receive(pieces(CONTENT)), Path(f"pay/{number}/data.csv"))
    await files.take_back(Path("pay/2/data.csv"))
    await files.take_back(Path("pay/2/data.csv"))
    assert left(tmp_path) == [tmp_path / "pay/1/data.csv"]
    assert not (tmp_path / "pay/2").exists()


async def test_a_broken_table_is_refused_by_its_process(tmp_path: Path) -> None:
    files = files_in(tmp_path)
    received = await files.receive(pieces(CONTENT + b"3.5,de\n"))
    with pytest.raises(InvalidDataset) as caught:
        await files.check(received, CSV, None)
    assert caught.value.message == "A row has another number of fields than the header."
    assert caught.value.detail == "Line 42 begins a row of 2 fields, the header has 3."
    assert caught.value.param is None
    with pytest.raises(InvalidDataset, match="more than 2 columns"):
        await files_in(tmp_path, max_columns=2).check(received, CSV, None)


async def test_a_target_that_is_refused_is_told_as_the_field(tmp_path: Path) -> None:
    files = files_in(tmp_path)
    with pytest.raises(InvalidDataset) as caught:
        await files.check(await files.receive(pieces(CONTENT)), CSV, "amount,land")
    assert (caught.value.param, caught.value.detail) == ("target", None)


@pytest.fixture
def long(tmp_path: Path) -> Received:
    """A second's work."""
    content = b"a,b\n" + b"1,x\n" * 1_000_000
    (tmp_path / "long.csv").write_bytes(content)
    return Received(tmp_path / "long.csv", hashlib.sha256(content).hexdigest(), len(content))


async def test_a_check_that_takes_too_long_is_ended(long: Received) -> None:
    with pytest.raises(InvalidDataset, match="takes too long to read"):
        await process.Checks(1, 10, timeout_s=0.2).check(long, CSV, None)
    assert psutil.Process().children() == []


async def test_a_check_that_takes_too_much_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Enough for Python and polars, which reserve 0.7 GiB, not for three copies of the table.
    monkeypatch.setattr(process, "_MEMORY", 900 << 20)
    monkeypatch.setattr(process, "_MEMORY_A_BYTE", 0)
    (tmp_path / "wide.csv").write_bytes(b"a,b\n" + (b"x" * 60_000 + b",1\n") * 2000)
    with pytest.raises(InvalidDataset, match="more memory"):
        await process.Checks(1, 10).check(Received(tmp_path / "wide.csv", "ab", 1), CSV, None)


async def test_a_check_that_is_killed_may_be_asked_for_again(long: Received) -> None:
    checking = asyncio.create_task(process.Checks(1, 10).check(long, CSV, None))
    (await _child()).kill()
    with pytest.raises(Overloaded):
        await checking


async def test_a_caller_who_leaves_takes_the_process_along(long: Received) -> None:
    checks = process.Checks(1, 10)
    checking = asyncio.create_task(checks.check(long, CSV, None))
    await _child()
    checking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await checking
    assert psutil.Process().children() == []


async def test_checks_at_once_are_bounded(long: Received) -> None:
    checks = process.Checks(1, 10)
    waiting = [asyncio.create_task(checks.check(long, CSV, None)) for _ in range(9)]
    await _child()
    with pytest.raises(Overloaded):
        await checks.check(long, CSV, None)
    assert len(psutil.Process().children()) == 1
    for one in waiting:
        one.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def _child() -> psutil.Process:
    """The process of a check that has begun."""
    async with asyncio.timeout(30):
        while not (children := psutil.Process().children()):
            await asyncio.sleep(0.01)
    found: psutil.Process = children[0]
    return found
