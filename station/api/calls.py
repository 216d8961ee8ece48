"""How calls of the local API are read, and how every answer says what kind of station gave it."""

from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BODY_MAX_BYTES = 65536
"""The largest call, a session's plan with its checklist, is about 2 kB."""
MODE_HEADER = "Needlework-Mode"

Model = TypeVar("Model", bound=BaseModel)


class Marked:
    """Puts ``Needlework-Mode: demo`` or ``clinic`` on every answer: nobody takes a demonstration for the real thing."""

    def __init__(self, app: ASGIApp, mode: str) -> None:
        self._app = app
        self._header = (MODE_HEADER.lower().encode(), mode.encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], self._header]
            await send(message)

        await self._app(scope, receive, marked)


def body_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The OpenAPI description of a body we read ourselves."""
    return {"requestBody": {"content": {"application/json": {"schema": model.model_json_schema()}}, "required": True}}


async def read_body(request: Request, model: type[Model]) -> Model:
    """The body, checked as JSON: read as Python objects, strict models would refuse what JSON cannot say."""
    content = bytearray()
    async for piece in request.stream():
        content += piece
        if len(content) > BODY_MAX_BYTES:
            raise HTTPException(413, f"A call has at most {BODY_MAX_BYTES} bytes; this one has more.")
    return model.model_validate_json(bytes(content) or b"{}")
