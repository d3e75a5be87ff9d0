"""What becomes a log line of a library's message."""

import json
import logging

import pytest

from gateway.adapters.json_log import JsonFormatter

NAME = "Karenina"


def told(logger: str, message: str, *args: object) -> str:
    record = logging.getLogger(logger).makeRecord(logger, logging.ERROR, "f", 1, message, args, None)
    return str(json.loads(JsonFormatter().format(record))["event"])


def test_our_own_messages_and_the_servers_are_told_whole() -> None:
    assert told("gateway.wiring", "the store is not ready: %s", "down") == "the store is not ready: down"
    assert told("uvicorn.error", "Uvicorn running on %s", "http://x") == "Uvicorn running on http://x"


@pytest.mark.parametrize(
    ("message", "args", "event"),
    [
        (
            f"Task exception was never retrieved\nfuture: <Task {NAME}>",
            (),
            "Task exception was never retrieved",
        ),
        (f"Exception in callback <Handle f('{NAME}')>", (), "Exception in callback"),
        ("Executing %s took %.3f seconds", (NAME, 0.2), "Executing"),
        ("%s could not be read", (NAME,), "a library's message"),
    ],
)
def test_of_a_librarys_message_only_its_first_words_are_told(
    message: str, args: tuple[object, ...], event: str
) -> None:
    assert told("asyncio", message, *args) == event
    assert told("somebody.elses", message, *args) == event
