"""A flood of refusals is told in a few lines, and none of it is lost from the count."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.rest.strangers import Strangers


def test_the_first_have_their_lines_and_a_flood_has_a_count() -> None:
    strangers = Strangers()
    told = [strangers.line(100.0 + number / 1000) for number in range(10_000)]
    lines = [untold for untold in told if untold is not None]
    assert told[:10] == [0] * 10
    assert len(lines) == 29, "ten at once, then two a second"
    assert sum(lines) + len(lines) <= 10_000


def test_what_a_flood_left_untold_is_told_when_it_is_over() -> None:
    strangers = Strangers()
    lines = [untold for _ in range(500) if (untold := strangers.line(100.0)) is not None]
    assert strangers.rest(101.0) == 0, "it may go on"
    assert strangers.rest(106.0) == 500 - len(lines)
    assert strangers.rest(107.0) == 0


@given(st.lists(st.floats(0, 3), max_size=200))
def test_every_refusal_is_told_or_counted_once(pauses: list[float]) -> None:
    strangers, now, counted = Strangers(), 1000.0, 0
    for pause in pauses:
        now += pause
        untold = strangers.line(now)
        counted += 0 if untold is None else untold + 1
    assert counted + strangers.rest(now + 60) == len(pauses)
