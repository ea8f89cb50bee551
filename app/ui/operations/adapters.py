"""Models: the adapters in use, how they measured, and the way back from a promoted one."""

from typing import Any

import gradio as gr

from app.ui.analyst.desk import Refresh, fragment
from app.ui.listeners import shows_errors
from app.ui.operations.room import Room, unknown_button


def build_adapters(room: Room) -> Refresh:
    """The tab's content."""
    listing = fragment()

    @shows_errors
    def refresh(request: gr.Request) -> str:
        room.administrator(request)
        return render_adapters(room)

    @shows_errors
    def act(request: gr.Request, event: gr.EventData) -> str:
        gr.Info(act_on_adapter(room, request, event.action))
        return render_adapters(room)

    listing.click(act, None, listing, show_progress="minimal", api_visibility="private")
    return Refresh(refresh, [], [listing])


def render_adapters(room: Room) -> str:
    """Every task's adapter, with its training and what was done to it."""
    return room.render("adapters.html", adapters=room.services.operations.adapters.in_use(), figure=figure)


def act_on_adapter(room: Room, request: Any, action: str) -> str:
    """Roll a task's adapter back; words that say what holds now. Raises AppError."""
    by = room.administrator(request).username
    verb, _, task = action.partition(" ")
    adapters = room.services.operations.adapters
    if verb != "roll-back" or task not in {adapter.task for adapter in adapters.in_use()}:
        raise unknown_button()
    return adapters.roll_back(task, by)


def figure(value: Any) -> str:
    """A measurement as people read it."""
    return f"{value:,.4f}" if isinstance(value, float) and not value.is_integer() else f"{value:,.0f}"
