import os
from collections.abc import Callable

import pytest

Found = list[tuple[str, str]]  # kind, words
Find = Callable[..., Found]


def _finder(names: bool) -> Find:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from gateway.adapters.presidio.without_spacy import leave_spacy_out

    leave_spacy_out()
    from gateway.adapters.presidio.worker import build_engine, find

    engine = build_engine(names)

    def found(text: str, *, code: bool = False) -> Found:
        findings = find(engine, [text], code=code)[0]
        edges = [edge for start, end, _ in findings for edge in (start, end)]
        assert edges == sorted(edges)  # in order, not overlapping
        assert all(0 <= start < end <= len(text) for start, end, _ in findings)
        return [(kind, text[start:end]) for start, end, kind in findings]

    return found


@pytest.fixture(scope="session")
def found() -> Find:
    """The real Presidio with all recognisers, in this process."""
    return _finder(names=True)


@pytest.fixture(scope="session")
def found_without_ner() -> Find:
    return _finder(names=False)
