"""A data set as the part `file` of a form."""

from pathlib import Path

import aiohttp
import pytest

from tests.gateway.conftest import Running
from tests.gateway.rest.test_datasets import CONTENT, left, running, send

__all__ = ["running"]  # the fixture


@pytest.mark.parametrize("part", [{"filename": "Pay.CSV"}, {"filename": "pay", "content_type": "text/csv"}])
async def test_a_form_brings_a_file(running: Running, part: dict[str, str], tmp_path: Path) -> None:
    form = aiohttp.FormData()
    form.add_field("file", CONTENT, **part)
    status, version, _ = await send(running, "POST", "/v1/datasets?name=pay&target=fraud", form)
    assert (status, version["rows"]) == (201, 40)
    assert (tmp_path / "datasets/pay/1/data.csv").read_bytes() == CONTENT


def form_body(*parts: tuple[str, bytes], end: str = "--\r\n") -> bytes:
    body = b""
    for head, content in parts:
        body += f"--edge\r\ncontent-disposition: form-data; {head}\r\n\r\n".encode() + content + b"\r\n"
    return body + f"--edge{end}".encode()


@pytest.mark.parametrize(
    "body",
    [
        form_body(('name="data"; filename="a.csv"', CONTENT)),
        form_body(('name="file"; filename="a.csv"', CONTENT), ('name="file"; filename="b.csv"', CONTENT)),
        form_body(('name="file"; filename="a.csv"', CONTENT), end=""),
        form_body(('name="file"; filename="a.csv"\r\ncontent-transfer-encoding: base64', CONTENT)),
        form_body(),
        b"no form",
        b"",
    ],
)
async def test_a_form_that_is_none_is_400_and_leaves_nothing(
    running: Running, body: bytes, tmp_path: Path
) -> None:
    kind = "multipart/form-data; boundary=edge"
    status, told, _ = await send(running, "POST", "/v1/datasets?name=pay", body, content_type=kind)
    assert (status, told["code"], told["details"]) == (400, "invalid_request", [{"field": "file"}])
    assert left(tmp_path / "datasets") == []


async def test_a_form_that_names_no_boundary_is_400(running: Running) -> None:
    status, told, _ = await send(
        running, "POST", "/v1/datasets?name=pay", CONTENT, content_type="multipart/form-data"
    )
    assert (status, told["code"]) == (400, "invalid_request")
