"""The course's two questions, and what becomes of them when the gateway does not answer.

Over 250 lines: one short test after the other for each way in which an answer can go wrong.
"""

import asyncio
import json
import uuid
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from bot import app as module
from bot import gateway as gateway_module
from tests.bot.conftest import Bot, breaks_off, hangs, refuses, says
from tests.fakes import completion

CANARY = "Ivanova-7731"


async def test_a_message_is_answered_by_the_language_model(bot: Bot) -> None:
    dialog, number = str(uuid.uuid4()), str(uuid.uuid4())
    assert (await bot.message("Hello!", dialog, number))[:2] == (
        200,
        {"new_msg_text": "Answer 1.", "dialog_id": dialog},
    )
    ((path, body),) = bot.wire.asked
    assert (path, body["model"], body["max_tokens"]) == ("/v1/chat/completions", "model_identifier", 128)
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert body["messages"][-1]["content"] == "Hello!"
    assert bot.wire.keys == {"Bearer bot-key"}


async def test_a_message_is_judged_by_the_classifier(bot: Bot) -> None:
    asked = {"text": "Beep.", "dialog_id": "d1", "id": "m1", "participant_index": 1}
    status, answer, _ = await bot.post("/predict", asked)
    own = uuid.UUID(answer.pop("id"))
    assert (status, own.version) == (200, 4)
    assert answer == {
        "message_id": "m1",
        "dialog_id": "d1",
        "participant_index": 1,
        "is_bot_probability": 0.75,
    }
    assert bot.wire.asked == [("/v1/models/message-classifier:predict", {"text": "Beep."})]


async def test_the_classifier_reads_what_a_participant_wrote_so_far(bot: Bot) -> None:
    for number, participant, text in (
        (1, 0, "Hi!"),
        (2, 1, "Beep."),
        (3, 0, "How are\n you?"),
        (3, 0, "How are you?"),  # once more
    ):
        asked = {"text": text, "dialog_id": "d", "id": number, "participant_index": participant}
        assert (await bot.post("/predict", asked))[0] == 200
    assert [body["text"] for _, body in bot.wire.asked] == [
        "Hi!",
        "Beep.",
        "Hi!\nHow are you?",
        "Hi!\nHow are you?",
    ]


@pytest.mark.parametrize("given", [7, "7", "0b8b16a8-5d0c-4a36-8e2e-0a5b0f6f3b11"])
async def test_ids_are_given_back_as_they_came(bot: Bot, given: int | str) -> None:
    assert (await bot.message(dialog=given))[1]["dialog_id"] == given
    asked = {"text": "a", "dialog_id": given, "id": given, "participant_index": 0}
    _, answer, _ = await bot.post("/predict", asked)
    assert (answer["dialog_id"], answer["message_id"]) == (given, given)


async def test_the_bot_begins_a_dialogue_where_nothing_was_said(bot: Bot) -> None:
    asked = {"dialog_id": "d", "last_msg_text": "", "last_message_id": None}
    assert [(await bot.post("/get_message", asked))[0] for _ in range(2)] == [200, 200]
    assert len(bot.wire.chats) == 2  # without an id nothing says that it is the same


async def test_what_was_said_before_is_sent_along(bot: Bot) -> None:
    for number, text in enumerate(("My cat is Tom.", "Who is Tom?")):
        await bot.message(text, "d", number)
    await bot.message("And here?", "another", 1)
    assert [(one["role"], one["content"]) for one in bot.wire.chats[1][1:]] == [
        ("user", "My cat is Tom."),
        ("assistant", "Answer 1."),
        ("user", "Who is Tom?"),
    ]
    assert len(bot.wire.chats[2]) == 2


async def test_the_same_message_is_answered_once(bot: Bot) -> None:
    answers = await asyncio.gather(*(bot.message() for _ in range(8)))
    assert {answer["new_msg_text"] for _, answer, _ in answers} == {"Answer 1."}
    assert (await bot.message())[1]["new_msg_text"] == "Answer 1."
    assert len(bot.wire.chats) == 1


async def test_a_caller_who_leaves_does_not_take_the_answer_along(bot: Bot) -> None:
    released = asyncio.Event()

    async def slow(_: Any) -> Any:
        await released.wait()
        return await says(completion("Late."))(_)

    bot.wire.turns = [slow]
    leaving, staying = (asyncio.create_task(bot.message()) for _ in range(2))
    await bot.wire.arrived.wait()
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    assert (await bot.get("/healthz"))[0] == 200
    released.set()
    assert (await staying)[1]["new_msg_text"] == "Late."
    assert len(bot.wire.chats) == 1


@pytest.mark.parametrize("path", ["/get_message", "/predict"])
async def test_what_nobody_waits_for_is_given_up_and_frees_its_place(
    start_bot: Callable[..., Any], path: str, caplog: pytest.LogCaptureFixture
) -> None:
    bot: Bot = await start_bot(bot_most_open=1)
    given_up = asyncio.Event()

    async def slow(_: Any) -> Any:
        try:
            return await hangs(_)
        finally:
            given_up.set()

    bot.wire.turns = [slow]
    ask = bot.message if path == "/get_message" else bot.predict
    caplog.set_level("INFO", "bot")
    leaving = asyncio.create_task(ask())
    await bot.wire.arrived.wait()
    leaving.cancel()
    async with asyncio.timeout(20):  # less than the bot's deadline
        await asyncio.gather(leaving, return_exceptions=True)
        await given_up.wait()
    assert (await ask())[0] == 200
    assert any(line.startswith(f"{path} 499 ") for line in caplog.messages)


