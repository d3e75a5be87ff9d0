"""A few rows of the table for seconds, with real processes: the same meaning, looser counts."""

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvloop

from chaos.__main__ import played
from chaos.board import Mode
from chaos.rows.faults import some_faults
from chaos.scale import SHORT
from chaos.stage import Stage
from chaos.verdict import Row, markdown

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(autouse=True)
def _no_collection_in_the_middle() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("name", ["overload", "flood", "gateway"])
def test_a_row_holds(name: str, tmp_path: Path) -> None:
    row = uvloop.run(played(name, SHORT, tmp_path))

    assert row.passed, markdown([row])


def test_a_broken_model_server_is_left_alone_soon(tmp_path: Path) -> None:
    row = Row("faults")

    async def play() -> None:
        async with Stage(tmp_path, SHORT) as stage:
            await some_faults(stage, row, (("killed", None, True), ("black hole", Mode.SILENT, True)))

    uvloop.run(play())

    assert row.passed, markdown([row])
