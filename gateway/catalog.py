"""Which models there are, behind which server."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from gateway.domain import Output, ServedModel
from gateway.errors import BackendTimeout, GatewayError, ModelNotFound
from gateway.grading.routing import GRADER_AUTO, GRADER_LLM, GRADERS
from gateway.ports import ChatBackend, Embedder
from gateway.tasks import all_of


async def _nothing() -> None:
    """Where no models are trained."""


class Catalog:
    def __init__(
        self,
        backend: ChatBackend,
        embedder: Embedder | None,
        *,
        unknown_model_fallback: bool,
        trained: Callable[[], Sequence[ServedModel]] = list,
        note_newer: Callable[[], Awaitable[None]] = _nothing,
    ) -> None:
        """`trained`: the champions of the trained models, from memory; `note_newer` brings it up to date."""
        self._backend = backend
        self._embedder = embedder
        self._unknown_model_fallback = unknown_model_fallback
        self._trained = trained
        self._note_newer = note_newer
        self._told: frozenset[str] = frozenset()  # names of the embeddings service's models

    async def models(self) -> list[ServedModel]:
        """The models a client may name: the served one, the grader on top of it, the embeddings service's,
        the trained ones. A server that is down is left out; when nothing is left its error is raised."""
        await self._note_newer()
        known, fault = await self._known()
        if fault and not known:
            raise fault
        return known

    async def model(self, name: str) -> ServedModel:
        """The model of that name. Raises ModelNotFound, or a server's error: it may serve that model."""
        known, fault = await self._known()
        for model in known:
            if model.name == name:
                return model
        raise fault or ModelNotFound("There is no model of that name.", param="name")

    async def up(self, within_s: float) -> list[ServedModel]:
        """The models of the servers that answer within that time."""
        known, _ = await self._known(within_s)
        return known

    async def chat_model(self, name: str) -> ServedModel:
        """The generative model of that name, or the served one where unknown names mean it."""
        served = await self._backend.served_model()
        if name != served.name and not self._unknown_model_fallback:
            raise ModelNotFound("There is no model of that name.", param="model")
        return served

    async def inference_models(self) -> list[ServedModel]:
        """The non-generative models: the embeddings service's, none where none is configured."""
        if self._embedder is None:
            return []
        models = await self._embedder.models()
        self._told = frozenset(model.name for model in models)
        return models

    async def service_model(self, name: str) -> ServedModel | None:
        """The embeddings service's model of that name; None for a name that may be a trained model's. Where
        both have it the service's is meant. It is not asked about a champion that it never told of: trained
        models are served while it is down."""
        if name not in self._told and any(model.name == name for model in self._trained()):
            return None
        models = await self.inference_models()
        return next((model for model in models if model.name == name), None)

    async def inference_model(self, name: str, output: Output | None = None) -> ServedModel:
        """The non-generative model of that name, which answers with `output`. Raises ModelNotFound."""
        for model in await self.inference_models():
            if model.name == name:
                if output not in (None, model.output):
                    raise ModelNotFound("The model of that name answers with something else.", param="name")
                return model
        raise ModelNotFound("There is no model of that name.", param="name")

    async def taken(self, name: str) -> bool:
        """Whether somebody else's model has that name, so that no trained one may. Of a server that is down
        only what it told before is known."""
        known, _ = await self._known()
        trained = {model.name for model in self._trained()} - self._told
        return name in GRADERS or name in self._told or name in {m.name for m in known} - trained

    async def encoder(self, name: str) -> ServedModel:
        """The encoder of that name, or the first one where unknown names mean it. Raises ModelNotFound."""
        encoders = [m for m in await self.inference_models() if m.output is Output.EMBEDDING]
        named = [encoder for encoder in encoders if encoder.name == name]
        candidates = named or (encoders if self._unknown_model_fallback else [])
        if not candidates:
            raise ModelNotFound("There is no model of that name.", param="model")
        return candidates[0]

    async def _known(self, within_s: float | None = None) -> tuple[list[ServedModel], GatewayError | None]:
        servers = (self._generative_models, self.inference_models)
        answers = await all_of([_answer(served, within_s) for served in servers])
        known = [model for models, _ in answers for model in models]
        fault = next((fault for _, fault in answers if fault), None)
        graders = [model for model in known if model.output is Output.GRADE]
        if graders:
            widest = max(model.context_window for model in graders)
            known.append(ServedModel(GRADER_AUTO, widest, Output.GRADE))
        taken = {model.name for model in known}
        known += [model for model in self._trained() if model.name not in taken]
        return known, fault

    async def _generative_models(self) -> list[ServedModel]:
        served = await self._backend.served_model()
        return [served, ServedModel(GRADER_LLM, served.context_window, Output.GRADE)]


async def _answer(
    served: Callable[[], Awaitable[list[ServedModel]]], within_s: float | None
) -> tuple[list[ServedModel], GatewayError | None]:
    try:
        async with asyncio.timeout(within_s):
            return await served(), None
    except GatewayError as error:
        return [], error
    except TimeoutError:
        return [], BackendTimeout("A server did not list its models in time.")
