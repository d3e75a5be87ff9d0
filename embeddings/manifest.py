"""What a head says of itself: `head.json` in its folder, and the files that it names, checked by sha256.

A head is served as its manifest says or not at all: an unknown field, format or task, a file that is missing
or differs, a name that is not the folder's, all end the start with one sentence.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from embeddings.errors import Unusable

CLASSIFICATION, GRADING = "classification", "grading"

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
# Of files inside the folder, of heads and of versions: safe in a path, in a URL and in a log.
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,95}$")]
Share = Annotated[float, Field(ge=0, le=1)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class EncoderName(_Part):
    """The encoder that the head learned on; the digest decides, the name is for people."""

    name: str
    sha256: Sha256  # of its model.safetensors


class Ngrams(_Part):
    """As in ngrams.py."""

    buckets: int = Field(ge=2, le=1 << 24)
    low: int = Field(ge=1, le=8)
    high: int = Field(ge=1, le=8)

    @model_validator(mode="after")
    def in_order(self) -> "Ngrams":
        if self.low > self.high:
            raise ValueError("'low' is above 'high'")
        return self


class Manifest(_Part):
    """head.json."""

    format: Literal[1]
    name: Name
    version: Name
    task: Literal["classification", "grading"]
    labels: tuple[Name, ...] = Field(min_length=2, max_length=64)  # the last is what a classifier looks for
    encoder: EncoderName
    max_tokens: int = Field(ge=8)  # of a text or a piece; of a grader's submission
    # Of classifiers. A grader's rules are in a file of its own.
    deep: bool = True  # it reads the encoder's vector; without it the encoder is not asked
    style: bool = False  # it reads the numbers of style.py
    ngrams: Ngrams | None = None
    window: int | None = Field(None, ge=16)  # characters of a piece; None: the text is read once
    review_below: Share | None = None
    threshold: Share | None = None
    files: Mapping[Name, Sha256] = Field(min_length=1)

    @model_validator(mode="after")
    def whole(self) -> "Manifest":
        if len(set(self.labels)) < len(self.labels):
            raise ValueError("a label stands twice")
        rules = (self.review_below, self.threshold)
        if self.task == CLASSIFICATION and None in rules:
            raise ValueError("a classifier needs 'review_below' and 'threshold'")
        if not (self.deep or self.style or self.ngrams):
            raise ValueError("it reads nothing of a text")
        if self.task == GRADING and (self.style or not self.deep):
            raise ValueError("a grader has no 'deep' or 'style'")
        if self.task == GRADING and (self.ngrams, self.window, *rules) != (None,) * 4:
            raise ValueError("a grader has no 'ngrams', 'window', 'review_below' or 'threshold'")
        return self


@dataclass(frozen=True, slots=True)
class Verified:
    """A head's folder that holds what its manifest says."""

    manifest: Manifest
    contents: Mapping[str, bytes]


def read(folder: Path) -> Verified:
    """Raises Unusable, naming the folder."""
    try:
        manifest = Manifest.model_validate_json((folder / "head.json").read_bytes())
        contents = {name: (folder / name).read_bytes() for name in manifest.files}
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, fault["loc"])) or "the whole"
        raise unusable(folder.name, f"head.json, {where}: {fault['msg']}") from None
    except OSError as error:
        lacking = Path(str(error.filename)).name
        raise unusable(folder.name, f"{lacking} cannot be read ({error.strerror})") from None
    for name, content in contents.items():
        if hashlib.sha256(content).hexdigest() != manifest.files[name]:
            raise unusable(folder.name, f"{name} is not the file that head.json names (sha256 differs)")
    if manifest.name != folder.name:
        raise unusable(folder.name, "its head.json has another name than its folder")
    return Verified(manifest, contents)


def unusable(name: str, reason: str) -> Unusable:
    return Unusable(f"the head {name} cannot be served: {reason}")
