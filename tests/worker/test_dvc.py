"""Real DVC, with a folder and with a real S3 API as remotes: whatever dies, the step done again mends it.

Over 250 lines: they share one folder under DVC, because each command of DVC is seconds.
"""

import asyncio
import hashlib
import json
import os
import shutil
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest
from moto.server import ThreadedMotoServer

from gateway.adapters.dvc import Dvc
from gateway.adapters.objects import S3
from gateway.training.facts import DatasetVersion, Table, TableFormat
from gateway.training.ports import StepFailed

pytestmark = [
    pytest.mark.timeout(300),
    # botocore's own clock; nothing of ours asks for it
    pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning"),
]
CONTENT = b"amount,fraud\n" + b"1.5,0\n2.5,1\n" * 20
STEP_S = 120.0


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    """A server that takes any key, with the bucket `data`."""
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    there = S3(f"http://{host}:{port}", "key-id", "top-secret")
    objects(there).create_bucket(Bucket="data")
    yield there
    server.stop()


def objects(s3: S3) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=s3.endpoint_url,
        aws_access_key_id=s3.access_key_id,
        aws_secret_access_key=s3.secret_access_key,
        region_name="us-east-1",
    )


def keys(s3: S3, prefix: str) -> list[str]:
    listed = objects(s3).list_objects_v2(Bucket="data", Prefix=prefix)
    return [entry["Key"] for entry in listed.get("Contents", ())]


def uploaded(folder: Path, number: int = 1, content: bytes = CONTENT) -> DatasetVersion:
    """A version whose file the gateway has kept."""
    table = Table(TableFormat.CSV, hashlib.sha256(content).hexdigest(), len(content), 40, (), 0)
    version = DatasetVersion("pay", number, datetime.now(UTC), "ann", None, table)
    (folder / version.file).parent.mkdir(parents=True)
    (folder / version.file).write_bytes(content)
    return version


async def shared() -> bool:
    return True


async def unshared() -> bool:
    return False


def stored_at(content: bytes = CONTENT) -> str:
    md5 = hashlib.md5(content).hexdigest()
    return f"files/md5/{md5[:2]}/{md5[2:]}"


async def versioned(dvc: Dvc, version: DatasetVersion) -> DatasetVersion:
    return replace(version, dvc_hash=await dvc.add(version))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, DatasetVersion]:
    """A folder with a version under DVC, to be copied: each command of DVC is seconds."""
    folder = tmp_path_factory.mktemp("made")
    return folder, asyncio.run(versioned(Dvc(folder, "", S3(), STEP_S), uploaded(folder)))


@pytest.fixture
def folder(made: tuple[Path, DatasetVersion], tmp_path: Path) -> Path:
    return Path(shutil.copytree(made[0], tmp_path / "datasets"))


@pytest.fixture
def version(made: tuple[Path, DatasetVersion]) -> DatasetVersion:
    return made[1]


async def test_a_version_goes_to_the_remote_and_comes_back(tmp_path: Path, s3: S3) -> None:
    folder = tmp_path / "datasets"
    dvc = Dvc(folder, "s3://data/life", s3, STEP_S)
    version = await versioned(dvc, uploaded(folder))
    assert version.dvc_hash == hashlib.md5(CONTENT).hexdigest()
    assert await dvc.add(version) == version.dvc_hash
    assert (folder / version.file).read_bytes() == CONTENT
    assert (folder / ".dvc/cache" / stored_at()).samefile(folder / version.file)  # a link: no second copy
    await dvc.push(version)
    await dvc.push(version)
    assert keys(s3, "life/") == [f"life/{stored_at()}"]

    shutil.rmtree(folder)  # a new volume: the store's row and the remote are all that is left
    assert (await dvc.pull(version)).read_bytes() == CONTENT
    kept = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert b"top-secret" not in kept

    await dvc.remove(version, unshared)
    await dvc.remove(version, unshared)
    assert keys(s3, "life/") == []
    assert not (folder / "pay").exists()
    assert not (folder / ".dvc/cache" / stored_at()).exists()


async def test_a_shared_content_stays_for_the_other_version(
    folder: Path, version: DatasetVersion, tmp_path: Path
) -> None:
    remote = tmp_path / "remote"
    dvc = Dvc(folder, str(remote), S3(), STEP_S)
    second = await versioned(dvc, uploaded(folder, 2))
    await dvc.push(second)
    await dvc.remove(version, shared)
    assert not (folder / version.file).exists()
    assert (remote / stored_at()).read_bytes() == CONTENT
    (folder / second.file).unlink()
    assert (await dvc.pull(second)).read_bytes() == CONTENT


