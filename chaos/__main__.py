"""`python -m chaos`: every row of the table, and a report. Exit code 0 only when all passed."""

import argparse
import gc
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import uvloop

from chaos.processes import NotThere
from chaos.rows.back import back
from chaos.rows.crowds import big, flood
from chaos.rows.deaths import gateway_killed, process_killed
from chaos.rows.faults import faults
from chaos.rows.neighbours import redis, s3
from chaos.rows.outages import database, disk, locked
from chaos.rows.overload import overload
from chaos.rows.rolling import rolling
from chaos.rows.soak import soak
from chaos.rows.training import tracker_down, worker_killed
from chaos.scale import FULL, SHORT, Scale
from chaos.stage import Stage
from chaos.verdict import Row, markdown, write

ROWS: dict[str, Callable[[Stage, Row], Awaitable[None]]] = {
    "overload": overload,
    "faults": faults,
    "back": back,
    "rolling": rolling,
    "flood": flood,
    "big": big,
    "gateway": gateway_killed,
    "process": process_killed,
    "disk": disk,
    "locked": locked,
    "database": database,
    "redis": redis,
    "s3": s3,
    "worker": worker_killed,
    "tracker": tracker_down,
    "soak": soak,
}


async def played(name: str, scale: Scale, folder: Path) -> Row:
    """One row, on a stage of its own."""
    row, began = Row(name), time.monotonic()
    shutil.rmtree(folder / name, ignore_errors=True)  # of a run before, where they are kept
    try:
        async with Stage(folder / name, scale) as stage:
            await ROWS[name](stage, row)
    except NotThere as error:
        row.broke_off = str(error)
    except Exception as error:  # noqa: BLE001 - the row's edge: the other rows are played all the same
        traceback.print_exc()
        row.broke_off = type(error).__name__
    row.seconds = time.monotonic() - began
    return row


async def all_of(names: list[str], scale: Scale, folder: Path, out: Path | None) -> list[Row]:
    rows = []
    for name in names:
        sys.stderr.write(f"{name} ...\n")
        # A collection in the middle of a row would be counted as the gateway's latency.
        gc.collect()
        gc.disable()
        row = await played(name, scale, folder)
        gc.enable()
        sys.stderr.write(f"{markdown([row])}{name}: {row.seconds:.0f} s\n\n")
        rows.append(row)
        if out is not None:
            write(rows, out)
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=ROWS, metavar="ROW", help=f"of {', '.join(ROWS)}")
    parser.add_argument("--short", action="store_true", help="seconds instead of minutes, wider bounds")
    parser.add_argument("--out", type=Path, help="a folder for chaos.md and chaos.json")
    parser.add_argument("--keep", type=Path, help="a folder for logs and stores, which stays")
    parser.add_argument("--soak", type=float, metavar="SECONDS", help="how long the soak lasts")
    options = parser.parse_args()
    scale = SHORT if options.short else FULL
    if options.soak:
        scale = replace(scale, soak_s=options.soak, warm_s=min(scale.warm_s, options.soak / 3))
    with tempfile.TemporaryDirectory(prefix="chaos") as own:
        folder = options.keep.resolve() if options.keep else Path(own)
        rows = uvloop.run(all_of(options.only or list(ROWS), scale, folder, options.out))
    sys.stdout.write(markdown(rows))
    return 0 if all(row.passed for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
