"""The lines of those who are refused for want of a key: a few a second, and a count of the others.

Anybody may be refused as often as they like. A line each is 0.3 MB of log a second at 1,000 a second, and
says nothing that the first ten did not. All of them are counted: `gateway_requests_total` and
`gateway_rpc_calls_total` by the code `unauthenticated`.
"""

_PER_S = 2.0
_BURST = 10.0


class Strangers:
    """A bucket of lines, by the clock that is given to it (seconds)."""

    def __init__(self) -> None:
        self._lines = _BURST
        self._at = 0.0
        self._untold = 0

    def line(self, now: float) -> int | None:
        """One more refusal: how many before it had no line, for its own; None: it has none either."""
        self._fill(now)
        if self._lines < 1.0:
            self._untold += 1
            return None
        self._lines -= 1.0
        untold, self._untold = self._untold, 0
        return untold

    def rest(self, now: float) -> int:
        """How many had no line, for a line that ends a flood; 0: nothing is left to tell, or not yet."""
        self._fill(now)
        if self._lines < _BURST:
            return 0
        untold, self._untold = self._untold, 0
        return untold

    def _fill(self, now: float) -> None:
        self._lines = min(_BURST, self._lines + (now - self._at) * _PER_S)
        self._at = now
