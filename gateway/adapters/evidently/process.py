"""The main of a process that compares once: behind all else on the machine, with nothing in a log.

A process of its own, because Evidently weighs 285 MB and takes 10 s to import, prints where it pleases, and
is ended by killing it.
"""

import os
import signal
from typing import Any

from gateway.adapters.background import bound_memory, step_back
from gateway.adapters.crashes import leave_no_dump
from gateway.adapters.evidently.wire import compared_json
from gateway.adapters.frames import receive, send
from gateway.adapters.lifeline import die_with

# Not 19 as a fit: these are ten seconds of work, and on a machine with a load of 14 they took more than four
# minutes at 19.
_NICE = 10


def main(parent: int, memory_mb: int) -> None:
    """Reads the question from its pipe, answers, and tells then how it went with the service."""
    die_with(parent)
    step_back(_NICE)
    bound_memory(memory_mb << 20)
    leave_no_dump()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    questions = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    nowhere = os.open(os.devnull, os.O_RDWR)  # a foreign library's warning may quote a value
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    # Read when Evidently and numpy are imported. Evidently tells its makers of every run otherwise.
    os.environ["DO_NOT_TRACK"] = "1"
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = "1"
    question = receive(questions)
    if question is None:
        return
    try:
        report = _made(question)
    except Exception as error:  # noqa: BLE001 - the process's edge: the error's text may quote a value
        send(answers, {"failed": type(error).__name__})
        return
    send(answers, compared_json(report.compared))
    send(answers, {"pushed": _pushed(report, question)})


def _made(question: Any) -> Any:
    # Heavy (Evidently, pandas, scikit-learn), and after the settings that they read at import.
    from gateway.adapters.evidently.report import made  # noqa: PLC0415

    return made(question["model"], question["reference"], question["current"])


def _pushed(report: Any, question: Any) -> str | None:
    """What went wrong."""
    if report.snapshot is None or not question["url"]:
        return None
    # Heavy too, and needed only where there is a service.
    from gateway.adapters.evidently.workspace import push  # noqa: PLC0415

    try:
        push(report.snapshot, question["model"], question["url"], question["project"])
    except Exception as error:  # noqa: BLE001 - the process's edge: the view may fail in any way
        return type(error).__name__
    return None
