"""The audit log: who changed what and when, filtered."""

from typing import Any

import gradio as gr

from app.domain.audit import AuditEntry
from app.storage.operations import AuditFilter
from app.ui.analyst.desk import Refresh, fragment
from app.ui.listeners import shows_errors
from app.ui.operations.room import QUIET, Room

PAGE = 50


def build_audit(room: Room) -> Refresh:
    """The tab's content. How far back a visitor has gone belongs to the visitor."""
    before = gr.State(None)
    with gr.Row():
        actor = gr.Textbox("", label="Who", placeholder="any user name", min_width=140, max_length=100)
        action = gr.Textbox("", label="Did what", placeholder="such as sign in", min_width=140, max_length=50)
        subject = gr.Dropdown([("anything", "")], value="", label="To what", min_width=140)
    listing = fragment()
    with gr.Row():
        newest = gr.Button("Newest", min_width=110, visible=False)
        older = gr.Button("Older", min_width=110, visible=False)
    inputs, outputs = [actor, action, subject, before], [listing, newest, older]

    @shows_errors
    def refresh(actor: str, action: str, subject: str, before: int | None, request: gr.Request) -> tuple[Any, ...]:
        return *show_audit(room, request, wanted(actor, action, subject, before)), kinds(room)

    @shows_errors
    def search(actor: str, action: str, subject: str, request: gr.Request) -> tuple[Any, ...]:
        return None, *show_audit(room, request, wanted(actor, action, subject))

    @shows_errors
    def go_back(actor: str, action: str, subject: str, before: int | None, request: gr.Request) -> tuple[Any, ...]:
        room.administrator(request)
        seen = room.services.operations.rows.audit(wanted(actor, action, subject, before), PAGE)
        last = seen[-1].id if seen else before
        return last, *show_audit(room, request, wanted(actor, action, subject, last))

    for changed in (actor.submit, action.submit, subject.input, newest.click):
        changed(search, inputs[:3], [before, *outputs], **QUIET)
    older.click(go_back, inputs, [before, *outputs], **QUIET)
    return Refresh(refresh, inputs, [*outputs, subject])


def wanted(actor: str, action: str, subject: str | None, before: int | None = None) -> AuditFilter:
    """What the fields ask for."""
    return AuditFilter(actor.strip(), action.strip(), subject or "", before)


def show_audit(room: Room, request: Any, asked: AuditFilter) -> tuple[str, Any, Any]:
    """A page of the record, and whether there are newer and older ones."""
    room.administrator(request)
    entries = room.services.operations.rows.audit(asked, PAGE + 1)
    html = render_audit(room, entries[:PAGE], asked)
    return html, gr.Button(visible=asked.before is not None), gr.Button(visible=len(entries) > PAGE)


def kinds(room: Room) -> Any:
    """The subjects that the record knows, to choose from."""
    return gr.Dropdown(choices=[("anything", ""), *((s, s) for s in room.services.operations.rows.subjects())])


def render_audit(room: Room, entries: list[AuditEntry], asked: AuditFilter) -> str:
    """Entries as HTML, newest first."""
    if not entries:
        if asked == AuditFilter():
            return room.views.empty("Nothing is recorded yet.", "Sign-ins and changes appear here.")
        return room.views.empty("Nothing matches.", "Clear a field above to see more.")
    return room.render("audit.html", entries=entries)
