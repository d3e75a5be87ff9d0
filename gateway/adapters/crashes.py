"""What the end of a process may leave behind: no memory dump, and no exception's own words.

Every process that has students' texts in its memory begins with this.
"""

import ctypes
import logging
import resource
import sys
import threading
from types import TracebackType

log = logging.getLogger(__name__)

_PR_SET_DUMPABLE = 4


def leave_no_dump() -> None:
    """No core file whatever signal ends this process, and its memory is closed to other users' and its own
    user's debuggers (py-spy then needs root). What this process starts inherits the limit, not the flag."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        # Linux asks no limit where dumps are piped to a program (systemd-coredump, apport), only this flag.
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0)


def log_uncaught() -> None:
    """What nobody catches goes to the log, whose format tells types and places. Python's own way is to print
    the exception's text and, of an object that is taken down, its repr: both may quote a student."""
    sys.excepthook = _uncaught
    sys.unraisablehook = _unraisable
    threading.excepthook = _ended_a_thread


def _uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, KeyboardInterrupt(), None)
        return
    log.critical("an exception that nobody caught", exc_info=_info(kind, error, trace))


def _unraisable(caught: "sys.UnraisableHookArgs") -> None:
    log.error(
        "an exception where none can be raised",
        exc_info=_info(caught.exc_type, caught.exc_value, caught.exc_traceback),
    )


def _ended_a_thread(caught: threading.ExceptHookArgs) -> None:
    log.error(
        "an exception ended a thread", exc_info=_info(caught.exc_type, caught.exc_value, caught.exc_traceback)
    )


def _info(
    kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
) -> tuple[type[BaseException], BaseException, TracebackType | None]:
    return kind, error or kind(), trace