# When the gateway does not answer


@pytest.mark.parametrize("status", [429, 503])
async def test_a_passing_refusal_is_asked_again_after_its_time(bot: Bot, status: int) -> None:
    bot.wire.turns = [refuses(status, after_ms=50), refuses(status)]
    began = asyncio.get_running_loop().time()
    assert (await bot.message())[0] == 200
    assert asyncio.get_running_loop().time() - began >= 0.05
    assert len(bot.wire.asked) == 3
    bot.wire.turns = [refuses(status)]
    assert (await bot.predict())[0] == 200


async def test_a_gateway_that_stays_overloaded_is_told_with_its_time(start_bot: Callable[..., Any]) -> None:
    bot: Bot = await start_bot(bot_retries=2)
    for ask, calls in ((bot.message, 3), (bot.predict, 6)):
        bot.wire.turns = [refuses(503), refuses(503), refuses(503, after_ms=7000)]
        status, answer, headers = await ask()
        assert (status, headers["retry-after"]) == (503, "7")
        assert answer == {"code": "gateway_unavailable", "message": "The gateway does not answer now."}
        assert len(bot.wire.asked) == calls
    assert (await bot.message())[0] == 200  # a failure is not remembered


async def test_a_refusal_for_longer_than_there_is_time_is_told_at_once(
    start_bot: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    bot: Bot = await start_bot(bot_timeout_s=20)
    caplog.set_level("INFO", "bot")
    for ask in (bot.message, bot.predict):
        bot.wire.asked.clear()
        bot.wire.turns = [refuses(429), refuses(429, f"rate_limited {CANARY}", after_ms=25_000)]
        async with asyncio.timeout(15):
            status, answer, headers = await ask()
        assert (status, answer["code"], headers["retry-after"]) == (503, "gateway_unavailable", "25")
        assert len(bot.wire.asked) == 2
    assert "the gateway answered 429 overloaded" in caplog.text
    assert CANARY not in caplog.text  # what is no code of a gateway's is somebody's words


async def test_what_the_gateway_says_will_not_pass_is_asked_once(bot: Bot) -> None:
    bot.wire.turns = [refuses(503, "model_unavailable", retry=False)]
    assert (await bot.message())[0] == 503
    assert len(bot.wire.asked) == 1


@pytest.mark.parametrize("fault", [breaks_off, says({}, 500), says({}, 429, **{"retry-after": "soon"})])
async def test_a_fault_without_a_time_is_asked_again_a_little_later(
    bot: Bot, monkeypatch: pytest.MonkeyPatch, fault: Any
) -> None:
    monkeypatch.setattr(gateway_module, "_FIRST_PAUSE_S", 0.01)
    bot.wire.turns = [fault, fault]
    assert (await bot.message())[0] == 200
    assert len(bot.wire.asked) == 3


async def test_a_gateway_that_hangs_costs_the_deadline_and_no_more(start_bot: Callable[..., Any]) -> None:
    bot: Bot = await start_bot(bot_timeout_s=0.3)
    for ask in (bot.message, bot.predict):
        bot.wire.turns = [hangs] * 4
        status, answer, headers = await ask()
        assert (status, answer["code"], headers["retry-after"]) == (503, "gateway_unavailable", "5")


async def test_a_gateway_that_is_not_there(start_bot: Callable[..., Any]) -> None:
    bot: Bot = await start_bot(proxy_url="http://127.0.0.1:9", bot_retries=0)
    assert (await bot.message())[0] == 503
    assert (await bot.predict())[0] == 503
    assert (await bot.get("/healthz"))[:2] == (200, {"status": "ok"})
    assert (await bot.get("/readyz"))[0] == 503


@pytest.mark.parametrize(
    "garbage",
    [
        b"<html>",
        b"",
        b'{"choices": ',
        {"choices": []},
        {"choices": "x"},
        completion(""),
        completion("  \n"),
        {"choices": [{"message": {"role": "assistant", "content": None}}]},
        b'{"choices": [{"message": {"content": "\\ud800"}}]}',
    ],
)
async def test_no_message_is_made_up_where_there_is_none(bot: Bot, garbage: Any) -> None:
    bot.wire.turns = [says(garbage)]
    status, answer, _ = await bot.message()
    assert (status, answer["code"]) == (502, "unusable_answer")


@pytest.mark.parametrize(
    "garbage",
    [
        b"[]",
        {"label": "bot"},
        {"probabilities": {"human": 0.4, "robot": 0.6}},
        {"probabilities": {"human": 0.4, "bot": 7}},
        b'{"probabilities": {"human": 0.4, "bot": NaN}}',
    ],
)
async def test_no_probability_is_made_up_where_there_is_none(bot: Bot, garbage: Any) -> None:
    bot.wire.turns = [says(garbage)]
    status, answer, _ = await bot.predict()
    assert (status, answer["code"]) == (502, "unusable_answer")


@pytest.mark.parametrize(("status", "code"), [(401, "invalid_api_key"), (404, "model_not_found")])
async def test_what_will_never_work_is_asked_once(bot: Bot, status: int, code: str) -> None:
    bot.wire.turns = [refuses(status, code, retry=False)]
    found, answer, headers = await bot.message()
    assert (found, answer["code"], "retry-after" in headers) == (502, "gateway_refused", False)
    assert len(bot.wire.asked) == 1


async def test_what_does_not_fit_the_model_is_asked_with_less_of_what_was_said(bot: Bot) -> None:
    for number in range(5):
        await bot.message(f"Message {number}.", "d", number)
    too_long = refuses(400, "context_length_exceeded", retry=False)
    bot.wire.turns = [too_long, too_long]
    assert (await bot.message("The last.", "d", "last"))[0] == 200
    assert [len(messages) for messages in bot.wire.chats[5:]] == [12, 6, 4]  # 5, 2 and 1 turns
    assert bot.wire.chats[-1][1]["content"] == "Message 4."
    bot.wire.turns = [too_long] * 9
    assert (await bot.message(CANARY * 100, "d", "hopeless"))[0] == 502


async def test_more_than_it_can_bear_is_refused_at_once(start_bot: Callable[..., Any]) -> None:
    bot: Bot = await start_bot(bot_most_open=1)
    for ask in (bot.message, bot.predict):
        bot.wire.turns = [hangs]
        bot.wire.arrived.clear()
        waiting = asyncio.create_task(ask())
        await bot.wire.arrived.wait()
        status, answer, headers = await (
            bot.message(dialog="another") if ask == bot.message else bot.predict()
        )
        assert (status, answer["code"], headers["retry-after"]) == (503, "overloaded", "1")
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


# Bodies


@pytest.mark.parametrize("path", ["/get_message", "/predict"])
@pytest.mark.parametrize(
    "body",
    [
        f'{{"{CANARY}": "{CANARY}"}}',
        f'"{CANARY}"',
        f'{{"dialog_id": ["{CANARY}"], "last_msg_text": {{"{CANARY}": 1}}, "text": 7, "id": true}}',
        f'{{"dialog_id": 1, "last_msg_text": "{CANARY}\\ud800", "text": "{CANARY}\\ud800", "id": 1}}',
        f'{{"dialog_id": "{CANARY * 30}", "text": " ", "id": 1, "participant_index": "0"}}',
        f'{{"dialog_id": {CANARY}',
    ],
)
async def test_a_bad_body_is_422_and_is_not_repeated(bot: Bot, path: str, body: str) -> None:
    async with bot.http.post(
        bot.url + path, data=body, headers={"content-type": "application/json"}
    ) as answer:
        text = await answer.text()
    assert answer.status == 422
    assert all({*fault} == {"type", "loc", "msg"} for fault in json.loads(text)["detail"])
    assert CANARY not in text
    assert bot.wire.asked == []


async def test_a_body_that_is_too_large_is_413_however_it_comes(start_bot: Callable[..., Any]) -> None:
    bot: Bot = await start_bot(bot_max_body_bytes=2048)

    async def pieces() -> Any:
        for _ in range(4):
            yield b" " * 1000

    headers = {"content-type": "application/json"}
    for data in (b" " * 4000, pieces()):
        async with bot.http.post(f"{bot.url}/predict", data=data, headers=headers) as answer:
            assert answer.status == 413


async def test_a_body_that_does_not_come_is_408(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BODY_S", 0.05)
    reader, writer = await asyncio.open_connection(*bot.url.removeprefix("http://").split(":"))
    writer.write(b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{")
    async with asyncio.timeout(30):
        assert (await reader.readline()).startswith(b"HTTP/1.1 408 ")
    writer.close()


# Whether it is well


async def test_it_is_ready_when_the_gateway_has_both_models(bot: Bot) -> None:
    assert (await bot.get("/readyz"))[:2] == (200, {"status": "ready"})
    data = bot.wire.models["data"]
    for there in (data[:1], data[1:]):
        bot.wire.models = {"object": "list", "data": there}
        status, answer, _ = await bot.get("/readyz")
        assert (status, answer["code"]) == (503, "gateway_unavailable")
    bot.wire.turns = [refuses(401, "invalid_api_key", retry=False)]
    assert (await bot.get("/readyz"))[0] == 502


async def test_it_is_well_and_answers_others_while_one_message_hangs(bot: Bot) -> None:
    bot.wire.turns = [hangs]
    waiting = asyncio.create_task(bot.message(dialog="slow"))
    await bot.wire.arrived.wait()
    assert (await bot.get("/healthz"))[0] == 200
    assert (await bot.message(dialog="quick"))[0] == 200
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)


async def test_a_path_that_is_not_there(bot: Bot) -> None:
    async with aiohttp.ClientSession() as http, http.get(f"{bot.url}/{CANARY}") as answer:
        assert answer.status == 404
