"""PostgreSQL's advisory locks, where what must not happen twice has no row yet that could be locked."""

from sqlalchemy import Connection, text

# The first half of a lock's number; nobody else's.
BATCHES = 7_265_002  # of a key
TRAININGS = 7_265_003  # of a key
STEPS = 7_265_004  # with data sets
MODELS = 7_265_005  # all of them: their changes are few
COMPARISONS = 7_265_006  # by schedule


def alone(connection: Connection, what: int, whose: str = "") -> None:
    """Waits until no other transaction does the same, and until this one's end none can: what is counted or
    looked for can be added to in one step."""
    if connection.dialect.name == "postgresql":  # SQLite has one writer anyway
        lock = text("SELECT pg_advisory_xact_lock(:what, hashtext(:whose))")
        connection.execute(lock, {"what": what, "whose": whose})
