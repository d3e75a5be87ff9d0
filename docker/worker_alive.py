"""`python worker_alive.py`: exit 0 when a worker reported to the store within 30 s.

The worker opens no port; what it says of itself is in the store, by the store's clock. Of several workers at
one store it takes one that reports.
"""

import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

_ASK = "SELECT count(*) FROM training_workers WHERE seen_s > {now} - 30"


def reporting(address: str) -> int:
    if address.startswith("sqlite:///"):
        file = Path(address.removeprefix("sqlite:///")).absolute().as_uri()
        with closing(sqlite3.connect(f"{file}?mode=ro", uri=True, timeout=3)) as store:
            (count,) = store.execute(_ASK.format(now="unixepoch()")).fetchone()
        return int(count)
    import psycopg  # noqa: PLC0415 - 0.2 s, and not where the store is a file

    with psycopg.connect(address, connect_timeout=3) as store:
        row = store.execute(_ASK.format(now="extract(epoch from now())")).fetchone()
    return int(row[0]) if row else 0


if __name__ == "__main__":
    sys.exit(not reporting(os.environ.get("DATABASE_URL", "sqlite:///state/gateway.db")))
