"""What was answered under an idempotency key."""

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection, insert, select

from gateway.adapters.database.database import Database
from gateway.adapters.database.rows import insert_into, inserted
from gateway.adapters.database.tables import answer_grades, answers


class DatabaseAnswers:
    """Implements Answers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def recall(self, key_id: str, idempotency_key: str) -> tuple[str, tuple[str, ...]] | None:
        answered = select(answers.c.body_hash).where(
            answers.c.key_id == key_id, answers.c.idempotency_key == idempotency_key
        )
        ids = select(answer_grades.c.grade_id).where(
            answer_grades.c.key_id == key_id, answer_grades.c.idempotency_key == idempotency_key
        )

        def recall(connection: Connection) -> tuple[str, tuple[str, ...]] | None:
            body_hash = connection.scalar(answered)
            if body_hash is None:
                return None
            return body_hash, tuple(connection.scalars(ids.order_by(answer_grades.c.position)))

        return await self._database.read(recall)

    async def remember(
        self, key_id: str, idempotency_key: str, body_hash: str, grade_ids: Sequence[str]
    ) -> None:
        whose = {"key_id": key_id, "idempotency_key": idempotency_key}
        answer = {**whose, "body_hash": body_hash, "created_at": datetime.now(UTC)}
        rows = [{**whose, "position": n, "grade_id": grade_id} for n, grade_id in enumerate(grade_ids)]

        def remember(connection: Connection) -> None:
            new = insert_into(connection, answers).on_conflict_do_nothing(
                index_elements=[answers.c.key_id, answers.c.idempotency_key]
            )
            if inserted(connection, new, answer) and rows:
                connection.execute(insert(answer_grades), rows)

        await self._database.write(remember)
