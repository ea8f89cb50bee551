"""What is done about recipients: list, save, pause, remove, and send a test message."""

from collections.abc import Sequence
from dataclasses import replace

from app.domain.alerts import Delivery, DeliveryState
from app.domain.errors import Conflict, InvalidInput, NotFound
from app.domain.subscriptions import Subscription, checked, shown
from app.ui.analyst.desk import Desk

WHAT = "who gets messages"  # in the words of a refusal
NO_SERVER = "Set BELLWETHER_SMTP_HOST and BELLWETHER_MAIL_FROM, and start the program again."


def render_recipients(desk: Desk) -> str:
    """All subscriptions; without any, the recipients of the settings."""
    return desk.views.render(
        "recipients.html",
        subscriptions=desk.services.subscriptions.list(),
        defaults=desk.services.settings.alert_recipients,
        mail_configured=desk.mail_configured,
        now=desk.clock(),
    )


def find_subscription(desk: Desk, subscription_id: int) -> Subscription:
    """A stored subscription by its id. Raises NotFound."""
    found = next((s for s in desk.services.subscriptions.list() if s.id == subscription_id), None)
    if found is None:
        raise NotFound("This recipient is no longer on the list. Reload the page.")
    return found


def subscription_from(
    desk: Desk,
    editing: int | None,
    recipient: str,
    topics: Sequence[str],
    entities: Sequence[str],
    min_severity: str,
    quiet_from: str,
    quiet_until: str,
    time_zone: str,
    language: str,
    digest: str,
    escalation: bool,
) -> Subscription:
    """What the form says. Raises NotFound for one that is gone, Conflict for one that is there already."""
    recipient = (recipient or "").strip()
    if editing:
        before = find_subscription(desk, editing)
    else:
        before = Subscription(recipient)
        if any(s.recipient == recipient for s in desk.services.subscriptions.list()):
            raise Conflict(f"{shown(recipient)} is on the list already; use Edit there.")
    return replace(
        before,
        topics=tuple(topics or ()),
        entities=tuple(entities or ()),
        min_severity=min_severity or "",
        quiet_from=(quiet_from or "").strip(),
        quiet_until=(quiet_until or "").strip(),
        time_zone=time_zone or "UTC",
        language=language or "en",
        digest=digest or "",
        escalation=bool(escalation),
    )


def save_recipient(desk: Desk, subscription: Subscription, by: str) -> str:
    """Store a subscription; return words of success. Raises InvalidInput.

    The recipients of the settings hold only while there are no subscriptions: with the first one they get theirs,
    or adding somebody would silence them.
    """
    subscriptions = desk.services.subscriptions
    checked(subscription)
    first = not subscriptions.list()
    subscriptions.save(subscription, by)
    others = [r for r in desk.services.settings.alert_recipients if r != subscription.recipient] if first else []
    for other in others:
        subscriptions.save(Subscription(other, time_zone=desk.views.zone.key), by)
    words = f"Saved {shown(subscription.recipient)}."
    if others:
        words += f" Those of BELLWETHER_ALERT_RECIPIENTS are on the list now, too: {', '.join(map(shown, others))}."
    return words


def act_on_recipient(desk: Desk, action: str, subscription_id: int, by: str) -> str:
    """Pause, resume or remove; return words of success. Raises NotFound, InvalidInput."""
    subscriptions, found = desk.services.subscriptions, find_subscription(desk, subscription_id)
    name = shown(found.recipient)
    if action == "remove":
        subscriptions.remove(found.recipient, by)
        defaults = desk.services.settings.alert_recipients
        if defaults and not subscriptions.list():
            return (
                f"Removed {name}. The list is empty, so those of BELLWETHER_ALERT_RECIPIENTS get everything again."
            )
        return f"Removed {name}."
    if action not in ("pause", "resume"):
        raise InvalidInput("That button is unknown to the server. Reload the page.")
    subscriptions.save(replace(found, enabled=action == "resume"), by)
    return f"{name} gets messages again." if action == "resume" else f"{name} gets no messages until you resume."


def send_test(desk: Desk, recipient: str, by: str) -> tuple[Delivery, str]:
    """Send a test message now; return it and how it went, in words. Raises InvalidInput."""
    delivery = desk.services.delivering.send_test(recipient, by)
    name = shown(recipient)
    if delivery.state == DeliveryState.SENT:
        return delivery, f"The server took the test message to {name}. Look for it there, also among the spam."
    if delivery.state == DeliveryState.REFUSED:
        return delivery, f"The test message to {name} was refused: {delivery.last_error}"
    advice = "" if desk.mail_configured else f" {NO_SERVER}"
    reason = (delivery.last_error or "it is under way").rstrip(".")
    return delivery, f"The test message to {name} did not go out yet: {reason}.{advice}"
