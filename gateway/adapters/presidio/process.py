"""A worker process's main: reads texts from its pipe, answers findings, dies with its parent. Light itself.

The answer to texts that could not be analysed is `null`: an exception would carry the text.
"""

import logging
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.adapters.crashes import leave_no_dump
from gateway.adapters.frames import receive, send
from gateway.adapters.lifeline import die_with
from gateway.adapters.presidio.without_spacy import leave_spacy_out
from gateway.domain import KINDS, Language, MaskingPolicy, Passage

_WARM_UP = "Студент Иван Петров, John Smith, +7 903 123-45-67, a@example.com, ИНН 7707083893."


@dataclass(frozen=True, slots=True)
class Lists:
    """What a deployment knows by itself."""

    allow: Sequence[str] = field(default=(), repr=False)  # names and terms that always stay
    deny: Sequence[str] = field(default=(), repr=False)  # words that never leave: kind CUSTOM
    student_ids: Sequence[str] = ()  # regular expressions of the numbers it gives its students


NO_LISTS = Lists()


@dataclass(frozen=True, slots=True)
class Start:
    """What a worker is told first."""

    names: bool  # names by NER too, not by rules only
    lists: Lists
    salt: str = field(repr=False)  # hex; keys the identities of people and numbers
    spacy_model: str = ""  # a pipeline's name or folder; empty: spaCy is not even imported


def request(passages: Sequence[Passage], policy: MaskingPolicy) -> dict[str, object]:
    """One question to a worker."""
    return {
        "passages": [(one.text, one.program, one.seams, one.about) for one in passages],
        "policy": (sorted(policy.kinds), policy.spare_cited, policy.language),
    }


def serve(parent: int) -> None:
    """Until the pipe closes. `parent` is the process that must be alive for this one to live."""
    die_with(parent)
    leave_no_dump()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = "1"  # small matrices: more threads double the time
    requests = sys.stdin.buffer
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # a library's print must not land between frames

    told = receive(requests)
    if told is None:
        return
    start = Start(**{**told, "lists": Lists(**told["lists"])})
    if not start.spacy_model:
        leave_spacy_out()
    # Heavy (Presidio, numpy, slovnet): only here, after the thread settings that numpy reads at import.
    from gateway.adapters.presidio.worker import build_engine, find  # noqa: PLC0415

    engine = build_engine(start)
    find(engine, [Passage(_WARM_UP)], MaskingPolicy(KINDS))
    logging.disable(logging.CRITICAL)  # from here on students' texts pass: nothing may be printed
    send(answers, True)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    while (question := receive(requests)) is not None:
        try:
            answer = find(engine, *_read(question))
        except Exception:  # noqa: BLE001 - a foreign exception's text and locals hold the student's words
            answer = None
        send(answers, answer)


def _read(question: dict[str, Any]) -> tuple[list[Passage], MaskingPolicy]:
    kinds, spare_cited, language = question["policy"]
    passages = [
        Passage(text, program, seams=tuple(seams), about=about)
        for text, program, seams, about in question["passages"]
    ]
    return passages, MaskingPolicy(frozenset(kinds), spare_cited, Language(language) if language else None)
