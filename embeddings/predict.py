"""`python -m embeddings.predict --input_path IN.csv --output_path preds.csv [--model NAME]`, offline.

Reads UTF-8 CSV with a header: `text` for a classifier or the encoder; `submission`, `reference` and, where it
is there, `question` for a grader. Other columns are left alone; `id` is passed on. Writes a row for each, in
order: `row` (from 1), `id`, then `label`, `confidence`, `needs_review`, `score` (graders) and a probability
each label, or a vector's numbers. The service's models and settings in its environment, without a door.
"""

import argparse
import asyncio
import csv
import math
import os
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path

from pydantic import ValidationError
from tqdm import tqdm

from embeddings.errors import ServiceError, Unusable
from embeddings.loading import heads, load, table
from embeddings.models import (
    EMBEDDING,
    AnyModel,
    Comparer,
    Comparison,
    Mark,
    Models,
    Prediction,
    Verdict,
)
from embeddings.settings import Settings

Row = Mapping[str, str]
_AT_ONCE = 256  # rows in memory
_TEXT, _PAIR = ("text",), ("submission", "reference")
_LONGEST = 8 << 20  # characters of one field


def main(arguments: list[str] | None = None) -> int:
    """Returns 0, or 2 for an input, a model or settings that cannot be used; then no output is written."""
    parser = argparse.ArgumentParser(
        prog="embeddings.predict", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--input_path", type=Path, required=True)
    parser.add_argument("--output_path", type=Path, required=True)
    parser.add_argument("--model", default="", help="name; may be left out where one head fits the columns")
    asked = parser.parse_args(arguments)
    try:
        asyncio.run(_predict(asked.input_path, asked.output_path, asked.model, Settings()))
    except (Unusable, ServiceError) as reason:
        sys.stderr.write(f"predict: {reason}\n")
        return 2
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False)[0]
        where = "_".join(["EMBEDDINGS", *(str(part).upper() for part in fault["loc"])])
        sys.stderr.write(f"setting {where}: {fault['msg']}\n")
        return 2
    return 0


async def _predict(given: Path, target: Path, name: str, settings: Settings) -> None:
    columns = _columns(given)  # before a model is loaded
    async with _opened(settings) as models:
        model = _chosen(models, name, columns)
        new = target.with_name(f".{target.name}.{os.getpid()}.new")
        try:
            await _write(given, new, model, with_id="id" in columns)
            new.replace(target)
        except OSError as error:
            raise Unusable(f"{target} cannot be written ({error.strerror})") from None
        finally:
            new.unlink(missing_ok=True)


async def _write(given: Path, new: Path, model: AnyModel, *, with_id: bool) -> None:
    with new.open("w", encoding="utf-8", newline="") as opened, tqdm(unit="row", disable=None) as bar:
        writer = csv.writer(opened)
        writer.writerow(["row", *(["id"] if with_id else []), *_header(model)])
        rows = _rows(given, _wanted(model))
        number = 0
        while chunk := list(islice(rows, _AT_ONCE)):
            prediction = await _asked(model, chunk)
            for row, answer in zip(chunk, _answers(model, prediction), strict=True):
                number += 1
                writer.writerow([number, *([row["id"]] if with_id else []), *answer])
            bar.update(len(chunk))
        if not number:
            raise Unusable("the input has a header and no rows")
        opened.flush()
        os.fsync(opened.fileno())


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[Models]:
    """The service's models. Nothing is shed: nobody waits for an answer."""
    patient = settings.model_copy(update={"max_queue": sys.maxsize, "max_delay_ms": math.inf})
    encoder, version = load(patient)
    async with table(patient, encoder, version, heads(patient, encoder)) as (models, _):
        yield models


def _wanted(model: AnyModel) -> tuple[str, ...]:
    return _PAIR if isinstance(model, Comparer) else _TEXT


def _chosen(models: Models, name: str, columns: Sequence[str]) -> AnyModel:
    """Raises Unusable: no such model, columns that it does not read, or more than one that could."""
    fitting = [one for one in models if set(_wanted(one)) <= set(columns)]
    if name:
        named = [one for one in models if one.name == name]
        if not named:
            raise Unusable(f"there is no model {name}; there are {', '.join(one.name for one in models)}")
        if named[0] not in fitting:
            raise Unusable(f"the model {name} reads the columns {', '.join(_wanted(named[0]))}")
        return named[0]
    found = [one for one in fitting if one.output != EMBEDDING]
    if len(found) != 1:
        told = ", ".join(one.name for one in fitting) or "none"
        raise Unusable(f"--model is needed: models that read the input's columns are {told}")
    return found[0]


def _columns(given: Path) -> list[str]:
    """The header. Raises Unusable."""
    try:
        with given.open(encoding="utf-8-sig", newline="") as opened:
            found = next(csv.reader(opened), None)
    except OSError as error:
        raise Unusable(f"{given} cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise Unusable(f"{given} is not UTF-8") from None
    except csv.Error as error:
        raise Unusable(f"the header of {given} is not CSV ({error})") from None
    if not found:
        raise Unusable(f"{given} is empty")
    if len(set(found)) < len(found):
        raise Unusable("the input's header names a column twice")
    return found


def _rows(given: Path, wanted: Sequence[str]) -> Iterator[Row]:
    """One after another; the file is never in memory as a whole. Raises Unusable with the row's number."""
    csv.field_size_limit(_LONGEST)
    number = 0
    try:
        with given.open(encoding="utf-8-sig", newline="") as opened:
            for number, row in enumerate(csv.DictReader(opened), 1):
                if None in row or None in row.values():
                    raise Unusable(f"row {number} has more or fewer fields than the header")
                if lacking := [column for column in wanted if not row[column].strip()]:
                    raise Unusable(f"row {number} has no {lacking[0]}")
                yield row
    except UnicodeDecodeError:
        raise Unusable(f"the input is not UTF-8 after row {number}") from None
    except csv.Error as error:
        raise Unusable(f"the input is not CSV after row {number} ({error})") from None


async def _asked(model: AnyModel, rows: Sequence[Row]) -> Prediction:
    if isinstance(model, Comparer):
        return await model.compare(
            [Comparison(row["submission"], (row["reference"],), row.get("question", "")) for row in rows]
        )
    return await model.predict([row["text"] for row in rows])


def _header(model: AnyModel) -> list[str]:
    if model.output == EMBEDDING:
        return [f"v{place}" for place in range(model.width)]
    score = ["score"] if isinstance(model, Comparer) else []
    return ["label", "confidence", "needs_review", *score, *(f"probability_{one}" for one in model.labels)]


def _answers(model: AnyModel, prediction: Prediction) -> Iterator[list[object]]:
    if model.output == EMBEDDING:
        for row in prediction.rows.tolist():
            yield [f"{number:.7g}" for number in row]
        return
    for verdict in prediction.verdicts:
        chances = [f"{verdict.probabilities[label]:.6f}" for label in model.labels]
        yield [verdict.label, f"{verdict.confidence:.6f}", *_review(verdict), *chances]


def _review(verdict: Verdict) -> list[object]:
    review = str(verdict.needs_review).lower()
    return [review, f"{verdict.score:.6f}"] if isinstance(verdict, Mark) else [review]


if __name__ == "__main__":
    raise SystemExit(main())
