"""What crashes have left is swept; what another store or DVC knows is not."""

import asyncio
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway.adapters.tables import sweeping
from gateway.adapters.tables.sweeping import Sweep


@dataclass
class Records:
    known: frozenset[Path] = frozenset()
    given: Mapping[str, int] = field(default_factory=dict)

    async def files(self) -> frozenset[Path]:
        return self.known

    async def numbers(self) -> Mapping[str, int]:
        return self.given


KNOWN = frozenset({Path("pay/1/data.csv")})


def lay(folder: Path, *names: str, age_s: float = 90_000) -> None:
    then = time.time() - age_s
    for name in names:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")
        os.utime(file, (then, then))


def left(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


async def test_a_sweep_takes_what_crashes_have_left_and_nothing_else(tmp_path: Path) -> None:
    lay(tmp_path, "pay/1/data.csv", "pay/2/data.csv", ".incoming/a.part", ".dvc/cache/files/x")
    lay(tmp_path, "pay/3/data.json", ".incoming/b.part", age_s=80_000)
    assert await Sweep(tmp_path, Records(KNOWN, {"pay": 3})).sweep() == 2
    assert left(tmp_path) == {"pay/1/data.csv", ".dvc/cache/files/x", "pay/3/data.json", ".incoming/b.part"}


async def test_what_this_store_never_numbered_or_dvc_knows_stays(tmp_path: Path) -> None:
    files = {"pay/1/data.csv", "pay/4/data.csv", "other/1/data.csv", "pay/2/data.csv", "pay/2/data.csv.dvc"}
    lay(tmp_path, *files)
    assert await Sweep(tmp_path, Records(KNOWN, {"pay": 3})).sweep() == 0
    assert left(tmp_path) == files


async def test_a_store_that_knows_nothing_takes_no_data(tmp_path: Path) -> None:
    lay(tmp_path, "pay/1/data.csv", ".incoming/a.part")
    assert await Sweep(tmp_path, Records(given={"pay": 1})).sweep() == 1
    assert left(tmp_path) == {"pay/1/data.csv"}


async def test_it_is_done_day_after_day_until_it_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also after a day on which it could not be done."""
    swept: asyncio.Queue[int] = asyncio.Queue()

    class Failing(Records):
        async def numbers(self) -> Mapping[str, int]:
            await swept.put(1)
            raise OSError

    monkeypatch.setattr(sweeping, "_DAY_S", 0.001)
    sweep = Sweep(tmp_path, Failing())
    sweep.start()
    for _ in range(2):
        await asyncio.wait_for(swept.get(), 30)
    await sweep.close()
