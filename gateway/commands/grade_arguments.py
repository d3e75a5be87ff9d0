"""What `gateway grade` is told, checked before anything is opened."""

import argparse
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from gateway.batch.files import Paths, Survey, survey
from gateway.batch.reading import Limits, json_format
from gateway.batch.requests import COLUMNS
from gateway.batch.rows import Format, Job, Unusable
from gateway.chat.request import Bounds
from gateway.contracts.rubric import read_rubric
from gateway.errors import InvalidRequest
from gateway.settings import Settings

_ENDINGS = {".csv": Format.CSV, ".jsonl": Format.JSONL, ".ndjson": Format.JSONL}
_RUBRIC_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}(@\d+\.\d+\.\d+)?")
_BOUNDS = {
    "max_score": (0.001, 1000),
    "concurrency": (1, 1024),
    "retry_for": (0, 86_400),
    "workers": (1, 10_000),
}


@dataclass(frozen=True, slots=True)
class Plan:
    """A run that can be begun."""

    paths: Paths
    job: Job
    limits: Limits
    seen: Survey


def add_arguments(parser: argparse.ArgumentParser) -> None:
    option = parser.add_argument
    option("file", type=Path, help="CSV with a header, JSON lines, or OpenAI's batch format")
    option("--out", type=Path, required=True, help="answers in the file's order")
    option("--errors", type=Path, help="rows without an answer; default: beside --out")
    option("--format", choices=[one.value for one in Format], help="of the file; default: by its ending")
    option("--rubric", help="for rows without one: a JSON file, or name@1.0.0 of the store")
    option("--question", help="for rows without one")
    option("--max-score", type=float, help="for rows without one; 10 where nothing says")
    option("--grader", choices=("auto", "llm", "embedding"), default="auto")
    option("--concurrency", type=int, default=8, help="rows at once; with ray: in each worker")
    option("--retry-for", type=float, default=300.0, help="seconds for a row while a server is down")
    option("--engine", choices=("local", "ray"), default="local")
    option("--workers", type=int, help="with ray; default: one for each CPU")
    option("--fresh", action="store_true", help="start over, and replace --out where it is there already")
    columns = parser.add_argument_group("columns of a CSV file that have other names")
    for field in COLUMNS:
        columns.add_argument(_column_option(field), metavar="NAME")


def planned(options: argparse.Namespace, settings: Settings) -> Plan:
    """What the arguments ask for, and a first look at the whole file. Raises Unusable, OSError."""
    _check_numbers(options)
    paths = _paths(options)
    kind = _format(options)
    if kind is Format.OPENAI and paths.out.suffix.lower() == ".csv":
        raise Unusable("OpenAI's batch format is answered in JSON lines: give --out another ending")
    columns = {field: name for field in COLUMNS if (name := getattr(options, f"column_{field}")) is not None}
    if columns and kind is not Format.CSV:
        raise Unusable("only CSV files have columns")
    rubric, rubric_id = _rubric(options.rubric)
    job = Job(
        *(kind, columns, options.question, options.max_score),
        *(rubric, rubric_id, options.grader),
    )
    limits = Limits(settings.max_body_bytes, Bounds(max_json_depth=settings.max_json_depth))
    return Plan(paths, job, limits, survey(paths.source, job, limits))


def _check_numbers(options: argparse.Namespace) -> None:
    for name, (least, most) in _BOUNDS.items():
        value = getattr(options, name)
        if value is not None and not (math.isfinite(value) and least <= value <= most):
            raise Unusable(f"--{name.replace('_', '-')} must be within {least} and {most}")


def _paths(options: argparse.Namespace) -> Paths:
    source, out = options.file, options.out
    errors = options.errors or out.with_name(f"{out.stem}.errors{out.suffix}")
    paths = Paths(source, out, errors, options.errors is not None)
    if not source.is_file():
        raise Unusable(f"{source} is no file")
    if len({path.resolve() for path in (source, out, errors, paths.journal)}) < 4:
        raise Unusable("the file, --out and --errors must be different")
    for path in (out, errors):
        if not path.parent.is_dir():
            raise Unusable(f"{path.parent} is no folder")
    if out.exists() and not paths.journal.exists() and not options.fresh:
        raise Unusable(f"{out} is there already: --fresh replaces it")
    return paths


def _format(options: argparse.Namespace) -> Format:
    if options.format is not None:
        return Format(options.format)
    kind = _ENDINGS.get(options.file.suffix.lower())
    if kind is None:
        raise Unusable("the file's ending does not tell its format: give --format")
    return json_format(options.file) if kind is Format.JSONL else kind


def _rubric(given: str | None) -> tuple[dict[str, Any] | None, str | None]:
    """An inline rubric, or the name of one in the store."""
    if given is None:
        return None, None
    if given.endswith(".json"):
        try:
            rubric: dict[str, Any] = orjson.loads(Path(given).read_bytes())
            read_rubric(rubric)
        except orjson.JSONDecodeError:
            raise Unusable(f"{given} is not JSON") from None
        except InvalidRequest as error:
            raise Unusable(f"{given}: {error.message}") from None
        return rubric, None
    if not _RUBRIC_ID.fullmatch(given):
        raise Unusable("--rubric must be a file that ends in .json, or name@1.0.0")
    return None, given


def _column_option(field: str) -> str:
    return f"--column-{field.replace('_', '-')}"
