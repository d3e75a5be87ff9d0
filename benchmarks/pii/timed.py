"""One subject of speed.py in a process of its own: `python -m benchmarks.pii.timed SUBJECT`.

Prints JSON: the CPU milliseconds of each thousand characters, ordinary and dense, and the process's memory.
"""

import json
import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence

import psutil

from benchmarks.pii.texts import dense, ordinary

TEXTS = 24
ROUNDS = 3
Analyse = Callable[[str], object]


def ours(*, model: bool, people: bool) -> Analyse:
    from gateway.adapters.presidio.without_spacy import leave_spacy_out

    leave_spacy_out()
    from gateway.adapters.presidio.process import NO_LISTS, Start
    from gateway.adapters.presidio.worker import build_engine, find
    from gateway.domain import KINDS, MaskingPolicy, Passage

    engine = build_engine(Start(model, NO_LISTS, "00" * 16))
    policy = MaskingPolicy(KINDS if people else KINDS - {"PERSON"})
    return lambda text: find(engine, [Passage(text)], policy)


def presidio() -> Analyse:
    """Its defaults, English, over a spaCy pipeline without a model: its names, places and dates by NER cost
    nothing here and are not found."""
    import spacy
    import tldextract
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import SpacyNlpEngine

    class Blank(SpacyNlpEngine):
        def load(self) -> None:
            self.nlp = {"en": spacy.blank("en")}  # type: ignore[assignment]

    # Else its e-mail recogniser would ask the network for the list of domains.
    tldextract.tldextract.TLD_EXTRACTOR = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
    nlp = Blank()
    nlp.load()
    registry = RecognizerRegistry()
    registry.load_predefined_recognizers(languages=["en"], nlp_engine=nlp)
    engine = AnalyzerEngine(registry=registry, nlp_engine=nlp, supported_languages=["en"])
    return lambda text: engine.analyze(text, "en")


SUBJECTS: dict[str, Callable[[], Analyse]] = {
    "patterns only": lambda: ours(model=False, people=False),
    "names by rules": lambda: ours(model=False, people=True),
    "with names": lambda: ours(model=True, people=True),
    "plain Presidio": presidio,
}


def cpu_ms(analyse: Analyse, texts: Sequence[str]) -> float:
    """The median round's, for each text."""
    rounds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for text in texts:
            analyse(text)
        rounds.append((time.process_time() - began) / len(texts) * 1000)
    return statistics.median(rounds)


def main() -> None:
    seed = int(sys.argv[2])
    began = time.perf_counter()
    analyse = SUBJECTS[sys.argv[1]]()
    for text in (
        *ordinary(2, seed + 1),
        *dense(2, seed + 1),
    ):  # the first texts load lists and compile patterns
        analyse(text)
    ready_s = time.perf_counter() - began
    figures = {
        "ready_s": ready_s,
        "ordinary": cpu_ms(analyse, ordinary(TEXTS, seed)),
        "dense": cpu_ms(analyse, dense(TEXTS, seed)),
        "memory_mb": psutil.Process().memory_info().rss / 1e6,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
