"""What each event of the customer's page does."""

from collections.abc import Callable
from contextlib import aclosing
from functools import wraps
from typing import Any

import gradio as gr

from app.domain.errors import AppError, InvalidInput
from app.ui.chat_answers import Answers, ChatServices, Stream
from app.ui.chat_layout import Updates
from app.ui.chat_view import ChatView
from app.ui.texts import REASONS, error_text, preferred_language, text
from app.ui.transcript import TurnState, alert, confirmation, downloads
from app.ui.visit import Visit, as_json, as_text


def shows_errors(handler: Callable[..., Updates]) -> Callable[..., Updates]:
    """Show an AppError's message above the line to write in, instead of the handler's result."""

    @wraps(handler)
    def wrapped(self: "ChatHandlers", *arguments: Any) -> Updates:
        try:
            return handler(self, *arguments)
        except AppError as error:
            visit = next((a for a in arguments if isinstance(a, Visit)), Visit())
            return {self.layout.notice: alert(error_text(error, visit.language))}

    return wrapped


class ChatHandlers:
    """What each event does: change the visit, call the chat service, return what the page shows now."""

    def __init__(self, services: ChatServices, view: ChatView) -> None:
        self._chat, self._conversations = services.chat, services.conversations
        self._view, self.layout = view, view.layout
        self._answers = Answers(services, view)

    def open_page(self, visit: Visit, saved: Any, request: gr.Request) -> Updates:
        """Take up the conversation that the browser remembers, in its language."""
        visit.language = preferred_language(request.headers.get("accept-language", ""))
        visit.remember(saved)
        return self._view.labels(visit) | self._resume(visit)

    @shows_errors
    def change_language(self, visit: Visit, language: str) -> Updates:
        """Show the page in another language; what was said stays as it is."""
        visit.language = language
        return self._view.labels(visit) | self._view.conversation(visit) | self._view.remember(visit)

    async def ask_typed(self, visit: Visit, question: str, request: gr.Request) -> Stream:
        """Answer what was written."""
        async with aclosing(self._answers.ask(visit, question, request, {self.layout.question: ""})) as shown:
            async for updates in shown:
                yield updates

    async def ask_picked(self, visit: Visit, event: gr.EventData, request: gr.Request) -> Stream:
        """Answer an example question, or a reading that the visitor chose."""
        async with aclosing(self._answers.ask(visit, str(event.question), request)) as shown:
            async for updates in shown:
                yield updates

    async def ask_again(self, visit: Visit, request: gr.Request) -> Stream:
        """Answer the last question once more, when it got no answer."""
        if visit.turns and visit.turns[-1].state not in (TurnState.ANSWERING, TurnState.FINISHED):
            question = visit.turns[-1].question
            async with aclosing(self._answers.ask(visit, question, request, again=True)) as shown:
                async for updates in shown:
                    yield updates

    @shows_errors
    def stop(self, visit: Visit) -> Updates:
        """End the running answer; Gradio's `cancels` closes its stream."""
        visit.stop()
        return self._view.conversation(visit)

    @shows_errors
    def judge(self, visit: Visit, event: gr.EventData) -> Updates:
        """Keep the opinion of a reply of this conversation; the same opinion twice takes it back."""
        turn = next((t for t in visit.turns if str(t.message_id) == event.message), None)
        if turn is None or turn.message_id is None:
            return {self.layout.notice: alert(text("reply_gone", visit.language))}
        value = 1 if event.value == "1" else -1
        feedback = 0 if turn.feedback == value else value
        self._chat.feedback(turn.message_id, feedback, conversation_id=visit.conversation_id)
        turn.feedback = feedback
        visit.judged = turn.message_id if feedback == -1 else None
        emptied = {self.layout.reason: None, self.layout.comment: ""}
        return self._view.panels(why=feedback == -1) | emptied | self._view.conversation(visit)

    @shows_errors
    def explain(self, visit: Visit, reason: str | None, comment: str) -> Updates:
        """Keep why a reply did not help."""
        if not reason and not comment.strip():
            return {self.layout.notice: alert(text("why_missing", visit.language))}
        if visit.judged is None:
            return {self.layout.notice: alert(text("reply_gone", visit.language))}
        if reason and reason not in REASONS:
            raise InvalidInput(f"{reason!r} is none of the reasons. Choose one of the list.")
        self._chat.feedback(visit.judged, -1, reason or "other", comment.strip(), visit.conversation_id)
        visit.judged = None
        return self._view.panels() | {self.layout.notice: confirmation(text("why_confirmed", visit.language))}

    @shows_errors
    def export(self, visit: Visit) -> Updates:
        """Offer the conversation as files."""
        messages = self._chat.history(visit.conversation_id) if visit.conversation_id else []
        if not messages:
            return {self.layout.notice: alert(text("export_empty", visit.language))}
        files = {
            text("export_text", visit.language): (
                "conversation.txt", "text/plain;charset=utf-8", as_text(messages, visit.language)
            ),
            text("export_data", visit.language): ("conversation.json", "application/json", as_json(messages)),
        }  # fmt: skip
        return self._view.panels() | {self.layout.notice: downloads(text("export_ready", visit.language), files)}

    @shows_errors
    def look(self, visit: Visit) -> Updates:
        """Show what a person has replied meanwhile."""
        nothing = {self.layout.notice: gr.skip()}
        if not visit.conversation_id or visit.answering:
            return nothing
        said = self._conversations.messages_after(visit.conversation_id, visit.seen)
        return self._view.conversation(visit) if visit.hear(said) else nothing

    def show_person(self) -> Updates:
        """Open the form for a person."""
        return self._view.panels(person=True)

    def show_clear(self) -> Updates:
        """Ask before clearing."""
        return self._view.panels(clear=True)

    def close_panels(self) -> Updates:
        """Close whichever form is open."""
        return self._view.panels()

    @shows_errors
    def request_person(self, visit: Visit, contact: str, note: str) -> Updates:
        """Pass the conversation on to a person."""
        if not contact.strip():
            return {self.layout.notice: alert(text("contact_missing", visit.language))}
        visit.conversation_id = visit.conversation_id or self._chat.start()
        self._chat.request_person(visit.conversation_id, contact.strip(), note.strip())
        visit.awaits_person = True
        done = confirmation(text("person_confirmed", visit.language, contact=contact.strip()))
        emptied = {self.layout.contact: "", self.layout.note: ""}
        shown = self._view.panels() | emptied | {self.layout.notice: done}
        return shown | self._view.looking(visit) | self._view.remember(visit)

    @shows_errors
    def clear(self, visit: Visit) -> Updates:
        """Delete the conversation, here and in the store."""
        visit.stop()
        if visit.conversation_id:
            self._chat.clear(visit.conversation_id)
        visit.forget()
        shown = self._view.panels() | self._view.conversation(visit) | self._view.looking(visit)
        done = confirmation(text("cleared", visit.language))
        return shown | {self.layout.notice: done} | self._view.remember(visit)

    @shows_errors
    def _resume(self, visit: Visit) -> Updates:
        if visit.conversation_id:
            visit.take_up(self._chat.history(visit.conversation_id))
        return self._view.conversation(visit) | self._view.looking(visit)
