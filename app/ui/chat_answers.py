"""Answering on the customer's page: the limits, the line, then the words as they come."""

import logging
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing
from typing import Protocol

import anyio
import gradio as gr

from app.config import Settings
from app.domain.errors import AppError, NotFound
from app.services.chat import Chat, Delta
from app.services.limits import Limits
from app.services.queueing import ChatQueue, Ticket
from app.services.visitors import VISITOR_COOKIE
from app.storage.conversations import Conversations
from app.ui.chat_layout import Updates
from app.ui.chat_view import ChatView
from app.ui.in_threads import in_threads
from app.ui.texts import error_text, text
from app.ui.transcript import Turn, TurnState, alert
from app.ui.visit import Visit

log = logging.getLogger(__name__)
SECONDS_BETWEEN_UPDATES = 0.05
SECONDS_IN_LINE = 0.5
Stream = AsyncGenerator[Updates, None]


class ChatServices(Protocol):
    """What the page needs of the application."""

    @property
    def settings(self) -> Settings: ...

    @property
    def chat(self) -> Chat: ...

    @property
    def conversations(self) -> Conversations: ...

    @property
    def limits(self) -> Limits: ...

    @property
    def chat_queue(self) -> ChatQueue: ...


class Answers:
    """Streams answers into visits."""

    def __init__(self, services: ChatServices, view: ChatView) -> None:
        self._services, self._view = services, view
        self._threads = anyio.CapacityLimiter(services.settings.answers_at_once)

    async def ask(
        self, visit: Visit, question: str, request: gr.Request, first: Updates | None = None, again: bool = False
    ) -> Stream:
        """Stream the answer; `first` is shown together with the question. `again` replaces the last turn."""
        question = question.strip()
        if not question or visit.answering:
            return
        if reason := self._too_long(question, visit.language):
            yield {self._view.layout.notice: alert(reason)}
            return
        try:
            ticket = self._enter(request)
        except AppError as error:
            yield {self._view.layout.notice: alert(error_text(error, visit.language))}
            return
        with ticket:
            if again:
                visit.turns.pop()
            turn = Turn(question)
            visit.turns.append(turn)
            yield self._view.conversation(visit) | {self._view.layout.notice: ""} | (first or {})
            async with aclosing(self._answer(visit, turn, ticket)) as answer:
                async for updates in answer:
                    yield updates
        if turn in visit.turns:
            yield self._view.conversation(visit) | self._view.remember(visit)

    def _too_long(self, question: str, language: str) -> str:
        length, limit = len(question), self._services.settings.max_question_chars
        return text("too_long", language, length=f"{length:,}", limit=f"{limit:,}") if length > limit else ""

    def _enter(self, request: gr.Request) -> Ticket:
        """A place in the line. Raises TooManyRequests, Busy."""
        address = request.client.host if request.client else ""
        self._services.limits.question(request.cookies.get(VISITOR_COOKIE, ""), address)
        return self._services.chat_queue.enter()

    async def _answer(self, visit: Visit, turn: Turn, ticket: Ticket) -> Stream:
        """What is shown until the turn is over, however it ends."""
        try:
            while not ticket.wait(0) and turn.state is TurnState.ANSWERING:
                if (position := ticket.position) and position != turn.position:
                    turn.position = position
                    yield self._view.live(visit, turn)
                await anyio.sleep(SECONDS_IN_LINE)
            turn.position = 0
            async with aclosing(in_threads(self._stream(visit, turn), self._threads)) as pieces:
                async for updates in pieces:
                    yield updates
        except AppError as error:
            if isinstance(error, NotFound):  # deleted meanwhile, in another tab: begin a new one next time
                visit.conversation_id = ""
            turn.fail(error_text(error, visit.language))
        except Exception:
            log.exception("A question was not answered")
            turn.fail(text("unexpected_error", visit.language))
        finally:
            if turn.state is TurnState.ANSWERING:  # the browser has gone
                turn.state = TurnState.STOPPED

    def _stream(self, visit: Visit, turn: Turn) -> Generator[Updates, None, None]:
        if turn.state is not TurnState.ANSWERING:
            return
        visit.conversation_id = visit.conversation_id or self._services.chat.start()
        shown_at = 0.0
        # Leaving the loop closes the chat's generator, and with it the model's work on this answer.
        for event in self._services.chat.stream(visit.conversation_id, turn.question):
            if turn.state is not TurnState.ANSWERING:
                return
            if not isinstance(event, Delta):
                turn.finish(event.reply, event.message_id)
                return
            turn.text += event.text
            if time.monotonic() - shown_at >= SECONDS_BETWEEN_UPDATES:
                shown_at = time.monotonic()
                yield self._view.live(visit, turn)
