"""The customer's page: ask, read the answer and its sources, reach a person.

The page is defined once; what one visitor says lives in the `Visit` of that visitor's session. The browser
keeps the conversation's id (see `browser_key`), and a reload reads the conversation back from the store.
"""

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, Protocol

import gradio as gr

from app.config import Settings
from app.domain.errors import AppError, NotFound
from app.services.chat import Chat, Delta
from app.ui.browser_key import browser_key
from app.ui.chat_layout import ChatLayout, Updates, build_layout
from app.ui.texts import LANGUAGES, preferred_language, text
from app.ui.transcript import TranscriptView, Turn, TurnState, alert, confirmation, turns_of

log = logging.getLogger(__name__)
ANSWERS_AT_ONCE = 16
WAITING_VISITORS = 200
SECONDS_BETWEEN_UPDATES = 0.05

_RETURN_FOCUS = (
    "() => { if (document.activeElement === document.body && matchMedia('(pointer: fine)').matches)"
    " document.querySelector('#question textarea').focus(); }"
)


class ChatServices(Protocol):
    """What the page needs of the application."""

    @property
    def settings(self) -> Settings: ...

    @property
    def chat(self) -> Chat: ...


@dataclass
class Visit:
    """One visitor's session. Shared by the handlers of that session, which change it in place."""

    language: str = LANGUAGES[0]
    conversation_id: str = ""
    turns: list[Turn] = field(default_factory=list)

    @property
    def answering(self) -> bool:
        return bool(self.turns) and self.turns[-1].state is TurnState.ANSWERING

    def stop(self) -> None:
        """End the running answer, if there is one, where it is."""
        if self.answering:
            self.turns[-1].state = TurnState.STOPPED


def build_chat(services: ChatServices) -> gr.Blocks:
    """The page, ready to be mounted."""
    settings = services.settings
    with gr.Blocks(title=settings.bank_name, analytics_enabled=False, fill_width=True) as page:
        layout = build_layout()
        saved = gr.BrowserState(None, storage_key="conversation", secret=browser_key(settings.data_dir))
        handlers = ChatHandlers(services.chat, settings, layout, saved)
        _wire(page, layout, saved, handlers)
    page.queue(default_concurrency_limit=ANSWERS_AT_ONCE, max_size=WAITING_VISITORS, api_open=False)
    return page


def shows_errors(handler: Callable[..., Updates]) -> Callable[..., Updates]:
    """Show an AppError's message above the line to write in, instead of the handler's result."""

    @wraps(handler)
    def wrapped(self: "ChatHandlers", *arguments: Any) -> Updates:
        try:
            return handler(self, *arguments)
        except AppError as error:
            return {self.layout.notice: alert(str(error))}

    return wrapped


