"""An upload's body on its way in: slow is not silent, and neither lasts for ever."""

import asyncio
from contextlib import suppress

import pytest

from gateway.errors import BodyTimeout, PayloadTooLarge
from gateway.rest.bodies import Message, Upload

SILENCE_S, WHOLE_S = 20.0, 100.0


class Body:
    """Pieces of one byte, `pause_s` of the loop's clock before each; nobody waits that long."""

    def __init__(self, pause_s: float, monkeypatch: pytest.MonkeyPatch) -> None:
        loop = asyncio.get_running_loop()
        time = loop.time
        self._pause_s = pause_s
        self._passed = 0.0
        monkeypatch.setattr(loop, "time", lambda: time() + self._passed)

    async def __call__(self) -> Message:
        self._passed += self._pause_s
        for _ in range(3):  # the loop looks at its clock, and at whom it has to wake
            await asyncio.sleep(0)
        return {"type": "http.request", "body": b"x", "more_body": True}


async def taken(body: Body) -> int:
    """The pieces that were taken before the upload was ended."""
    upload = Upload(body, PayloadTooLarge("Too large."), 1000, WHOLE_S, SILENCE_S, lambda: None)
    count = 0
    with suppress(BodyTimeout):
        while True:
            await upload()
            count += 1
    return count


async def test_an_upload_is_ended_by_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await taken(Body(SILENCE_S + 1, monkeypatch)) == 0


async def test_a_slow_upload_is_taken_until_its_own_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await taken(Body(SILENCE_S - 1, monkeypatch)) == WHOLE_S // (SILENCE_S - 1)
