"""OpenAI's embedding request and answer on the wire."""

import base64
import sys
from array import array
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.domain import Embedded
from gateway.errors import InvalidRequest

Text = Annotated[str, Field(min_length=1, max_length=200_000)]


class EmbeddingRequest(BaseModel):
    """`user` is taken and never sent on; vectors have the model's own number of dimensions."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = Field(min_length=1, max_length=256)
    input: Text | Annotated[list[Text], Field(min_length=1, max_length=2048)]
    encoding_format: Literal["float", "base64"] = "float"
    user: str | None = Field(None, max_length=512)

    @property
    def texts(self) -> list[str]:
        return [self.input] if isinstance(self.input, str) else self.input


def read_embedding_request(payload: Any) -> EmbeddingRequest:
    """A checked payload. Raises InvalidRequest naming the field, never its value."""
    try:
        return EmbeddingRequest.model_validate(payload)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        name = str(first["loc"][0]) if first["loc"] else "input"
        field = name if name in EmbeddingRequest.model_fields else None
        raise InvalidRequest(f"'{field or 'a parameter'}': {first['msg']}.", param=field) from None


def embedding_answer(embedded: Embedded, encoding: str) -> dict[str, Any]:
    """OpenAI's list; base64 is of little-endian float32."""
    vectors: list[Any] = embedded.vectors
    if encoding == "base64":
        vectors = [_base64(vector) for vector in vectors]
    return {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": vector}
            for index, vector in enumerate(vectors)
        ],
        "model": embedded.model,
        "usage": {"prompt_tokens": embedded.prompt_tokens, "total_tokens": embedded.prompt_tokens},
    }


def _base64(vector: list[float]) -> str:
    numbers = array("f", vector)
    if sys.byteorder == "big":
        numbers.byteswap()
    return base64.b64encode(numbers.tobytes()).decode()
