"""Drift reports in a folder and in S3: by their hash, whole, and the ones that were made."""

import asyncio
import hashlib
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest
from moto.server import ThreadedMotoServer

from gateway.adapters import reports as reports_module
from gateway.adapters.objects import S3
from gateway.adapters.reports import StoredReports
from gateway.errors import NotFound, PayloadTooLarge, StoreUnavailable

HTML = b"<html>drift</html>" * 1000
SHA256 = hashlib.sha256(HTML).hexdigest()
SECRET = "a-secret-of-s3"


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield S3(f"http://{host}:{port}", "key", SECRET)
    server.stop()


@pytest.fixture(params=["folder", "s3"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "reports") if request.param == "folder" else "s3://reports/some/prefix"


@pytest.fixture
def client(s3: S3) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=s3.endpoint_url,
        aws_access_key_id=s3.access_key_id,
        aws_secret_access_key=SECRET,
        region_name=s3.region,
    )


@pytest.fixture
def reports(url: str, s3: S3, client: Any) -> StoredReports:
    client.create_bucket(Bucket="reports")
    return StoredReports(url, s3)


async def test_a_report_is_kept_under_its_hash(reports: StoredReports) -> None:
    with pytest.raises(NotFound):
        await reports.get(SHA256)
    for _ in range(2):
        assert await reports.put(HTML) == SHA256
    assert await reports.get(SHA256) == HTML
    for _ in range(2):
        await reports.delete(SHA256)
    with pytest.raises(NotFound):
        await reports.get(SHA256)


async def test_what_is_another_is_not_shown(
    url: str, reports: StoredReports, client: Any, tmp_path: Path
) -> None:
    await reports.put(HTML)
    if "://" in url:
        client.put_object(Bucket="reports", Key=f"some/prefix/{SHA256}.html", Body=b"<script>")
    else:
        (tmp_path / "reports" / f"{SHA256}.html").write_bytes(b"<script>")
    with pytest.raises(StoreUnavailable, match="another"):
        await reports.get(SHA256)
    await reports.delete(SHA256)


async def test_a_report_has_a_size(reports: StoredReports, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports_module, "_MOST_BYTES", len(HTML))
    await reports.put(HTML)
    with pytest.raises(PayloadTooLarge):
        await reports.put(HTML + b" ")
    monkeypatch.setattr(reports_module, "_MOST_BYTES", len(HTML) - 1)
    with pytest.raises(StoreUnavailable, match="another"):
        await reports.get(SHA256)
    await reports.delete(SHA256)


async def test_reports_are_listed_by_when_they_were_put(
    url: str, reports: StoredReports, client: Any, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    assert await reports.put_before(now) == []
    await reports.put(HTML)
    for name in ("notes.txt", f"{SHA256}.onnx", f"deeper/{SHA256}.html"):
        if "://" in url:
            client.put_object(Bucket="reports", Key=f"some/prefix/{name}", Body=b"another's")
        else:
            (tmp_path / "reports" / name).parent.mkdir(exist_ok=True)
            (tmp_path / "reports" / name).write_bytes(b"another's")
    assert await reports.put_before(now + timedelta(minutes=1)) == [SHA256]
    assert await reports.put_before(now - timedelta(minutes=1)) == []
    await reports.delete(SHA256)


@pytest.mark.parametrize("name", ["", "../../etc/passwd", SHA256.upper(), SHA256 + "0", "a/" + SHA256[2:]])
async def test_a_hash_that_is_none_reaches_no_place(reports: StoredReports, name: str) -> None:
    for ask in (reports.get, reports.delete):
        with pytest.raises(NotFound):
            await ask(name)


async def test_a_place_that_is_down_says_so_and_nothing_more(client: Any, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    down = S3("http://127.0.0.1:1", "key", SECRET)
    for reports in (StoredReports("s3://reports", down), StoredReports(str(file), down)):
        for work in (
            reports.get(SHA256),
            reports.put(HTML),
            reports.delete(SHA256),
            reports.put_before(datetime.now(UTC)),
        ):
            with pytest.raises(StoreUnavailable) as told:
                await work
            assert told.value.message == "The store of reports cannot be used."
            assert told.value.retry_after is not None
            assert told.value.__cause__ is None


async def test_what_was_put_long_ago_is_told_by_its_hash(reports: StoredReports, url: str) -> None:
    assert await reports.put_before(datetime.now(UTC)) == []
    await reports.put(HTML)
    if "://" not in url:
        await asyncio.to_thread(Path(url, f".{uuid4().hex}.part").touch)
    now = datetime.now(UTC)
    assert await reports.put_before(now + timedelta(minutes=1)) == [SHA256]
    assert await reports.put_before(now - timedelta(minutes=1)) == []


async def test_what_a_killed_writer_left_goes_after_a_day(tmp_path: Path) -> None:
    reports, now = StoredReports(str(tmp_path), S3()), datetime.now(UTC)
    await reports.put(HTML)
    ages_h = {f".{uuid4().hex}.part": 25, f".{uuid4().hex}.part ": 25, ".other.part": 25}
    ages_h[f".{uuid4().hex}.part"] = 23
    for name, hours in ages_h.items():
        (tmp_path / name).touch()
        then = (now - timedelta(hours=hours)).timestamp()
        os.utime(tmp_path / name, (then, then))
    assert await reports.put_before(now - timedelta(days=30)) == []
    left = {f"{SHA256}.html", *list(ages_h)[1:]}
    assert set(await asyncio.to_thread(os.listdir, tmp_path)) == left
