"""Storage: how large everything is, how long rows are kept, and removing old ones now."""

import shutil
from pathlib import Path
from typing import Any

import gradio as gr

from app.ui.analyst.desk import Refresh, fragment
from app.ui.listeners import shows_errors
from app.ui.operations.jobs import counts_of, run_job
from app.ui.operations.room import Room, unknown_button

RETENTION = "retention"


def build_storage(room: Room) -> Refresh:
    """The tab's content."""
    page = fragment()

    @shows_errors
    def refresh(request: gr.Request) -> str:
        room.administrator(request)
        return render_storage(room)

    @shows_errors
    def act(request: gr.Request, event: gr.EventData) -> str:
        act_on_storage(room, request, event.action)
        return render_storage(room)

    page.click(act, None, page, show_progress="minimal", api_visibility="private")
    return Refresh(refresh, [], [page])


def act_on_storage(room: Room, request: Any, action: str) -> None:
    """Begin to remove what is too old. Raises AppError."""
    by = room.administrator(request).username
    if action != RETENTION:
        raise unknown_button()
    run_job(room, RETENTION, by)


def render_storage(room: Room) -> str:
    """Sizes, rows, and what retention did last."""
    services, settings = room.services, room.services.settings
    rows, background = services.operations.rows, services.operations.background
    tables = rows.tables()
    return room.render(
        "storage.html",
        engine={"sqlite": "SQLite", "postgresql": "PostgreSQL"}.get(rows.engine, rows.engine),
        figures=[
            (size_of(rows.size()), "database"),
            (f"{sum(count for _, count in tables):,}", "rows"),
            (size_of(folder_bytes(settings.effective_index_dir)), "knowledge index"),
            (size_of(folder_bytes(settings.promoted_dir)), "promoted adapters"),
            (size_of(free_bytes(settings.data_dir)), "free on the disk"),
        ],
        tables=tables,
        kept=[
            ("Articles", settings.retention_articles_days),
            ("Conversations", settings.retention_conversations_days),
            ("Audit log, resolved alerts", settings.retention_audit_days),
            ("Runs of jobs", settings.retention_job_runs_days),
        ],
        hour=settings.retention_hour,
        zone=settings.time_zone,
        last=services.job_runs.latest([RETENTION]).get(RETENTION),
        task=background.task(f"job {RETENTION}"),
        counts_of=counts_of,
    )


def size_of(count: int) -> str:
    """Bytes in the unit that reads best: 999 B, 12.3 MB."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:,.0f} {unit}" if unit == "B" else f"{value:,.1f} {unit}"
        value /= 1000
    return f"{value:,.1f} TB"


def folder_bytes(folder: Path) -> int:
    """All files below a folder; 0 where there is none."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:  # it left meanwhile
            continue
    return total


def free_bytes(folder: Path) -> int:
    """What the disk of a folder has left."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return 0
