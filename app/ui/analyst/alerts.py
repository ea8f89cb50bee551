"""Alerts: the list, and one alert with what caused it, whom it was told to, and what to do about it."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import gradio as gr

from app.domain.alerts import (
    Alert,
    AlertState,
    next_state,
    series_of,
    subject,
    topic_and_entity,
)
from app.domain.errors import Conflict, InvalidInput, NotFound
from app.ui.analyst.alert_details import (
    render_alert,
    render_evidence,
    render_picture,
    render_preview,
    render_silences,
    render_trail,
)
from app.ui.analyst.alert_work import SILENCE_FOR, SILENCE_UP_TO, delivery_of, retry_delivery, silence_alert
from app.ui.analyst.desk import Desk, Refresh, fragment
from app.ui.listeners import shows_errors

ACTIONS = {"acknowledge": "Acknowledge", "resolve": "Resolve", "reopen": "Reopen"}
SHOWN, LOOKED_AT = 100, 500
_QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
_BUSY: dict[str, Any] = {"show_progress": "minimal", "api_visibility": "private"}


class AlertsTab(NamedTuple):
    """The tab's refresh, and what shows the alert whose row was clicked (here or on the overview)."""

    refresh: Refresh
    select: Callable[..., Any]
    select_inputs: list[Any]
    select_outputs: list[Any]


class _Parts(NamedTuple):
    """What the tab is made of. Which alert is selected belongs to the visitor."""

    selected: gr.State
    state: gr.Radio
    about: gr.Dropdown
    listing: gr.HTML
    silences_box: gr.Accordion
    silences: gr.HTML
    summary: gr.HTML
    picture: gr.HTML
    work: gr.Column
    comment: gr.Textbox
    buttons: dict[str, gr.Button]
    note: gr.Button
    silence_for: gr.Dropdown
    silence_up_to: gr.Dropdown
    silence: gr.Button
    evidence: gr.HTML
    preview: gr.HTML
    trail: gr.HTML

    @property
    def choice(self) -> list[Any]:
        """What decides which alerts are shown."""
        return [self.state, self.about, self.selected]

    @property
    def shown(self) -> list[Any]:
        """What `_show` updates, in its order."""
        fragments = [self.listing, self.silences_box, self.silences, self.summary, self.evidence, self.trail]
        return [self.about, *fragments, self.work, *self.buttons.values()]


def build_alerts(desk: Desk) -> AlertsTab:
    """The tab's content."""
    parts = _lay_out()

    @shows_errors
    def refresh(state: str, about: str, selected: int | None) -> tuple[Any, ...]:
        return _show(desk, state, about, selected)

    @shows_errors
    def select(state: str, about: str, selected: int | None, event: gr.EventData) -> tuple[Any, ...]:
        comment = gr.skip() if event.id == selected else ""  # with the alert, or it would take what was typed since
        return event.id, comment, *_show(desk, state, about, event.id)

    @shows_errors
    def opened(selected: int | None) -> tuple[str, str]:
        alert = _find(desk, selected)
        return render_picture(desk, alert) if alert else "", ""

    gr.on([parts.state.input, parts.about.input], refresh, parts.choice, parts.shown, **_QUIET)
    outputs = [parts.selected, parts.comment, *parts.shown]
    parts.listing.click(select, parts.choice, outputs, scroll_to_output=True, **_QUIET)
    parts.selected.change(opened, parts.selected, [parts.picture, parts.preview], **_QUIET)
    _listen_to_work(desk, parts)
    _listen_to_fragments(desk, parts)
    return AlertsTab(Refresh(refresh, parts.choice, parts.shown), select, parts.choice, outputs)


def _lay_out() -> _Parts:
    """The list on the left, the alert that is open on the right; on a phone one below the other."""
    selected = gr.State(None)
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            state = gr.Radio(
                [("All", ""), *((s.value.capitalize(), s.value) for s in AlertState)], value="", label="State"
            )
            about = gr.Dropdown([("Everything", "")], value="", label="About")
            listing = fragment()
            with gr.Accordion("Silences", open=False) as silences_box:
                silences = fragment()
        with gr.Column(scale=3, min_width=300):
            summary, picture = fragment(), fragment()
            with gr.Column(visible=False) as work:
                comment = gr.Textbox(
                    "", label="Comment", placeholder="What you found out (optional)", lines=2, max_length=2000
                )
                with gr.Row():
                    buttons = {action: _button(action, label) for action, label in ACTIONS.items()}
                    note = gr.Button("Only add the comment", min_width=110)
                with gr.Accordion("Silence this subject", open=False), gr.Row():
                    silence_for = gr.Dropdown(SILENCE_FOR, value=24, label="No messages for", min_width=120)
                    silence_up_to = gr.Dropdown(SILENCE_UP_TO, value="", label="Which severities", min_width=120)
                    silence = gr.Button("Silence it", min_width=110)
            evidence, preview, trail = fragment(), fragment(), fragment()
    return _Parts(
        selected, state, about, listing, silences_box, silences, summary, picture, work, comment, buttons, note,
        silence_for, silence_up_to, silence, evidence, preview, trail,
    )  # fmt: skip


def _button(action: str, label: str) -> gr.Button:
    first = action == "acknowledge"
    return gr.Button(label, visible=False, min_width=110, variant="primary" if first else "secondary")


