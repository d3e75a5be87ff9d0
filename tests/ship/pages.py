"""The commands that README.md and docs/ tell their readers to type."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
# A block without a language is commands too: whoever shows something else says `text`, `json`, `yaml` ...
COMMANDS = frozenset({"", "sh", "bash", "console"})
_FENCE = re.compile(r"^(?P<indent> *)```(?P<info>[^\n`]*)\n(?P<body>.*?)^(?P=indent)``` *$", re.M | re.S)
_HEREDOC = re.compile(r"<<-?\s*'?(\w+)'?")
_END = "\0"  # no line of a page
_UNTRIED = re.compile(r"\bUntried\b")


class NotCommands(ValueError):
    """A block of commands holds what no shell takes: another language, or a quote that is not closed."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a page, as one would type it, without its comment."""

    page: str  # from the repository's root
    line: int
    text: str
    untried: bool  # the page says so, in the line above the block or in the command's comment

    @property
    def words(self) -> list[str]:
        return shlex.split(self.text.partition("<<")[0], comments=True)

    def __str__(self) -> str:
        return f"{self.page}:{self.line}: {self.text.splitlines()[0]}"


def commands() -> list[Command]:
    """Of all pages."""
    return [command for page in PAGES for command in in_page(page)]


def in_page(page: Path) -> list[Command]:
    return in_text(page.read_text("utf-8"), page.relative_to(ROOT).as_posix())


def in_text(text: str, page: str) -> list[Command]:
    found: list[Command] = []
    for block in _FENCE.finditer(text):
        language = block["info"].strip()
        if language not in COMMANDS:
            continue
        above = text[: block.start()].rstrip().rsplit("\n\n", 1)[-1]
        untried = bool(_UNTRIED.search(above))
        first = text.count("\n", 0, block.start()) + 2
        lines = [line.removeprefix(block["indent"]) for line in block["body"].splitlines()]
        for number, command, comment in _typed(lines, prompted=language == "console"):
            marked = untried or bool(re.search(r"\buntried\b", comment))
            found.append(Command(page, first + number, command, marked))
    return found


def _typed(lines: list[str], *, prompted: bool) -> Iterator[tuple[int, str, str]]:
    """Whole commands: quotes closed, continued lines joined, a heredoc with its text. Of a session
    (`prompted`) what stands behind `$ `, without what was answered."""
    rest = iter(enumerate([*lines, _END]))
    for number, line in rest:
        if line == _END or (prompted and not line.startswith("$ ")):
            continue
        typed = line.removeprefix("$ ") if prompted else line
        while not _whole(typed):
            typed += "\n" + next(rest)[1]
            if typed.endswith(_END):
                raise NotCommands(typed.removesuffix(_END))
        bare, comment = _without_comment(typed)
        if bare:
            if heredoc := _HEREDOC.search(bare):
                text = []
                while (said := next(rest)[1]) != heredoc[1]:
                    text.append(said)
                bare = "\n".join([bare, *text, heredoc[1]])
            yield number, bare, comment


def _whole(typed: str) -> bool:
    try:
        shlex.split(typed, comments=True)
    except ValueError:
        return False
    return not typed.rstrip().endswith("\\")


def _without_comment(typed: str) -> tuple[str, str]:
    for hit in re.finditer(r"(?:^|\s)#", typed):
        try:
            if shlex.split(typed[: hit.start()]) == shlex.split(typed, comments=True):
                return typed[: hit.start()].strip(), typed[hit.end() :].strip()
        except ValueError:
            continue  # inside quotes
    return typed.strip(), ""
