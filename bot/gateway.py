"""The gateway, by OpenAI's own client. The retries are ours: the client's sleep as long as `retry-after`
says, whatever time is left."""

import asyncio
import logging
import math
import random
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
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
from bot.errors import RETRY_AFTER_S, Away, Refused, Unusable
from bot.settings import Settings
from bot.wire import Classification, Completion, Models

log = logging.getLogger(__name__)

_BOT = "bot"  # the label of message-classifier that means one; the other is `human`
_READY_S = 2.0
_FIRST_PAUSE_S = 0.5  # where the gateway does not say; twice as long each time
_CODE = re.compile(r"[a-z0-9_]{1,64}")  # anything else may be somebody's words
_PASSING = frozenset({408, 409, 425, 429})  # and every 5xx

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)


class Gateway:
    """Make it inside the running loop; `close()` releases the connections."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        limits = Timeout(settings.bot_timeout_s, connect=settings.bot_connect_timeout_s)
        self._client = AsyncOpenAI(
            api_key=settings.open_ai_api_key.get_secret_value(),
            base_url=settings.proxy_url,
            max_retries=0,
            timeout=limits,
            # The gateway is never behind the proxy that a machine has for the world.
            http_client=DefaultAsyncHttpxClient(trust_env=False, follow_redirects=False, timeout=limits),
        )

    async def close(self) -> None:
        await self._client.close()

    async def reply(self, turns: Sequence[Turn], text: str, until: float) -> str:
        """The language model's answer to `text` after those turns. The caller ends it at `until`, by the
        loop's clock; nothing is asked again that would come later. Raises Away, Refused, Unusable."""
        with _ours():
            content = await self._completion(list(turns), text, until)
        reply = _read(Completion, content).choices[0].message.content.strip()
        if not reply:
            raise Unusable("The model answered nothing.")
        return reply

    async def bot_probability(self, text: str) -> float:
        """How likely it is that a program wrote the text: one side of a dialogue, its messages a line each.
        Raises Away, Refused, Unusable."""
        path = f"/models/{quote(self._settings.classifier_model_name, safe='')}:predict"
        until = asyncio.get_running_loop().time() + self._settings.bot_timeout_s

        async def ask() -> httpx2.Response:
            return await self._client.post(path, body={"text": text}, cast_to=httpx2.Response)

        with _ours():
            async with asyncio.timeout_at(until):
                answer = await self._asked(ask, until)
        probabilities = _read(Classification, answer.content).probabilities
        if _BOT not in probabilities:
            raise Unusable("The classifier has no label for a bot.")
        return probabilities[_BOT]

    async def check_ready(self) -> None:
        """Returns when the gateway lists a language model and the classifier. Raises Away, Refused,
        Unusable."""
        with _ours():
            async with asyncio.timeout(_READY_S):
                answer = await self._client.get("/models", cast_to=httpx2.Response)
        models = _read(Models, answer.content).data
        if not any(model.output == "text" for model in models):
            raise Away("The gateway has no language model now.", RETRY_AFTER_S)
        if not any(model.id == self._settings.classifier_model_name for model in models):
            raise Away("The gateway has no classifier now.", RETRY_AFTER_S)

    async def _asked(self, ask: Callable[[], Awaitable[T]], until: float) -> T:
        """What `ask` gives, asked again after what passes, where that is soon enough. Raises the client's
        errors."""
        for retry in range(self._settings.bot_retries):
            try:
                return await ask()
            except (APIStatusError, APIConnectionError) as error:
                if not _passes(error):
                    raise
                pause = _told_s(error) or _FIRST_PAUSE_S * 2**retry
                # Up to a quarter longer: who were refused together do not come back together.
                pause *= random.uniform(1.0, 1.25)  # noqa: S311 - no secret hangs on it
                if asyncio.get_running_loop().time() + pause >= until:
                    raise
                log.info("the gateway answered %s, asked again in %.1f s", _said(error), pause)
            await asyncio.sleep(pause)
        return await ask()

    async def _completion(self, turns: list[Turn], text: str, until: float) -> bytes:
        """What does not fit the model's context window is asked again with the newer half of the turns."""
        create = self._client.chat.completions.with_raw_response.create
        while True:
            ask = partial(
                create,
                model=self._settings.llm_model_name,
                messages=self._messages(turns, text),
                max_tokens=self._settings.bot_max_tokens,
            )
            try:
                answer = await self._asked(ask, until)
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
    except (APIStatusError, APIConnectionError) as error:
        log.warning("the gateway answered %s", _said(error))
        if isinstance(error, APIStatusError) and not _may_pass(error.status_code):
            raise Refused("The gateway refused the question.") from None
        raise Away("The gateway does not answer now.", _told_s(error) or RETRY_AFTER_S) from None
    except TimeoutError:
        log.warning("the gateway did not answer in time")
        raise Away("The gateway does not answer now.", RETRY_AFTER_S) from None


def _may_pass(status: int) -> bool:
    return status in _PASSING or status >= 500


def _passes(error: APIStatusError | APIConnectionError) -> bool:
    """Whether the same question may be answered later. The gateway's own word counts first."""
    if isinstance(error, APIConnectionError):
        return True
    told = error.response.headers.get("x-should-retry")
    return told == "true" if told in ("true", "false") else _may_pass(error.status_code)


def _told_s(error: APIStatusError | APIConnectionError) -> float | None:
    """After how many seconds the gateway wants to be asked again, above 0; it sends no dates."""
    if isinstance(error, APIConnectionError):
        return None
    for name, seconds in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            told = float(error.response.headers[name]) * seconds
        except (KeyError, ValueError):
            continue
        if math.isfinite(told) and told > 0:
            return told
    return None


def _said(error: APIStatusError | APIConnectionError) -> str:
    """For the log: the status and the gateway's code of it, or how the connection failed."""
    if isinstance(error, APIConnectionError):
        return f"nothing ({type(error).__name__})"
    code = error.code if isinstance(error.code, str) and _CODE.fullmatch(error.code) else "without a code"
    return f"{error.status_code} {code}"


def _read(what: type[M], content: bytes) -> M:
    try:
        return what.model_validate_json(content)
    except ValidationError:
        raise Unusable("The gateway's answer is not what its protocol says.") from None
