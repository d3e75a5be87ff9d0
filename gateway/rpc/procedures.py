"""The procedures of a service, read from its descriptor: what the door needs to know of each."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

# (message, Call) or (AsyncIterator of messages, Call) -> message, or AsyncIterator of messages. The generated code
# does not tell the types apart by procedure; the servicers do.
Behaviour = Callable[..., Awaitable[Any] | AsyncIterator[Any]]


@dataclass(frozen=True, slots=True)
class Procedure:
    """One method of a service."""

    path: str  # /package.Service/Method
    behaviour: Behaviour
    request: type[Message]
    takes_stream: bool
    gives_stream: bool
    public: bool  # asked without a key


def procedures(service: ServiceDescriptor, servicer: object, *, public: bool = False) -> Mapping[str, Procedure]:
    """By path. Every method of the descriptor is an attribute of the servicer."""
    found = {}
    for method in service.methods:
        path = f"/{service.full_name}/{method.name}"
        found[path] = Procedure(
            path,
            getattr(servicer, method.name),
            GetMessageClass(method.input_type),
            method.client_streaming,
            method.server_streaming,
            public,
        )
    return found
