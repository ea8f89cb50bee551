"""Alerts: the list, and one alert with its articles, its mails and what to do about it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import gradio as gr

from app.domain.alerts import Alert, AlertState, next_state
from app.domain.errors import Conflict, NotFound
from app.ui.analyst.desk import Desk, Refresh, fragment
from app.ui.listeners import shows_errors

ACTIONS = {"acknowledge": "Acknowledge", "resolve": "Resolve", "reopen": "Reopen"}
_QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}


class AlertsTab(NamedTuple):
    """The tab's refresh, and what shows the alert whose row was clicked (here or on the overview)."""

    refresh: Refresh
    select: Callable[..., Any]
    select_inputs: list[Any]
    select_outputs: list[Any]


def build_alerts(desk: Desk) -> AlertsTab:
    """The tab's content. Which alert is selected belongs to the visitor."""
    selected = gr.State(None)
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            state = gr.Radio(
                [("All", ""), *((s.value.capitalize(), s.value) for s in AlertState)], value="", label="State"
            )
            listing = fragment()
        with gr.Column(scale=3, min_width=300):
            summary = fragment()
            comment = gr.Textbox(
                "",
                label="Comment",
                placeholder="What you found out (optional)",
                lines=2,
                max_length=2000,
                visible=False,
            )
            with gr.Row():
                buttons = {
                    action: gr.Button(
                        label,
                        visible=False,
                        min_width=110,
                        variant="primary" if action == "acknowledge" else "secondary",
                    )
                    for action, label in ACTIONS.items()
                }
            evidence = fragment()
    outputs = [listing, summary, evidence, comment, *buttons.values()]

    @shows_errors
    def refresh(state: str, selected: int | None) -> tuple[Any, ...]:
        return _show(desk, state, selected)

    @shows_errors
    def select(state: str, event: gr.EventData) -> tuple[Any, ...]:
        return event.id, *_show(desk, state, event.id)

    def change_by(action: str) -> Callable[..., Any]:
        @shows_errors
        def change(state: str, selected: int, comment: str, request: gr.Request) -> tuple[Any, ...]:
            account = desk.account_of(request)
            try:
                desk.services.alerts.change(selected, action, account.username, comment.strip())
            except Conflict as error:  # somebody else was first: show what they did, keep what was typed
                gr.Warning(str(error))
                return _show(desk, state, selected)
            *fragments, _comment, acknowledge, resolve, reopen = _show(desk, state, selected)
            return *fragments, gr.Textbox(value="", visible=True), acknowledge, resolve, reopen

        return change

    state.input(refresh, [state, selected], outputs, **_QUIET)
    listing.click(select, [state], [selected, *outputs], scroll_to_output=True, **_QUIET)
    for action, button in buttons.items():
        button.click(change_by(action), [state, selected, comment], outputs, **_QUIET)
    return AlertsTab(Refresh(refresh, [state, selected], outputs), select, [state], [selected, *outputs])


def _show(desk: Desk, state: str, selected: int | None) -> tuple[Any, ...]:
    """Updates of the list, the summary, the evidence, the comment and each button."""
    alerts = desk.services.alerts.list(limit=100, state=state or None)
    alert = _find(desk, selected)
    return (
        _render_list(desk, alerts, state, selected),
        desk.views.render("alert.html", alert=alert) if alert else _hint(desk, alerts),
        render_evidence(desk, alert) if alert else "",
        gr.Textbox(visible=alert is not None),
        *(gr.Button(visible=alert is not None and _fits(alert, action)) for action in ACTIONS),
    )


def render_evidence(desk: Desk, alert: Alert) -> str:
    """The articles that caused an alert, and how its mails fared, as HTML."""
    assert alert.id is not None
    return desk.views.render(
        "evidence.html",
        articles=desk.services.articles.by_ids(alert.article_ids),
        deliveries=desk.services.outbox.for_alert(alert.id),
        mail_configured=desk.mail_configured,
    )


def _render_list(desk: Desk, alerts: list[Alert], state: str, selected: int | None) -> str:
    if alerts:
        return desk.views.render("alerts.html", alerts=alerts, selected=selected)
    if state:
        return desk.views.empty(f"No {state} alerts.", "Choose All to see the others.")
    return desk.views.empty(
        "No alerts yet.",
        "They appear when a topic draws unusually many negative articles; that takes some days of news.",
    )


def _hint(desk: Desk, alerts: list[Alert]) -> str:
    return (
        desk.views.empty("No alert selected.", "Choose one from the list to see what caused it.") if alerts else ""
    )


def _find(desk: Desk, alert_id: int | None) -> Alert | None:
    try:
        return desk.services.alerts.get(alert_id) if alert_id else None
    except NotFound:  # removed with the sample data, perhaps in another window
        return None


def _fits(alert: Alert, action: str) -> bool:
    try:
        next_state(alert.state, action)
    except Conflict:
        return False
    return True
