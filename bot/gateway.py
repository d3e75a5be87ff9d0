"""The gateway, by OpenAI's own client: its retries honour `retry-after`; the deadline over them is ours."""

import asyncio
import logging
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar
from urllib.parse import quote

import httpx2
from openai import (
    APIConnectionError,
    APIStatusError,
    AsyncOpenAI,
    BadRequestError,
    DefaultAsyncHttpxClient,
    Timeout,
)
from openai.types.chat import ChatCompletionMessageParam
from pydantic import BaseModel, ValidationError

from bot.dialogs import Turn
from bot.errors import Away, Refused, Unusable
from bot.settings import Settings
from bot.wire import Classification, Completion, Models

log = logging.getLogger(__name__)

_BOT = "bot"  # the label of message-classifier that means one; the other is `human`
_READY_S = 2.0
_RETRY_AFTER_S = 5.0  # where the gateway does not say
_PASSING = frozenset({408, 409, 425, 429})  # and every 5xx

T = TypeVar("T", bound=BaseModel)


class Gateway:
    """Make it inside the running loop; `close()` releases the connections."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        limits = Timeout(settings.bot_timeout_s, connect=settings.bot_connect_timeout_s)
        self._client = AsyncOpenAI(
            api_key=settings.open_ai_api_key.get_secret_value(),
            base_url=settings.proxy_url,
            max_retries=settings.bot_retries,
            timeout=limits,
            # The gateway is never behind the proxy that a machine has for the world.
            http_client=DefaultAsyncHttpxClient(trust_env=False, follow_redirects=False, timeout=limits),
        )

    async def close(self) -> None:
        await self._client.close()

    async def reply(self, turns: Sequence[Turn], text: str) -> str:
        """The language model's answer to `text` after those turns. Raises Away, Refused, Unusable."""
        with _ours():
            async with asyncio.timeout(self._settings.bot_timeout_s):
                content = await self._completion(list(turns), text)
        reply = _read(Completion, content).choices[0].message.content.strip()
        if not reply:
            raise Unusable("The model answered nothing.")
        return reply

    async def bot_probability(self, text: str) -> float:
        """How likely it is that a program wrote the text: one side of a dialogue, its messages a line each.
        Raises Away, Refused, Unusable."""
        path = f"/models/{quote(self._settings.classifier_model_name, safe='')}:predict"
        with _ours():
            async with asyncio.timeout(self._settings.bot_timeout_s):
                answer = await self._client.post(path, body={"text": text}, cast_to=httpx2.Response)
        probabilities = _read(Classification, answer.content).probabilities
        if _BOT not in probabilities:
            raise Unusable("The classifier has no label for a bot.")
        return probabilities[_BOT]

    async def check_ready(self) -> None:
        """Returns when the gateway lists a language model and the classifier. Raises Away, Refused,
        Unusable."""
        with _ours():
            async with asyncio.timeout(_READY_S):
                once = self._client.with_options(max_retries=0)
                answer = await once.get("/models", cast_to=httpx2.Response)
        models = _read(Models, answer.content).data
        if not any(model.output == "text" for model in models):
            raise Away("The gateway has no language model now.", _RETRY_AFTER_S)
        if not any(model.id == self._settings.classifier_model_name for model in models):
            raise Away("The gateway has no classifier now.", _RETRY_AFTER_S)

    async def _completion(self, turns: list[Turn], text: str) -> bytes:
        """What does not fit the model's context window is asked again with the newer half of the turns."""
        create = self._client.chat.completions.with_raw_response.create
        while True:
            try:
                answer = await create(
                    model=self._settings.llm_model_name,
                    messages=self._messages(turns, text),
                    max_tokens=self._settings.bot_max_tokens,
                )
            except BadRequestError as error:
                if error.code != "context_length_exceeded" or not turns:
                    raise
                turns = turns[(len(turns) + 1) // 2 :]
            else:
                return answer.content

    def _messages(self, turns: Sequence[Turn], text: str) -> list[ChatCompletionMessageParam]:
        messages: list[ChatCompletionMessageParam] = []
        if self._settings.bot_prompt:
            messages.append({"role": "system", "content": self._settings.bot_prompt})
        for turn in turns:
            messages.append({"role": "user", "content": turn.text})
            messages.append({"role": "assistant", "content": turn.reply})
        return [*messages, {"role": "user", "content": text}]


@contextmanager
def _ours() -> Iterator[None]:
    """The client's errors as ours, without their texts: those may quote an address or a message."""
    try:
        yield
    except APIStatusError as error:
        status = error.status_code
        log.warning("the gateway answered %s", status)
        if status in _PASSING or status >= 500:
            raise Away("The gateway does not answer now.", _retry_after_s(error)) from None
        raise Refused("The gateway refused the question.") from None
    except (APIConnectionError, TimeoutError) as error:
        log.warning("the gateway did not answer: %s", type(error).__name__)
        raise Away("The gateway does not answer now.", _RETRY_AFTER_S) from None


def _retry_after_s(error: APIStatusError) -> float:
    """Seconds only: the gateway sends no dates."""
    try:
        seconds = float(error.response.headers["retry-after"])
    except (KeyError, ValueError):
        return _RETRY_AFTER_S
    return seconds if math.isfinite(seconds) and seconds > 0 else _RETRY_AFTER_S


def _read(what: type[T], content: bytes) -> T:
    try:
        return what.model_validate_json(content)
    except ValidationError:
        raise Unusable("The gateway's answer is not what its protocol says.") from None
