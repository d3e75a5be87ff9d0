"""Brings the tables to the form that this version of the gateway writes."""

from pathlib import Path

from sqlalchemy import Column, Connection, MetaData, String, Table, func, inspect, select, text, update

from gateway.errors import StoreUnavailable

HEAD = "0005"  # a test compares it with the newest file in migrations/versions
_LOCK = 7_265_001_147  # PostgreSQL's advisory lock of our migrations: any number that nobody else takes
_VERSIONS = Table("alembic_version", MetaData(), Column("version_num", String))  # Alembic's own
_FOLDER = Path(__file__).parent / "migrations"


def revision(connection: Connection) -> str | None:
    """What the database is at; None: it is empty."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(select(_VERSIONS.c.version_num)).scalar_one_or_none()


def touch(connection: Connection) -> None:
    """Writes the revision as it is, to see that anything can be written."""
    connection.execute(update(_VERSIONS).values(version_num=_VERSIONS.c.version_num))


def upgrade(connection: Connection) -> None:
    """Inside one transaction that holds the database's lock on writing: of many processes that start at once
    one migrates, the others wait and find it done. Raises StoreUnavailable for a database that a newer
    version has migrated, which this one must not write to."""
    if connection.dialect.name == "postgresql":
        # Waiting for another process's migration, or a long one of our own, is no slow statement.
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    found = revision(connection)
    if found == HEAD:
        return
    # Alembic takes 0.4 s to import and is wanted only when the tables change.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    if found and found not in {script.revision for script in ScriptDirectory(_FOLDER).walk_revisions()}:
        raise StoreUnavailable("The database was written by a newer version of the gateway.")
    command.upgrade(config, HEAD)
