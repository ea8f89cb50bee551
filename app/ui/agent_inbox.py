"""The agents' page: who waits for a person, their conversation, the reply, and what the assistant learns from it.

A timer keeps it up to date; it leaves alone what has not changed, and whatever the agent is writing.
"""

from collections.abc import Callable
from typing import Any

import gradio as gr

from app.domain.accounts import Account
from app.ui.agent.case import CasePanel, build_case
from app.ui.agent.fragments import VIEWS, AgentDesk, AgentServices, render_header
from app.ui.analyst.desk import fragment
from app.ui.listeners import shows_errors
from app.ui.views import Views

REFRESH_SECONDS = 5
LISTENERS_AT_ONCE = 16
_QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}


def build_agent_inbox(services: AgentServices, account_of: Callable[[Any], Account]) -> gr.Blocks:
    """The page, ready to be mounted. `account_of` finds an agent's account, or raises AccessDenied."""
    desk = AgentDesk(services.inbox, Views(services.settings.time_zone), account_of)
    with gr.Blocks(title="Agent inbox · Bellwether", analytics_enabled=False) as page:
        header = fragment(render_header(desk.views, None))
        with gr.Row():
            with gr.Column(scale=2, min_width=300):
                view = gr.Radio([(words, key) for key, words in VIEWS.items()], value="waiting", label="Requests")
                listing = fragment()
            with gr.Column(scale=3, min_width=300):
                panel = build_case(desk, view, listing)
        _wire(page, desk, view, listing, panel)

        @shows_errors
        def greet(request: gr.Request) -> str:
            return render_header(desk.views, account_of(request))

        page.load(greet, None, header, **_QUIET)
    page.queue(default_concurrency_limit=LISTENERS_AT_ONCE, api_open=False)
    return page


def _wire(page: gr.Blocks, desk: AgentDesk, view: gr.Radio, listing: gr.HTML, panel: CasePanel) -> None:
    refresh = {"fn": panel.refresh, "inputs": panel.inputs, "outputs": panel.outputs, **_QUIET}
    page.load(**refresh)
    gr.Timer(REFRESH_SECONDS).tick(**refresh)
    view.input(**refresh)
    listing.click(panel.select, panel.select_inputs, panel.select_outputs, scroll_to_output=True, **_QUIET)
