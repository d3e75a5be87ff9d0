"""The bot as a process, and the bot with a real gateway."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from bot.settings import Settings
from tests.bot.conftest import Bot, Wire, refuses, says
from tests.fakes import FakeAnalyzer, FakeEmbeddings, head, listening
from tests.gateway.conftest import KEY, Running

CANARY = "Ivanova-7731"


async def test_through_a_real_gateway_names_stay_behind(
    start: Callable[..., Any], start_bot: Callable[..., Any]
) -> None:
    embeddings = FakeEmbeddings()
    embeddings.listed["data"].append(head("message-classifier", "classification", "human", "bot"))
    running: Running = await start(
        embeddings=embeddings,
        analyzer=FakeAnalyzer({"Anna": "PERSON"}),
        unknown_model_fallback=True,
        api_key="bot-key",
    )
    running.upstream.reply = _echo
    bot: Bot = await start_bot(proxy_url=running.url)
    assert (await bot.get("/readyz"))[0] == 200
    assert (await bot.message("I am Anna."))[1]["new_msg_text"] == "You said: I am Anna."
    assert b"Anna" not in b"".join(running.upstream.raw)
    _, human, _ = await bot.predict("I am Anna.")
    _, machine, _ = await bot.predict("You win!")
    assert (human["is_bot_probability"], machine["is_bot_probability"]) == (0.03, 0.97)
    assert "Anna" not in embeddings.wire


async def test_a_gateway_that_sheds_is_asked_again_and_then_told(
    start: Callable[..., Any], start_bot: Callable[..., Any]
) -> None:
    running: Running = await start(
        llm_url="http://127.0.0.1:9", unknown_model_fallback=True, api_key="bot-key"
    )
    bot: Bot = await start_bot(proxy_url=running.url, bot_retries=0)
    status, answer, headers = await bot.message()
    assert (status, answer["code"], headers["retry-after"]) == (503, "gateway_unavailable", "5")
    assert (await bot.predict())[0] == 502  # no such model: no embeddings service is configured


async def _echo(_: Any, body: Any) -> Any:
    return await says(
        {
            "id": "1",
            "object": "chat.completion",
            "created": 1,
            "model": "tiny",
            "choices": [
                {
                    "index": 0,
                    "finish_reason": "stop",
                    "message": {
                        "role": "assistant",
                        "content": f"You said: {body['messages'][-1]['content']}",
                    },
                }
            ],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        }
    )(_)


async def test_the_process_serves_logs_no_message_and_ends_when_it_is_told(unused_port: int) -> None:
    wire = Wire()
    async with listening(wire.app()) as base:
        environment = {
            **os.environ,
            "OPEN_AI_API_KEY": "bot-key",
            "PROXY_URL": f"{base}/v1",
            "API_PORT": str(unused_port),
            "BOT_LOG_LEVEL": "DEBUG",
            "BOT_RETRIES": "1",
            "OPENAI_LOG": "debug",  # the client's own wish to tell everything
        }
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bot"), env=environment, stderr=asyncio.subprocess.PIPE
        )
        try:
            async with aiohttp.ClientSession() as http:
                bot = Bot(f"http://127.0.0.1:{unused_port}", wire, http)
                await _answers(bot)
                assert (await bot.message(f"I am {CANARY}."))[0] == 200
                wire.turns = [refuses(503), refuses(503), says({"choices": CANARY})]
                assert (await bot.predict(CANARY))[0] == 503
                assert (await bot.message(CANARY, CANARY))[0] == 502
                assert (await bot.post("/predict", {"text": [CANARY]}))[0] == 422
                async with http.get(f"{bot.url}/{CANARY}") as answer:
                    assert answer.status == 404
            process.send_signal(signal.SIGTERM)
            _, told = await asyncio.wait_for(process.communicate(), 30)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    assert process.returncode == 0
    lines = [json.loads(line) for line in told.splitlines()]
    assert [line["event"].split(" in ")[0] for line in lines if line["logger"] == "bot.app"][-5:] == [
        "/get_message 200",
        "/predict 503",
        "/get_message 502",
        "/predict 422",
        "other 404",
    ]
    assert CANARY.encode() not in told
    assert b"bot-key" not in told


async def _answers(bot: Bot) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                assert (await bot.get("/healthz"))[0] == 200
                return
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.05)


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.mark.parametrize(
    "given",
    ["http://gpt_service:38300", "http://gpt_service:38300/", "http://gpt_service:38300/v1/"],
)
def test_the_gateways_address_is_taken_with_or_without_v1(given: str) -> None:
    assert Settings(open_ai_api_key="k", proxy_url=given).proxy_url == "http://gpt_service:38300/v1"


async def test_settings_that_cannot_be_are_told_without_what_they_hold() -> None:
    environment = {**os.environ, "PROXY_URL": f"https://{CANARY}@host", "API_PORT": "0"}
    environment.pop("OPEN_AI_API_KEY", None)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot"), env=environment, stderr=asyncio.subprocess.PIPE
    )
    _, told = await asyncio.wait_for(process.communicate(), 30)
    words = told.decode()
    assert process.returncode == 2
    for name in ("OPEN_AI_API_KEY", "PROXY_URL", "API_PORT"):
        assert f"setting {name}: " in words
    assert CANARY not in words


def test_the_gateways_own_key_is_never_shown() -> None:
    assert KEY not in repr(Settings(open_ai_api_key=KEY))
