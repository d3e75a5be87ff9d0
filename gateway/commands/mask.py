"""`gateway mask`: what masking does to a file, without a running gateway. Nothing of it is sent anywhere.

Exit codes: 0 shown, 1 it could not be analysed, 2 the file cannot be used.
"""

import argparse
import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import orjson

from gateway.adapters.keyring import Keyring
from gateway.adapters.rates import memory_rates
from gateway.domain import MASKED_TASKS, Language
from gateway.errors import GatewayError
from gateway.guards import Guards
from gateway.masking import Entity, Explanation, explanation
from gateway.places import Rooms
from gateway.settings import Settings

_SHOWN, _FAILED, _UNUSABLE = 0, 1, 2
_STDIN = Path("-")
_MOST_BYTES = 4  # of a character in UTF-8


class _Unusable(Exception):
    """What was given cannot be used; the text says why, and quotes nothing of it."""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("mask", help="show what masking does to a text", description=__doc__)
    parser.add_argument("file", type=Path, help="UTF-8 text; - for standard input")
    parser.add_argument("--task", choices=MASKED_TASKS, default="chat", help="whose policy is followed")
    parser.add_argument(
        "--language",
        type=Language,
        choices=list(Language),
        help="names of the other language are not looked for",
    )
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--json", action="store_true", help="as POST /v1/mask answers")
    shown.add_argument("--explain", action="store_true", help="a table of what was found, with the words")
    parser.set_defaults(run=_mask)


def _mask(options: argparse.Namespace, settings: Settings) -> int:
    try:
        text = _read(options.file, settings.max_message_chars)
        explained = asyncio.run(_explained(text, options.task, options.language, settings))
    except _Unusable as error:
        sys.stderr.write(f"{error}\n")
        return _UNUSABLE
    except GatewayError as error:
        sys.stderr.write(f"{error.message}\n")
        return _FAILED
    if options.json:
        out = orjson.dumps(explained, option=orjson.OPT_APPEND_NEWLINE)
    elif options.explain:
        out = "".join(f"{line}\n" for line in _table(text, explained)).encode()
    else:
        out = explained.masked.encode()
    sys.stdout.buffer.write(out)  # bytes: line ends and characters as they stand in the file
    sys.stdout.flush()
    return _SHOWN


def _read(file: Path, most: int) -> str:
    """A text as long as the door takes it. Raises _Unusable."""
    too_long = _Unusable(f"{file}: longer than {most} characters")
    try:
        with sys.stdin.buffer if file == _STDIN else file.open("rb") as source:
            raw = source.read(_MOST_BYTES * most + 1)
        if len(raw) > _MOST_BYTES * most:
            raise too_long
        text = raw.decode()
    except OSError as error:
        raise _Unusable(f"{file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise _Unusable(f"{file}: not UTF-8") from None
    if len(text) > most:
        raise too_long
    return text


async def _explained(text: str, task: str, language: Language | None, settings: Settings) -> Explanation:
    pool = settings.model_copy(update={"mask_workers": 1}).analyzer_pool()
    # Nobody is admitted here: whoever runs this may read the file as it is.
    guards = Guards(
        Keyring(settings.api_keys_file, {}, settings.requests_per_minute),
        memory_rates(),
        pool,
        settings.masking_policies,
        mask_personal_data=True,
        rooms=Rooms.of(1),
    )
    try:
        await pool.start()
        return explanation(await guards.explained(text, task, language))
    finally:
        await pool.close()


def _table(text: str, explained: Explanation) -> Iterator[str]:
    rows = [("where", "kind", "score", "recogniser", "words")]
    rows.extend(_row(text, entity) for entity in explained.entities)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for *cells, words in rows:
        padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=False))
        yield "  ".join((*padded, words))


def _row(text: str, entity: Entity) -> tuple[str, str, str, str, str]:
    line = text.count("\n", 0, entity.start) + 1
    column = entity.start - text.rfind("\n", 0, entity.start)
    # A file may be somebody's who wishes a terminal ill.
    words = "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text[entity.start : entity.end]
    )
    return f"{line}:{column}", entity.type, f"{entity.score:.2f}", entity.recogniser, words
