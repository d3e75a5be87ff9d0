"""What is asked of the bot and what it answers, and what it reads of the gateway's answers."""

from typing import Annotated

from pydantic import BaseModel, Field, StrictInt, StrictStr

# Whatever came is given back as it came: 7 is not "7".
Id = StrictInt | Annotated[StrictStr, Field(max_length=200)]
Text = Annotated[StrictStr, Field(max_length=20_000, repr=False)]


class MessageAsked(BaseModel):
    dialog_id: Id
    last_msg_text: Text  # empty where the bot is to begin
    last_message_id: Id | None = None


class MessageAnswer(BaseModel):
    new_msg_text: str = Field(repr=False)
    dialog_id: Id


class PredictionAsked(BaseModel):
    text: Annotated[Text, Field(pattern=r"\S")]  # not blank
    dialog_id: Id
    id: Id
    participant_index: StrictInt


class PredictionAnswer(BaseModel):
    id: str  # of this answer
    message_id: Id  # the message's that was asked about
    dialog_id: Id
    participant_index: int
    is_bot_probability: float


class _Message(BaseModel):
    content: str = Field(repr=False)


class _Choice(BaseModel):
    message: _Message


class Completion(BaseModel):
    choices: Annotated[list[_Choice], Field(min_length=1)]


class Classification(BaseModel):
    probabilities: dict[str, Annotated[float, Field(ge=0, le=1)]]


class _Model(BaseModel):
    id: str
    output: str | None = None


class Models(BaseModel):
    data: list[_Model]
