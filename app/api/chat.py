"""The customers' chat for programs: questions with their citations, streamed or whole, and feedback."""

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Depends
from fastapi.responses import Response
from pydantic import BaseModel, Field

from app.api.answering import AnswerEvent, Answering, EventStream, Waiting, begun, event_text, last_of
from app.api.errors import ERRORS, GONE, UNEXPECTED
from app.api.permissions import Caller, needs
from app.domain.conversations import Outcome, Passage
from app.domain.errors import AppError
from app.services.chat import Chat, Delta, Finished

LOG = logging.getLogger(__name__)
MAX_QUESTION_CHARS = 20_000  # of any setting; max_question_chars may allow less


class Question(BaseModel):
    """A customer's question."""

    question: str = Field(min_length=1, max_length=MAX_QUESTION_CHARS)
    conversation_id: str | None = Field(None, max_length=64, description="of an earlier answer; none begins anew")
    stream: bool = Field(False, description="answer with server-sent events: position, delta, done, error")


class Citation(BaseModel):
    """A passage that the reply rests on; `number` is its mark in the text, [1] for the first."""

    number: int
    source: str
    title: str
    question: str
    text: str
    score: float


class Answer(BaseModel):
    """A finished reply."""

    conversation_id: str
    message_id: int
    reply: str
    outcome: Outcome
    language: str
    options: list[str] = Field(description="clarify: the questions to choose from")
    citations: list[Citation]


class Feedback(BaseModel):
    """A customer's opinion of a reply."""

    conversation_id: str = Field(max_length=64)
    message_id: int = Field(ge=1, le=2**31 - 1)
    value: int = Field(ge=-1, le=1, description="1 good, -1 bad, 0 takes it back")
    reason: str = Field("", max_length=50)
    comment: str = Field("", max_length=1000)


def chat_router(chat: Chat, answering: Answering) -> APIRouter:
    """Needs the scope chat. Whoever knows a conversation's id may go on with it."""
    router = APIRouter(prefix="/api/v1", tags=["chat"], responses=ERRORS)

    @router.post(
        "/chat",
        response_model=Answer,
        responses={**GONE, 200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
    )
    async def ask(body: Question, _caller: Annotated[Caller, Depends(needs("chat"))]) -> Any:
        """Answer a question, in a conversation that goes on or in a new one."""
        started = "" if body.conversation_id else await to_thread.run_sync(chat.start)
        conversation_id = body.conversation_id or started
        events = await begun(answering.events(lambda: chat.stream(conversation_id, body.question)))
        if body.stream:
            return EventStream(_as_events(events, conversation_id))
        async with aclosing(events):
            finished = await last_of(events)
        assert isinstance(finished, Finished)
        return answer_of(finished, conversation_id)

    @router.post("/feedback", status_code=204, response_class=Response, responses=GONE)
    def judge(body: Feedback, _caller: Annotated[Caller, Depends(needs("chat"))]) -> None:
        """Keep what a customer thinks of a reply of a conversation."""
        chat.feedback(body.message_id, body.value, body.reason, body.comment, body.conversation_id)

    return router


def answer_of(finished: Finished, conversation_id: str) -> Answer:
    """A finished reply as it is answered."""
    reply = finished.reply
    return Answer(
        conversation_id=conversation_id,
        message_id=finished.message_id,
        reply=reply.text,
        outcome=reply.outcome,
        language=reply.language,
        options=list(reply.options),
        citations=citations_of(reply.citations),
    )


def citations_of(passages: tuple[Passage, ...]) -> list[Citation]:
    """Passages as they are answered, in the order of their marks."""
    return [
        Citation(number=n, source=p.source, title=p.title, question=p.question, text=p.text, score=p.score)
        for n, p in enumerate(passages, 1)
    ]


async def _as_events(events: AsyncGenerator[AnswerEvent, None], conversation_id: str) -> AsyncGenerator[str, None]:
    try:
        async with aclosing(events):
            async for event in events:
                match event:
                    case Waiting():
                        yield event_text("position", {"position": event.position})
                    case Delta():
                        yield event_text("delta", {"text": event.text})
                    case Finished():
                        yield event_text("done", answer_of(event, conversation_id).model_dump(mode="json"))
    except AppError as error:
        yield event_text("error", {"error": str(error)})
    except Exception:
        LOG.exception("an answer failed while it was streamed")
        yield event_text("error", {"error": UNEXPECTED})
