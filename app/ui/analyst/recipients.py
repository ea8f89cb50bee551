"""Recipients: who hears of what, when and in which language; and whether a message really reaches them."""

from typing import Any, NamedTuple
from zoneinfo import available_timezones

import gradio as gr

from app.domain.alerts import DeliveryState
from app.domain.spikes import SEVERITIES
from app.domain.subscriptions import DIGESTS, LANGUAGES, MAX_RECIPIENT, NOTHING, Subscription, shown
from app.ui.analyst.desk import Desk, Refresh, fragment
from app.ui.analyst.recipient_work import (
    WHAT,
    act_on_recipient,
    find_subscription,
    render_recipients,
    save_recipient,
    send_test,
    subscription_from,
)
from app.ui.listeners import shows_errors

_QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
_BUSY: dict[str, Any] = {"show_progress": "minimal", "api_visibility": "private"}
ADD = "Add a recipient"


class _Form(NamedTuple):
    """The inputs, in the order of recipient_work.FIELDS."""

    recipient: gr.Textbox
    topics: gr.Dropdown
    entities: gr.Dropdown
    min_severity: gr.Dropdown
    quiet_from: gr.Textbox
    quiet_until: gr.Textbox
    time_zone: gr.Dropdown
    language: gr.Dropdown
    digest: gr.Dropdown
    escalation: gr.Checkbox


def build_recipients(desk: Desk) -> Refresh:
    """The tab's content. Which subscription is being edited belongs to the visitor."""
    editing = gr.State(None)
    result, listing = fragment(), fragment()
    with gr.Accordion(ADD, open=False) as box:
        form = _lay_out(desk)
        with gr.Row():
            save = gr.Button("Save", variant="primary", min_width=110)
            clear = gr.Button("Clear the form", min_width=110)
    outputs = [result, listing, editing, box, *form]

    @shows_errors
    def refresh() -> tuple[Any, ...]:
        return render_recipients(desk), gr.Dropdown(choices=_companies(desk))

    @shows_errors
    def act(request: gr.Request, event: gr.EventData) -> tuple[Any, ...]:
        if event.action == "edit":
            found = find_subscription(desk, event.id)
            opened = gr.Accordion(label=f"Change {shown(found.recipient)}", open=True)
            return "", gr.skip(), event.id, opened, *_filled(desk, found, known=True)
        words, went_well = _acted(desk, request, event.action, event.id)
        said = desk.views.render("recipients_result.html", words=words, went_well=went_well)
        return said, render_recipients(desk), *([gr.skip()] * (2 + len(form)))

    @shows_errors
    def keep(request: gr.Request, editing: int | None, *values: Any) -> tuple[Any, ...]:
        by = desk.administrator(request, WHAT).username
        words = save_recipient(desk, subscription_from(desk, editing, *values), by)
        said = desk.views.render("recipients_result.html", words=words, went_well=True)
        return said, render_recipients(desk), *_cleared(desk)

    @shows_errors
    def empty() -> tuple[Any, ...]:
        return _cleared(desk)

    listing.click(act, None, outputs, scroll_to_output=True, **_BUSY)
    save.click(keep, [editing, *form], outputs, show_progress_on=[save], api_visibility="private")
    clear.click(empty, None, outputs[2:], **_QUIET)
    return Refresh(refresh, [], [listing, form.entities])


def _lay_out(desk: Desk) -> _Form:
    topics = [(title, key) for key, title in desk.views.topics.items()]
    with gr.Row():
        recipient = gr.Textbox(
            "",
            label="E-mail address, or address of a chat channel or webhook",
            placeholder="desk@bank.example      or      slack://…      or      json://…",
            max_length=MAX_RECIPIENT,
            min_width=260,
        )
    with gr.Row():
        all_topics = [("No topics", NOTHING), *topics]
        chosen = gr.Dropdown(
            all_topics, value=[], multiselect=True, label="Topics (none chosen: all)", min_width=220
        )
        companies = gr.Dropdown(
            [("No companies", NOTHING)], value=[], multiselect=True, allow_custom_value=True,
            label="Companies (none chosen: all)", min_width=220,
        )  # fmt: skip
        severities = [("All", ""), *((f"{s.capitalize()} and above", s) for s in SEVERITIES[1:])]
        severity = gr.Dropdown(severities, value="", label="Severity", min_width=160)
    with gr.Row():
        quiet_from = gr.Textbox("", label="Quiet from", placeholder="22:00", max_length=5, min_width=100)
        quiet_until = gr.Textbox("", label="Quiet until", placeholder="07:00", max_length=5, min_width=100)
        zones = sorted(available_timezones() | {"UTC"})
        zone = gr.Dropdown(zones, value=desk.views.zone.key, label="Time zone", min_width=180)
    with gr.Row():
        languages = [(name, key) for key, name in LANGUAGES.items()]
        language = gr.Dropdown(languages, value="en", label="Language", min_width=120)
        digests = [("None", ""), *((name.capitalize(), name) for name in DIGESTS)]
        digest = gr.Dropdown(digests, value="", label="Digest, at 07:00", min_width=120)
    second = gr.Checkbox(
        label="On the second list: told only of alerts that nobody acknowledged in time", value=False
    )
    return _Form(
        recipient, chosen, companies, severity, quiet_from, quiet_until, zone, language, digest, second
    )  # fmt: skip


def _acted(desk: Desk, request: gr.Request, action: str, subscription_id: int) -> tuple[str, bool]:
    """What a button of the list did, in words, and whether it went well."""
    by = desk.administrator(request, WHAT).username
    if action != "test":
        return act_on_recipient(desk, action, subscription_id, by), True
    delivery, words = send_test(desk, find_subscription(desk, subscription_id).recipient, by)
    return words, delivery.state == DeliveryState.SENT


def _cleared(desk: Desk) -> tuple[Any, ...]:
    return None, gr.Accordion(label=ADD), *_filled(desk, Subscription("", time_zone=desk.views.zone.key))


def _filled(desk: Desk, subscription: Subscription, known: bool = False) -> tuple[Any, ...]:
    """The form's values. The address of a channel is a secret, and nobody renames a recipient: it stays here."""
    return (
        gr.Textbox(value=shown(subscription.recipient), interactive=not known),
        list(subscription.topics),
        gr.Dropdown(choices=_companies(desk), value=list(subscription.entities)),
        subscription.min_severity,
        subscription.quiet_from,
        subscription.quiet_until,
        subscription.time_zone or "UTC",
        subscription.language,
        subscription.digest,
        subscription.escalation,
    )


def _companies(desk: Desk) -> list[tuple[str, str]]:
    return [("No companies", NOTHING), *((c.name, c.name) for c in desk.services.watchlist.list())]
