"""Rules: the thresholds in force and where they come from, and what others would have done to the past days."""

from typing import Any

import gradio as gr

from app.ui.analyst.desk import Desk, Refresh, fragment
from app.ui.analyst.rule_preview import FIELDS, changes_of, render_preview, render_rules
from app.ui.listeners import shows_errors

PERIODS = [("7 days", 7), ("14 days", 14), ("28 days", 28), ("90 days", 90)]


def build_rules(desk: Desk) -> Refresh:
    """The tab's content. What is typed stays with the visitor; nothing is changed here before the next start."""
    in_force = fragment()
    gr.HTML(
        '<div class="bw"><h2>Try other thresholds</h2><p class="bw-small bw-soft">The stored articles are replayed'
        " as they came in, with the thresholds in force and with these. Nothing is stored and nobody is told."
        "</p></div>",
        apply_default_css=False,
        elem_classes="bw-fragment",
    )
    inputs = []
    for begin in range(0, len(FIELDS), 3):
        with gr.Row():
            inputs += [
                gr.Number(
                    value=getattr(desk.services.settings, field.setting),
                    label=field.label,
                    precision=0 if field.whole else None,
                    min_width=200,
                )
                for field in FIELDS[begin : begin + 3]
            ]
    with gr.Row():
        days = gr.Dropdown(PERIODS, value=7, label="Replay the last", min_width=140)
        sample = gr.Checkbox(label="With the sample news", value=True, min_width=140)
        preview = gr.Button("Preview", variant="primary", min_width=110)
        reset = gr.Button("Back to those in force", min_width=110)
    outcome = fragment()

    @shows_errors
    def refresh() -> str:
        return render_rules(desk)

    @shows_errors
    def show(request: gr.Request, days: int, sample: bool, *values: float | None) -> str:
        desk.account_of(request)
        return render_preview(desk, changes_of(desk, values), int(days), None if sample else False)

    @shows_errors
    def back() -> tuple[Any, ...]:
        return *(getattr(desk.services.settings, field.setting) for field in FIELDS), ""

    # A replay of months takes seconds of a processor: one at a time.
    preview.click(
        show, [days, sample, *inputs], outcome,
        concurrency_limit=1, show_progress_on=[preview, outcome], scroll_to_output=True, api_visibility="private",
    )  # fmt: skip
    reset.click(back, None, [*inputs, outcome], show_progress="hidden", api_visibility="private")
    return Refresh(refresh, [], [in_force])
