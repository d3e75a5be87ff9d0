"""What a command that changes things tells the audit, in the name of whoever typed it."""

import getpass
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.adapters.database.audit import DatabaseTrail
from gateway.adapters.database.database import Database
from gateway.adapters.database.migration import HEAD
from gateway.audit import Action, Audit, Deed
from gateway.errors import GatewayError, StoreUnavailable
from gateway.settings import Settings

_PATIENCE_S = 5.0  # of a change that does not wait for the store


def actor() -> str:
    """`cli:USER`; the number of a user who has no name."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = str(os.getuid())
    return f"cli:{''.join(letter for letter in name if letter.isprintable())[:64]}"


@asynccontextmanager
async def recorded(database: Database, action: Action, what: str | None = None) -> AsyncIterator[Deed]:
    """For as long as a command's action lasts. Raises StoreUnavailable, and then it is not begun."""
    async with Audit(DatabaseTrail(database)).recorded(actor(), action, what) as deed:
        yield deed


async def tell(settings: Settings, action: Action, what: str) -> None:
    """Writes down what was done already. A store that is not there, or not yet of this version, is a warning
    at the terminal."""
    database = Database(
        settings.database_url.get_secret_value(), timeout_s=_PATIENCE_S, start_timeout_s=_PATIENCE_S
    )
    try:
        if await database.open() != HEAD:
            raise StoreUnavailable("The store is empty, or of another version.")
        async with recorded(database, action, what):
            pass
    except (GatewayError, OSError) as error:
        sys.stderr.write(f"Done, and not written into the audit: {error}\n")
    finally:
        await database.close()
