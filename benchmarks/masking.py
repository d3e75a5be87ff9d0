"""How fast and how well personal data is found: `python benchmarks/masking.py [--data DIR]`.

Without `--data`: start time and memory of a worker, milliseconds per 1,000 characters. With it: also recall,
precision and F2 per kind on the test parts of pii_ru_synth, pii_presidio_en and ner_factrueval_ru (JSONL with
`text` and `spans`); a value counts as found when half of it or more is covered by a finding of its kind.
"""

import argparse
import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

from gateway.adapters.presidio.pool import AnalyzerPool
from gateway.domain import Span

ENGLISH = """My name is Claire Hobbins and I answer question four. Sorting the list first costs O(n log n),
after that every look-up is a binary search. I asked Mr. Quillfeather (quill@example.com, +44 20 7946 0958)
about the worst case; he says that Newton's method does not apply here: the function has no derivative. """
RUSSIAN = """Работу выполнила Ветлугина Раиса Павловна, группа 12, почта pilot.lena@uni-x.ru. Отсортируем
массив, потом для каждого запроса сделаем двоичный поиск. Преподаватель Р. П. Ветлугин советовал метод
Ньютона, но у функции нет производной. Телефон для связи: 8-921-555-01-73, ИНН 500100732259. """
CODE = '''def search(items, wanted):
    """Written by Claire Hobbins, quill@example.com. Finds wanted in sorted items."""
    low, high = 0, len(items)  # Раиса Ветлугина советовала полуинтервал
    while low < high:
        middle = (low + high) // 2
        if items[middle] < wanted:
            low = middle + 1
        else:
            high = middle
    return low
'''
SETS = ("pii_ru_synth", "pii_presidio_en", "ner_factrueval_ru")
OUR_KINDS = {
    "PERSON": "PERSON",
    "PER": "PERSON",
    "PHONE": "PHONE",
    "PHONE_NUMBER": "PHONE",
    "EMAIL": "EMAIL",
    "EMAIL_ADDRESS": "EMAIL",
    "CREDIT_CARD": "CARD",
    "IBAN_CODE": "IBAN",
    "IP_ADDRESS": "IP",
    "RU_PASSPORT": "PASSPORT",
    "RU_INN": "INN",
    "RU_SNILS": "SNILS",
}


async def speed(names: bool) -> None:
    pool = AnalyzerPool(names=names, timeout_s=50)
    started = time.perf_counter()
    await pool.start()
    took = time.perf_counter() - started
    memory = psutil.Process(pool.worker_pids()[0]).memory_info().rss / 1e6
    label = "with NER" if names else "without NER"
    print(f"{label}: ready after {took:.2f} s, worker {memory:.0f} MB")
    for language, sample in (("English", ENGLISH), ("Russian", RUSSIAN), ("code", CODE)):
        for length in (1_000, 20_000):
            text = (sample * (length // len(sample) + 1))[:length]
            runs = max(1, 40_000 // length)
            await pool.analyze([text], code=language == "code")
            started = time.perf_counter()
            for _ in range(runs):
                await pool.analyze([text], code=language == "code")
            per_thousand = (time.perf_counter() - started) / runs / length * 1_000_000
            print(f"  {language:8} {length:6} characters: {per_thousand:6.1f} ms per 1,000")
    await pool.close()


def rows(file: Path) -> Iterator[tuple[str, list[Span]]]:
    for line in file.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        spans = row.get("name_spans") or row["spans"]
        known = [Span(s["start"], s["end"], OUR_KINDS[s["type"]]) for s in spans if s["type"] in OUR_KINDS]
        yield row["text"], known


def covered(span: Span, found: list[Span]) -> bool:
    cover = sum(max(0, min(f.end, span.end) - max(f.start, span.start)) for f in found if f.kind == span.kind)
    return 2 * cover >= span.end - span.start


def touches(span: Span, known: list[Span]) -> bool:
    return any(k.kind == span.kind and k.start < span.end and span.start < k.end for k in known)


async def quality(data: Path, part: str, names: bool) -> None:
    pool = AnalyzerPool(names=names, timeout_s=50)
    await pool.start()
    heads = f"{'set':20} {'kind':9} {'values':>6} recall precision    F2"
    print(f"\n{heads}   ({'with' if names else 'without'} NER)")
    for name in SETS:
        hit: Counter[str] = Counter()
        missed: Counter[str] = Counter()
        wrong: Counter[str] = Counter()
        for text, known in rows(data / name / f"{part}.jsonl"):
            [found] = await pool.analyze([text])
            for span in known:
                (hit if covered(span, found) else missed)[span.kind] += 1
            for span in found:
                wrong[span.kind] += not touches(span, known)
        for kind in sorted({*hit, *missed, *wrong}):
            values = hit[kind] + missed[kind]
            recall = hit[kind] / values if values else float("nan")
            precision = hit[kind] / (hit[kind] + wrong[kind]) if hit[kind] + wrong[kind] else float("nan")
            f2 = 5 * precision * recall / (4 * precision + recall) if hit[kind] else 0.0
            print(f"{name:20} {kind:9} {values:6} {recall:6.3f} {precision:9.3f} {f2:5.3f}")
    await pool.close()


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of the public sets")
    parser.add_argument("--part", default="test", help="test, validation or train")
    arguments = parser.parse_args()
    for names in (False, True):
        await speed(names)
    if arguments.data:
        for names in (False, True):
            await quality(arguments.data, arguments.part, names)


if __name__ == "__main__":
    asyncio.run(main())
