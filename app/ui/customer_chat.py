"""The customer's page: ask, read the answer and its sources, reach a person.

The page is defined once; what one visitor says lives in the `Visit` of that visitor's session. The browser
keeps the conversation's id (see `browser_key`), and a reload reads the conversation back from the store.
"""

from typing import Any

import gradio as gr

from app.ui.browser_key import browser_key
from app.ui.chat_answers import ChatServices
from app.ui.chat_handlers import ChatHandlers
from app.ui.chat_layout import ChatLayout, build_layout
from app.ui.chat_view import ChatView
from app.ui.visit import Visit

__all__ = ["ChatServices", "build_chat"]

LISTENERS_AT_ONCE = 16

_RETURN_FOCUS = (
    "() => { if (document.activeElement === document.body && matchMedia('(pointer: fine)').matches)"
    " document.querySelector('#question textarea').focus(); }"
)


def build_chat(services: ChatServices) -> gr.Blocks:
    """The page, ready to be mounted."""
    settings = services.settings
    with gr.Blocks(title=settings.bank_name, analytics_enabled=False, fill_width=True) as page:
        layout = build_layout()
        saved = gr.BrowserState(None, storage_key="conversation", secret=browser_key(settings.data_dir))
        handlers = ChatHandlers(services, ChatView(services.chat, settings, layout, saved))
        _wire(page, layout, saved, handlers)
    # Gradio's own line is longer than ours, which shows its places and refuses politely.
    room = 2 * (settings.answers_at_once + settings.waiting_visitors) + 100
    page.queue(default_concurrency_limit=LISTENERS_AT_ONCE, max_size=room, api_open=False)
    return page


def _focus(selector: str) -> str:
    return f"() => setTimeout(() => document.querySelector('{selector}')?.focus(), 100)"


def _wire(page: gr.Blocks, layout: ChatLayout, saved: gr.BrowserState, handlers: ChatHandlers) -> None:
    visit = gr.State(Visit())
    outputs = [*layout.outputs(), saved]
    quiet: dict[str, Any] = {"outputs": outputs, "show_progress": "hidden", "api_visibility": "private"}
    # The chat's own line says how many are answered at once.
    answering: dict[str, Any] = quiet | {"concurrency_limit": None, "trigger_mode": "once"}
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
    judged = transcript.like(handlers.judge, visit, **quiet)
    judged.then(None, js=_focus("#why input"))
    why = [visit, layout.reason, layout.comment]
    layout.send_why.click(handlers.explain, why, **quiet).then(None, js=_RETURN_FOCUS)
    layout.open_export.click(handlers.export, visit, **quiet)
    layout.look.tick(handlers.look, visit, **quiet)
    opened = gr.on([layout.open_person.click, transcript.select], handlers.show_person, **quiet)
    opened.then(None, js=_focus("#contact input, #contact textarea"))
    layout.open_clear.click(handlers.show_clear, **quiet).then(None, js=_focus("#keep"))
    closers = [layout.close_person.click, layout.close_why.click, layout.close_clear.click]
    closed = gr.on(closers, handlers.close_panels, **quiet)
    closed.then(None, js=_RETURN_FOCUS)
    form = [visit, layout.contact, layout.note]
    gr.on([layout.send_person.click, layout.contact.submit], handlers.request_person, form, **quiet)
    layout.confirm_clear.click(handlers.clear, visit, cancels=answers, **quiet).then(None, js=_RETURN_FOCUS)
