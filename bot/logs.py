"""What the process logs: a JSON object a line, on stderr, without anybody's words."""

import json
import logging
import sys
from types import TracebackType

# At INFO they tell addresses, at DEBUG whole messages.
_TALKATIVE = ("openai", "httpx2", "httpcore2")


def log_as_json(level: str) -> None:
    """Every logger of the process writes JSON lines to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)


class JsonFormatter(logging.Formatter):
    """Of an exception only its type and places, of a library's message only its template: their texts may
    quote a message."""

    def format(self, record: logging.LogRecord) -> str:
        ours = record.name.partition(".")[0] in ("bot", "uvicorn")
        line: dict[str, object] = {
            "ts": record.created,
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage() if ours else str(record.msg)[:200],
        }
        if record.exc_info and record.exc_info[0]:
            line["exception"] = record.exc_info[0].__name__
            line["at"] = _places(record.exc_info[2])
        return json.dumps(line, ensure_ascii=False)


def _places(trace: TracebackType | None) -> list[str]:
    places = []
    while trace:
        code = trace.tb_frame.f_code
        places.append(f"{code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return places[-12:]
