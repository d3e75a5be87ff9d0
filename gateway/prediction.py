"""What trained models are asked: instances checked against the signature, and the model's answer.

Nothing is masked here: a row goes to a model in this very process, and into no log, prompt or store.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from gateway.domain import Caller, Server
from gateway.drift.facts import Sighting
from gateway.drift.ports import Traffic
from gateway.errors import InvalidRequest, ModelNotFound, ModelUnavailable, PayloadTooLarge
from gateway.grading.routing import GRADERS
from gateway.guards import Guards, may_ask_models
from gateway.training.facts import Cell, ColumnType, Feature, ModelVersion, Predicted, Signature
from gateway.training.models import trained
from gateway.training.ports import Champions, LoadedFile, ModelShelf, Predictor, WatchedFile

Pair = Literal["fraud", "fraud_scenario"]
Row = tuple[Cell, ...]
Read = Callable[[Signature], list[Row]]

MAX_ROWS = 1_000  # of a request
_LONG_READ = 2_000  # cells; checking one takes about 0.3 microseconds, and more of them go to a thread
_PINNED_S = 2.0  # how long a version that was asked for by number is believed to be there
_MOST_PINNED = 1_024
_MOST_TOLD = 100  # champions on the status page by name; the others are counted
_LARGEST = 3.4028234663852886e38  # of float32, in which models compute
_LARGEST_INTEGER = 1 << 53  # beyond it a double, and JSON with it, skips integers


class Predictions:
    def __init__(
        self,
        guards: Guards,
        shelf: ModelShelf,
        champions: Champions,
        predictor: Predictor,
        pair: Mapping[Pair, WatchedFile],
        traffic: Traffic,
    ) -> None:
        """`pair`: those of the fraud pair that are configured."""
        self._guards = guards
        self._shelf = shelf
        self._champions = champions
        self._predictor = predictor
        self._pair = pair
        self._traffic = traffic
        self._pinned: dict[tuple[str, int], tuple[ModelVersion, float]] = {}  # and until when

    async def predict(
        self, caller: Caller, name: str, version: int | None, instances: Sequence[Any]
    ) -> Predicted:
        """By the champion, or by that version. An instance is an object of features, or their values in the
        signature's order; a feature that lacks or is null is not known. Raises Forbidden, ModelNotFound,
        InvalidRequest, PayloadTooLarge, Overloaded, ModelUnavailable, StoreUnavailable."""
        return await self.answer(
            caller, name, version, len(instances), lambda signature: read_rows(signature, instances)
        )

    async def answer(
        self, caller: Caller, name: str, version: int | None, count: int, read: Read
    ) -> Predicted:
        """As predict(), of `count` rows that `read` makes for the signature of the model that answers."""
        may_ask_models(caller)
        _check_count(count)
        # Without a place: while the weights' store hangs, those who wait for it are in nobody's way.
        model, loaded = await self._loaded(name, version)
        with self._guards.place(caller, Server.HERE):
            rows = await _rows(model.signature, count, read)
            predictions = await loaded.predict(rows)
        return self._told(Predicted(model.name, str(model.version), model.signature.labels, predictions))

    async def pair(self, caller: Caller, which: Pair, instances: Sequence[Any]) -> Predicted:
        """By the file of the fraud pair. Raises as predict() does, ModelNotFound for one not configured."""
        may_ask_models(caller)
        watched = self._pair.get(which)
        if watched is None:
            raise ModelNotFound("No model is configured for this path.", param=None)
        _check_count(len(instances))
        model = watched.current()
        with self._guards.place(caller, Server.HERE):
            rows = await _rows(
                model.signature, len(instances), lambda signature: read_rows(signature, instances)
            )
            predictions = await model.predict(rows)
        gaps = [row.count(None) for row in rows]
        return self._told(Predicted(which, model.sha256[:12], model.signature.labels, predictions, gaps))

    def _told(self, predicted: Predicted) -> Predicted:
        """Each answer is seen; a thousand take 1.3 ms."""
        model, version = predicted.model, predicted.version
        for one in predicted.predictions:
            label = label_text(one.label)
            self._traffic.saw(Sighting(model, version, label=label, confidence=one.confidence))
        return predicted

    async def chosen(self, name: str, version: int | None = None) -> ModelVersion:
        """The champion, or that version, but of no grader's name. Raises ModelNotFound, StoreUnavailable."""
        if name in GRADERS:
            raise ModelNotFound("There is no trained model of that name.", param="name")
        champion = self._champions.get(name)
        if champion is not None and version in (None, champion.version):
            return champion
        if version is None:
            return await self._shelf.get(trained(name))  # made since the last look
        pinned = self._pinned.get((name, version))
        if pinned is not None and time.monotonic() < pinned[1]:
            return pinned[0]
        found = await self._shelf.get(trained(name), version)
        if len(self._pinned) >= _MOST_PINNED:
            self._pinned.clear()
        self._pinned[name, version] = found, time.monotonic() + _PINNED_S
        return found

    async def ready(self, name: str, version: int | None = None) -> bool:
        """Whether it can be predicted with; loads it when it was not. Raises ModelNotFound,
        StoreUnavailable."""
        model = await self.chosen(name, version)
        try:
            await self._predictor.load(model)
        except ModelUnavailable:
            return False
        return True

    def served(self, name: str) -> ModelVersion | None:
        """The champion of that name as of a moment ago."""
        return self._champions.get(name)

    def all(self) -> list[ModelVersion]:
        """The champions as of a moment ago."""
        return self._champions.all()

    def facts(self) -> dict[str, Any]:
        """What is served, for people."""
        champions = sorted(self._champions.all(), key=lambda model: model.name)
        return {
            "champions": [{"name": one.name, "version": one.version} for one in champions[:_MOST_TOLD]],
            "more_champions": max(0, len(champions) - _MOST_TOLD),
            "unavailable": len(self._champions.unavailable()),
            **{name: watched.state for name, watched in self._pair.items()},
        }

    async def _loaded(self, name: str, version: int | None) -> tuple[ModelVersion, LoadedFile]:
        model = await self.chosen(name, version)
        try:
            return model, await self._predictor.load(model)
        except ModelUnavailable:
            # Deleted or replaced since the last look, and its weights are gone already.
            newer = await self._shelf.get(name, version)
            if newer.sha256 == model.sha256:
                raise
            return newer, await self._predictor.load(newer)


