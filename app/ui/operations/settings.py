"""Settings in force and where each comes from, and the versions of what runs."""

from pathlib import Path
from typing import Any

import gradio as gr
from pydantic import SecretStr
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from app.config import Settings
from app.domain.subscriptions import shown
from app.ui.analyst.desk import Refresh, fragment
from app.ui.listeners import shows_errors
from app.ui.operations.room import Room

SET, UNSET = "set, not shown", "not set"


def build_settings(room: Room) -> Refresh:
    """The tab's content."""
    page = fragment()

    @shows_errors
    def refresh(request: gr.Request) -> str:
        room.administrator(request)
        return render_settings(room)

    return Refresh(refresh, [], [page])


def render_settings(room: Room) -> str:
    """Versions, then settings: those that somebody chose first."""
    operations, settings = room.services.operations, room.services.settings
    rows = [
        (name, shown_value(name, getattr(settings, name)), operations.sources_of_settings[name])
        for name in Settings.model_fields
    ]
    return room.render(
        "settings.html",
        versions=operations.versions,
        chosen=[row for row in rows if row[2] != "default"],
        defaults=[row for row in rows if row[2] == "default"],
    )


def shown_value(name: str, value: Any) -> str:
    """A setting's value as an administrator may see it: no secrets, nor addresses that hold one."""
    if isinstance(value, SecretStr):
        return SET if value.get_secret_value() else UNSET
    if name == "database_url":
        return _without_password(value)
    if name == "alert_recipients":
        return ", ".join(map(shown, value)) or UNSET
    if value is None or value in ("", ()):
        return "none" if name.endswith("_adapter") else UNSET
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    if isinstance(value, int) and name not in ("port", "smtp_port"):
        return f"{value:,}"
    return str(value) if not isinstance(value, Path) else value.as_posix()


def _without_password(url: str) -> str:
    if not url:
        return "not set: SQLite in the data directory"
    try:
        parsed = make_url(url)
    except ArgumentError:
        return SET
    return parsed.set(query={}).render_as_string(hide_password=True)