def _listen_to_work(desk: Desk, parts: _Parts) -> None:
    """The buttons beneath the comment; each does its work in the name of who is signed in."""

    def attempt(work: Callable[[], object], state: str, about: str, selected: int, comment: str) -> tuple[Any, ...]:
        try:
            work()
        except Conflict as error:  # somebody else was first: show what they did, keep what was typed
            gr.Warning(str(error))
            return comment, *_show(desk, state, about, selected)
        return "", *_show(desk, state, about, selected)

    def change_by(action: str) -> Callable[..., Any]:
        @shows_errors
        def change(state: str, about: str, selected: int, comment: str, request: gr.Request) -> tuple[Any, ...]:
            by, alerts = desk.account_of(request).username, desk.services.alerts
            change = partial(alerts.change, selected, action, by, comment.strip())
            return attempt(change, state, about, selected, comment)

        return change

    @shows_errors
    def note(state: str, about: str, selected: int, comment: str, request: gr.Request) -> tuple[Any, ...]:
        by = desk.account_of(request).username
        add = partial(desk.services.alerts.comment, selected, by, comment)
        return attempt(add, state, about, selected, comment)

    @shows_errors
    def silence(
        state: str, about: str, selected: int, comment: str, hours: int, up_to: str, request: gr.Request
    ) -> tuple[Any, ...]:
        by = desk.account_of(request).username
        gr.Info(silence_alert(desk, selected, by, comment.strip(), hours, up_to))
        return "", *_show(desk, state, about, selected)

    inputs, outputs = [*parts.choice, parts.comment], [parts.comment, *parts.shown]
    for action, button in parts.buttons.items():
        button.click(change_by(action), inputs, outputs, **_QUIET)
    parts.note.click(note, inputs, outputs, **_QUIET)
    parts.silence.click(silence, [*inputs, parts.silence_for, parts.silence_up_to], outputs, **_QUIET)


def _listen_to_fragments(desk: Desk, parts: _Parts) -> None:
    """Buttons inside the evidence, the preview and the list of silences."""

    @shows_errors
    def act_on_message(selected: int, request: gr.Request, event: gr.EventData) -> tuple[Any, Any, Any]:
        alert, by = desk.services.alerts.get(selected), desk.account_of(request).username
        if event.action == "preview":
            return gr.skip(), render_preview(desk, alert, delivery_of(desk, alert, event.id)), gr.skip()
        if event.action != "retry":
            raise InvalidInput("That button is unknown to the server. Reload the page.")
        gr.Info(retry_delivery(desk, alert, event.id, by))
        return render_evidence(desk, alert), gr.skip(), render_trail(desk, alert)

    @shows_errors
    def end_silence(
        state: str, about: str, selected: int | None, request: gr.Request, event: gr.EventData
    ) -> tuple[Any, ...]:
        by = desk.account_of(request).username
        if event.action == "end-silence":
            desk.services.silences.expire(event.id, by, desk.clock())
            gr.Info("The silence is over. Alerts that it held back are told if their burst is still on.")
        return _show(desk, state, about, selected)

    outputs = [parts.evidence, parts.preview, parts.trail]
    parts.evidence.click(act_on_message, parts.selected, outputs, **_BUSY)
    parts.preview.click(lambda: "", None, parts.preview, **_QUIET)
    parts.silences.click(end_silence, parts.choice, parts.shown, **_QUIET)


def _show(desk: Desk, state: str, about: str, selected: int | None) -> tuple[Any, ...]:
    """Updates of the filter, the list, the silences, the alert that is open, and its buttons."""
    topic, entity = topic_and_entity(about or "")
    alerts = desk.services.alerts.list(SHOWN, state=state or None, topic=topic or None, entity=entity or None)
    alert = _find(desk, selected)
    silences = desk.services.silences.list()
    in_force = sum(silence.is_active(desk.clock()) for silence in silences)
    return (
        gr.Dropdown(choices=_subjects(desk, about)),
        _render_list(desk, alerts, bool(state or about), selected),
        gr.Accordion(label=f"Silences ({in_force} in force)"),
        render_silences(desk, silences),
        render_alert(desk, alert) if alert else _hint(desk, alerts),
        render_evidence(desk, alert) if alert else "",
        render_trail(desk, alert) if alert else "",
        gr.Column(visible=alert is not None),
        *(gr.Button(visible=alert is not None and _fits(alert, action)) for action in ACTIONS),
    )


def _subjects(desk: Desk, chosen: str) -> list[tuple[str, str]]:
    """What there are alerts on, companies after topics; the one that is chosen in any case."""
    found = {series_of(alert): subject(alert, desk.views.topics) for alert in desk.services.alerts.list(LOOKED_AT)}
    if chosen and chosen not in found:
        topic, entity = topic_and_entity(chosen)
        found[chosen] = entity or desk.views.topic(topic)
    ordered = sorted(found.items(), key=lambda item: (bool(topic_and_entity(item[0])[1]), item[1].casefold()))
    return [("Everything", ""), *((title, series) for series, title in ordered)]


def _render_list(desk: Desk, alerts: list[Alert], filtered: bool, selected: int | None) -> str:
    if alerts:
        return desk.views.render("alerts.html", alerts=alerts, selected=selected)
    if filtered:
        return desk.views.empty("No such alerts.", "Choose All and Everything to see the others.")
    return desk.views.empty(
        "No alerts yet.",
        "They appear when a topic or a company draws unusually many negative articles; "
        "that takes some days of news.",
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
