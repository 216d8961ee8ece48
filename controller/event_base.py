"""What everything journalled is built on: strict, closed, immutable models, with a version each."""

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """Base of everything journalled: strict, closed, immutable."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, ser_json_inf_nan="strings")


class EventBase(Record):
    """What all events share."""

    durable: ClassVar[bool] = False
    version: Literal[1] = 1
