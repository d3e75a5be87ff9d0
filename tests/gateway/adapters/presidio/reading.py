"""What recognisers say of a text by themselves: no engine, no names, no resolving of overlaps."""

import time
from collections.abc import Iterable
from typing import Any

from gateway.adapters.presidio.without_spacy import leave_spacy_out

leave_spacy_out()  # before anything of Presidio's is imported, as in a worker

Said = list[tuple[str, str]]  # kind, words
HOSTILE = 20_000  # characters


def said(recognizers: Iterable[Any], text: str, *, program: bool = False) -> Said:
    """What is over the threshold of prose or of a program, in order, without what lies within another of its
    kind."""
    return [(kind, text[start:end]) for start, end, kind in _said(recognizers, text, program=program)]


def spans_said(recognizers: Iterable[Any], text: str) -> list[tuple[int, int]]:
    """Where it stands, what overlaps as one; in order."""
    spans: list[tuple[int, int]] = []
    for start, end, _ in _said(recognizers, text):
        if spans and start < spans[-1][1]:
            spans[-1] = spans[-1][0], max(end, spans[-1][1])
        else:
            spans.append((start, end))
    return spans


def _said(recognizers: Iterable[Any], text: str, *, program: bool = False) -> list[tuple[int, int, str]]:
    from gateway.adapters.presidio.context import NearbyWords
    from gateway.adapters.presidio.folding import fold
    from gateway.adapters.presidio.writing import PROGRAM_THRESHOLD, PROSE_THRESHOLD

    asked = [*recognizers]
    folded = fold(text)
    results = [result for recognizer in asked for result in recognizer.analyze(folded.text, [])]
    threshold = PROGRAM_THRESHOLD if program else PROSE_THRESHOLD
    spans = {
        (result.start, result.end, result.entity_type)
        for result in NearbyWords().enhance_using_context(folded.text, results, None, asked)
        if result.score >= threshold
    }
    outer = [
        (start, end, kind)
        for start, end, kind in spans
        if not any(s <= start and end <= e and (s, e) != (start, end) and k == kind for s, e, k in spans)
    ]
    return [(*folded.original(start, end), kind) for start, end, kind in sorted(outer)]


def slowing(recognizer: Any, unit: str) -> float:
    """How many times longer twice as hostile a text takes: 2 for linear time, 4 for quadratic. What takes
    under 50 ms is noise, and counts as linear."""
    times = []
    for length in (HOSTILE, 2 * HOSTILE):
        text = (unit * (length // len(unit) + 1))[:length]
        started = time.process_time()
        recognizer.analyze(text, [])
        times.append(time.process_time() - started)
    return 2.0 if times[1] < 0.05 else times[1] / max(times[0], 0.001)