class ChatHandlers:
    """What each event does: change the visit, call the chat service, return what the page shows now."""

    def __init__(self, chat: Chat, settings: Settings, layout: ChatLayout, saved: gr.BrowserState) -> None:
        self._chat, self._settings, self.layout, self._saved = chat, settings, layout, saved
        self._view = TranscriptView()

    def open_page(self, visit: Visit, saved: Any, request: gr.Request) -> Updates:
        """Take up the conversation that the browser remembers, in its language."""
        remembered = saved if isinstance(saved, dict) else {}
        visit.language = preferred_language(request.headers.get("accept-language", ""))
        if remembered.get("language") in LANGUAGES:
            visit.language = remembered["language"]
        visit.conversation_id = str(remembered.get("conversation") or "")
        return self._labels(visit) | self._resume(visit)

    @shows_errors
    def change_language(self, visit: Visit, language: str) -> Updates:
        """Show the page in another language; what was said stays as it is."""
        visit.language = language
        return self._labels(visit) | self._conversation(visit) | self._remember(visit)

    def ask_typed(self, visit: Visit, question: str) -> Iterator[Updates]:
        """Answer what was written."""
        yield from self._ask(visit, question, {self.layout.question: ""})

    def ask_picked(self, visit: Visit, event: gr.EventData) -> Iterator[Updates]:
        """Answer an example question, or a reading that the visitor chose."""
        yield from self._ask(visit, str(event.question), {})

    def ask_again(self, visit: Visit) -> Iterator[Updates]:
        """Answer the last question once more, when it got no answer."""
        if visit.turns and visit.turns[-1].state not in (TurnState.ANSWERING, TurnState.FINISHED):
            yield from self._ask(visit, visit.turns.pop().question, {})

    @shows_errors
    def stop(self, visit: Visit) -> Updates:
        """End the running answer; Gradio's `cancels` closes its stream."""
        visit.stop()
        return self._conversation(visit)

    @shows_errors
    def judge(self, visit: Visit, event: gr.EventData) -> Updates:
        """Keep the opinion of a reply of this conversation; the same opinion twice takes it back."""
        turn = next((t for t in visit.turns if str(t.message_id) == event.message), None)
        if turn is None or turn.message_id is None:
            raise NotFound(text("reply_gone", visit.language))
        value = 1 if event.value == "1" else -1
        feedback = 0 if turn.feedback == value else value
        self._chat.feedback(turn.message_id, feedback)
        turn.feedback = feedback
        return self._conversation(visit)

    def show_person(self) -> Updates:
        """Open the form for a person."""
        return self._panels(person=True)

    def show_clear(self) -> Updates:
        """Ask before clearing."""
        return self._panels(clear=True)

    def close_panels(self) -> Updates:
        """Close whichever form is open."""
        return self._panels()

    @shows_errors
    def request_person(self, visit: Visit, contact: str, note: str) -> Updates:
        """Pass the conversation on to a person."""
        if not contact.strip():
            return {self.layout.notice: alert(text("contact_missing", visit.language))}
        self._chat.request_person(self._conversation_id(visit), contact.strip(), note.strip())
        done = confirmation(text("person_confirmed", visit.language, contact=contact.strip()))
        emptied = {self.layout.contact: "", self.layout.note: ""}
        return self._panels() | emptied | {self.layout.notice: done} | self._remember(visit)

    @shows_errors
    def clear(self, visit: Visit) -> Updates:
        """Delete the conversation, here and in the store."""
        visit.stop()
        if visit.conversation_id:
            self._chat.clear(visit.conversation_id)
        visit.conversation_id, visit.turns = "", []
        done = confirmation(text("cleared", visit.language))
        return self._panels() | self._conversation(visit) | {self.layout.notice: done} | self._remember(visit)

    def _ask(self, visit: Visit, question: str, first: Updates) -> Iterator[Updates]:
        """Stream the answer; `first` is shown together with the question."""
        question = question.strip()
        if not question or visit.answering:
            return
        limit = self._settings.max_question_chars
        if len(question) > limit:
            message = text("too_long", visit.language, length=f"{len(question):,}", limit=f"{limit:,}")
            yield {self.layout.notice: alert(message)}
            return
        turn = Turn(question)
        visit.turns.append(turn)
        yield self._conversation(visit) | {self.layout.notice: ""} | first
        try:
            yield from self._stream(visit, turn)
        except AppError as error:
            if isinstance(error, NotFound):  # deleted meanwhile, in another tab: begin a new one next time
                visit.conversation_id = ""
            turn.fail(str(error))
        except Exception:
            log.exception("A question was not answered")
            turn.fail(text("unexpected_error", visit.language))
        finally:
            if turn.state is TurnState.ANSWERING:  # the browser has gone
                turn.state = TurnState.STOPPED
        if turn in visit.turns:
            yield self._conversation(visit) | self._remember(visit)

    def _stream(self, visit: Visit, turn: Turn) -> Iterator[Updates]:
        shown_at = 0.0
        # Leaving the loop closes the chat's generator, and with it the model's work on this answer.
        for event in self._chat.stream(self._conversation_id(visit), turn.question):
            if turn.state is not TurnState.ANSWERING:
                return
            if not isinstance(event, Delta):
                turn.finish(event.reply, event.message_id)
                return
            turn.text += event.text
            if time.monotonic() - shown_at >= SECONDS_BETWEEN_UPDATES:
                shown_at = time.monotonic()
                yield {self.layout.live: self._view.live(turn, visit.language)}

    @shows_errors
    def _resume(self, visit: Visit) -> Updates:
        if visit.conversation_id:
            visit.turns = turns_of(self._chat.history(visit.conversation_id))
        return self._conversation(visit)

    def _panels(self, person: bool = False, clear: bool = False) -> Updates:
        return {
            self.layout.person_panel: gr.update(visible=person),
            self.layout.clear_panel: gr.update(visible=clear),
            self.layout.notice: "",
        }

    def _conversation_id(self, visit: Visit) -> str:
        if not visit.conversation_id:
            visit.conversation_id = self._chat.start()
        return visit.conversation_id

    def _conversation(self, visit: Visit) -> Updates:
        """The turns, and the buttons that depend on whether an answer is under way."""
        answering, language = visit.answering, visit.language
        over = visit.turns[:-1] if answering else visit.turns
        transcript = self._view.transcript(over, language, retry=not answering)
        if not visit.turns:
            transcript = self._view.welcome(language, self._chat.examples(language))
        layout = self.layout
        return {
            layout.transcript: transcript,
            layout.live: self._view.live(visit.turns[-1], language) if answering else "",
            layout.send: gr.update(value=text("send", language), visible=not answering),
            layout.stop: gr.update(value=text("stop", language), visible=answering),
            layout.open_clear: gr.update(value=text("clear", language), visible=bool(visit.turns)),
        }

    def _labels(self, visit: Visit) -> Updates:
        name = self._settings.bank_name_zh if visit.language == "zh" else self._settings.bank_name
        return self.layout.labels(visit.language, name, self._view)

    def _remember(self, visit: Visit) -> Updates:
        return {self._saved: {"conversation": visit.conversation_id, "language": visit.language}}


