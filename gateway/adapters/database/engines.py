"""The two engines, set up so that what was committed survives a power cut and nothing waits for ever."""

from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event

_WRITES = "store_writes"


def engine_of(url: URL, *, timeout_s: float, connections: int) -> Engine:
    """`timeout_s` bounds waiting for a connection, for a lock and for one statement."""
    sqlite = is_sqlite(url)
    engine = create_engine(
        url,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=timeout_s,
        # A statement on a connection that PostgreSQL has closed meanwhile would cost somebody a grade.
        pool_pre_ping=not sqlite,
        hide_parameters=True,
        connect_args=_sqlite_arguments(timeout_s) if sqlite else _postgresql_arguments(timeout_s),
    )
    if sqlite:
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    else:
        milliseconds = int(timeout_s * 1000)

        def set_up(connection: Any, _: object) -> None:
            _set_up_postgresql(connection, milliseconds)

        event.listen(engine, "connect", set_up)
    return engine


def is_sqlite(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"


def reading(engine: Engine) -> Engine:
    """The same connections; a transaction sees the database as it was when it began."""
    if is_sqlite(engine.url):
        return engine
    return engine.execution_options(isolation_level="REPEATABLE READ")


def writing(engine: Engine) -> Engine:
    """The same connections; a transaction of SQLite takes the lock on writing when it begins. Taken later,
    it could find that what it has read is no longer so, and fail."""
    return engine.execution_options(**{_WRITES: True})


def _sqlite_arguments(timeout_s: float) -> dict[str, Any]:
    return {
        "timeout": timeout_s,  # of waiting for another process's lock
        "check_same_thread": False,  # the pool sees to it that one at a time uses a connection
    }


def _set_up_sqlite(connection: Any, _: object) -> None:
    connection.isolation_level = None  # sqlite3 begins no transaction by itself: _begin_sqlite does
    cursor = connection.cursor()
    for pragma in (
        # The file is in WAL mode (file.py). With NORMAL a commit is not synced then (strace: no fdatasync;
        # with FULL one): a power cut takes back what was committed since the last checkpoint.
        "synchronous = FULL",
        "foreign_keys = ON",
        "secure_delete = ON",  # what is pruned is overwritten, not only forgotten
        "journal_size_limit = 67108864",  # a log that one large transaction has blown up shrinks again
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _postgresql_arguments(timeout_s: float) -> dict[str, Any]:
    return {
        "application_name": "grading-gateway",
        "connect_timeout": max(2, int(timeout_s)),  # libpq takes no less than 2 s
        "tcp_user_timeout": int(timeout_s * 1000),  # a peer that has vanished without a word
    }


def _set_up_postgresql(connection: Any, milliseconds: int) -> None:
    """The server ends what a vanished gateway has left behind. Not by the start-up packet's `options`, which
    DATABASE_URL may carry."""
    cursor = connection.cursor()
    cursor.execute(
        f"SET statement_timeout = {milliseconds}; SET idle_in_transaction_session_timeout = {milliseconds}"
    )
    cursor.close()
    connection.commit()
