"""One alert in full, as HTML: what caused it, how its messages fared, and who did what about it."""

import base64
from collections.abc import Iterable
from datetime import timedelta

from app.domain.alerts import Alert, Delivery
from app.domain.audit import AuditEntry
from app.domain.silences import Silence, silencing
from app.domain.subscriptions import is_channel
from app.ui.analyst.desk import Desk

SOMEBODY = "a recipient"  # in a preview that is nobody's in particular
_LOOK_BACK = 500  # entries of the audit in which those about silences and deliveries are looked for
_STORIES = 50


def render_alert(desk: Desk, alert: Alert) -> str:
    """What happened, how unusual it is, and where the alert stands."""
    now = desk.clock()
    silence = silencing(desk.services.silences.active(now), alert, now)
    return desk.views.render("alert.html", alert=alert, silence=silence)


def render_picture(desk: Desk, alert: Alert) -> str:
    """The burst against what is usual, as an inline picture; nothing where nothing is known."""
    png, hours = desk.services.composing.picture(alert, desk.views.zone.key)
    encoded = base64.b64encode(png).decode() if png else ""
    return desk.views.render("alert_picture.html", alert=alert, picture=encoded, hours=hours)


def render_evidence(desk: Desk, alert: Alert) -> str:
    """The stories that caused an alert, those that decided it marked, and how its messages fared."""
    assert alert.id is not None
    stories = desk.services.articles.stories(alert.article_ids)
    decisive = set(alert.decisive)
    # What decided it comes first: it is what somebody has to check.
    stories.sort(key=lambda story: not decisive & {article.id for article in story.articles})
    return desk.views.render(
        "evidence.html",
        stories=stories[:_STORIES],
        more=max(0, len(stories) - _STORIES),
        copies=sum(story.copies for story in stories),
        count=len(stories),
        decisive=decisive,
        deliveries=desk.services.outbox.for_alert(alert.id),
        mail_configured=desk.mail_configured,
    )


def render_preview(desk: Desk, alert: Alert, delivery: Delivery | None) -> str:
    """The message as its recipient would read it now, shut in: it runs nothing, and its links lead nowhere."""
    assert alert.id is not None
    recipient = delivery.recipient if delivery else SOMEBODY
    letter = desk.services.composing.preview(alert.id, recipient, delivery.kind if delivery else "alert")
    html = letter.html
    for name, png in letter.pictures.items():
        html = html.replace(f"cid:{name}", f"data:image/png;base64,{base64.b64encode(png).decode()}")
    return desk.views.render(
        "alert_preview.html",
        letter=letter,
        html="" if is_channel(recipient) else html,
        recipient=recipient,
    )


def render_trail(desk: Desk, alert: Alert) -> str:
    """Everything that was done about an alert, newest first."""
    return desk.views.render("alert_trail.html", trail=[(e, told(e)) for e in trail(desk, alert)])


def trail(desk: Desk, alert: Alert) -> list[AuditEntry]:
    """Entries on the alert itself, on its messages, and on silences that were made for what it is on."""
    assert alert.id is not None
    audit = desk.services.audit
    messages = {str(delivery.id) for delivery in desk.services.outbox.for_alert(alert.id)}
    since = alert.detected_at - timedelta(hours=1)
    silences = [
        e for e in audit.entries("silence", limit=_LOOK_BACK) if e.action == "create" and _covers(e.details, alert)
    ]
    found = audit.entries("alert", alert.id, limit=_LOOK_BACK)
    found += [e for e in audit.entries("delivery", limit=_LOOK_BACK) if e.subject_id in messages]
    found += [e for e in silences if e.at >= since]
    return sorted(found, key=lambda entry: (entry.at, entry.id or 0), reverse=True)


def told(entry: AuditEntry) -> str:
    """An entry of the audit in words."""
    details = {name: entry.details.get(name, "?") for name in _NAMES} | dict(entry.details)
    if entry.subject == "silence":
        up_to = f" up to {details['max_severity']} severity" if entry.details.get("max_severity") else ""
        return f"silenced it{up_to}"
    if entry.subject == "delivery":
        return f"had the message to {details['recipient']} tried again"
    return _WORDS.get(entry.action, entry.action).format(**details)


def render_silences(desk: Desk, silences: Iterable[Silence]) -> str:
    """Silences in force or to come, and the last that are over."""
    now = desk.clock()
    listed = list(silences)
    live = sorted((s for s in listed if s.ends_at > now), key=lambda silence: silence.ends_at)
    over = [s for s in listed if s.ends_at <= now][:5]
    return desk.views.render("alert_silences.html", live=live, over=over, now=now)


def _covers(details: object, alert: Alert) -> bool:
    """Whether a silence of these details was made for what an alert is on."""
    if not isinstance(details, dict):
        return False
    on = (details.get("topic", ""), details.get("entity", ""))
    return any(on) and on == (alert.topic, alert.entity)


_NAMES = (
    "severity",
    "stories",
    "negatives",
    "articles",
    "before",
    "after",
    "kind",
    "to",
    "recipient",
    "max_severity",
)
_WORDS = {
    "create": "raised it: {stories} stories in {negatives} negative articles, {severity} severity",
    "grow": "it grew by {stories} stories and {articles} articles",
    "raise": "severity went from {before} to {after}",
    "silence": "told nobody, since a silence holds it back",
    "notify": "wrote messages: {kind}, to {to}",
    "end": "the burst is over",
    "go on": "the burst goes on",
    "acknowledge": "acknowledged it",
    "resolve": "resolved it",
    "reopen": "reopened it",
    "comment": "commented",
}
