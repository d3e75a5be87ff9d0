"""Whether this process is about to end, for all who must know: probes, doors and what waits behind them."""

from gateway.errors import Overloaded


class Stopping:
    def __init__(self) -> None:
        self.begun = False  # not ready any more; what comes is still answered
        self.cutting = False  # what is still under way is broken off, and says so

    def check(self) -> None:
        """Raises Overloaded once it has begun."""
        if self.begun:
            raise too_late()


def too_late() -> Overloaded:
    """For who comes, or is still here, too late: another process answers."""
    return Overloaded("The gateway is stopping.", retry_after=1.0)
