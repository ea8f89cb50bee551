"""One request: its conversation, and everything an agent does about it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import gradio as gr

from app.domain.conversations import HandoffState
from app.domain.errors import Conflict, NotFound
from app.services.inbox import MAX_REPLY_CHARS
from app.ui.agent.correction import CorrectionPanel, build_correction
from app.ui.agent.fragments import (
    AgentDesk,
    choices_of,
    fingerprint,
    render_conversation,
    render_draft,
    render_head,
    render_list,
)
from app.ui.analyst.desk import fragment
from app.ui.listeners import shows_errors

DRAFTS_AT_ONCE = 2  # customers come first
_QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}


class CasePanel(NamedTuple):
    """How the page brings the list and the open request up to date, and how it opens another."""

    refresh: Callable[..., Any]
    inputs: list[Any]
    outputs: list[Any]
    select: Callable[..., Any]
    select_inputs: list[Any]
    select_outputs: list[Any]


@dataclass(frozen=True)
class _Parts:
    """The components of the panel."""

    head: gr.HTML
    conversation: gr.HTML
    work: gr.Column
    draft: gr.HTML
    reply: gr.Textbox
    send: gr.Button
    write_draft: gr.Button
    take: gr.Button
    resolve: gr.Button
    reopen: gr.Button
    assign: gr.Dropdown

    def controls(self) -> list[Any]:
        return [self.work, self.take, self.resolve, self.reopen, self.assign]


def build_case(desk: AgentDesk, view: gr.Radio, listing: gr.HTML) -> CasePanel:
    """The panel. What is open, and what is written for each request, belongs to the visitor."""
    selected, seen = gr.State(None), gr.State({})
    passages, kept = gr.State(()), gr.State({})
    parts = _layout()
    correction: CorrectionPanel = build_correction(desk, selected, parts.conversation)
    inputs = [view, selected, seen]
    outputs = [listing, seen, parts.head, parts.conversation, *parts.controls()]

    @shows_errors
    def refresh(view: str, selected: int | None, seen: dict[str, str], request: gr.Request) -> tuple[Any, ...]:
        return show(desk, view, selected, seen, desk.agent(request))

    @shows_errors
    def select(
        view: str, before: int | None, seen: dict[str, str], reply: str, kept: dict[int, str], request: gr.Request,
        event: gr.EventData,
    ) -> tuple[Any, ...]:  # fmt: skip
        agent, chosen = desk.agent(request), int(event.id)
        if chosen == before:
            return *(gr.skip(),) * 5, *show(desk, view, chosen, seen, agent), *correction.kept()
        texts = {**kept, before: reply} if before else kept
        shown = show(desk, view, chosen, {}, agent)
        return chosen, texts, texts.get(chosen, ""), "", (), *shown, *correction.closed()

    def act(action: Callable[[int, str], None]) -> Callable[..., Any]:
        @shows_errors
        def change(view: str, selected: int, seen: dict[str, str], request: gr.Request) -> tuple[Any, ...]:
            agent = desk.agent(request)
            try:
                action(selected, agent)
            except (Conflict, NotFound) as error:  # somebody else was first: show what they did
                gr.Warning(str(error))
            return show(desk, view, selected, seen, agent)

        return change

    @shows_errors
    def assign(view: str, selected: int, seen: dict[str, str], to: str, request: gr.Request) -> tuple[Any, ...]:
        return act(lambda handoff, by: desk.inbox.assign(handoff, to or "", by))(view, selected, seen, request)

    @shows_errors
    def send(
        view: str, selected: int, seen: dict[str, str], text: str, passages: Any, request: gr.Request
    ) -> tuple[Any, ...]:
        agent = desk.agent(request)
        desk.inbox.reply(selected, text, agent, passages)
        gr.Info("Sent. The customer reads it in the chat.")
        return "", "", (), *show(desk, view, selected, seen, agent)

    @shows_errors
    def write_draft(selected: int, text: str, request: gr.Request) -> tuple[Any, ...]:
        desk.agent(request)
        draft = desk.inbox.draft(selected)
        written = "\n\n".join(filter(None, (text.strip(), draft.text)))  # never in the place of the agent's words
        return written, render_draft(desk, draft), draft.passages

    texts = [parts.reply, parts.draft, passages]
    parts.take.click(act(desk.inbox.take), inputs, outputs, **_QUIET)
    parts.resolve.click(act(desk.inbox.resolve), inputs, outputs, **_QUIET)
    parts.reopen.click(act(desk.inbox.reopen), inputs, outputs, **_QUIET)
    parts.assign.input(assign, [*inputs, parts.assign], outputs, **_QUIET)
    parts.send.click(send, [*inputs, parts.reply, passages], [*texts, *outputs], **_QUIET)
    parts.write_draft.click(
        write_draft, [selected, parts.reply], texts, concurrency_limit=DRAFTS_AT_ONCE, concurrency_id="drafts",
        show_progress="minimal", show_progress_on=parts.draft, api_visibility="private",
    )  # fmt: skip
    correction.on_change(refresh, inputs, outputs)
    return CasePanel(
        refresh, inputs, outputs, select, [*inputs, parts.reply, kept],
        [selected, kept, *texts, *outputs, *correction.outputs],
    )  # fmt: skip


def _layout() -> _Parts:
    head, conversation = fragment(), fragment()
    with gr.Column(visible=False) as work:
        reply = gr.Textbox(
            "",
            label="Reply",
            info="The customer reads it in the chat. If they have left it, use the contact details above, too.",
            lines=4,
            max_length=MAX_REPLY_CHARS,
            elem_id="reply",
        )
        with gr.Row():
            send = gr.Button("Send reply", variant="primary", min_width=130)
            write_draft = gr.Button("Draft an answer", min_width=130)
        draft = fragment()
        with gr.Row():
            take = gr.Button("Take it", min_width=130)
            resolve = gr.Button("Resolve", min_width=130)
        assign = gr.Dropdown([], label="In the hands of", info="Choose another agent to pass it on.")
    reopen = gr.Button("Reopen", visible=False)
    return _Parts(head, conversation, work, draft, reply, send, write_draft, take, resolve, reopen, assign)


def show(desk: AgentDesk, view: str, selected: int | None, seen: dict[str, str], agent: str) -> tuple[Any, ...]:
    """Updates of the list, of what was seen, of the request and its controls; parts that are the same stay."""
    listing = render_list(desk, view, agent, selected)
    listed = {"list": fingerprint(listing)}
    if seen.get("list") == listed["list"]:
        listing = gr.skip()
    hidden = (gr.update(visible=False),) * 4
    try:
        case = desk.inbox.open(selected) if selected else None
    except NotFound as error:
        return listing, listed, desk.views.empty("The request is gone.", str(error)), "", *hidden, gr.skip()
    if case is None:
        hint = desk.views.empty("No request is open.", "Choose one from the list to read the conversation.")
        return listing, listed, hint, "", *hidden, gr.skip()
    head, conversation = render_head(desk, case.waiting), render_conversation(desk, case)
    agents = desk.inbox.agents()
    handoff = case.handoff
    now = listed | {
        "head": fingerprint(head),
        "conversation": fingerprint(conversation),
        "controls": fingerprint(handoff.id, handoff.state, handoff.assignee, agents),
    }
    is_open = handoff.state is not HandoffState.RESOLVED
    controls = (
        gr.update(visible=is_open),
        gr.update(visible=is_open and not handoff.assignee),
        gr.update(visible=is_open),
        gr.update(visible=not is_open),
        gr.update(choices=choices_of(sorted({*agents, handoff.assignee} - {""})), value=handoff.assignee),
    )
    same = {name for name, digest in now.items() if seen.get(name) == digest}
    return (
        listing,
        now,
        gr.skip() if "head" in same else head,
        gr.skip() if "conversation" in same else conversation,
        *((gr.skip(),) * len(controls) if "controls" in same else controls),
    )
