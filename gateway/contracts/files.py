"""The contracts as files: JSON Schema 2020-12, the same for the service and for its callers."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import orjson

V1, V1_1 = "v1", "v1.1"
VERSIONS = (V1, V1_1)
CODE, TEXT, CLASSIFICATION = "code", "text", "classification"
TASK_TYPES = (CODE, TEXT, CLASSIFICATION)
REQUEST, RESPONSE = "request", "response"
KINDS = (REQUEST, RESPONSE)
RUBRIC, REVIEW = "rubric.json", "review.json"
SHARED = ("common.json", RUBRIC, REVIEW)

_FOLDER = Path(__file__).parent / "schemas"


@dataclass(frozen=True, slots=True)
class Contract:
    """One schema file."""

    body: bytes = field(repr=False)  # as it lies there
    sha256: str  # of the body, hex
    schema: Mapping[str, Any] = field(repr=False)


def name_of(version: str, task_type: str, kind: str) -> str:
    """The file's name from the folder of schemas."""
    return f"{version}/{task_type}.{kind}.json"


@cache
def contracts() -> Mapping[str, Contract]:
    """Every schema by its file's name, the shared ones last. Read once in a process, 2 ms."""
    names = [name_of(version, task, kind) for version in VERSIONS for task in TASK_TYPES for kind in KINDS]
    return {name: _read(_FOLDER / name) for name in (*names, *SHARED)}


def _read(path: Path) -> Contract:
    body = path.read_bytes()
    return Contract(body, hashlib.sha256(body).hexdigest(), orjson.loads(body))
