"""What an analyst does about an alert besides changing its state: silence it, and have a message tried again."""

from datetime import timedelta

from app.domain.alerts import Alert, Delivery, DeliveryState, subject
from app.domain.errors import InvalidInput, NotFound
from app.domain.silences import Silence
from app.domain.subscriptions import shown
from app.ui.analyst.desk import Desk

SILENCE_FOR = [("4 hours", 4), ("1 day", 24), ("3 days", 72), ("1 week", 168), ("30 days", 720)]
SILENCE_UP_TO = [("All of them", ""), ("Low only", "low"), ("Low and medium", "medium")]


def silence_alert(desk: Desk, alert_id: int, by: str, comment: str, hours: int, up_to: str) -> str:
    """Silence what an alert is on, from now; return words of success. Raises NotFound, InvalidInput."""
    if hours not in dict(SILENCE_FOR).values():
        raise InvalidInput("Choose how long from the list.")
    alert, now = desk.services.alerts.get(alert_id), desk.clock()
    ends_at = now + timedelta(hours=hours)
    desk.services.silences.create(
        Silence(now, ends_at, by, alert.topic, alert.entity, max_severity=up_to or "", comment=comment), now
    )
    return f"No messages about {subject(alert, desk.views.topics)} until {desk.views.local_time(ends_at)}."


def retry_delivery(desk: Desk, alert: Alert, delivery_id: int, by: str) -> str:
    """Try a message of an alert at once; return how it went. Raises NotFound, Conflict."""
    delivery = delivery_of(desk, alert, delivery_id)
    if delivery is None:
        raise NotFound("This message is no longer stored. Reload the page.")
    tried = desk.services.delivering.retry(delivery_id, by)
    if tried.state == DeliveryState.SENT:
        return f"The message to {shown(tried.recipient)} was sent."
    return f"The message to {shown(tried.recipient)} did not go out: {tried.last_error or 'it is under way'}."


def delivery_of(desk: Desk, alert: Alert, delivery_id: int) -> Delivery | None:
    """A message of an alert by its id, or None."""
    return next((d for d in desk.services.outbox.for_alert(alert.id or 0) if d.id == delivery_id), None)
