"""The official Python client against the gateway: what it returns and which exceptions it raises."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import openai
import pytest

from tests.fakes import DONE, USAGE_EVENT, FakeAnalyzer, FakeUpstream, chunk
from tests.gateway.conftest import KEY, Running

MESSAGES: Any = [{"role": "user", "content": "Hello!"}]


@pytest.fixture
async def client(running: Running) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{running.url}/v1", api_key=KEY, max_retries=0) as made:
        yield made


async def test_a_plain_completion(client: openai.AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(model="tiny", messages=MESSAGES)
    assert answer.choices[0].message.content == "Hello there!"
    assert answer.usage is not None
    assert answer.usage.total_tokens == 10


async def test_a_streamed_completion_with_its_usage_chunk(
    running: Running, client: openai.AsyncOpenAI
) -> None:
    running.upstream.reply = FakeUpstream.streams(
        chunk("", role="assistant"), chunk("Hel"), chunk("lo"), chunk(finish="stop"), USAGE_EVENT, DONE
    )
    stream = await client.chat.completions.create(
        model="tiny", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    )
    chunks = [one async for one in stream]
    assert "".join(one.choices[0].delta.content or "" for one in chunks if one.choices) == "Hello"
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None


async def test_the_listed_models(client: openai.AsyncOpenAI) -> None:
    assert [model.id async for model in client.models.list()] == ["tiny", "grader-llm", "grader-auto"]
    assert (await client.models.retrieve("tiny")).id == "tiny"


async def test_errors_arrive_as_typed_exceptions(running: Running, client: openai.AsyncOpenAI) -> None:
    create = client.chat.completions.create
    with pytest.raises(openai.AuthenticationError):
        await client.with_options(api_key="wrong").chat.completions.create(model="tiny", messages=MESSAGES)
    with pytest.raises(openai.NotFoundError):
        await create(model="nothing", messages=MESSAGES)
    with pytest.raises(openai.BadRequestError) as refusal:
        await create(model="tiny", messages=MESSAGES, n=99)
    assert refusal.value.param == "n"
    running.upstream.reply = FakeUpstream.status(500)
    with pytest.raises(openai.InternalServerError) as failure:
        await create(model="tiny", messages=MESSAGES)
    assert failure.value.code == "backend_error"


async def test_a_spent_rate_is_a_rate_limit_error(start: Callable[..., Any]) -> None:
    running = await start(requests_per_minute=1)
    async with openai.AsyncOpenAI(base_url=f"{running.url}/v1", api_key=KEY, max_retries=0) as client:
        await client.models.list()
        with pytest.raises(openai.RateLimitError):
            await client.models.list()


async def test_a_broken_stream_raises(running: Running, client: openai.AsyncOpenAI) -> None:
    running.upstream.reply = FakeUpstream.streams(chunk("Hel"), cut=True)
    stream = await client.chat.completions.create(model="tiny", messages=MESSAGES, stream=True)
    with pytest.raises(openai.APIError):
        async for _ in stream:
            pass


async def test_what_should_not_be_retried_is_not(running: Running) -> None:
    running.upstream.reply = FakeUpstream.status(500)
    async with openai.AsyncOpenAI(base_url=f"{running.url}/v1", api_key=KEY, max_retries=2) as client:
        with pytest.raises(openai.InternalServerError):
            await client.chat.completions.create(model="tiny", messages=MESSAGES)
    assert len(running.upstream.bodies) == 1


async def test_a_masked_stream_reads_as_the_caller_wrote(start: Callable[..., Any]) -> None:
    running = await start(FakeAnalyzer({"Анна": "PERSON"}))

    async def echo(request: Any, body: Any) -> Any:
        said = f"Hi {body['messages'][0]['content']}, hello."
        pieces = [chunk(letter) for letter in said]
        return await FakeUpstream.streams(*pieces, chunk(finish="stop"), DONE)(request, body)

    running.upstream.reply = echo
    async with openai.AsyncOpenAI(base_url=f"{running.url}/v1", api_key=KEY) as client:
        messages: Any = [{"role": "user", "content": "Анна"}]
        stream = await client.chat.completions.create(model="tiny", messages=messages, stream=True)
        said = "".join([one.choices[0].delta.content or "" async for one in stream])
    assert said == "Hi Анна, hello."
    assert "Анна" not in running.upstream.raw[-1].decode()
    await asyncio.sleep(0)
