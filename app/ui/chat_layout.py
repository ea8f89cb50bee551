"""The components of the customer's page, and their labels in both languages."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from app.ui.texts import LANGUAGES, REASONS, text
from app.ui.transcript import TranscriptView, heading

_HERE = Path(__file__).parent
SECONDS_BETWEEN_LOOKS = 4.0
Updates = dict[Any, Any]  # component or container -> its new value, or gr.update(...)


@dataclass(frozen=True)
class ChatLayout:
    """Every part of the page that a handler reads or changes, from top to bottom."""

    brand: gr.HTML
    language: gr.Radio
    open_person: gr.Button
    disclosure: gr.HTML
    transcript: gr.HTML
    live: gr.HTML  # the turn that is being answered, apart so that the rest is not sent again with every word
    notice: gr.HTML
    person_panel: gr.Column
    person_head: gr.HTML
    contact: gr.Textbox
    note: gr.Textbox
    send_person: gr.Button
    close_person: gr.Button
    why_panel: gr.Column
    why_head: gr.HTML
    reason: gr.Radio
    comment: gr.Textbox
    send_why: gr.Button
    close_why: gr.Button
    clear_panel: gr.Column
    clear_head: gr.HTML
    confirm_clear: gr.Button
    close_clear: gr.Button
    question: gr.Textbox
    send: gr.Button
    stop: gr.Button
    open_export: gr.Button
    open_clear: gr.Button
    look: gr.Timer  # for a person's replies

    def outputs(self) -> list[Component]:
        """All parts, for handlers that return only what they change."""
        return [getattr(self, part.name) for part in fields(self)]

    def labels(self, language: str, bank_name: str, view: TranscriptView) -> Updates:
        """The words on every part that does not change with the conversation."""

        def t(key: str) -> str:
            return text(key, language)

        return {
            self.brand: view.brand(bank_name, language),
            self.language: gr.update(value=language, label=t("language")),
            self.open_person: t("talk_to_person"),
            self.disclosure: view.disclosure(language),
            self.person_head: heading(t("person_title"), t("person_intro")),
            self.contact: gr.update(label=t("contact")),
            self.note: gr.update(label=t("note")),
            self.send_person: t("person_send"),
            self.close_person: t("cancel"),
            self.why_head: heading(t("why_title"), t("why_intro")),
            self.reason: gr.update(label=t("why_reason"), choices=[(t(f"why_{code}"), code) for code in REASONS]),
            self.comment: gr.update(label=t("why_comment")),
            self.send_why: t("why_send"),
            self.close_why: t("why_skip"),
            self.open_export: gr.update(value=t("export")),
            self.clear_head: heading(t("clear"), t("clear_question")),
            self.confirm_clear: t("clear_confirm"),
            self.close_clear: t("clear_keep"),
            self.question: gr.update(label=t("question"), placeholder=t("question_hint")),
        }


def build_layout() -> ChatLayout:
    """Create the components inside the current gr.Blocks. Their words come with the first `labels`."""
    style = (_HERE / "chat.css").read_text(encoding="utf-8")
    gr.HTML(f"<style>{style}</style>", elem_id="chat-style", padding=False, apply_default_css=False)
    parts = _head() | _conversation() | _person_form() | _why_form() | _clear_form() | _composer()
    return ChatLayout(**parts, look=gr.Timer(SECONDS_BETWEEN_LOOKS, active=False))


def _head() -> dict[str, Any]:
    names = dict(zip(LANGUAGES, ("English", "中文"), strict=True))
    with gr.Row(elem_id="bar"):
        brand = gr.HTML(elem_id="brand", padding=False, apply_default_css=False)
        language = gr.Radio(
            [(name, code) for code, name in names.items()],
            value=LANGUAGES[0],
            show_label=False,
            container=False,
            elem_id="language",
        )
        open_person = gr.Button("", size="sm", elem_id="open-person")
    disclosure = gr.HTML(elem_id="disclosure", padding=False, apply_default_css=False)
    return {"brand": brand, "language": language, "open_person": open_person, "disclosure": disclosure}


def _conversation() -> dict[str, Any]:
    script = (_HERE / "chat.js").read_text(encoding="utf-8")
    return {
        "transcript": gr.HTML(elem_id="transcript", padding=False, apply_default_css=False, js_on_load=script),
        "live": gr.HTML(elem_id="live", padding=False, apply_default_css=False),
    }


def _person_form() -> dict[str, Any]:
    with gr.Column(visible=False, elem_id="person") as panel:
        head = gr.HTML(padding=False, apply_default_css=False)
        contact = gr.Textbox(
            max_lines=1,
            max_length=200,
            elem_id="contact",
            html_attributes=gr.InputHTMLAttributes(autocomplete="email"),
        )
        note = gr.Textbox(lines=2, max_lines=6, max_length=2000, elem_id="note")
        with gr.Row():
            send = gr.Button("", variant="primary", elem_id="send-person")
            close = gr.Button("", elem_id="close-person")
    parts = {"contact": contact, "note": note, "send_person": send, "close_person": close}
    return {"person_panel": panel, "person_head": head, **parts}


def _why_form() -> dict[str, Any]:
    with gr.Column(visible=False, elem_id="why") as panel:
        head = gr.HTML(padding=False, apply_default_css=False)
        reason = gr.Radio([(code, code) for code in REASONS], elem_id="reason")
        comment = gr.Textbox(lines=2, max_lines=6, max_length=1000, elem_id="comment")
        with gr.Row():
            send = gr.Button("", variant="primary", elem_id="send-why")
            close = gr.Button("", elem_id="close-why")
    parts = {"reason": reason, "comment": comment, "send_why": send, "close_why": close}
    return {"why_panel": panel, "why_head": head, **parts}


def _clear_form() -> dict[str, Any]:
    with gr.Column(visible=False, elem_id="clear") as panel:
        head = gr.HTML(padding=False, apply_default_css=False)
        with gr.Row():
            confirm = gr.Button("", variant="stop", elem_id="confirm-clear")
            close = gr.Button("", elem_id="keep")
    return {"clear_panel": panel, "clear_head": head, "confirm_clear": confirm, "close_clear": close}


def _composer() -> dict[str, Any]:
    with gr.Column(elem_id="composer"):
        notice = gr.HTML(elem_id="notice", padding=False, apply_default_css=False)
        with gr.Row(elem_id="line"):
            question = gr.Textbox(lines=1, max_lines=6, show_label=False, container=False, elem_id="question")
            send = gr.Button("", variant="primary", elem_id="send")
            stop = gr.Button("", visible=False, elem_id="stop")
        with gr.Row(elem_id="after"):
            open_export = gr.Button("", visible=False, size="sm", elem_id="open-export")
            open_clear = gr.Button("", visible=False, size="sm", elem_id="open-clear")
    buttons = {"send": send, "stop": stop, "open_export": open_export, "open_clear": open_clear}
    return {"notice": notice, "question": question, **buttons}
