"""API keys: made with scopes, shown once, revoked for good."""

from typing import Any

import gradio as gr

from app.domain.api_keys import SCOPES
from app.domain.errors import NotFound
from app.ui.analyst.desk import Refresh, fragment
from app.ui.listeners import shows_errors
from app.ui.operations.room import Room, secret_field, unknown_button


def build_api_keys(room: Room) -> Refresh:
    """The tab's content."""
    secret = secret_field()
    listing = fragment()
    with gr.Accordion("Make a key", open=False):
        name = gr.Textbox("", label="Name of the program that will use it", max_length=100)
        scopes = gr.CheckboxGroup(list(SCOPES), value=[], label="What it may do")
        make = gr.Button("Make the key and show it", variant="primary", min_width=140)

    @shows_errors
    def refresh(request: gr.Request) -> str:
        room.administrator(request)
        return render_api_keys(room)

    @shows_errors
    def create(name: str, scopes: list[str], request: gr.Request) -> tuple[str, str, str, list[str]]:
        shown = create_key(room, request, name, scopes)
        return render_api_keys(room), shown, "", []

    @shows_errors
    def act(request: gr.Request, event: gr.EventData) -> str:
        act_on_key(room, request, event.action, event.id)
        return render_api_keys(room)

    make.click(
        create, [name, scopes], [listing, secret, name, scopes], show_progress_on=[make], api_visibility="private"
    )
    listing.click(act, None, listing, show_progress="minimal", api_visibility="private")
    return Refresh(refresh, [], [listing])


def render_api_keys(room: Room) -> str:
    """Every key, those in force first."""
    keys = sorted(room.services.api_keys.list(), key=lambda key: (key.revoked_at is not None, key.name.casefold()))
    if not keys:
        return room.views.empty("No API keys yet.", "Open “Make a key” below for a program that uses the API.")
    return room.render("api_keys.html", keys=keys)


def create_key(room: Room, request: Any, name: str, scopes: list[str]) -> str:
    """Make a key; HTML that shows it. Raises InvalidInput, Conflict."""
    by = room.administrator(request).username
    key = room.services.api_keys.create(name, scopes, by)
    hint = "Send it as “Authorization: Bearer KEY”. It is not kept, and cannot be shown again."
    return room.render("secret.html", title=f"The key “{' '.join(name.split())}”", secret=key, hint=hint)


def act_on_key(room: Room, request: Any, action: str, key_id: int) -> None:
    """Revoke a key. Raises NotFound."""
    by = room.administrator(request).username
    if action != "revoke":
        raise unknown_button()
    name = next((key.name for key in room.services.api_keys.list() if key.id == key_id), None)
    if name is None:
        raise NotFound("There is no such key. Reload the page.")
    room.services.api_keys.revoke(name, by)
