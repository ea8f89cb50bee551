"""What the assistant should have said: kept to learn from, or given to everybody from now on."""

from collections.abc import Callable
from typing import Any, NamedTuple

import gradio as gr

from app.services.inbox import MAX_REPLY_CHARS
from app.ui.agent.fragments import AgentDesk
from app.ui.analyst.desk import fragment
from app.ui.listeners import shows_errors

_QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
_EXPLAINED = (
    "<div class='bw'><h2>A better answer</h2><p class='bw-small bw-soft'>A correction is one more example when the "
    "assistant is trained next. A curated answer is given to everybody who asks this, within a minute.</p></div>"
)


class CorrectionPanel(NamedTuple):
    """The form; `on_change` says what to refresh when something was kept."""

    outputs: list[Any]
    on_change: Callable[[Callable[..., Any], list[Any], list[Any]], None]

    def closed(self) -> tuple[Any, ...]:
        """Updates that close and empty the form."""
        return gr.update(visible=False), None, "", ""

    def kept(self) -> tuple[Any, ...]:
        """Updates that leave it as it is."""
        return (gr.skip(),) * len(self.outputs)


def build_correction(desk: AgentDesk, selected: gr.State, conversation: gr.HTML) -> CorrectionPanel:
    """The form, opened by a click on a reply of the conversation."""
    message = gr.State(None)
    with gr.Column(visible=False) as form:
        fragment(_EXPLAINED)
        question = gr.Textbox(
            "", label="Question", info="For a curated answer, write it as customers ask.", lines=1
        )
        answer = gr.Textbox("", label="Best answer", lines=4, max_length=MAX_REPLY_CHARS)
        with gr.Row():
            keep = gr.Button("Save the correction", variant="primary", min_width=150)
            publish = gr.Button("Make it a curated answer", min_width=150)
            cancel = gr.Button("Cancel", min_width=90)
    outputs = [form, message, question, answer]
    panel = CorrectionPanel(outputs, lambda fn, i, o: _refresh_after(saved, fn, i, o))

    @shows_errors
    def open_form(selected: int, request: gr.Request, event: gr.EventData) -> tuple[Any, ...]:
        desk.agent(request)
        case, number = desk.inbox.open(selected), int(event.id)
        asked = desk.inbox.question_of(case, number)
        said = next(m.content for m in case.messages if m.id == number)
        known = case.corrections.get(number)
        return gr.update(visible=True), number, asked, known.answer if known else said

    @shows_errors
    def save(selected: int, message: int, answer: str, request: gr.Request) -> tuple[Any, ...]:
        desk.inbox.correct(selected, message, answer, desk.agent(request))
        gr.Info("Kept. The assistant learns from it when it is trained next.")
        return panel.closed()

    @shows_errors
    def make_curated(
        selected: int, message: int, question: str, answer: str, request: gr.Request
    ) -> tuple[Any, ...]:  # fmt: skip
        desk.inbox.make_curated(selected, message, question, answer, desk.agent(request))
        gr.Info("Written to the knowledge base. The assistant answers with it within a minute.")
        return panel.closed()

    conversation.click(open_form, selected, outputs, scroll_to_output=True, **_QUIET)
    saved = [
        keep.click(save, [selected, message, answer], outputs, **_QUIET),
        publish.click(make_curated, [selected, message, question, answer], outputs, **_QUIET),
    ]
    cancel.click(panel.closed, None, outputs, **_QUIET)
    return panel


def _refresh_after(events: list[Any], fn: Callable[..., Any], inputs: list[Any], outputs: list[Any]) -> None:
    for event in events:
        event.then(fn, inputs, outputs, **_QUIET)
