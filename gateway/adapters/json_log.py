"""What a process logs: a JSON object a line, on stderr, without anybody's words."""

import logging
import re
import sys

import orjson

_QUOTE_NOBODY = frozenset({"gateway", "uvicorn", "alembic"})  # loggers whose messages are told whole
_PLAIN_WORDS = re.compile(r"[A-Za-z][A-Za-z ,'-]*")


def log_as_json(level: str) -> None:
    """Every logger of the process writes JSON lines to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)


class JsonFormatter(logging.Formatter):
    """Log records as JSON lines. Of an exception only its type and places: its text may quote a caller. Of a
    library's message only the words that it begins with: asyncio tells a lost task's exception in full."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "ts": record.created,
            "level": record.levelname.lower(),
            "event": _event(record),
            "logger": record.name,
        }
        if hasattr(record, "request_id"):
            line["request_id"] = record.request_id
        if record.exc_info and record.exc_info[0]:
            line["exception"] = record.exc_info[0].__name__
            line["at"] = _places(record.exc_info[1])
        return orjson.dumps(line).decode()


def _event(record: logging.LogRecord) -> str:
    if record.name.partition(".")[0] in _QUOTE_NOBODY:
        return record.getMessage()
    words = _PLAIN_WORDS.match(str(record.msg))
    return words[0].rstrip() if words else "a library's message"


def _places(error: BaseException | None) -> list[str]:
    places = []
    trace = error.__traceback__ if error else None
    while trace:
        code = trace.tb_frame.f_code
        places.append(f"{code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return places[-12:]
