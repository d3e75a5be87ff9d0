"""A deployment's own rules of masking: a TOML file, read once at the start.

allow = ["Анна Каренина"]            # stays, in every case and task
deny = ["Bluebird"]                  # never leaves
student_id = ["ST-[0-9]{6}"]         # regular expressions

[policy.text]                        # chat, text, code, classification, embedding
kinds = ["PERSON", "EMAIL"]          # default: all but the optional ones
spare_cited = false                  # default: true
"""

import re
import tomllib
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, ValidationError

from gateway.adapters.presidio.process import Lists
from gateway.adapters.presidio.writing import has_word
from gateway.domain import KINDS, MASKED_TASKS, OPTIONAL_KINDS, MaskingPolicy

_MAX_BYTES = 4_000_000
_MAX_TERM = 200  # characters

Policies = dict[str, MaskingPolicy]


def _known_kind(kind: str) -> str:
    if kind not in KINDS | OPTIONAL_KINDS:
        raise ValueError(f"no such kind; there are {', '.join(sorted(KINDS | OPTIONAL_KINDS))}")
    return kind


def _known_task(task: str) -> str:
    if task not in MASKED_TASKS:
        raise ValueError(f"no such task; there are {', '.join(MASKED_TASKS)}")
    return task


def _usable_pattern(pattern: str) -> str:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from None
    if compiled.match(""):
        raise ValueError("the expression matches an empty text")
    return pattern


def _with_a_word(term: str) -> str:
    if not has_word(term):
        raise ValueError("an entry needs a letter or a digit")
    return term


_Term = Annotated[str, Field(min_length=1, max_length=_MAX_TERM, pattern=r"\S")]


class _Policy(BaseModel):
    model_config = ConfigDict(extra="forbid")

    kinds: list[Annotated[str, AfterValidator(_known_kind)]] = Field(sorted(KINDS), min_length=1)
    spare_cited: StrictBool = True


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    allow: list[Annotated[_Term, AfterValidator(_with_a_word)]] = []
    deny: list[Annotated[_Term, AfterValidator(_with_a_word)]] = []
    student_id: list[Annotated[_Term, AfterValidator(_usable_pattern)]] = []
    policy: dict[Annotated[str, AfterValidator(_known_task)], _Policy] = {}


def read_masking_file(file: Path | None) -> tuple[Lists, Policies]:
    """The lists, and a policy for each task. Without a file the defaults. Raises ValueError with one sentence
    that names the place in the file and quotes nothing of the lists."""
    given = _read(file) if file else _File()
    lists = Lists(tuple(given.allow), tuple(given.deny), tuple(given.student_id))
    default = _Policy()
    # What a deployment lists by itself is looked for whatever kinds a policy names.
    listed = {"CUSTOM"} if given.deny else set()
    listed |= {"STUDENT_ID"} if given.student_id else set()
    policies = {}
    for task in MASKED_TASKS:
        policy = given.policy.get(task, default)
        policies[task] = MaskingPolicy(frozenset(policy.kinds) | listed, policy.spare_cited)
    return lists, policies


def _read(file: Path) -> _File:
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise ValueError(f"{file} cannot be read: {error.strerror}") from None
    if len(raw) > _MAX_BYTES:
        raise ValueError(f"{file} is larger than {_MAX_BYTES} bytes")
    try:
        return _File.model_validate(tomllib.loads(raw.decode("utf-8")))
    except UnicodeDecodeError:
        raise ValueError(f"{file} is not UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{file} is no TOML: {error}") from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"{file}: {place}: {first['msg'].removeprefix('Value error, ')}") from None
