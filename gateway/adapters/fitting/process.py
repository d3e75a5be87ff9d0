"""The main of a process that fits one model: behind all else on the machine, and never a cell in a log.

A process of its own, because a fit takes all it can get for minutes and is stopped by killing it. It runs
at nice 19: it has what nobody else wants. Its memory is bounded, and where the machine has less than
that, the kernel kills it before anything else.
"""

import os
import signal
import sys
import threading
import time
from typing import TextIO

from gateway.adapters.background import bound_memory, step_back
from gateway.adapters.crashes import leave_no_dump
from gateway.adapters.fitting.wire import (
    ALIVE,
    failed_line,
    fitted_line,
    progress_line,
    read_work,
)
from gateway.adapters.lifeline import die_with
from gateway.errors import InvalidDataset
from gateway.training.ports import FitFailed, Progress, Work

_ALIVE_S = 2.0
_STILL_S = 30.0  # without progress before the last one is told again
_NICE = 19


def main(parent: int, memory_mb: int) -> None:
    """Reads the work from its pipe and answers with lines until the model is fitted or the fit has failed."""
    die_with(parent)
    step_back(_NICE)
    bound_memory(memory_mb << 20)
    leave_no_dump()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    work = read_work(sys.stdin.read())
    lines = os.fdopen(os.dup(1), "w")
    nowhere = os.open(os.devnull, os.O_WRONLY)  # a foreign library's warning may quote a cell
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS"):
        os.environ[variable] = str(work.threads)
    said = _Said(lines)
    threading.Thread(target=said.stay, daemon=True).start()
    said.progress(Progress("preparing", 0.0, "A process for the fit has started."))
    said.line(_answer(work, said))


def _answer(work: Work, said: "_Said") -> str:
    # Heavy (scikit-learn, polars, matplotlib: 3 s), and after the settings that they read at import.
    from gateway.adapters.fitting.fit import fit  # noqa: PLC0415

    try:
        return fitted_line(fit(work, said.progress))
    except FitFailed as failed:
        return failed_line(failed)
    except InvalidDataset:
        return failed_line(FitFailed("data", "The data set's file can no longer be read as it was."))
    except MemoryError:
        return failed_line(FitFailed("too_large", "The fit needs more memory than there is."))
    except OSError:
        raise  # the machine's fault: the process ends, and the work is tried again
    except Exception as error:  # noqa: BLE001 - the process's edge: the error's text may quote the data
        return failed_line(FitFailed("internal", f"The fit broke with {type(error).__name__}."))


class _Said:
    """The pipe to the engine, and a thread's lines on it while the fit says nothing."""

    def __init__(self, lines: TextIO) -> None:
        self._lines = lines
        self._lock = threading.Lock()
        self._last = Progress("preparing", 0.0, "")
        self._at = time.monotonic()

    def line(self, line: str) -> None:
        with self._lock:
            self._lines.write(line + "\n")
            self._lines.flush()

    def progress(self, progress: Progress) -> None:
        self._last, self._at = progress, time.monotonic()
        self.line(progress_line(progress))

    def stay(self) -> None:
        """Until the process ends. scikit-learn computes without Python's lock, so this thread runs."""
        began = time.monotonic()
        while True:
            time.sleep(_ALIVE_S)
            now = time.monotonic()
            if now - self._at < _STILL_S:
                self.line(ALIVE)
            else:
                message = f"Still {self._last.stage}, {now - began:.0f} s after the start."
                self.progress(Progress(self._last.stage, self._last.share, message))
