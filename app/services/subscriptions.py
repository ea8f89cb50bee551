"""Who gets which message, and when it may reach them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from app.domain.alerts import Alert
from app.domain.audit import SYSTEM
from app.domain.errors import NotFound
from app.domain.subscriptions import ESCALATION, Subscription, check_recipient, checked
from app.storage.subscriptions import StoredSubscriptions


class Subscriptions:
    """Subscriptions, and in their place the recipients of the settings while there are none at all."""

    def __init__(
        self,
        stored: StoredSubscriptions,
        default_recipients: Sequence[str],
        clock: Callable[[], datetime],
        time_zone: str = "UTC",
        check_channel: Callable[[str], None] = check_recipient,
    ) -> None:
        self._stored, self._defaults = stored, tuple(dict.fromkeys(default_recipients))
        self._clock, self._time_zone, self._check_channel = clock, time_zone, check_channel

    def recipients(self, alert: Alert, kind: str) -> Sequence[str]:
        """Who is to get a message of this kind about an alert: alert, update or escalation.

        Recipients of the settings get everything but escalations, for which there has to be a second list.
        """
        if not self._stored.any():
            return () if kind == ESCALATION else self._defaults
        return tuple(
            s.recipient for s in self._stored.list() if s.wants(alert.topic, alert.entity, alert.severity, kind)
        )

    def of(self, recipient: str) -> Subscription:
        """A recipient's subscription; without one, to everything, in the application's time zone."""
        return self._stored.find(recipient) or Subscription(recipient, time_zone=self._time_zone)

    def held_until(self, recipient: str, severity: str) -> datetime | None:
        """When the recipient's quiet hours end that keep a message of this severity back; None if none do."""
        return self.of(recipient).quiet_end(severity, self._clock())

    def save(self, subscription: Subscription, actor: str = SYSTEM) -> Subscription:
        """Add or replace the subscription of its recipient. Raises InvalidInput."""
        self._check_channel(subscription.recipient)
        return self._stored.save(checked(subscription), self._clock(), actor)

    def choose(self, subscription: Subscription) -> Subscription:
        """Save what a recipient chose.

        A recipient of the settings has no subscription yet. The others of the settings then get theirs first, or
        one person's choice would silence them.
        """
        checked(subscription)
        if not self._stored.any():
            for other in self._defaults:
                if other != subscription.recipient:
                    self.save(replace(self.of(other)))
        return self.save(subscription, subscription.recipient)

    def remove(self, recipient: str, actor: str = SYSTEM) -> None:
        """Raises NotFound."""
        self._stored.remove(recipient, self._clock(), actor)

    def known(self, recipient: str) -> bool:
        """Whether messages are sent to this recipient at all."""
        found = self._stored.find(recipient)
        return found is not None or (not self._stored.any() and recipient in self._defaults)

    def get(self, recipient: str) -> Subscription:
        """The subscription of somebody who gets messages. Raises NotFound."""
        if not self.known(recipient):
            raise NotFound(f"{recipient} gets no messages from here any more.")
        return self.of(recipient)

    # Last, since the name hides the type in what follows it.
    def list(self) -> list[Subscription]:
        """All stored subscriptions."""
        return self._stored.list()