def _focus(selector: str) -> str:
    return f"() => setTimeout(() => document.querySelector('{selector}')?.focus(), 100)"


def _wire(page: gr.Blocks, layout: ChatLayout, saved: gr.BrowserState, handlers: ChatHandlers) -> None:
    visit = gr.State(Visit())
    outputs = [*layout.outputs(), saved]
    quiet: dict[str, Any] = {"outputs": outputs, "show_progress": "hidden", "api_visibility": "private"}
    answering: dict[str, Any] = quiet | {
        "concurrency_limit": ANSWERS_AT_ONCE,
        "concurrency_id": "answers",
        "trigger_mode": "once",
    }
    transcript = layout.transcript
    page.load(handlers.open_page, [visit, saved], **quiet).then(None, js=_RETURN_FOCUS)
    layout.language.input(handlers.change_language, [visit, layout.language], **quiet)
    typed = [layout.question.submit, layout.send.click]
    answers = [
        gr.on(typed, handlers.ask_typed, [visit, layout.question], **answering),
        transcript.submit(handlers.ask_picked, visit, **answering),
        transcript.retry(handlers.ask_again, visit, **answering),
    ]
    for answer in answers:
        answer.then(None, js=_RETURN_FOCUS)
    layout.stop.click(handlers.stop, visit, cancels=answers, **quiet).then(None, js=_RETURN_FOCUS)
    transcript.like(handlers.judge, visit, **quiet)
    opened = gr.on([layout.open_person.click, transcript.select], handlers.show_person, **quiet)
    opened.then(None, js=_focus("#contact input, #contact textarea"))
    layout.open_clear.click(handlers.show_clear, **quiet).then(None, js=_focus("#keep"))
    closed = gr.on([layout.close_person.click, layout.close_clear.click], handlers.close_panels, **quiet)
    closed.then(None, js=_RETURN_FOCUS)
    form = [visit, layout.contact, layout.note]
    gr.on([layout.send_person.click, layout.contact.submit], handlers.request_person, form, **quiet)
    layout.confirm_clear.click(handlers.clear, visit, cancels=answers, **quiet).then(None, js=_RETURN_FOCUS)
