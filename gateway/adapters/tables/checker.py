"""The main of a process that reads one upload: strictly, within its memory, and never a word of it in a log.

A process of its own, because a file is somebody's attack until it was read: what it can break is this
process, and its memory is given back whole.
"""

import json
import os
import resource
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gateway.adapters.crashes import leave_no_dump
from gateway.adapters.lifeline import die_with
from gateway.errors import InvalidDataset
from gateway.training.facts import TableFormat


def main(parent: int) -> None:
    """Reads the order from its pipe and answers with `table`, `refused` or `failed`, in JSON."""
    die_with(parent)
    leave_no_dump()
    order = json.loads(sys.stdin.buffer.read())
    answers = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)  # a foreign library's last words may quote a cell
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    resource.setrlimit(resource.RLIMIT_AS, (order["memory"], order["memory"]))
    os.environ["POLARS_MAX_THREADS"] = "1"  # beside a gateway that has requests to answer
    with answers:
        answers.write(json.dumps(_answer(order)).encode("ascii"))


def _answer(order: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"table": _checked(order)}
    except InvalidDataset as refused:
        return {"refused": (refused.message, refused.detail, refused.param)}
    except MemoryError:
        return {"failed": "memory"}
    except OSError:
        return {"failed": "files"}


def _checked(order: dict[str, Any]) -> dict[str, Any]:
    # Polars: half a second and 60 MB, after the settings that it reads at import.
    from gateway.adapters.tables.reading import read_table  # noqa: PLC0415
    from gateway.adapters.tables.statistics import table_of  # noqa: PLC0415
    from gateway.adapters.tables.target import check_target  # noqa: PLC0415

    form, target = TableFormat(order["form"]), order["target"]
    frame = read_table(Path(order["path"]), form, order["most_columns"])
    if target is not None:
        check_target(frame, target)
    return asdict(table_of(frame, form, order["sha256"], order["size"], target))
