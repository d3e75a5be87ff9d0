"""What uploads have left behind that became no version: a crash before its row, a lost answer."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Protocol

from gateway.adapters.tables.files import INCOMING, in_thread
from gateway.tasks import ended
from gateway.training.facts import TableFormat

log = logging.getLogger(__name__)

_DAY_S = 86_400.0  # between two sweeps; and what is younger may be somebody's upload under way
_NAMES = {f"data.{form.value}" for form in TableFormat}


class Records(Protocol):
    async def files(self) -> Collection[Path]:
        """Of every version, relative to the folder."""

    async def numbers(self) -> Mapping[str, int]:
        """The highest version number that was given out, by name."""


class Sweep:
    """Once when the store is open, and then once a day."""

    def __init__(self, folder: Path, records: Records) -> None:
        self._folder = folder
        self._records = records
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Inside the running loop."""
        self._task = asyncio.create_task(self._daily(), name="sweep of data sets")

    async def close(self) -> None:
        if self._task is not None:
            await ended(self._task)

    async def sweep(self) -> int:
        """Returns how many files were removed. Raises StoreUnavailable."""
        numbers = await self._records.numbers()
        files = await self._records.files()
        return await in_thread(_swept, self._folder, frozenset(files), numbers)

    async def _daily(self) -> None:
        while True:
            await asyncio.sleep(_DAY_S)
            try:
                await self.sweep()
            except Exception:  # the task's edge: whatever it is, tomorrow may be better
                log.exception("what uploads left behind was not swept")


def _swept(folder: Path, known: frozenset[Path], numbers: Mapping[str, int]) -> int:
    """A store that knows no version may be the wrong one, or a new one: then the data files stay."""
    before = time.time() - _DAY_S
    lost = list((folder / INCOMING).glob("*.part"))
    if known:
        lost += [file for file in _data_files(folder) if _is_lost(file, folder, known, numbers)]
    count = 0
    for file in lost:
        with contextlib.suppress(FileNotFoundError):  # another gateway sweeps too
            if file.stat().st_mtime < before:
                file.unlink()
                count += 1
    return count


def _is_lost(file: Path, folder: Path, known: frozenset[Path], numbers: Mapping[str, int]) -> bool:
    """Of a number that this store gave out, and of no version. What is under DVC was a version's once, and is
    the worker's to remove."""
    place = file.relative_to(folder)
    name, version = place.parts[0], int(place.parts[1])
    if place in known or version > numbers.get(name, 0):
        return False
    return not file.with_name(f"{file.name}.dvc").exists()


def _data_files(folder: Path) -> list[Path]:
    found = folder.glob("[a-z0-9]*/[0-9]*/data.*")
    return [file for file in found if file.name in _NAMES and file.parent.name.isdecimal()]
