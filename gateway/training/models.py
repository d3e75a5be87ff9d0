"""Where versions of trained models are looked at, chosen and deleted."""

from gateway.domain import Caller
from gateway.errors import InvalidRequest, ModelNotFound
from gateway.guards import may_ask_models, may_train
from gateway.training.facts import ModelVersion, checked_name
from gateway.training.ports import ModelShelf


class ModelDesk:
    def __init__(self, shelf: ModelShelf) -> None:
        self._shelf = shelf

    async def versions(self, caller: Caller, name: str) -> list[ModelVersion]:
        """Newest first. Raises Forbidden, ModelNotFound."""
        may_ask_models(caller)
        return await self._shelf.versions(trained(name))

    async def promote(self, caller: Caller, name: str, version: int) -> ModelVersion:
        """That version is the champion from now on. Raises Forbidden, ModelNotFound."""
        may_train(caller)
        return await self._shelf.promote(trained(name), version)

    async def delete(self, caller: Caller, name: str, version: int | None = None) -> None:
        """One version or all; the jobs that made them stay as history. Raises Forbidden, ModelNotFound,
        Conflict."""
        may_train(caller)
        await self._shelf.delete(trained(name), version)


def trained(name: str) -> str:
    """The name, when a trained model may have it: others are models too, and none of these. Raises
    ModelNotFound."""
    try:
        return checked_name(name, "name")
    except InvalidRequest:
        raise ModelNotFound("There is no trained model of that name.", param="name") from None
