"""The YAML file of one training, checked before anything heavy is loaded."""

import re
from pathlib import Path
from typing import Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from embeddings.errors import Unusable

Kind = Literal["text", "pair"]
SETS = (
    "bot_or_human_convai",
    "sms_spam",
    "telegram_spam_ru",
    "injection_detection",
    "semeval2013_scientsbank",
    "semeval2013_beetle",
    "mohler",
    "saf_en",
)
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,40}")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Data(_Part):
    """Which rows, and how they become text and label."""

    sets: list[str] = Field(min_length=1)
    train: list[str] = ["train"]  # file stems, the same for every set; a set that lacks one leaves it out
    validation: list[str] = ["validation"]
    tests: list[str] = Field(["test"], min_length=1)
    label: str = "label"  # the sets' column; "score": the config's label whose points are nearest
    max_characters: int = Field(4000, ge=16)  # of one text; the rest is cut
    excerpts: int = Field(0, ge=0, le=100)  # of dialogues: runs of messages added to training, for each
    # A text that stands in two parts flatters the later one: refuse the data, or drop it from the earlier.
    repeats: Literal["refuse", "drop"] = "refuse"

    @field_validator("sets")
    @classmethod
    def known_sets(cls, value: list[str]) -> list[str]:
        if unknown := sorted(set(value) - set(SETS)):
            raise ValueError(f"no reader for {', '.join(unknown)}; there are {', '.join(SETS)}")
        return value

    @model_validator(mode="after")
    def parts_differ(self) -> Self:
        parts = [*self.train, *self.validation, *self.tests]
        if len(parts) != len(set(parts)):
            raise ValueError("a part may be named once: in train, validation or tests")
        return self


class Encoder(_Part):
    """The sentence encoder under the head."""

    path: str = ""  # empty: all-MiniLM-L6-v2 of its wheel; else a folder or hub id, as EMBEDDINGS_MODEL
    trainable: Literal["none", "all"] | int = "none"  # a number: only that many last layers
    max_tokens: int = Field(256, ge=8, le=512)

    @field_validator("trainable")
    @classmethod
    def some_layers(cls, value: str | int) -> str | int:
        if isinstance(value, int) and value < 1:
            raise ValueError("none, all, or a number of last layers from 1")
        return value


class Ngrams(_Part):
    """The wide branch: hashed character n-grams straight to the logits."""

    buckets: int = Field(65536, ge=16, le=1 << 22)
    low: int = Field(2, ge=1, le=8)
    high: int = Field(4, ge=1, le=8)

    @model_validator(mode="after")
    def low_to_high(self) -> Self:
        if self.low > self.high:
            raise ValueError("low must not be above high")
        return self


class Head(_Part):
    deep: bool = True  # of kind text: whether the encoder is asked
    style: bool = False  # of kind text: whether numbers on how the text is typed are
    hidden: int = Field(128, ge=0)  # 0: a linear head
    dropout: float = Field(0.1, ge=0, lt=1)
    ngrams: Ngrams | None = None  # of kind text
    projection: int = Field(48, ge=1)  # of kind pair: the width in which words are compared


class Optimiser(_Part):
    lr: float = Field(1e-3, gt=0, le=1)
    lr_of: dict[str, float] = {}  # by the beginning of a parameter's name, such as encoder or wide
    weight_decay: float = Field(0.01, ge=0)
    epochs: int = Field(10, ge=1, le=1000)
    batch: int = Field(32, ge=1, le=4096)
    warm_up: float = Field(0.1, ge=0, lt=1)  # share of all steps
    clip: float = Field(1.0, gt=0)  # norm of the gradient


class Trees(_Part):
    """Of kind pair: the forests beside the network."""

    number: int = Field(200, ge=1)
    leaf: int = Field(10, ge=1)  # answers at least


class Serving(_Part):
    """What the exported head is told."""

    name: str = ""  # what callers name it; empty: the training's name
    window: int | None = Field(None, ge=64)  # characters looked at at once; the likeliest piece decides
    threshold: float = Field(0.5, gt=0, lt=1)  # of the last label's probability
    review_below: float = Field(0.75, ge=0, le=1)  # confidence


class Evaluation(_Part):
    bootstrap: int = Field(1000, ge=0, le=100_000)  # samples; 0: no intervals
    group: Literal["group", "id"] = "group"  # what is drawn: whole dialogues or questions, or single rows


class Tracking(_Part):
    experiment: str = Field("embeddings", min_length=1)


class Config(_Part):
    """One training. `labels` are in the order of the logits; of two, the second is the positive one."""

    name: str
    seed: int = Field(ge=0, lt=2**32)
    kind: Kind
    labels: list[str] = Field(min_length=2)
    points: list[float] | None = None  # what each label is worth, 0..1: gives a score, its r and its RMSE
    threads: int = Field(1, ge=1)  # of torch; sums are rounded by it, so it belongs to the recipe
    data: Data
    encoder: Encoder = Encoder()
    head: Head = Head()
    optimiser: Optimiser = Optimiser()
    trees: Trees = Trees()
    serving: Serving = Serving()
    evaluation: Evaluation = Evaluation()
    tracking: Tracking = Tracking()

    @field_validator("name")
    @classmethod
    def plain_name(cls, value: str) -> str:
        if not _NAME.fullmatch(value):
            raise ValueError("small letters, digits and '-', 41 at most")
        return value

    @model_validator(mode="after")
    def labels_and_points(self) -> Self:
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("labels must differ")
        if self.points is not None and len(self.points) != len(self.labels):
            raise ValueError("points must be as many as labels")
        if self.points is not None and not all(0 <= point <= 1 for point in self.points):
            raise ValueError("points must lie in 0..1")
        if self.data.label == "score" and self.points is None:
            raise ValueError("data.label: score needs points")
        return self


def read(file: Path) -> Config:
    """The config in `file`. Raises Unusable with one sentence that names the field."""
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError:
        raise Unusable(f"the config {file} cannot be read") from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise Unusable(f"the config {file} is not YAML") from None
    if not isinstance(content, dict):
        raise Unusable(f"the config {file} is not a mapping")
    try:
        return Config.model_validate(content)
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, fault["loc"])) or "the file"
        what = fault["msg"].removeprefix("Value error, ")
        raise Unusable(f"the config {file}: {where}: {what}") from None
