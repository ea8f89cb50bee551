"""The administrators' page: what runs the program, and who may do what in it."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import gradio as gr

from app.domain.accounts import Account
from app.ui.analyst.desk import fragment
from app.ui.listeners import shows_errors
from app.ui.operations.accounts import build_accounts
from app.ui.operations.adapters import build_adapters
from app.ui.operations.api_keys import build_api_keys
from app.ui.operations.audit import build_audit
from app.ui.operations.jobs import build_jobs
from app.ui.operations.knowledge import build_knowledge
from app.ui.operations.room import QUIET, OperationsServices, Room
from app.ui.operations.settings import build_settings
from app.ui.operations.storage import build_storage
from app.ui.views import Views

REFRESH_SECONDS = 5  # of what moves by itself: jobs, and the progress of indexing
LISTENERS_AT_ONCE = 8
KEPT_SECONDS = 3600  # of a file that was uploaded and never added


def build_operations_page(
    services: OperationsServices, account_of: Callable[[Any], Account], clock: Callable[[], datetime]
) -> gr.Blocks:
    """The page, ready to be mounted. `account_of` finds the account behind a request, or raises AccessDenied."""
    room = Room(services, Views(services.settings.time_zone), account_of, clock)
    with gr.Blocks(
        title="Operations · Bellwether", analytics_enabled=False, delete_cache=(KEPT_SECONDS, KEPT_SECONDS)
    ) as page:
        header = fragment(room.render("header.html", username=""))
        plans, moving = [], []
        with gr.Tabs(selected="accounts", overflow_behavior="wrap"):
            with gr.Tab("Accounts", id="accounts") as tab:
                plans.append((tab, build_accounts(room)))
            with gr.Tab("API keys", id="keys") as tab:
                plans.append((tab, build_api_keys(room)))
            with gr.Tab("Jobs", id="jobs") as tab:
                moving.append(build_jobs(room))
                plans.append((tab, moving[-1]))
            with gr.Tab("Models", id="models") as tab:
                plans.append((tab, build_adapters(room)))
            with gr.Tab("Knowledge base", id="knowledge") as tab:
                whole, progress = build_knowledge(room)
                moving.append(progress)
                plans.append((tab, whole))
            with gr.Tab("Settings", id="settings") as tab:
                plans.append((tab, build_settings(room)))
            with gr.Tab("Storage", id="storage") as tab:
                plans.append((tab, build_storage(room)))
            with gr.Tab("Audit log", id="audit") as tab:
                plans.append((tab, build_audit(room)))
        timer = gr.Timer(REFRESH_SECONDS)
        for tab, plan in plans:
            page.load(*plan, **QUIET)
            tab.select(*plan, **QUIET)
        for plan in moving:
            timer.tick(*plan, **QUIET)

        @shows_errors
        def greet(request: gr.Request) -> str:
            return room.render("header.html", username=room.administrator(request).username)

        page.load(greet, None, header, **QUIET)
    page.queue(default_concurrency_limit=LISTENERS_AT_ONCE, api_open=False)
    return page
