"""Uploads are read in processes of their own, a few at once; the gateway itself never parses one."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from gateway.errors import InvalidDataset, Overloaded, StoreUnavailable
from gateway.training.facts import Column, ColumnType, Table, TableFormat
from gateway.training.ports import Received

_ROOT = Path(__file__).parents[3]
_BOOT = (
    "import sys; sys.path.insert(0, sys.argv[1]);"
    "from gateway.adapters.tables.checker import main; main(int(sys.argv[2]))"
)
# Address space; libraries and their threads reserve 0.7 GiB. A CSV of 96 MiB with 15.8 million cells needs
# 1.9 GiB of it, and 0.6 GiB of memory.
_MEMORY = 3 << 30
_MEMORY_A_BYTE = 4
_MOST_WAITING = 8
_TOO_MUCH = "The data set needs more memory than its check may take."


class Checks:
    """`places`: uploads read at once. `timeout_s`: of one; then its process is killed."""

    def __init__(self, places: int, most_columns: int, timeout_s: float = 300.0) -> None:
        self._places = asyncio.Semaphore(places)
        self._open = 0
        self._most_open = places + _MOST_WAITING
        self._most_columns = most_columns
        self._timeout_s = timeout_s

    async def check(self, received: Received, form: TableFormat, target: str | None) -> Table:
        """Raises InvalidDataset, Overloaded, StoreUnavailable."""
        if self._open >= self._most_open:
            raise Overloaded("Too many data sets are being checked.", retry_after=10.0)
        order = {
            "path": str(received.path.resolve()),
            "form": form.value,
            "target": target,
            "sha256": received.sha256,
            "size": received.size,
            "most_columns": self._most_columns,
            "memory": _MEMORY + _MEMORY_A_BYTE * received.size,
        }
        self._open += 1
        try:
            async with self._places:
                return await self._asked(order)
        finally:
            self._open -= 1

    async def _asked(self, order: Mapping[str, object]) -> Table:
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-c", _BOOT, str(_ROOT), str(os.getpid())),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )
        except OSError:
            raise Overloaded("No process could be started for the check.", retry_after=10.0) from None
        try:
            async with asyncio.timeout(self._timeout_s):
                # Through the pipe: what people may see of a process are its arguments.
                answer, _ = await process.communicate(json.dumps(order).encode())
        except TimeoutError:
            raise InvalidDataset("The data set takes too long to read.") from None
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if process.returncode == -signal.SIGABRT:  # what Rust does where Python raises MemoryError
            raise InvalidDataset(_TOO_MUCH)
        if process.returncode != 0:
            raise Overloaded("The check of the data set was ended.", retry_after=10.0)
        return await asyncio.to_thread(_table, answer)


def _table(answer: bytes) -> Table:
    """A thousand columns with their previews are some milliseconds of JSON."""
    said: dict[str, Any] = json.loads(answer)
    if "refused" in said:
        message, detail, param = said["refused"]
        raise InvalidDataset(message, detail=detail, param=param)
    if said.get("failed") == "memory":
        raise InvalidDataset(_TOO_MUCH)
    if "failed" in said:
        raise StoreUnavailable("The upload cannot be read back.")
    table = said["table"]
    return Table(
        **{
            **table,
            "format": TableFormat(table["format"]),
            "columns": tuple(_column(column) for column in table["columns"]),
            "warnings": tuple(table["warnings"]),
            "preview": tuple(tuple(row) for row in table["preview"]),
        }
    )


def _column(told: Mapping[str, Any]) -> Column:
    top = tuple((value, count) for value, count in told["top"])
    return Column(**{**told, "type": ColumnType(told["type"]), "top": top})
