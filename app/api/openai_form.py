"""The chat in the form of OpenAI's chat completions, so that clients made for it work with this address.

Answers come from the company's knowledge base whatever a client's system message says: those are not read.
So are the sampling options, since the model's replies are greedy. `citations` and `outcome` are added.
"""

import json
import logging
import secrets
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from app.api.answering import AnswerEvent, Answering, EventStream, Waiting, begun, last_of
from app.api.chat import citations_of
from app.api.errors import UNEXPECTED, openai_error, status_of
from app.api.permissions import needs
from app.domain.conversations import Message, Role
from app.domain.errors import AppError, InvalidInput, NotFound
from app.domain.redaction import redact
from app.services.chat import Chat, Delta, Finished

LOG = logging.getLogger(__name__)
MODEL = "bellwether"
MAX_MESSAGES, MAX_CHARS, REMEMBERED = 200, 20_000, 20
Text = Annotated[str, Field(max_length=MAX_CHARS)]


class TextPart(BaseModel):
    """A piece of a message; only text is understood."""

    type: Literal["text"]
    text: Text


class ChatMessage(BaseModel):
    """One message of the conversation so far."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: Text | Annotated[list[TextPart], Field(max_length=50)] | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content)
        return self.content or ""


class StreamOptions(BaseModel):
    """What a stream brings besides."""

    include_usage: bool = False


class Completion(BaseModel):
    """The body of a request. Fields that are not named here are accepted and do nothing."""

    model_config = ConfigDict(extra="ignore")
    model: str = Field(max_length=200)
    messages: list[ChatMessage] = Field(min_length=1, max_length=MAX_MESSAGES)
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    n: int | None = 1
    tools: list[Any] | None = None


def openai_router(
    chat: Chat, answering: Answering, count_tokens: Callable[[str], int], clock: Callable[[], datetime]
) -> APIRouter:
    """Needs the scope chat. Nothing is stored: the client keeps the conversation."""
    router = APIRouter(prefix="/v1", tags=["OpenAI form"], dependencies=[Depends(needs("chat"))])
    model = {"id": MODEL, "object": "model", "created": int(clock().timestamp()), "owned_by": "bellwether"}

    @router.get("/models")
    def list_models() -> dict[str, Any]:
        """The one model."""
        return {"object": "list", "data": [model]}

    @router.get("/models/{name}")
    def get_model(name: str) -> dict[str, Any]:
        """The model, by its name."""
        return {**model, "id": _known(name)}

    @router.post("/chat/completions")
    async def complete(body: Completion) -> Any:
        """Answer the last message of a conversation."""
        question, history = _conversation(body)
        made = Made(body, int(clock().timestamp()), count_tokens)
        events = await begun(answering.events(lambda: chat.answer(question, history)))
        if body.stream:
            return EventStream(_as_chunks(events, made))
        async with aclosing(events):
            finished = await last_of(events)
        assert isinstance(finished, Finished)
        return made.whole(finished)

    return router


class Made:
    """The objects of one completion."""

    def __init__(self, body: Completion, created: int, count_tokens: Callable[[str], int]) -> None:
        self._body, self._count = body, count_tokens
        self._head = {"id": f"chatcmpl-{secrets.token_hex(12)}", "created": created, "model": MODEL}

    def whole(self, finished: Finished) -> dict[str, Any]:
        message = {"role": "assistant", "content": finished.reply.text, "refusal": None, **_extras(finished)}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
        return {**self._head, "object": "chat.completion", "choices": [choice], "usage": self._usage(finished)}

    def chunk(self, delta: dict[str, Any], finish: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return self._data({"choices": [choice]} | ({"usage": None} if self._wants_usage else {}))

    def end(self, finished: Finished) -> str:
        """The last chunks: why it ended, and the usage where it was asked for."""
        text = self.chunk(_extras(finished), "stop")
        if self._wants_usage:
            text += self._data({"choices": [], "usage": self._usage(finished)})
        return text + "data: [DONE]\n\n"

    @property
    def _wants_usage(self) -> bool:
        return bool(self._body.stream_options and self._body.stream_options.include_usage)

    def _data(self, fields: dict[str, Any]) -> str:
        return _line({**self._head, "object": "chat.completion.chunk", **fields})

    def _usage(self, finished: Finished) -> dict[str, int]:
        asked = sum(self._count(message.text) for message in self._body.messages)
        written = self._count(finished.reply.text)
        return {"prompt_tokens": asked, "completion_tokens": written, "total_tokens": asked + written}


async def _as_chunks(events: AsyncGenerator[AnswerEvent, None], made: Made) -> AsyncGenerator[str, None]:
    """The reply as it is written. Where the guard changed what was shown, the last piece cannot take it back."""
    yield made.chunk({"role": "assistant", "content": ""})
    try:
        async with aclosing(events):
            shown = ""
            async for event in events:
                match event:
                    case Waiting():
                        yield f": place {event.position} in line\n\n"  # a comment, which clients pass over
                    case Delta():
                        shown += event.text
                        yield made.chunk({"content": event.text})
                    case Finished():
                        if rest := _rest(shown, event.reply.text):
                            yield made.chunk({"content": rest})
                        yield made.end(event)
    except AppError as error:
        yield _line(openai_error(str(error), status_of(error)))
    except Exception:
        LOG.exception("a completion failed while it was streamed")
        yield _line(openai_error(UNEXPECTED, 500))


def _rest(shown: str, text: str) -> str:
    """What is still to be shown of the whole text; all of it, on a new line, when something else was shown."""
    if text.startswith(shown):
        return text[len(shown) :]
    return "" if shown.strip() == text.strip() else f"\n\n{text}"


def _conversation(body: Completion) -> tuple[str, Sequence[Message]]:
    """The question and what was said before. Raises InvalidInput, NotFound for another model."""
    _known(body.model)
    if body.n not in (None, 1):
        raise InvalidInput("n: one answer is given to a question.")
    if body.tools:
        raise InvalidInput("tools: this model calls none.")
    said = [m for m in body.messages if m.role in ("user", "assistant") and m.text.strip()]
    if not said or said[-1].role != "user":
        raise InvalidInput("messages: the last one must be the user's, with a text.")
    history = [Message(Role(m.role), redact(m.text)) for m in said[:-1]]
    return said[-1].text, history[-REMEMBERED:]


def _known(name: str) -> str:
    if name != MODEL:
        raise NotFound(f"There is no model {name!r:.100}; use {MODEL!r}.")
    return name


def _extras(finished: Finished) -> dict[str, Any]:
    citations = [citation.model_dump() for citation in citations_of(finished.reply.citations)]
    return {"citations": citations, "outcome": finished.reply.outcome.value}


def _line(fields: dict[str, Any]) -> str:
    return f"data: {json.dumps(fields, ensure_ascii=False)}\n\n"
