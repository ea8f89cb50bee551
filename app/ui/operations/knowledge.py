"""Knowledge base: its documents and their problems, upload, edit, delete, and indexing everything again."""

from pathlib import Path
from typing import Any

import gradio as gr

from app.domain.errors import InvalidInput
from app.services.background import Progress
from app.services.knowledge_files import KINDS, MAX_DOCUMENT_BYTES, OpenedText
from app.ui.analyst.desk import Refresh, fragment
from app.ui.listeners import shows_errors
from app.ui.operations.room import QUIET, Room, unknown_button

TASK = "knowledge index"
_TOP = "the topmost folder"
_SOON = "Answers use it within half a minute."


def build_knowledge(room: Room) -> tuple[Refresh, Refresh]:
    """The tab's content: how to bring all of it up to date, and how the progress alone."""
    opened = gr.State(None)
    state, listing = fragment(), fragment()
    with gr.Column(visible=False) as editor:
        text = gr.Textbox("", label="Text", lines=16, max_lines=30)
        with gr.Row():
            save = gr.Button("Save", variant="primary", min_width=110)
            close = gr.Button("Close without saving", min_width=110)
    with gr.Accordion("Add a document", open=False):
        gr.HTML(room.render("upload_hint.html", kinds=KINDS, size=MAX_DOCUMENT_BYTES // 1_000_000))
        with gr.Row():
            upload = gr.File(label="Document", file_types=list(KINDS), height=130, min_width=240)
            with gr.Column(min_width=200):
                folder = gr.Dropdown([(_TOP, "")], value="", label="Folder")
                replace = gr.Checkbox(label="Replace a document of the same name", value=False, container=False)
        add = gr.Button("Check and add", variant="primary", min_width=140)
    shown, editing = [state, listing], [opened, editor, text]

    @shows_errors
    def refresh(request: gr.Request) -> tuple[Any, ...]:
        room.administrator(request)
        names = room.services.operations.files.folders()
        return *render_knowledge(room), gr.Dropdown(choices=[(name or _TOP, name) for name in names])

    @shows_errors
    def tick(request: gr.Request) -> str:
        room.administrator(request)
        return render_state(room)

    @shows_errors
    def act(request: gr.Request, event: gr.EventData) -> tuple[Any, ...]:
        found = act_on_knowledge(room, request, event.action)
        if found is None:
            return *render_knowledge(room), gr.skip(), gr.skip(), gr.skip()
        box = gr.Textbox(value=found.text, label=f"Text of {found.name}")
        return *render_knowledge(room), found, gr.Column(visible=True), box

    @shows_errors
    def keep(opened: OpenedText | None, text: str, request: gr.Request) -> tuple[Any, ...]:
        by = room.administrator(request).username
        if opened is None:
            raise unknown_button()
        words = room.services.operations.files.save(OpenedText(opened.name, text, opened.fingerprint), by)
        gr.Info(f"{words} {_SOON}")
        return *render_knowledge(room), None, gr.Column(visible=False), ""

    @shows_errors
    def put(path: str | None, folder: str, replace: bool, request: gr.Request) -> tuple[Any, ...]:
        gr.Info(f"{upload_document(room, request, path, folder, replace)} {_SOON}")
        return *render_knowledge(room), None, False

    for part in shown:
        part.click(act, None, [*shown, *editing], show_progress="minimal", api_visibility="private")
    save.click(keep, [opened, text], [*shown, *editing], show_progress_on=[save], api_visibility="private")
    close.click(lambda: (None, gr.Column(visible=False), ""), None, editing, **QUIET)
    add.click(
        put, [upload, folder, replace], [*shown, upload, replace], show_progress_on=[add], api_visibility="private"
    )
    return Refresh(refresh, [], [*shown, folder]), Refresh(tick, [], [state])


def render_knowledge(room: Room) -> tuple[str, str]:
    """The state of the index, and the documents."""
    index, files = room.services.retrieval.index, room.services.operations.files
    found = files.files(index.passages, index.meta.get("errors", {}))
    if not found:
        return render_state(room), room.views.empty("No documents yet.", "Open “Add a document” below.")
    return render_state(room), room.render("knowledge_files.html", files=found)


def render_state(room: Room) -> str:
    """How large the index in use is, and how far a new one has come."""
    services = room.services
    index, operations = services.retrieval.index, services.operations
    return room.render(
        "knowledge_state.html",
        passages=len(index.passages),
        entries=len(index.entries),
        problems=len(index.meta.get("errors", {})),
        embedder=Path(services.retrieval.embedder.name).name,
        folder=operations.files.folder,
        task=operations.background.task(TASK),
    )


def act_on_knowledge(room: Room, request: Any, action: str) -> OpenedText | None:
    """Carry out what a button stands for; the text that is to be edited, if that was asked for. Raises AppError."""
    by, operations = room.administrator(request).username, room.services.operations
    verb, _, name = action.partition(" ")
    if verb == "edit":
        return operations.files.open(name)
    if verb == "delete":
        operations.files.delete(name, by)
    elif verb == "rebuild":
        operations.background.start(TASK, lambda progress: _rebuild(room, progress))
        operations.note(by, "rebuild", "knowledge index")
    elif verb == "look":
        new = room.services.knowledge.refresh()
        gr.Info("The index is up to date now." if new else "Nothing has changed.")
    else:
        raise unknown_button()
    return None


def upload_document(room: Room, request: Any, path: str | None, folder: str, replace: bool) -> str:
    """Take over a file that the browser sent; words of success. The copy that Gradio made is deleted."""
    by = room.administrator(request).username
    if not path:
        raise InvalidInput("Choose a document first.")
    sent = Path(path)
    try:
        if sent.stat().st_size > MAX_DOCUMENT_BYTES:
            raise InvalidInput(f"A document has at most {MAX_DOCUMENT_BYTES:,} bytes.")
        return room.services.operations.files.upload(folder or "", sent.name, sent.read_bytes(), by, replace)
    except OSError as error:
        raise InvalidInput("The document did not arrive. Choose it again.") from error
    finally:
        sent.unlink(missing_ok=True)


def _rebuild(room: Room, progress: Progress) -> str:
    room.services.knowledge.rebuild(progress=progress)
    return f"{len(room.services.retrieval.index):,} passages are indexed anew."