def label_text(label: Cell) -> str:
    """A label as a key of JSON and in lists of labels."""
    if isinstance(label, bool):
        return "true" if label else "false"
    return "" if label is None else str(label)


def read_rows(signature: Signature, instances: Sequence[Any], where: str = "instances") -> list[Row]:
    """The instances' values in the signature's order; None: not known. Raises InvalidRequest naming the
    instance as `where`.N; the name of a column is a caller's word and stands in `detail` alone."""
    features = signature.features
    known = {feature.name for feature in features}
    rows: list[Row] = []
    for place, instance in enumerate(instances):
        if isinstance(instance, dict):
            unknown = instance.keys() - known
            if unknown or not instance:
                raise _refused(
                    where, place, _UNKNOWN if unknown else "names no feature", min(unknown, default=None)
                )
            values: Sequence[Any] = [instance.get(feature.name) for feature in features]
        elif isinstance(instance, list | tuple) and len(instance) == len(features):
            values = instance
        else:
            raise _refused(
                where, place, f"must be an object of features, or a list of their {len(features)} values"
            )
        rows.append(_row(features, values, where, place))
    return rows


_UNKNOWN = "has a feature that the model does not know"


def _row(features: Sequence[Feature], values: Sequence[Any], where: str, place: int) -> Row:
    row = []
    for feature, value in zip(features, values, strict=True):
        cell = None if value is None else _CHECKS[feature.type](value)
        if cell is None and value is not None:
            raise _refused(where, place, f"has a value that is no {_WANTED[feature.type]}", feature.name)
        row.append(cell)
    return tuple(row)


def _number(value: Any) -> Cell:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if -_LARGEST <= value <= _LARGEST else None


def _integer(value: Any) -> Cell:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not -_LARGEST_INTEGER <= value <= _LARGEST_INTEGER or value != int(value):
        return None
    return int(value)


def _boolean(value: Any) -> Cell:
    return value if isinstance(value, bool) else None


def _text(value: Any) -> Cell:
    # Half of a surrogate pair cannot be written in UTF-8, which models read.
    return value if isinstance(value, str) and (value.isascii() or _is_unicode(value)) else None


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


_CHECKS: Mapping[ColumnType, Callable[[Any], Cell]] = {
    ColumnType.NUMBER: _number,
    ColumnType.INTEGER: _integer,
    ColumnType.BOOLEAN: _boolean,
    ColumnType.TEXT: _text,
}
_WANTED: Mapping[ColumnType, str] = {
    ColumnType.NUMBER: "finite number (of float32)",
    ColumnType.INTEGER: "integer of at most 2^53",
    ColumnType.BOOLEAN: "boolean",
    ColumnType.TEXT: "text",
}


def _refused(where: str, place: int, why: str, name: str | None = None) -> InvalidRequest:
    detail = None if name is None else f"Feature: {name[:80]!r}."
    return InvalidRequest(f"'{where}.{place}' {why}.", param=f"{where}.{place}", detail=detail)


def _check_count(count: int) -> None:
    if not count:
        raise InvalidRequest("There must be at least one instance.", param="instances")
    if count > MAX_ROWS:
        raise PayloadTooLarge(f"More than {MAX_ROWS} instances.", param="instances")


async def _rows(signature: Signature, count: int, read: Read) -> list[Row]:
    if count * len(signature.features) > _LONG_READ:
        return await asyncio.to_thread(read, signature)
    return read(signature)
