"""Measures a tagger: `python -m name_tagger.evaluate --part validation|test [--data DIR] [--model DIR]`.

For each kind recall, precision and F2: a value counts as found when half of it or more is covered by
findings of its kind, a finding is wrong when it touches no value of its kind; strict: same kind, start and
end. "Words" is what presidio-research counts: of the words of all labelled values, how many are found as any
kind, and of the words found, how many are labelled. Intervals: 95 %, bootstrap over templates. Then, not for
`test`, how many answers and programs, nearly all without names, would change."""

import argparse
import logging
import random
import re
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.adapters.presidio.program_text import only_spoken
from gateway.adapters.presidio.tagger.finding import Finder
from gateway.adapters.presidio.tagger.reading import FOLDER, Reader
from name_tagger import natural, presidio_rows
from name_tagger.rows import CORE, KINDS, Span
from name_tagger.settings import Settings

log = logging.getLogger("name_tagger.evaluate")
_WORD = re.compile(r"\w+")
_RESAMPLES = 1000
ANSWERS = ("saf_en", "mohler", "semeval2013_scientsbank", "semeval2013_beetle")


@dataclass(frozen=True, slots=True)
class Judged:
    """One text: counts by (kind, what)."""

    template: str
    counts: Counter[tuple[str, str]]


def judge(template: str, text: str, gold: Sequence[Span], found: Sequence[Span]) -> Judged:
    counts: Counter[tuple[str, str]] = Counter()
    for start, end, kind in gold:
        cover = sum(max(0, min(e, end) - max(s, start)) for s, e, k in found if k == kind)
        counts[kind, "hit" if 2 * cover >= end - start else "missed"] += 1
        counts[kind, "exact" if (start, end, kind) in found else "not exact"] += 1
    for start, end, kind in found:
        touched = any(k == kind and s < end and start < e for s, e, k in gold)
        counts[kind, "right" if touched else "wrong"] += 1
        counts[kind, "found"] += 1
    labelled, marked = _words(text, gold), _words(text, found)
    counts["words", "hit"] += len(labelled & marked)
    counts["words", "missed"] += len(labelled - marked)
    counts["words", "wrong"] += len(marked - labelled)
    return Judged(template, counts)


def _words(text: str, spans: Iterable[Span]) -> set[int]:
    """Where the words begin that a span covers half or more of."""
    return {
        word.start()
        for start, end, _ in spans
        for word in _WORD.finditer(text, max(0, start - 40), end + 40)
        if 2 * (min(end, word.end()) - max(start, word.start())) >= word.end() - word.start()
    }


def f2(precision: float, recall: float) -> float:
    return 5 * precision * recall / (4 * precision + recall) if precision + recall else 0.0


def figures(judged: Iterable[Judged], kind: str, *, strict: bool = False) -> tuple[float, float, float]:
    """Recall, precision, F2."""
    total: Counter[tuple[str, str]] = Counter()
    for one in judged:
        total.update(one.counts)
    hit, missed, wrong = total[kind, "hit"], total[kind, "missed"], total[kind, "wrong"]
    if strict:
        hit, missed = total[kind, "exact"], total[kind, "not exact"]
        wrong = total[kind, "found"] - hit
    recall = hit / (hit + missed) if hit + missed else 0.0
    precision = hit / (hit + wrong) if hit + wrong else 0.0
    return recall, precision, f2(precision, recall)


def interval(judged: Sequence[Judged], kind: str) -> tuple[float, float]:
    """Of F2, 95 %: whole templates are drawn, their rows are too much alike."""
    groups: dict[str, list[Judged]] = {}
    for one in judged:
        groups.setdefault(one.template, []).append(one)
    draw = random.Random(7)  # noqa: S311 - a bootstrap
    names = sorted(groups)
    values = sorted(
        figures((one for name in draw.choices(names, k=len(names)) for one in groups[name]), kind)[2]
        for _ in range(_RESAMPLES)
    )
    return values[int(0.025 * _RESAMPLES)], values[int(0.975 * _RESAMPLES)]


def presidio(finder: Finder, data: Path, part: str, kinds: Sequence[str], show: bool) -> list[Judged]:
    judged = []
    for template, row in presidio_rows.read(data, part):
        found = [(one.start, one.end, one.kind) for one in finder.find(row.text) if one.kind in kinds]
        gold = [span for span in row.spans if span[2] in kinds]
        judged.append(judge(template, row.text, gold, found))
        counts = judged[-1].counts
        if show and any(counts[kind, what] for kind in kinds for what in ("missed", "wrong")):
            log.info("%r\n   gold %s\n   found %s", row.text, _said(row.text, gold), _said(row.text, found))
    return judged


def _said(text: str, spans: Iterable[Span]) -> list[tuple[str, str]]:
    return [(kind, text[start:end]) for start, end, kind in spans]


def table(judged: Sequence[Judged], kinds: Sequence[str]) -> list[str]:
    lines = [
        "| kind | values | recall | precision | F2 | 95 % | strict F2 |",
        "|---|---|---|---|---|---|---|",
    ]
    for kind in (*kinds, "words"):
        recall, precision, score = figures(judged, kind)
        low, high = interval(judged, kind)
        strict = "" if kind == "words" else f"{figures(judged, kind, strict=True)[2]:.3f}"
        values = sum(one.counts[kind, "hit"] + one.counts[kind, "missed"] for one in judged)
        cells = (f"{recall:.3f}", f"{precision:.3f}", f"{score:.3f}", f"{low:.3f}-{high:.3f}", strict)
        lines.append(f"| {kind} | {values} | {' | '.join(cells)} |")
    return lines


def changed(finder: Finder, data: Path, part: str, show: bool) -> list[str]:
    """Answers and programs in which a person or an address is found."""
    lines = ["| texts | of them | changed | share |", "|---|---|---|---|"]
    for name in ANSWERS:
        texts = [text for _, text in natural.answers(data, part, [name], columns=("answer",))]
        lines.append(_share(finder, name, texts, show))
    programs = [only_spoken(text)[:20_000] for text in natural.programs(data, part, ["code_refactory"])]
    lines.append(_share(finder, "code_refactory, comments and strings", programs, show))
    return lines


def _share(finder: Finder, name: str, texts: Sequence[str], show: bool) -> str:
    count = 0
    for text in texts:
        found = [(one.start, one.end, one.kind) for one in finder.find(text) if one.kind in CORE]
        count += bool(found)
        if found and show:
            log.info("%s: %s", name, [text[max(0, s - 20) : e + 20] + f" [{text[s:e]}]" for s, e, _ in found])
    return f"| {name} | {len(texts)} | {count} | {100 * count / max(1, len(texts)):.2f} % |"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="name_tagger.evaluate", description=__doc__)
    parser.add_argument("--part", choices=("train", "validation", "test"), default="validation")
    parser.add_argument("--data", type=Path, help="the folder of the sets, instead of DATA_DIR")
    parser.add_argument("--model", type=Path, default=FOLDER)
    parser.add_argument("--show", action="store_true", help="every text with a mistake")
    asked = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    given: dict[str, Any] = {"data_dir": asked.data} if asked.data else {}
    data = Settings(**given).data_dir
    finder = Finder(Reader(asked.model))
    out = []
    for kinds in (CORE, KINDS):
        judged = presidio(finder, data, asked.part, kinds, asked.show and kinds is CORE)
        out += [*table(judged, kinds), ""]
    if asked.part != "test":
        out += changed(finder, data, asked.part, asked.show)
    sys.stdout.write("\n".join(out) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
