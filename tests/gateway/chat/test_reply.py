"""What of a stream reaches its caller, and what is learnt from it."""

import json
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.chat.reply import DONE, whole_stream
from gateway.domain import Usage, UsageSeen
from gateway.errors import BackendError


def event(spaced: bool = False, **data: Any) -> bytes:
    separators = None if spaced else (",", ":")
    return b"data: " + json.dumps(data, separators=separators).encode() + b"\n\n"


def said(text: str) -> bytes:
    return event(id="1", choices=[{"index": 0, "delta": {"content": text}}])


SPOKEN = said("Hello") + said('a = [] and "choices":[] of mine')
USAGE = event(id="1", choices=[], usage={"prompt_tokens": 7, "completion_tokens": 5})


async def through(pieces: list[bytes], *, show_usage: bool) -> tuple[bytes, Usage]:
    async def chunks() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    seen = UsageSeen()
    told = [piece async for piece in whole_stream(chunks(), seen, show_usage=show_usage)]
    assert seen.events == b"".join(told).count(b"\n\n")
    return b"".join(told), seen.usage


FIELDS = {"id": "1", "usage": {"prompt_tokens": 7, "completion_tokens": 5}, "choices": []}


@given(st.lists(st.integers(0, 500), max_size=12), st.booleans())
async def test_the_usage_is_seen_and_shown_to_who_asked_however_the_stream_is_cut(
    cuts: list[int], show_usage: bool
) -> None:
    whole = SPOKEN + USAGE + DONE
    edges = sorted({0, len(whole), *(min(cut, len(whole)) for cut in cuts)})
    pieces = [whole[begin:end] for begin, end in pairwise(edges)]
    told, usage = await through(pieces, show_usage=show_usage)
    assert told == (whole if show_usage else SPOKEN + DONE)
    assert usage == Usage(7, 5)


async def test_spaces_in_the_event_hide_nothing() -> None:
    spaced = event(spaced=True, choices=[], usage={"prompt_tokens": 7, "completion_tokens": 5})
    assert await through([SPOKEN, spaced, DONE], show_usage=False) == (SPOKEN + DONE, Usage(7, 5))


@pytest.mark.parametrize(
    "usage",
    [
        event(**FIELDS),
        event(spaced=True, **FIELDS),
        event(**FIELDS).replace(b":[]", b" : [ ] "),
        event(**FIELDS).replace(b"data: ", b"data:"),
        event(**FIELDS, tokens=[{}]),
    ],
    ids=["last", "spaced", "wide", "close", "behind"],
)
@pytest.mark.parametrize("show_usage", [False, True])
async def test_however_the_usage_is_written_it_is_seen_at_every_cut(usage: bytes, show_usage: bool) -> None:
    whole = SPOKEN + usage + DONE
    kept = whole if show_usage else SPOKEN + DONE
    for cut in range(len(whole)):
        assert await through([whole[:cut], whole[cut:]], show_usage=show_usage) == (kept, Usage(7, 5))
    assert await through([SPOKEN, usage, DONE], show_usage=show_usage) == (kept, Usage(7, 5))


async def test_half_an_event_is_not_passed_on() -> None:
    for end in (None, BackendError("It broke off.")):

        async def chunks(end: BackendError | None = end) -> AsyncIterator[bytes]:
            yield said("one") + said("two")[:40]
            if end:
                raise end

        passed = whole_stream(chunks(), UsageSeen(), show_usage=False)
        assert await anext(passed) == said("one")
        with pytest.raises(BackendError):
            await anext(passed)


@pytest.mark.parametrize(
    "odd",
    [
        event(choices=[], error={"message": "x"}),
        event(choices=[], usage=None),
        event(choices=[], usage="many"),
        b'data: {"choices":[],"usage":\n\n',
        event(choices=[], prompt_filter_results=[]),
    ],
)
async def test_an_event_without_text_that_tells_no_usage_goes_through(odd: bytes) -> None:
    assert await through([SPOKEN, odd, DONE], show_usage=False) == (SPOKEN + odd + DONE, Usage())


@pytest.mark.parametrize("pieces", [[SPOKEN], [SPOKEN, DONE[:-1]], [SPOKEN, b"data: [DO"], []])
async def test_a_stream_without_its_end_is_broken(pieces: list[bytes]) -> None:
    with pytest.raises(BackendError):
        await through(pieces, show_usage=False)


async def test_an_event_without_an_end_is_bounded() -> None:
    with pytest.raises(BackendError):
        await through([b"x" * 600_000, b"x" * 600_000], show_usage=False)
