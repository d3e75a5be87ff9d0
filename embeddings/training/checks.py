"""Is the data sound? Types, labels, ranges, missing values, repeats: before a minute of training is spent."""

import logging
from collections.abc import Sequence

import pandas as pd
import pandera.pandas as pa

from embeddings.errors import Unusable
from embeddings.training.config import Config

log = logging.getLogger(__name__)
_FEWEST = 2  # rows of each label in training: one cannot be learned from
_KEY = ["question", "_words"]


def schema(config: Config) -> pa.DataFrameSchema:
    """What every row must be."""
    filled = pa.Check.str_length(min_value=1)
    pair = config.kind == "pair"
    texts = pa.Check(lambda given: given.map(_texts), name="texts")
    some = pa.Check(lambda given: given.map(bool), name="some")
    return pa.DataFrameSchema(
        {
            "id": pa.Column(str, filled),
            "split": pa.Column(str, filled),
            "source": pa.Column(str, pa.Check.isin(config.data.sets)),
            "group": pa.Column(str, filled),
            "question": pa.Column(str, filled if pair else None),
            "references": pa.Column(object, [texts, some] if pair else texts),
            "text": pa.Column(str, pa.Check.str_length(max_value=config.data.max_characters)),
            "label": pa.Column(str, pa.Check.isin(config.labels)),
            "score": pa.Column(float, pa.Check.in_range(0, 1), nullable=config.points is None),
        },
        strict=True,
        unique=["split", "id"],
    )


def _texts(given: object) -> bool:
    return isinstance(given, list) and all(isinstance(one, str) and one for one in given)


def sound(frame: pd.DataFrame, config: Config) -> pd.DataFrame:
    """The frame without the repeats that the config lets drop. Raises Unusable: what is wrong, in which
    column and how often, without any row's words."""
    empty = frame["text"].str.strip().eq("") if config.kind == "text" else frame["id"].eq("")
    if empty.any():
        raise Unusable(f"the data have {int(empty.sum())} empty texts")
    try:
        schema(config).validate(frame, lazy=True)
    except pa.errors.SchemaErrors as error:
        raise Unusable(f"the data are not sound: {_faults(error.failure_cases)}") from None
    frame = _without_repeats(frame, config)
    _refuse_shared_groups(frame, config)
    for names in (config.data.train, config.data.validation):
        counts = frame[frame["split"].isin(names)]["label"].value_counts()
        if few := [label for label in config.labels if counts.get(label, 0) < _FEWEST]:
            raise Unusable(f"the parts {', '.join(names)} have fewer than {_FEWEST} rows of {', '.join(few)}")
    return frame


def _faults(cases: pd.DataFrame) -> str:
    counts = cases.groupby(["column", "check"], dropna=False, sort=False).size()
    told = [f"{check} fails in {column} ({count} times)" for (column, check), count in counts.items()]
    return "; ".join(told[:5])


def _stage(split: str, config: Config) -> int:
    """0 for training, 1 for validation, 2 for tests: a row may repeat within a stage, not across."""
    return 0 if split in config.data.train else 1 if split in config.data.validation else 2


def _without_repeats(frame: pd.DataFrame, config: Config) -> pd.DataFrame:
    """A text counts as the same whatever its case and spaces; of a pair, under the same question."""
    words = frame["text"].str.casefold().str.split().str.join(" ")
    keyed = frame.assign(_words=words, _stage=frame["split"].map(lambda split: _stage(split, config)))
    last = keyed.groupby(_KEY)["_stage"].transform("max")
    repeated = keyed["_stage"] < last
    if repeated.any() and config.data.repeats == "refuse":
        raise Unusable(
            f"a leak: {int(repeated.sum())} texts of training or validation stand in a later part too "
            "(data.repeats: drop leaves them out)"
        )
    if repeated.any():
        log.info("dropped %d rows whose text stands in a later part too", int(repeated.sum()))
    return frame[~repeated].reset_index(drop=True)


def _refuse_shared_groups(frame: pd.DataFrame, config: Config) -> None:
    """Two sides of one dialogue must not be parted. Questions may be shared: unseen answers are asked for."""
    if config.kind == "pair":
        return
    stages = frame.assign(_stage=frame["split"].map(lambda split: _stage(split, config)))
    shared = int((stages.groupby("group")["_stage"].nunique() > 1).sum())
    if shared:
        raise Unusable(f"a leak: {shared} groups (dialogues) have rows in two parts")


def statistics(frame: pd.DataFrame, labels: Sequence[str]) -> pd.DataFrame:
    """A row for each split and set: rows, groups, share of each label, characters, mean score."""
    made = []
    for (split, source), part in frame.groupby(["split", "source"], sort=False):
        lengths = part["text"].str.len()
        shares = {f"share {label}": round(float((part["label"] == label).mean()), 3) for label in labels}
        made.append(
            {
                "split": split,
                "set": source,
                "rows": len(part),
                "groups": part["group"].nunique(),
                **shares,
                "characters p50": int(lengths.median()),
                "p95": int(lengths.quantile(0.95)),
                "repeated texts": int(part.duplicated(["question", "text"]).sum()),
                "mean score": round(float(part["score"].mean()), 3),
            }
        )
    return pd.DataFrame(made)
