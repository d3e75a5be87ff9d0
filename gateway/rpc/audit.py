"""The one place where the gRPC door writes down who changes what others use."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from google.protobuf.message import Message

from gateway.audit import Action, Audit
from gateway.rpc.calls import Call
from gateway.rpc.procedures import Procedure

_PACKAGE = "/grading_gateway.v1"
ACTIONS: Mapping[str, Action] = {
    f"{_PACKAGE}.Datasets/UploadDataset": Action.DATASET_UPLOAD,
    f"{_PACKAGE}.Datasets/DeleteDataset": Action.DATASET_DELETE,
    f"{_PACKAGE}.Training/StartTraining": Action.TRAINING_START,
    f"{_PACKAGE}.Training/RetrainModel": Action.MODEL_RETRAIN,
    f"{_PACKAGE}.Training/CancelTrainingJob": Action.TRAINING_CANCEL,
    f"{_PACKAGE}.Training/DeleteTrainingJob": Action.TRAINING_DELETE,
    f"{_PACKAGE}.Models/PromoteModel": Action.MODEL_PROMOTE,
    f"{_PACKAGE}.Models/DeleteModel": Action.MODEL_DELETE,
}
# Of an answer, what was made: a message with a name and a version, or an id.
_MADE = ("dataset", "job", "version")


def recorded(procedures: Mapping[str, Procedure], audit: Audit) -> dict[str, Procedure]:
    """The procedures, with each action among them written down. As at the REST door there is no entry of
    callers who oversee nothing: they are refused behind it."""
    return {
        path: _recorded(procedure, ACTIONS[path], audit) if path in ACTIONS else procedure
        for path, procedure in procedures.items()
    }


def _recorded(procedure: Procedure, action: Action, audit: Audit) -> Procedure:
    async def behaviour(asked: Any, call: Call) -> Message:
        if not call.caller.oversees:
            unrecorded: Message = await procedure.behaviour(asked, call)
            return unrecorded
        what = asked.model if action is Action.MODEL_RETRAIN else _named(asked)
        async with audit.recorded(call.caller.key_id, action, what, call.request_id) as deed:
            answer: Message = await procedure.behaviour(asked, call)
            for field, value in answer.ListFields():
                if field.name in _MADE and (made := _named(value)):
                    deed.made(made)
        return answer

    return replace(procedure, behaviour=behaviour)


def _named(asked: object) -> str | None:
    """`name`, `name@version` or an id, as far as a message says so; of a stream of them nothing is known."""
    if not isinstance(asked, Message):
        return None
    said = {field.name: value for field, value in asked.ListFields()}
    if "name" in said:
        return f"{said['name']}@{said['version']}" if "version" in said else str(said["name"])
    return said.get("id")
