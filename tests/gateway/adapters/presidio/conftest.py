import os
from collections.abc import Callable

import pytest

from gateway.adapters.presidio.process import Lists, Start
from gateway.domain import KEPT, KINDS, MaskingPolicy, Passage, Span

LISTS = Lists(allow=("Анна Каренина",), deny=("Project Kestrel",), student_ids=(r"ST-\d{6}",))
Found = list[tuple[str, str]]  # kind, words
Find = Callable[..., Found]


EVERYTHING = MaskingPolicy(KINDS)


def _finder(names: bool) -> Find:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from gateway.adapters.presidio.without_spacy import leave_spacy_out

    leave_spacy_out()
    from gateway.adapters.presidio.worker import build_engine, find

    engine = build_engine(Start(names, LISTS, "00"))

    def found(text: str, *, code: bool = False, about: str = "", policy: MaskingPolicy = EVERYTHING) -> Found:
        passage = Passage(text, program=code, about=about)
        spans = [Span(*one) for one in find(engine, [passage], policy)[0] if one[2] != KEPT]
        edges = [edge for span in spans for edge in (span.start, span.end)]
        assert edges == sorted(edges)  # in order, not overlapping
        assert all(0 <= span.start < span.end <= len(text) for span in spans)
        return [(span.kind, text[span.start : span.end]) for span in spans]

    return found


@pytest.fixture(scope="session")
def found() -> Find:
    """The real Presidio with all recognisers, in this process."""
    return _finder(names=True)


@pytest.fixture(scope="session")
def found_without_ner() -> Find:
    return _finder(names=False)
