"""What is watched, so that a newer model is served without a restart: champions, and files of the fraud pair.

A newer model is loaded and warm before it takes the place of the old one; one that cannot be loaded never
does. Champions that nobody was served by yet are loaded as long as none pushes another out of memory; the
rest of them are loaded when they are asked for.
"""

import asyncio
import logging
from collections.abc import Collection
from concurrent.futures import Executor

from gateway.adapters.objects import S3, Stamp
from gateway.adapters.onnx_models import LoadedModel, load
from gateway.adapters.polling import Watch
from gateway.adapters.weights import WatchedObject
from gateway.domain import Output, ServedModel
from gateway.errors import GatewayError, ModelUnavailable
from gateway.grading.routing import GRADERS
from gateway.prediction import label_text
from gateway.tasks import all_of
from gateway.training.facts import Feature, ModelVersion
from gateway.training.ports import ModelShelf, Predictor

log = logging.getLogger(__name__)

UP = "up"
_WHAT = "newer models"
_NOT_YET = "not loaded yet"
_LOOK_S = 5.0  # of a look at the champions, at most: what takes longer goes on, and the next look finds it
_NOTE_S = 0.5  # of a listing that notes them
_AT_ONCE = 4  # champions that a look loads


class ChampionWatch(Watch):
    """Implements Champions. While the store is down, the champions are the last that are known."""

    def __init__(self, shelf: ModelShelf, predictor: Predictor, poll_s: float) -> None:
        super().__init__(poll_s, _WHAT)
        self._shelf = shelf
        self._predictor = predictor
        self._served: dict[str, ModelVersion] = {}
        self._unavailable: dict[str, ModelVersion] = {}  # champions that cannot be loaded
        self._fault = ""

    def get(self, name: str) -> ModelVersion | None:
        return self._served.get(name)

    def all(self) -> list[ModelVersion]:
        return list(self._served.values())

    def unavailable(self) -> frozenset[str]:
        return frozenset(self._unavailable)

    def served_models(self) -> list[ServedModel]:
        """For the catalogue, by name; not ready are those of which no version can be loaded."""
        known = {**self._unavailable, **self._served}
        return [
            ServedModel(
                name,
                0,
                Output.CLASSIFICATION,
                str(model.version),
                tuple(map(label_text, model.signature.labels)),
                ready=name in self._served,
            )
            for name, model in sorted(known.items())
        ]

    async def note_newer(self) -> None:
        """Lists a champion that the last look did not know, not ready yet, and has it loaded: who has just
        trained a model looks for it at once. A store that is down or slow changes nothing."""
        try:
            async with asyncio.timeout(_NOTE_S):
                champions = await self._champions()
        except (GatewayError, TimeoutError):
            return
        unseen = {name: model for name, model in champions.items() if name not in self._served}
        if unseen.keys() - self._unavailable.keys():
            self._unavailable |= unseen
            self.wake()

    async def _champions(self) -> dict[str, ModelVersion]:
        return {model.name: model for model in await self._shelf.champions() if model.name not in GRADERS}

    async def look(self) -> None:
        try:
            champions = await self._champions()
        except GatewayError as error:
            if self._fault != error.message:
                log.warning("the champions are not known anew: %s", error.message)
            self._fault = error.message
            return
        self._fault = ""
        for gone in self._served.keys() - champions.keys():
            del self._served[gone]
        self._unavailable = {
            name: model for name, model in self._unavailable.items() if champions.get(name) == model
        }
        newer = []
        for name, model in champions.items():
            served = self._served.get(name)
            if served is None or served.sha256 != model.sha256:
                newer.append(model)
            else:
                self._serve(model)
        until = asyncio.get_running_loop().time() + _LOOK_S
        turns, pushed_out = asyncio.Semaphore(_AT_ONCE), self._predictor.pushed_out
        await all_of([self._follow(model, turns, until, pushed_out) for model in newer])

    async def _follow(
        self, model: ModelVersion, turns: asyncio.Semaphore, until: float, pushed_out: int
    ) -> None:
        """Serves it when it is loaded, or when this look has filled the memory. `pushed_out`: as the look
        began."""
        try:
            async with asyncio.timeout_at(until), turns:
                if model.name in self._served or self._predictor.pushed_out == pushed_out:
                    await self._predictor.load(model)
        except (ModelUnavailable, TimeoutError):
            self._unavailable[model.name] = model
        else:
            self._serve(model)

    def _serve(self, model: ModelVersion) -> None:
        self._served[model.name] = model
        self._unavailable.pop(model.name, None)


class PairFeatures:
    """What both of the fraud pair take: the features of the first file that was loaded, until a restart. A
    request that fits the pair goes on fitting whatever file takes the place of another."""

    def __init__(self) -> None:
        self._features: tuple[Feature, ...] | None = None

    def keep(self, features: tuple[Feature, ...]) -> None:
        """Raises ModelUnavailable for others than those of the pair."""
        if self._features not in (None, features):
            raise ModelUnavailable("The model file takes other features than the pair does.")
        self._features = features


class FraudModel(Watch):
    """Implements WatchedFile: one of the fraud pair, loaded anew when what lies at its address changes."""

    def __init__(
        self,
        url: str,
        s3: S3,
        labels: Collection[int],
        poll_s: float,
        threads: Executor,
        features: PairFeatures,
    ) -> None:
        """`labels`: what it may answer; a file with others is refused. `features`: the other one's too.
        Raises ValueError for no address."""
        super().__init__(poll_s, _WHAT)
        self._object = WatchedObject(url, s3)
        self._labels = frozenset(labels)
        self._threads = threads
        self._features = features
        self._model: LoadedModel | None = None
        self._seen: Stamp | None = None  # what was loaded or refused last
        self.state = _NOT_YET

    def current(self) -> LoadedModel:
        if self._model is None:
            raise ModelUnavailable("The model is not loaded.", retry_after=self._poll_s)
        return self._model

    async def look(self) -> None:
        try:
            await self._look()
        except Exception:
            self._say("The model file could not be looked at.")
            raise

    async def _look(self) -> None:
        try:
            stamp = await self._object.head()
            if stamp is None:
                self._say("there is no file")
                self._seen = None
                return
            if stamp == self._seen:
                return
            found = await self._object.get()
        except ModelUnavailable as error:
            self._say(error.message)
            self._seen = None
            return
        if found is None:
            return  # deleted between the two; the next look tells
        content, stamp = found
        try:
            model = await asyncio.to_thread(self._checked, content)
            self._features.keep(model.signature.features)
        except ModelUnavailable as error:
            self._say(error.message)
        else:
            self._model = model
            self._say(UP)
        self._seen = stamp

    def _checked(self, content: bytes) -> LoadedModel:
        model = load(content, self._threads)
        labels = model.signature.labels
        if not all(type(label) is int and label in self._labels for label in labels):
            raise ModelUnavailable("The model file answers with other labels.")
        return model

    def _say(self, state: str) -> None:
        if state != self.state and state != UP:
            log.warning("a model of the fraud pair: %s", state)
        self.state = state