async def test_without_a_remote_the_cache_restores_and_nothing_else(
    folder: Path, version: DatasetVersion
) -> None:
    dvc = Dvc(folder, "", S3(), STEP_S)
    (folder / version.file).unlink()
    (folder / f"{version.file}.dvc").unlink()
    assert (await dvc.pull(version)).read_bytes() == CONTENT
    os.chmod(folder / version.file, 0o644)  # noqa: PTH101 - what the next line changes is the cache's too
    (folder / version.file).write_bytes(b"something else")
    with pytest.raises(StepFailed, match=r"^The data set's file is gone, and there is no remote\.$"):
        await dvc.pull(version)


async def test_a_file_that_was_changed_is_not_versioned(folder: Path) -> None:
    version = uploaded(folder, 2)
    (folder / version.file).write_bytes(CONTENT + b"9,9\n")
    with pytest.raises(StepFailed, match="is not the one that was checked"):
        await Dvc(folder, "", S3(), STEP_S).add(version)


async def test_a_remote_that_is_down_is_said_and_used_when_it_is_up(
    folder: Path, version: DatasetVersion, s3: S3
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = replace(s3, endpoint_url=f"http://127.0.0.1:{closed.getsockname()[1]}")
        down = Dvc(folder, "s3://data/late", nobody, STEP_S)
        with pytest.raises(StepFailed, match=r"^The remote of data sets cannot be reached\.$"):
            await down.push(version)
        with pytest.raises(StepFailed, match="cannot be reached"):
            await down.remove(version, unshared)
    with pytest.raises(StepFailed, match=r"^The remote of data sets has no such bucket\.$"):
        await Dvc(folder, "s3://no-such-bucket", s3, STEP_S).push(version)
    shutil.rmtree(folder / ".dvc/cache")  # a lost cache does not stop a push
    await Dvc(folder, "s3://data/late", s3, STEP_S).push(version)
    assert keys(s3, "late/") == [f"late/{stored_at()}"]


async def test_a_push_that_takes_too_long_or_is_killed_stops_nobody(
    folder: Path, version: DatasetVersion, s3: S3
) -> None:
    """The server takes the connection and says nothing."""
    others = set(psutil.Process().children())  # of other tests: a service that serves all of them
    async with silent() as (endpoint, asked):
        quiet = replace(s3, endpoint_url=endpoint)
        with pytest.raises(StepFailed, match=r"^DVC took too long\.$"):
            await Dvc(folder, "s3://data/stalled", quiet, 5.0).push(version)
        await gone(others)
        asked.clear()
        pushing = asyncio.create_task(Dvc(folder, "s3://data/stalled", quiet, STEP_S).push(version))
        await asyncio.wait_for(asked.wait(), 60)
        # What the dead have left names a process that lives, as in another container's numbers.
        left = {str(folder / version.file): {"write": {"pid": os.getppid(), "cmd": "dvc"}}}
        (folder / ".dvc/tmp/rwlock").write_text(json.dumps(left))
        (command,) = set(psutil.Process().children()) - others
        command.kill()
        with pytest.raises(StepFailed, match=r"^DVC failed\.$"):
            await pushing
    dvc = Dvc(folder, "s3://data/stalled", s3, STEP_S)
    assert await dvc.add(version) == version.dvc_hash
    await dvc.push(version)
    assert keys(s3, "stalled/") == [f"stalled/{stored_at()}"]


async def test_a_remote_that_does_not_answer_holds_up_no_other_data_set(
    folder: Path, version: DatasetVersion, s3: S3
) -> None:
    others = set(psutil.Process().children())
    async with silent() as (endpoint, asked):
        dvc = Dvc(folder, "s3://data/quiet", replace(s3, endpoint_url=endpoint), STEP_S)
        pushing = asyncio.create_task(dvc.push(version))
        await asyncio.wait_for(asked.wait(), 60)
        await dvc.add(uploaded(folder, 2, CONTENT + b"9,9\n"))
        assert not pushing.done()
        pushing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await pushing
    await gone(others)


async def test_a_push_has_a_deadline_of_its_own_by_the_files_size(
    folder: Path, version: DatasetVersion, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.adapters.dvc._CARRY_S", 3.0)
    monkeypatch.setattr("gateway.adapters.dvc._BYTE_S", 1.0 / len(CONTENT))
    async with silent() as (endpoint, _):
        dvc = Dvc(folder, "s3://data/slow", replace(s3, endpoint_url=endpoint), STEP_S)
        began = time.monotonic()
        with pytest.raises(StepFailed, match=r"^DVC took too long\.$"):
            await dvc.push(version)
    assert 4.0 <= time.monotonic() - began < STEP_S / 2


@pytest.mark.parametrize(
    "damage",
    [b"\0" * 60, b"outs:\n- md5: %s\n  size: 5\n  pa", b"outs:\n- md5: %s\n"],
)
async def test_a_damaged_dvc_file_stops_no_other_and_is_written_again(
    folder: Path, version: DatasetVersion, damage: bytes
) -> None:
    assert version.dvc_hash
    pointer = folder / f"{version.file}.dvc"
    damage = damage.replace(b"%s", version.dvc_hash.encode())
    pointer.write_bytes(damage)
    dvc = Dvc(folder, "", S3(), STEP_S)
    second = CONTENT + b"9,9\n"
    assert await dvc.add(uploaded(folder, 2, second)) == hashlib.md5(second).hexdigest()
    pointer.write_bytes(damage)
    (folder / version.file).unlink()
    assert (await dvc.pull(version)).read_bytes() == CONTENT
    pointer.write_bytes(damage)
    assert await dvc.add(version) == version.dvc_hash
    assert b"path: data.csv" in pointer.read_bytes()


@pytest.mark.parametrize("left", [None, b"\xff"])
async def test_a_folder_of_dvc_with_damaged_settings_is_used(tmp_path: Path, left: bytes | None) -> None:
    (tmp_path / ".dvc").mkdir()
    if left is not None:
        (tmp_path / ".dvc/config").write_bytes(left)
    assert await Dvc(tmp_path, "", S3(), STEP_S).add(uploaded(tmp_path)) == hashlib.md5(CONTENT).hexdigest()


async def test_what_was_removed_and_comes_again_is_pushed_again(
    folder: Path, version: DatasetVersion, tmp_path: Path
) -> None:
    remote = tmp_path / "remote"
    dvc = Dvc(folder, str(remote), S3(), STEP_S)
    await dvc.push(version)
    await dvc.remove(version, unshared)
    assert not (remote / stored_at()).exists()
    await dvc.push(await versioned(dvc, uploaded(folder)))
    assert (remote / stored_at()).read_bytes() == CONTENT


async def test_whether_content_is_shared_is_asked_when_nothing_else_can_change_it_any_more(
    folder: Path, version: DatasetVersion, tmp_path: Path
) -> None:
    """It was not when the removal began, and is when its turn has come."""
    remote = tmp_path / "remote"
    worker, other = (Dvc(folder, str(remote), S3(), STEP_S) for _ in range(2))
    second = await versioned(other, uploaded(folder, 2))
    there: list[DatasetVersion] = []

    async def shared() -> bool:
        return bool(there)

    async with other._workspace.alone():
        removing = asyncio.create_task(worker.remove(version, shared))
        there.append(second)
    await removing
    await other.push(second)
    assert (remote / stored_at()).exists()
    assert (folder / ".dvc/cache" / stored_at()).exists()


async def test_steps_of_two_workers_take_turns(folder: Path) -> None:
    versions = [uploaded(folder, number, CONTENT + b"9,%d\n" % number) for number in (2, 3)]
    workers = [Dvc(folder, "", S3(), STEP_S) for _ in versions]
    found = await asyncio.gather(*(worker.add(one) for worker, one in zip(workers, versions, strict=True)))
    assert found == [hashlib.md5(CONTENT + b"9,%d\n" % number).hexdigest() for number in (2, 3)]


async def gone(others: set[psutil.Process]) -> None:
    """Until no child but those is left, and none has to be waited for."""
    async with asyncio.timeout(10):
        while set(psutil.Process().children()) - others:
            await asyncio.sleep(0.01)


class silent:  # noqa: N801 - used as a function
    """A server that takes requests and never answers; `asked` is set with the first."""

    async def __aenter__(self) -> tuple[str, asyncio.Event]:
        asked = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked.set()
            await reader.read()
            writer.close()

        self._server = await asyncio.start_server(serve, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()
        return f"http://{host}:{port}", asked

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
