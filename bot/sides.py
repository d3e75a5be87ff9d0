"""What each side of a dialogue wrote: the classifier was trained on that, and one message tells it little."""

from bot.dialogs import Bounds, Id
from bot.recent import Recent

Side = tuple[Id, int]  # a dialogue, and which of its participants


class Sides:
    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._lines: Recent[Side, dict[Id, str]] = Recent(dict, 2 * bounds.dialogs, bounds.age_s)

    def read(self, side: Side, message_id: Id, text: str) -> str:
        """The side's last messages with this one, a line each. A message that comes again stays in its
        place."""
        lines = self._lines.of(side)
        lines[message_id] = " ".join(text.split())
        while len(lines) > 1 and (
            len(lines) > self._bounds.turns or sum(map(len, lines.values())) > self._bounds.turns_chars
        ):
            del lines[next(iter(lines))]
        return "\n".join(lines.values())
