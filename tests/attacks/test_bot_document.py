"""The bot against its own OpenAPI document."""

import asyncio
from collections.abc import Callable
from typing import Any

from openapi_spec_validator import validate

from tests.attacks.documents import asked
from tests.bot.conftest import Bot, start_bot

__all__ = ["start_bot"]

EXAMPLES = 8


async def test_every_answer_is_one_that_the_document_tells(start_bot: Callable[..., Any]) -> None:
    """The gateway behind it answers, so none of them is 5xx."""
    bot: Bot = await start_bot()
    _, document, _ = await bot.get("/openapi.json")
    validate(document)
    counts = await asyncio.to_thread(asked, document, bot.url, "", EXAMPLES)
    assert counts.keys() == {"POST /get_message", "POST /predict", "GET /healthz", "GET /readyz"}
